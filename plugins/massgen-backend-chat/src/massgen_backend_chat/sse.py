"""Server-sent events: bytes in, events out."""

from __future__ import annotations

__all__ = ["LIMIT", "EventReader", "LineTooLong"]

LIMIT = 32 * 1024 * 1024  # bytes of one event


class LineTooLong(ValueError):
    """An event is longer than any sane server sends."""


class EventReader:
    """Puts events together from pieces of any size, in time linear in the bytes.

    Only the fields `data` and `event` are kept; comments, the others, and events without data are left out.
    """

    __slots__ = ("_data", "_kept", "_name", "_parts", "_started")

    def __init__(self) -> None:
        self._parts: list[bytes] = []  # of the line that is not yet whole
        self._kept = 0  # bytes of the event that is not yet whole
        self._data: list[bytes] = []
        self._name = b""
        self._started = False

    def feed(self, piece: bytes) -> list[tuple[bytes, bytes]]:
        """Take bytes and return the events that are whole now, each as name and data.

        Raises:
            LineTooLong: One event has more than `LIMIT` bytes.
        """
        # Most pieces are one whole event; one that ends with a space or a carriage return is looked at more closely.
        if not self._kept and self._started and piece[:6] == b"data: " and piece[-2:] == b"\n\n" and piece.count(b"\n") == 2 and piece[-3] > 32:
            return [(b"", piece[6:-2])]
        self._kept += len(piece)
        if self._kept > LIMIT:
            raise LineTooLong(f"an event has more than {LIMIT} bytes")
        if b"\n" not in piece:
            self._parts.append(piece)
            return []
        if self._parts:
            self._parts.append(piece)
            piece = b"".join(self._parts)
        lines = piece.split(b"\n")
        rest = lines.pop()
        self._parts = [rest] if rest else []
        found = self._lines(lines)
        if not self._data and not self._name:
            self._kept = len(rest)
        return found

    def end(self) -> list[tuple[bytes, bytes]]:
        """Return what is left when the bytes end: servers forget the last empty line."""
        left, self._parts = b"".join(self._parts), []
        return self._lines([left, b""])

    def _lines(self, lines: list[bytes]) -> list[tuple[bytes, bytes]]:
        found: list[tuple[bytes, bytes]] = []
        for raw in lines:
            line = raw[:-1] if raw.endswith(b"\r") else raw
            if not self._started:
                self._started = True
                line = line.removeprefix(b"\xef\xbb\xbf")
            if not line:
                if data := b"\n".join(self._data).strip():  # around JSON spaces mean nothing
                    found.append((self._name, data))
                self._data, self._name = [], b""
            elif line.startswith(b"data:"):
                self._data.append(line[6:] if line[5:6] == b" " else line[5:])
            elif line.startswith(b"event:"):
                self._name = line[6:].strip()
        return found
