"""Lines to messages as the MCP SDK's client takes them; a line that is none is a fault among the messages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from massgen_core.api import MassGenError, clean_line
from massgen_mcp_stdio.lines import HEAD, TAIL, Lines, Oversized, request_id

__all__ = ["FrameFault", "Frames", "frame_of"]

REPORTED = 20
PARSE_ERROR = -32700
TOGETHER = 1000
# A message over several lines begins and ends with one of these alone on a line, as every library writes indented JSON.
_ENDS = {b"{": b"}", b"[": b"]"}


class FrameFault(MassGenError):
    """Something that a server wrote cannot be read as a message. The link lives.

    Args:
        message: What it was, for a person; the server's text in it is cleaned and shortened.
        size: Its length in bytes.
        id: Of the request that it answers, where that can be seen.
        count: How many such faults this link has had.
    """

    def __init__(self, message: str, *, size: int, id: int | str | None = None, count: int = 1) -> None:  # noqa: A002 - the protocol's name
        self.size, self.id, self.count = size, id, count
        super().__init__(message)


class Frames:
    """Reads messages out of a server's output.

    Of many faults the first twenty are told, then every time their number has doubled.

    Args:
        limit: Bytes of the longest message.
    """

    def __init__(self, limit: int) -> None:
        # The SDK is imported when a server is opened, not before.
        from mcp.shared.message import SessionMessage  # noqa: PLC0415
        from mcp_types import jsonrpc_message_adapter  # noqa: PLC0415

        self.faults = 0
        self._lines = Lines(limit)
        self._joined = bytearray()
        self._message: Any = SessionMessage
        self._validate = jsonrpc_message_adapter.validate_json

    def feed(self, data: bytes) -> Iterator[Any]:
        """Take a piece of output and yield messages and faults. Iterate to the end before the next piece."""
        for line in self._lines.feed(data):
            yield from self._read(line)

    def end(self) -> Iterator[Any]:
        """Yield what is left when the output ended: a message without its line break, or half of one."""
        rest = self._lines.rest()
        if rest is not None:
            yield from self._read(rest, is_cut=True)
        yield from self._ended(is_cut=True)

    def _read(self, line: bytes | bytearray | Oversized, *, is_cut: bool = False) -> Iterator[Any]:
        if isinstance(line, Oversized):
            yield from self._ended()
            yield from self._oversized(line)
            return
        try:
            message = self._message(self._validate(line, by_name=False))
        except ValueError:
            if self._joined or line.rstrip() in (b"{", b"["):
                yield from self._join(line)
            elif line.strip():
                yield from self._mended(line, is_cut=is_cut)
            return
        if self._joined:
            yield from self._ended()
        yield message

    def _join(self, line: bytes | bytearray) -> Iterator[Any]:
        """Gather the lines of a message until the one that closes what the first opened, or until they are too many."""
        self._joined += line
        self._joined += b"\n"
        if len(self._joined) > self._lines.limit:
            yield from self._ended()
        elif line.rstrip() == _ENDS[bytes(self._joined[:1])]:
            yield from self._ended(why="a message came over several lines and was read; MCP wants one line a message")

    def _ended(self, why: str = "", *, is_cut: bool = False) -> Iterator[Any]:
        """Yield what becomes of the lines that were gathered."""
        if self._joined:
            joined, self._joined = self._joined, bytearray()
            yield from self._mended(joined, why, is_cut=is_cut)

    def _oversized(self, line: Oversized) -> Iterator[Any]:
        found = request_id(line)
        whose = "a message" if found is None else f"the answer to request {found}"
        text = f"{whose} has {line.size} bytes, more than the {self._lines.limit} of max_message, and was skipped; raise max_message to read it"
        yield from self._fault(text, line.size, found)
        if found is not None:
            # Without an answer the caller would wait until its time is up.
            yield _refusal(found, text)

    def _mended(self, line: bytes | bytearray, why: str = "", *, is_cut: bool = False) -> Iterator[Any]:
        try:
            text = line.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            text, why = line.decode("utf-8", "replace"), f"a message has bytes that are no UTF-8, the first at {error.start}; they were replaced"
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, list) and 0 < len(value) <= TOGETHER:  # the revision of March 2025 allowed several messages at once
            for one in value:
                yield from self._element(one, line, why)
        else:
            yield from self._element(value, line, why, is_cut=is_cut)

    def _element(self, value: Any, line: bytes | bytearray, why: str, *, is_cut: bool = False) -> Iterator[Any]:
        """Yield what becomes of one message that the SDK does not take as it was written."""
        size = len(line)
        try:
            # What stands for half a character has no UTF-8; it is replaced as wrong bytes are.
            message = self._message(self._validate(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"), by_name=False))
        except (ValueError, RecursionError):
            pass
        else:
            if why:
                yield from self._fault(why, size, None)
            yield message
            return
        what = "the output ended within a message" if is_cut else "a line of the output is no message"
        found = None if is_cut else _answered(value, line)
        if found is not None:
            what = f"the answer to request {found} is none that the protocol knows"
        shown = bytes(line[:1000]).decode("utf-8", "replace")
        text = f"{what}: {clean_line(shown, 160)}"
        yield from self._fault(text, size, found)
        if found is not None:
            yield _refusal(found, text)

    def _fault(self, text: str, size: int, found: int | str | None) -> Iterator[FrameFault]:
        self.faults += 1
        if self.faults <= REPORTED or self.faults & (self.faults - 1) == 0:
            more = f" (fault {self.faults} of this link; not every one is told)" if self.faults > REPORTED else ""
            yield FrameFault(text + more, size=size, id=found, count=self.faults)


def _answered(value: Any, line: bytes | bytearray) -> int | str | None:
    """Return the id of the request that something unreadable was meant to answer, where that can be seen."""
    if value is None:
        return request_id(Oversized(size=len(line), head=bytes(line[:HEAD]), tail=bytes(line[-TAIL:])))
    is_ours = (
        isinstance(value, dict) and "method" not in value and not {"jsonrpc", "result", "error"}.isdisjoint(value)
    )  # a line of a log has an id, too
    found = value.get("id") if is_ours else None
    return found if isinstance(found, (int, str)) and not isinstance(found, bool) else None


def _refusal(request: int | str, text: str) -> Any:
    from mcp.shared.message import SessionMessage  # noqa: PLC0415
    from mcp_types import ErrorData, JSONRPCError  # noqa: PLC0415

    return SessionMessage(JSONRPCError(jsonrpc="2.0", id=request, error=ErrorData(code=PARSE_ERROR, message=text)))


def frame_of(item: Any) -> bytes:
    """Return the line that carries a message of the SDK's."""
    try:
        text: str = item.message.model_dump_json(by_alias=True, exclude_unset=True)
    except ValueError:  # half a surrogate pair, which models do write and which has no UTF-8
        text = json.dumps(item.message.model_dump(by_alias=True, exclude_unset=True), ensure_ascii=False)
    return text.encode("utf-8", "replace") + b"\n"
