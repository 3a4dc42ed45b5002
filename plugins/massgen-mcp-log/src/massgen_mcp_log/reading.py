"""Reads the log of a run: live, sealed, both, or from the run's journal where no log was written. Memory does not grow with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from massgen_core.api import MassGenError
from massgen_mcp_log.files import ARCHIVE, FOLDER, LOG
from massgen_mcp_log.lines import Line, decode, raw_line
from massgen_mcp_log.redact import Redaction

__all__ = ["Log"]

_JOURNAL = "journal.jsonl"


class Log:
    """The log of one run.

    Args:
        run: The run's folder.

    Attributes:
        damaged: Lines that could not be read so far.

    Raises:
        MassGenError: The run has neither a log nor a journal.
    """

    def __init__(self, run: Path) -> None:
        self.run = run
        self.folder = run / FOLDER
        self.damaged = 0
        self._last = 0
        self._sources = [path for path in (self.folder / ARCHIVE, self.folder / LOG) if path.is_file()]
        if not self._sources:
            if not (run / _JOURNAL).is_file():
                raise MassGenError(f"{run} holds no log of MCP and no journal")
            self._sources = [run / _JOURNAL]

    @property
    def origin(self) -> str:
        """What is read: `log`, `archive` or `journal`."""
        name = self._sources[0].name
        return "journal" if name == _JOURNAL else "archive" if name == ARCHIVE else "log"

    def __iter__(self) -> Iterator[Line]:
        """Yield all lines, in total order; a last line that is not whole yet is left out."""
        self.damaged = self._last = 0
        for source in self._sources:
            if source.name == _JOURNAL:
                yield from self._from_journal(source)
                continue
            for raw in _sealed(source) if source.name == ARCHIVE else _plain(source):
                if (line := self._line(raw)) is not None:
                    yield line

    def _line(self, raw: bytes) -> Line | None:
        try:
            line = decode(raw)
        except ValueError:
            line = None
        if isinstance(line, dict) and {"seq", "at", "level", "category", "event"} <= line.keys() and isinstance(line["seq"], int):
            # What was sealed may stand in the live file too, if the process that sealed it died in between.
            is_new = line["seq"] > self._last
            self._last = max(self._last, line["seq"])
            return line if is_new else None
        self.damaged += bool(raw.strip())
        return None

    def _from_journal(self, source: Path) -> Iterator[Line]:
        redaction = Redaction()
        trace = ""
        for raw in _plain(source):
            if raw.startswith(b'{"seq":1,') or b'"type":"mcp.' in raw[:200]:
                try:
                    found = decode(raw)
                    trace = found.get("trace", trace)
                    line = raw_line(found, trace)
                except (ValueError, AttributeError, TypeError):
                    self.damaged += 1
                    continue
                if line is not None:
                    yield {key: redaction.value(value, key) if isinstance(value, str) and len(value) > 32 else value for key, value in line.items()}

    def follow(self, is_live: Callable[[], bool], wait: Callable[[], None]) -> Iterator[Line]:
        """Yield what is there, then what comes, until the run is over.

        Args:
            is_live: Whether a process is working on the run.
            wait: Called when there is nothing new.
        """
        path = self.folder / LOG
        yield from (line for source in self._sources if source.name == ARCHIVE for raw in _sealed(source) if (line := self._line(raw)) is not None)
        while not path.is_file():
            if not is_live():
                return
            wait()
        with path.open("rb") as file:
            rest = b""
            while True:
                # Asked before reading: what is written between the two is read in the next round, or was there already.
                was_live = is_live()
                rest, lines = _more(file, rest)
                yield from (line for raw in lines if (line := self._line(raw)) is not None)
                if not lines:
                    if not was_live:
                        return
                    wait()


def _more(file: BinaryIO, rest: bytes) -> tuple[bytes, list[bytes]]:
    lines = (rest + file.read(1 << 20)).split(b"\n")
    return lines.pop(), lines


def _plain(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield line


def _sealed(path: Path) -> Iterator[bytes]:
    from massgen_mcp_log.archive import Sealed  # noqa: PLC0415 - a library of its own, for archives only

    yield from Sealed(path)
