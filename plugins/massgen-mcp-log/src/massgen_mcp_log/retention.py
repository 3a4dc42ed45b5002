"""Which logs of MCP are too old, or too many bytes, to be kept. Pure but for looking at files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import attrs

from massgen_mcp_log.files import FOLDER

__all__ = ["Kept", "excess", "logs_in"]


@attrs.frozen
class Kept:
    """The log of one run: its folder, its size in bytes, and when it was last written to."""

    folder: Path
    size: int
    at: float


def logs_in(runs: Path) -> list[Kept]:
    """Return the logs of all runs, oldest first."""
    found = []
    for folder in runs.glob(f"*/{FOLDER}"):
        if folder.is_symlink() or not folder.is_dir():
            continue
        stats = [path.stat() for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
        found.append(Kept(folder, sum(each.st_size for each in stats), max((each.st_mtime for each in stats), default=folder.stat().st_mtime)))
    return sorted(found, key=lambda kept: (kept.at, kept.folder))


def excess(logs: Iterable[Kept], now: float, *, days: float | None = None, size: int | None = None) -> Sequence[Kept]:
    """Return what must go, oldest first, so that what stays is younger than `days` and together at most `size` bytes."""
    ordered = sorted(logs, key=lambda kept: (kept.at, kept.folder))
    total = sum(kept.size for kept in ordered)
    gone = []
    for kept in ordered:
        is_old = days is not None and now - kept.at > days * 86_400
        if is_old or (size is not None and total > size):
            gone.append(kept)
            total -= kept.size
    return gone
