"""Operations put together from their starts and ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import attrs

from massgen_mcp_log.lines import Line

__all__ = ["Call", "Calls", "calls_of"]

_STARTS = {"mcp.execution.called", "mcp.discovery.requested", "mcp.execution.asked"}
_ENDS = {"mcp.execution.returned": "", "mcp.discovery.listed": "ok", "mcp.execution.answered": ""}
# Ends that tell how long it took and have no start of their own.
_ALONE = {"mcp.connection.opened": "connect", "mcp.connection.negotiated": "negotiate"}
_GOOD = frozenset({"ok", "accepted", "declined", ""})


@attrs.define
class Call:
    """An operation with a beginning and, unless it hangs or its process died, an end.

    Attributes:
        start: Seconds since the epoch.
        end: The same; None: it has not ended.
        what: The tool, the address, or what was listed.
        method: The protocol's method, or what the connection did.
        outcome: `ok`, or how it failed; empty while it has not ended.
        ms: Its time in milliseconds as the client took it.
        seq: Of its first line.
    """

    seq: int
    start: float
    server: str
    what: str
    method: str
    agent: str = ""
    operation: str = ""
    span: str = ""
    trace: str = ""
    end: float | None = None
    outcome: str = ""
    ms: float = 0.0
    bytes_out: int = 0
    bytes_in: int = 0
    retries: int = 0

    @property
    def is_error(self) -> bool:
        """It ended, and not well."""
        return self.end is not None and self.outcome not in _GOOD

    @property
    def name(self) -> str:
        """What was done, in a word or two."""
        return self.what or self.method


class Calls:
    """Takes lines and puts operations together; memory grows with those that are under way only."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, ...], Call] = {}
        self.last = 0.0

    def take(self, line: Line) -> Call | None:
        """Take the next line; return an operation that it ends."""
        event, at = line["event"], float(line["at"])
        self.last = max(self.last, at)
        if event in _STARTS:
            call = self._begun(line, at)
            self._open[_key(line)] = call
            return None
        if event == "mcp.execution.retried":
            found = self._open.get(_key(line))
            if found is not None:
                found.retries += 1
            return None
        if event in _ENDS:
            return self._ended(line, self._open.pop(_key(line), None), str(line.get("outcome") or _ENDS[event] or "ok"))
        if event == "mcp.error.raised" and line.get("kind") == "list" and (found := self._open.pop(_key(line), None)) is not None:
            return self._ended(line, found, "error")
        if event in _ALONE and "ms" in line:
            call = self._ended(line, None, "ok")
            call.method, call.what = _ALONE[event], ""
            return call
        return None

    def _begun(self, line: Line, at: float) -> Call:
        return Call(
            int(line["seq"]),
            at,
            str(line.get("server", "")),
            str(line.get("tool") or line.get("what") or ""),
            str(line.get("method") or str(line["event"]).split(".")[1]),
            str(line.get("agent", "")),
            str(line.get("operation", "")),
            str(line.get("span", "")),
            str(line.get("trace", "")),
            bytes_out=_whole(line.get("bytes")),
        )

    def _ended(self, line: Line, call: Call | None, outcome: str) -> Call:
        at, ms = float(line["at"]), float(line.get("ms") or 0.0)
        if call is None:  # its start was below the log's level
            call = self._begun(line, at - ms / 1000)
            call.bytes_out = 0
        call.end = max(at, call.start)
        call.ms = ms or (call.end - call.start) * 1000
        call.outcome = outcome
        call.bytes_in = _whole(line.get("bytes"))
        call.retries = max(call.retries, _whole(line.get("attempts")) - 1)
        return call

    def left(self) -> Iterator[Call]:
        """Yield the operations that have not ended, in the order of their beginning."""
        yield from self._open.values()


def _whole(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _key(line: Line) -> tuple[str, ...]:
    operation = line.get("operation") or line.get("span")
    if operation:
        return str(line.get("server", "")), str(operation)
    return tuple(str(line.get(name, "")) for name in ("server", "agent", "tool", "what", "call"))


def calls_of(lines: Iterable[Line]) -> tuple[list[Call], float]:
    """Return all operations in the order of their beginning, and the time of the last line."""
    calls = Calls()
    found = [call for line in lines if (call := calls.take(line)) is not None]
    found += calls.left()
    return sorted(found, key=lambda call: (call.start, call.seq)), calls.last
