"""A body of server-sent events, made readable for the SDK.

The SDK reads lines: it takes each line that is no data for a document, and splits at characters that JSON may hold as they are.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

import httpx2

from massgen_backend_gemini.faults import StreamError

__all__ = ["LIMIT", "Events", "TooLong"]

LIMIT = 64 * 1024 * 1024  # bytes of one event; images may be in it
LOOSE = 100  # lines of an error that is no event
_FIELDS = (b":", b"event:", b"id:", b"retry:")
# Outside of texts JSON has none of these.
_SEPARATORS = ((b"\xe2\x80\xa8", b"\\u2028"), (b"\xe2\x80\xa9", b"\\u2029"), (b"\xc2\x85", b"\\u0085"))


class TooLong(ValueError):
    """An event is longer than any sane server sends."""


class Events(httpx2.AsyncByteStream):
    """The body of an answer, in which each event is one line of data.

    Args:
        stream: The body as it comes.
        is_json: It is one document, from a server that does not stream.

    Attributes:
        message: Why the model stopped, in the server's words, which the SDK leaves out; empty where it says none.
    """

    def __init__(self, stream: Any, *, is_json: bool) -> None:
        self.message = ""
        self._stream, self._is_json = stream, is_json
        self._parts: list[bytes] = []  # of the line that is not yet whole
        self._data: list[bytes] = []  # of the event that is not yet whole
        self._kept = 0
        self._loose: list[bytes] = []  # lines that belong to no event

    async def aclose(self) -> None:
        """Free the connection."""
        await self._stream.aclose()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._stream:
            if not self._kept and _is_event(piece) and not self._is_json:
                yield self._told(piece[6:-2])
                continue
            self._kept += len(piece)
            if self._kept > LIMIT:
                raise TooLong(f"an event has more than {LIMIT} bytes")
            if self._is_json or b"\n" not in piece:
                self._parts.append(piece)
                continue
            lines = b"".join((*self._parts, piece)).split(b"\n")
            self._parts = [rest] if (rest := lines.pop()) else []
            for event in self._events(lines):
                yield event
            if not self._data:
                self._kept = len(rest)
        left = b"".join(self._parts)
        for event in self._whole(left) if self._is_json else self._events([left, b""]):
            yield event
        if self._loose:  # some errors come as they are, without an event around them
            with suppress(ValueError):
                self._look(json.loads(b"\n".join(self._loose)))

    def _events(self, lines: list[bytes]) -> Iterator[bytes]:
        for raw in lines:
            line = raw.removesuffix(b"\r").removeprefix(b"\xef\xbb\xbf")
            if line.startswith(b"data:"):
                self._data.append(line[6:] if line[5:6] == b" " else line[5:])
            elif not line and self._data:
                data, self._data = b"\n".join(self._data), []
                if data.strip() not in (b"", b"[DONE]"):
                    yield self._told(data)
            elif line and len(self._loose) < LOOSE and not line.startswith(_FIELDS):
                self._loose.append(line)

    def _whole(self, document: bytes) -> Iterator[bytes]:
        found = json.loads(document)
        for each in found if isinstance(found, list) else [found]:
            yield self._told(json.dumps(each).encode())

    def _told(self, data: bytes) -> bytes:
        """Return an event as a line.

        Raises:
            StreamError: The event tells an error.
        """
        if b'"error"' in data[:200] or b'"finishMessage"' in data:
            self._look(json.loads(data))
        for raw, escaped in _SEPARATORS:
            if raw in data:
                data = data.replace(raw, escaped)
        # The SDK does not know lines within an event: JSON means nothing by them.
        return b"data: " + data.replace(b"\r", b" ").replace(b"\n", b" ") + b"\n\n"

    def _look(self, event: Any) -> None:
        """Find in an event what the SDK does not tell."""
        if not isinstance(event, dict):
            return
        if "error" in event:
            raise StreamError(event)
        candidates = event.get("candidates")
        first = candidates[0] if isinstance(candidates, list) and candidates else None
        if isinstance(first, dict) and isinstance(message := first.get("finishMessage"), str):
            self.message = message


def _is_event(piece: bytes) -> bool:
    """Tell whether a piece is one whole event; most are."""
    return piece[:6] == b"data: " and piece[-2:] == b"\n\n" and piece.count(b"\n") == 2 and piece[6:7] == b"{"
