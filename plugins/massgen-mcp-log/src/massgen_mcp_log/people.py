"""Files for people: one line an event, in words. They are views of the structured files, written a few times a second by a thread of their own."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import attrs

from massgen_core.api import clean_line
from massgen_mcp_log.config import McpLogConfig
from massgen_mcp_log.files import SERVERS, TEXT, server_name
from massgen_mcp_log.lines import ENVELOPE, Fields, Fixed, Line

__all__ = ["PHASES", "People", "Told", "clock", "said"]

# Lines that come together are handed to the files in one piece: that is what makes files for people cheap.
_GATHER_SECONDS = 0.5
_QUEUE = 50_000
# So many lines at once, and nobody reads them one by one: calls that went well are then told together.
_CROWD = 300
PHASES = {"mcp.execution.called": "start", "mcp.discovery.requested": "start", "mcp.execution.returned": "end", "mcp.discovery.listed": "end"}
_STAYS = ("tool", "method", "outcome", "ms")
_SAID = frozenset({*ENVELOPE, *_STAYS, "server", "transport", "era", "operation", "call"})


# The two halves of a line: what many lines share, and the rest with its number and its time.
Told: TypeAlias = tuple[Fixed, Fields]


def clock(at: float) -> str:
    """Return the time of day, local, with milliseconds."""
    return f"{_second(int(at))}.{int(at % 1 * 1000):03}"


@lru_cache(64)
def _second(at: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at))


@lru_cache(4096)
def _cleaned(text: str, limit: int) -> str:
    return clean_line(text, limit)


def said(line: Fields, limit: int = 160) -> str:
    """Say a line's own fields in one clean line; each value is cut after `limit` characters."""
    parts = []
    for name in _STAYS:
        value = line.get(name)
        if value is not None:
            parts.append(f"{value:.1f} ms" if name == "ms" and isinstance(value, float | int) else _cleaned(str(value), limit))
    for name, value in line.items():
        if name in _SAID or not value or (name == "attempts" and value == 1):
            continue
        text = value if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)
        parts.append(f"{name}={_cleaned(text, limit) if len(text) < 1000 else clean_line(text, limit)}")
    return " ".join(parts)


def told(fixed: Line, line: Fields) -> str:
    """Return a line for people; `fixed` are the fields that many lines share, `line` the others."""
    first = _firsts.get(id(fixed))
    if first is None or first[0] is not fixed:
        verb = str(fixed["event"]).rpartition(".")[2]
        server = clean_line(str(fixed.get("server", "")), 40)
        if len(_firsts) > 5_000:
            _firsts.clear()
        first = _firsts[id(fixed)] = fixed, f"{fixed['level']:<7} {fixed['category']:<11} {server:<16} {verb} {said(fixed)}"
    return f"{clock(line.get('at'))} {first[1]} {said(line)}  #{line.get('seq')}\n"


# The words of shared fields, by identity; the value keeps the fields alive, so that an identity stays what it is.
_firsts: dict[int, tuple[Line, str]] = {}


@attrs.define
class _Sum:
    """Calls that went well and came too fast to be read one by one."""

    fixed: Line
    first: Fields
    last: Fields
    count: int = 0
    slowest: float = 0.0

    def add(self, line: Fields) -> None:
        self.last = line
        self.count += 1
        self.slowest = max(self.slowest, line.get("ms", 0.0))

    def told(self) -> str:
        line = {"seq": self.last.get("seq"), "at": self.last.get("at"), "calls": self.count, "slowest_ms": self.slowest}
        return told(self.fixed, line | {"from": f"#{self.first.get('seq')}"})


class _Piece(str):
    """Text with the time at which it is written, as the library's rotation asks for it."""

    __slots__ = ("record",)

    def __init__(self, text: str) -> None:
        self.record = {"time": datetime.now().astimezone()}


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def _put(pieces: dict[str, list[str]], fixed: Line, text: str) -> None:
    pieces[TEXT].append(text)
    server = fixed.get("server")
    if server:
        pieces.setdefault(str(server), []).append(text)


class People:
    """Gathers lines and writes them, in a thread.

    Args:
        folder: The log's folder.
        config: When files are begun anew, kept and compressed.
    """

    def __init__(self, folder: Path, config: McpLogConfig) -> None:
        self._folder, self._config = folder, config
        self._pending: deque[Told] = deque()
        self._left_out = 0
        self._wake, self._end = threading.Event(), threading.Event()
        self._is_awake = False
        self._files: dict[str, Any] = {}
        self._thread: threading.Thread | None = None

    def tell(self, lines: Sequence[Told]) -> None:
        """Have lines written soon; returns at once."""
        if len(self._pending) < _QUEUE:
            self._pending.extend(lines)
        else:
            self._left_out += len(lines)
        if self._is_awake:
            return
        self._is_awake = True
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="massgen-mcp-log", daemon=True)
            self._thread.start()
        self._wake.set()

    def _serve(self) -> None:
        while not self._end.is_set():
            self._wake.wait()
            self._end.wait(_GATHER_SECONDS)
            self._wake.clear()
            self._is_awake = False
            with contextlib.suppress(OSError, ValueError):  # the structured files hold everything; a full disk is told there
                self._drain()

    def _drain(self) -> None:
        lines = [self._pending.popleft() for _ in range(len(self._pending))]
        # A start whose end is told beside it says nothing more; one without its end is what people look for.
        ended = {line.get("operation") for fixed, line in lines if fixed.phase == "end"}
        lines = [(fixed, line) for fixed, line in lines if fixed.phase != "start" or line.get("operation") not in ended]
        is_crowded = len(lines) > _CROWD
        pieces: dict[str, list[str]] = {TEXT: []}
        sums: dict[int, _Sum] = {}
        for fixed, line in lines:
            if is_crowded and fixed.phase == "end" and fixed.line["level"] == "info":
                found = sums.get(id(fixed))
                if found is None:
                    found = sums[id(fixed)] = _Sum(fixed.line, line, line)
                found.add(line)
                continue
            _put(pieces, fixed.line, told(fixed.line, line))
        for each in sums.values():
            _put(pieces, each.fixed, each.told())
        if self._left_out:
            pieces[TEXT].append(f"({self._left_out} lines were left out here; the structured log holds them)\n")
            self._left_out = 0
        for name, texts in pieces.items():
            if texts:
                self._file(name if name == TEXT else f"{SERVERS}/{server_name(name)}.txt").write(_Piece("".join(texts)))

    def _file(self, name: str) -> Any:
        found = self._files.get(name)
        if found is None:
            # The library's file with its rotation, alone: its logger belongs to the program around us, and adding a handler takes milliseconds.
            from loguru._file_sink import FileSink  # noqa: PLC0415 - only a run that logs pays for it

            config = self._config
            sink: Any = FileSink
            # Braces of the path mean a time to the library.
            path = str(self._folder / name).replace("{", "{{").replace("}", "}}")
            found = self._files[name] = sink(
                path,
                rotation=config.rotation,
                retention=config.retention,
                compression=config.compression or None,
                delay=True,
                encoding="utf-8",
                errors="replace",
                opener=_private,
            )
        return found

    def close(self) -> None:
        """Write what is pending, end the thread, close the files."""
        self._end.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(5.0)
            if not self._thread.is_alive():
                with contextlib.suppress(OSError, ValueError):
                    self._drain()
        for file in self._files.values():
            file.stop()
        self._files.clear()
