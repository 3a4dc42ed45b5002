"""Bytes to lines, within bounds: what is longer than the limit is skipped and described, and nothing is joined twice."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import attrs

__all__ = ["Lines", "Oversized", "request_id"]

HEAD = 4096
TAIL = 512
# `"id": 7`, followed by nothing but the end of the outermost object and perhaps the protocol's name.
_LAST = re.compile(rb'"id"\s*:\s*(-?\d{1,18}|"[^"\\]{0,200}")\s*(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?\}\s*\Z')


@attrs.frozen(kw_only=True)
class Oversized:
    """A line that was longer than the limit: its length in bytes, its beginning and its end."""

    size: int
    head: bytes
    tail: bytes


class Lines:
    """Cuts a stream of bytes into lines.

    Args:
        limit: Bytes of the longest line that is kept.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._kept = bytearray()
        self._size = 0
        self._head = b""
        self._tail = b""

    def feed(self, data: bytes) -> Iterator[bytes | bytearray | Oversized]:
        """Take a piece and yield the lines that it ends, without their line breaks. Iterate to the end before the next piece."""
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            if self._size or end - start > self.limit:
                self._keep(data[start:end])
                yield self._taken()
            else:
                yield data[start:end]
            start = end + 1
        if start < len(data):
            self._keep(data[start:] if start else data)

    def rest(self) -> bytes | bytearray | Oversized | None:
        """Return what stands after the last line break, where there is something."""
        return self._taken() if self._size else None

    def _keep(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size <= self.limit:
            self._kept += piece
            return
        if self._kept:
            self._head, self._tail = bytes(self._kept[:HEAD]), bytes(self._kept[-TAIL:])
            self._kept = bytearray()
        if len(self._head) < HEAD:
            self._head += piece[: HEAD - len(self._head)]
        self._tail = (self._tail + piece[-TAIL:])[-TAIL:]

    def _taken(self) -> bytearray | Oversized:
        if self._size > self.limit:
            taken: bytearray | Oversized = Oversized(size=self._size, head=self._head, tail=self._tail)
        else:
            taken = self._kept
        self._kept, self._size, self._head, self._tail = bytearray(), 0, b"", b""
        return taken


def request_id(line: Oversized) -> int | str | None:
    """Return the id of the request that an oversized line answers; None where it is no answer, or where that cannot be seen."""
    before, name = _members(line.head)
    if name in ("result", "error"):
        found = before.get("id")
        if isinstance(found, (int, str)) and not isinstance(found, bool):
            return found
        if "method" not in before and (last := _LAST.search(line.tail)):
            value = json.loads(last[1])
            return value if isinstance(value, (int, str)) else None
    return None


def _members(head: bytes) -> tuple[dict[str, object], str]:
    """Return the scalar members at the beginning of an object, and the name of the first member that is no scalar or is cut off."""
    text = head.decode("utf-8", "ignore").lstrip()
    decoder, place = json.JSONDecoder(), 1
    found: dict[str, object] = {}
    if not text.startswith("{"):
        return {}, ""
    member = re.compile(r'\s*("(?:[^"\\]|\\.){0,100}")\s*:\s*')
    while named := member.match(text, place):
        name = str(json.loads(named[1], strict=False))
        if text[named.end() : named.end() + 1] in ("{", "[", ""):
            return found, name
        try:
            value, place = decoder.raw_decode(text, named.end())
        except ValueError:
            return found, name
        found[name] = value
        comma = re.compile(r"\s*,").match(text, place)
        if comma is None:
            break
        place = comma.end()
    return found, ""
