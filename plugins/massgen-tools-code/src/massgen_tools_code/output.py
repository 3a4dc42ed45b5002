"""A stream of output: its first and last part in memory, all of it in a file where it is long."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import IO

from massgen_core.api import MassGenError, clean

__all__ = ["Captured", "Spool", "bytes_text", "readable", "whole_characters"]

HELD = 4096  # bytes that are held back until more comes: a secret is no longer


def bytes_text(number: int) -> str:
    """Return a number of bytes as people say it."""
    value = float(number)
    for unit in ("bytes", "kB", "MB"):
        if value < 1000:
            return f"{number} bytes" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def readable(data: bytes) -> str:
    """Return output as text that is safe to show: what is no UTF-8 is replaced, and what commands a terminal is taken out."""
    return clean(data.decode("utf-8", errors="replace"))


def whole_characters(data: bytes | bytearray) -> int:
    """Return how many bytes of `data` end with a whole character."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte < 0x80:
            return len(data)
        if byte >= 0xC0:
            wanted = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return len(data) - back if back < wanted else len(data)
    return len(data)


def _begun(data: bytearray) -> bytes:
    """Return `data` without the end of a character whose beginning is not there."""
    start = 0
    while start < min(3, len(data)) and 0x80 <= data[start] < 0xC0:
        start += 1
    return bytes(data[start:])


class Spool:
    """A file of output that is written while it comes, but for the end, in which a known secret may have begun.

    Args:
        path: Where it is made.
        most: Bytes that are kept.
        redact: Takes known secrets out of text.

    A disk that takes no more ends what is kept, and neither the command nor what a model is shown of it: `fault` says why.
    """

    def __init__(self, path: Path, most: int, redact: Callable[[str], str]) -> None:
        self._room, self._redact = most, redact
        self._begun = bytearray()
        self._file: IO[bytes] | None = None
        self.kept, self.fault = 0, ""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("xb", buffering=0)  # what is written is kept
        except OSError as error:
            self._give_up(error)

    def add(self, data: bytes) -> None:
        """Take a piece."""
        self._begun += data
        if len(self._begun) > 2 * HELD:
            clear = self._clear()
            self._write(clear[:-HELD])
            self._begun[:] = clear[-HELD:]

    def close(self) -> None:
        """Write what is left."""
        if self._file is not None:
            self._write(self._clear())
            self._begun.clear()
            self._file.close()
            self._file = None

    def _clear(self) -> bytes:
        return self._redact(self._begun.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")

    def _write(self, data: bytes) -> None:
        view = memoryview(data)[: self._room]
        try:
            while view and self._file is not None:
                written = self._file.write(view)
                self.kept, self._room, view = self.kept + written, self._room - written, view[written:]
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self.fault, self._room = error.strerror or str(error), 0


class Captured:
    """One stream of a command.

    Args:
        path: Where all of it is kept where it is long.
        name: That path within the run's folder.
        shown: Bytes that a model is shown.
        stored: Bytes of the file.
        redact: Takes known secrets out of text.
    """

    def __init__(self, path: Path, name: str, *, shown: int, stored: int, redact: Callable[[str], str]) -> None:
        self._path, self._name, self._shown, self._stored, self._redact = path, name, shown, stored, redact
        self._head, self._tail = bytearray(), bytearray()
        self._spool: Spool | None = None
        self.total = 0

    async def take(self, pieces: AsyncIterator[bytes]) -> None:
        """Read a stream to its end. A sandbox that is lost meanwhile says so where its command is waited for."""
        try:
            async for piece in pieces:
                self.add(piece)
        except MassGenError:
            return

    def add(self, piece: bytes) -> None:
        """Take a piece."""
        self.total += len(piece)
        if self._spool is None and self.total <= self._shown:
            self._head += piece
            return
        if self._spool is None:
            self._spool = Spool(self._path, self._stored, self._redact)
            self._spool.add(bytes(self._head))
            self._tail += self._head
            room = self._shown // 2
            self._head += piece[: max(0, room - len(self._head))]
            del self._head[room:]
        self._spool.add(piece)
        half = self._shown // 2
        self._tail += piece[-half:]
        if len(self._tail) > half:
            del self._tail[: len(self._tail) - half]

    def close(self) -> None:
        """Write what is left to the file."""
        if self._spool is not None:
            self._spool.close()

    @property
    def stored(self) -> tuple[str, ...]:
        """The path of the file within the run's folder, where there is one."""
        return (self._name,) if self._spool is not None and not (self._spool.fault and not self._spool.kept) else ()

    def text(self) -> str:
        """Return what a model is shown."""
        if self._spool is None:
            return self._redact(readable(bytes(self._head)))
        # Whole lines where they are not too long: half of a secret would not be known as one.
        head = bytes(self._head[: whole_characters(self._head)])
        head = head[:at] if (at := head.rfind(b"\n") + 1) > len(head) // 2 else head
        tail = _begun(self._tail)
        tail = tail[at:] if 0 < (at := tail.find(b"\n") + 1) < len(tail) // 2 else tail
        left = self.total - len(head) - len(tail)
        kept = f"the run keeps all of it in {self._name}"
        if self._spool.fault:
            first = f"the first {bytes_text(self._spool.kept)} of it in {self._name}, for no more could be written"
            kept = f"the run keeps {first if self.stored else 'nothing of it'}: {self._spool.fault}"
        elif self.total > self._stored:
            kept = f"the run keeps the first {bytes_text(self._stored)} of it in {self._name}"
        said = f"[{bytes_text(left)} of {bytes_text(self.total)} left out here; {kept}]"
        return f"{self._redact(readable(head)).removesuffix(chr(10))}\n{said}\n{self._redact(readable(tail))}"
