"""A run in brief, from the first line and the last lines of its journal: the time it takes does not depend on the journal's length."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias

import attrs

__all__ = ["STATUSES", "Digest", "Status", "digest"]

Status: TypeAlias = Literal["answered", "partial", "failed", "cancelled", "running", "stopped", "unreadable"]
STATUSES: tuple[Status, ...] = ("answered", "partial", "failed", "cancelled", "running", "stopped", "unreadable")
_BLOCK = 8192
# After a run's end come at most a few reports of lost records.
_LAST_LINES = 8


@attrs.frozen(kw_only=True)
class Digest:
    """A run in brief.

    Attributes:
        status: How it ended; `running` while a process works on it; `stopped` when its process ended before the run did, so that it can be
            resumed; `unreadable` when its journal is empty or damaged.
        at: Seconds since the epoch, when it began.
        seconds: How long it took, or takes so far; None where that is not known.
    """

    run: str
    status: Status
    at: float = 0.0
    question: str = ""
    agents: tuple[str, ...] = ()
    strategy: str = ""
    winner: str = ""
    seconds: float | None = None
    tokens: int | None = None
    cost: float | None = None


def digest(folder: Path, is_live: Callable[[Path], bool], now: float) -> Digest | None:
    """Read a run in brief; None where the folder holds no journal."""
    try:
        with (folder / "journal.jsonl").open("rb") as file:
            first = _decoded(file.readline())
            last = _end(file)
    except OSError:
        return None
    data = first.get("data", {})
    if first.get("type") != "run.started":
        return Digest(run=folder.name, status="running" if is_live(folder) else "unreadable")
    began = attrs.evolve(
        Digest(run=folder.name, status="stopped"),
        at=float(first["at"]),
        question=str(data.get("question", "")),
        agents=tuple(map(str, data.get("agents", ()))),
        strategy=str(data.get("strategy", "")),
    )
    if not last:
        return attrs.evolve(began, status="running", seconds=now - began.at) if is_live(folder) else began
    ended, usage = last["data"], last["data"].get("usage", {})
    return attrs.evolve(
        began,
        status=ended["status"] if ended["status"] in STATUSES else "unreadable",
        winner=str(ended.get("winner", "")),
        seconds=float(ended.get("seconds", 0.0)),
        tokens=sum(usage.get(kind, 0) for kind in ("input", "cached", "written", "output", "reasoning")),
        cost=usage.get("cost"),
    )


def _decoded(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _end(file: BinaryIO) -> dict[str, Any]:
    """Return the `run.ended` among the last lines; empty where there is none."""
    start = size = file.seek(0, os.SEEK_END)
    block = _BLOCK
    lines: list[bytes] = []
    # The end holds the answer and may be long: read from further back until the last lines are whole.
    while start and len(lines) <= _LAST_LINES:
        start = max(0, start - block)
        file.seek(start)
        lines = file.read(size - start).split(b"\n")[1 if start else 0 :]
        for line in lines[-_LAST_LINES - 1 :]:
            # A line's type stands before anything that a model said.
            if b'"type":"run.ended"' in line[:100]:
                return _decoded(line)
        block *= 8
    return {}
