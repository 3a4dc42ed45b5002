"""Bytes to server-sent events, piece by piece and within bounds: nothing is joined twice, and what is too long is skipped to its end."""

from __future__ import annotations

import re
from collections.abc import Iterator

import attrs

__all__ = ["Events", "ServerEvent"]

_BREAK = re.compile(rb"\r\n|\n|\r")
HEAD = 4096


@attrs.frozen(kw_only=True)
class ServerEvent:
    """One event.

    Attributes:
        event: Its type, `message` where none is given.
        data: Its data; the beginning of them where it was too long.
        id: The id of the last event that had one; empty before.
        size: Bytes of the data.
        is_cut: It was longer than the limit.
    """

    event: str = "message"
    data: bytes = b""
    id: str = ""
    size: int = 0
    is_cut: bool = False


class Events:
    """Cuts a stream of bytes into events.

    Args:
        limit: Bytes of the longest data that are kept.

    Attributes:
        retry: Seconds after which the server wants to be asked again, None where it said nothing.
        last_id: The id of the last event that had one.
        is_within: An event has begun and not ended.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.retry: float | None = None
        self.last_id = ""
        self._line = bytearray()
        self._line_size = 0
        self._data = bytearray()
        self._size = 0
        self._count = 0
        self._event = ""
        self._is_first = True
        self._after_cr = False

    @property
    def is_within(self) -> bool:
        return bool(self._line_size or self._count or self._event)

    def feed(self, data: bytes) -> Iterator[ServerEvent]:
        """Take a piece and yield the events that it ends. Iterate to the end before the next piece."""
        if self._after_cr and data:
            self._after_cr = False
            data = data.removeprefix(b"\n")
        place = 0
        for found in _BREAK.finditer(data):
            self._keep(data[place : found.start()])
            place = found.end()
            if found[0] == b"\r" and place == len(data):
                self._after_cr = True  # the next piece may begin with the other half of this break
            yield from self._end_of_line()
        if place < len(data):
            self._keep(data[place:])

    def _keep(self, piece: bytes) -> None:
        self._line_size += len(piece)
        room = self.limit + HEAD - len(self._line)
        if room > 0:
            self._line += piece[:room] if len(piece) > room else piece

    def _end_of_line(self) -> Iterator[ServerEvent]:
        line, size = self._line, self._line_size
        self._line, self._line_size = bytearray(), 0
        if self._is_first:
            self._is_first = False
            if line.startswith(b"\xef\xbb\xbf"):
                del line[:3]
                size -= 3
        if not size:
            yield from self._dispatched()
            return
        name, _, _ = bytes(line[:16]).partition(b":")
        start = len(name) + 1
        if line[start : start + 1] == b" ":
            start += 1
        if name == b"data":
            self._add(line, start, size)
        elif name == b"event":
            self._event = bytes(line[start:]).decode("utf-8", "replace")
        elif name == b"id" and b"\0" not in line and size < HEAD:
            self.last_id = bytes(line[start:]).decode("utf-8", "replace")
        elif name == b"retry" and bytes(line[start:]).isdigit() and size < 32:
            self.retry = int(line[start:]) / 1000

    def _add(self, line: bytearray, start: int, size: int) -> None:
        if self._count:
            self._size += 1
            if len(self._data) <= self.limit:
                self._data += b"\n"
        self._count += 1
        self._size += max(0, size - start)
        if len(self._data) <= self.limit:
            if self._data:
                self._data += memoryview(line)[start:]
            else:
                del line[:start]
                self._data = line

    def _dispatched(self) -> Iterator[ServerEvent]:
        data, size, event, count = self._data, self._size, self._event, self._count
        self._data, self._size, self._event, self._count = bytearray(), 0, "", 0
        if count:
            is_cut = size > self.limit
            yield ServerEvent(event=event or "message", data=bytes(data[:HEAD] if is_cut else data), id=self.last_id, size=size, is_cut=is_cut)
