"""The run's journal: an append-only file of lines, the truth that everything else reads."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

import anyio
import anyio.to_thread

from massgen_core.codec import decoder, encode
from massgen_core.errors import JournalDamaged, MassGenError
from massgen_core.events import Event, Record

__all__ = ["FILE", "Durability", "Journal", "is_live", "read"]

FILE = "journal.jsonl"
Durability: TypeAlias = Literal["off", "process", "power"]
_BUFFER = 1 << 16


class Journal:
    """Writes records in order.

    `process` hands records to the operating system before anyone is told of them: `kill -9` loses nothing. `power` also waits for the disk at
    `durable`. `off` collects records in memory and writes them in blocks.

    Args:
        folder: The run's folder; the file is made in it, or continued.
        durability: What the journal survives.
        redact: Takes known secret values out of a line.

    Raises:
        MassGenError: Another process writes this journal, or it cannot be written.
    """

    def __init__(self, folder: Path, durability: Durability = "process", redact: Callable[[bytes], bytes] | None = None) -> None:
        self.path = folder / FILE
        self._durability, self._redact = durability, redact
        self._pending = bytearray()
        self._failure: MassGenError | None = None
        self._written = self._synced = 0
        self._sync_lock = anyio.Lock()
        try:
            self._descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise MassGenError(f"the journal {self.path} cannot be opened: {error.strerror}") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._descriptor)
            raise MassGenError(f"another process is working on this run ({folder}); wait for its end or stop it") from error
        if os.fstat(self._descriptor).st_size:
            _cut_torn_line(self.path)

    def append(self, records: Sequence[Record]) -> None:
        """Write records, all with one call to the operating system.

        Raises:
            MassGenError: The disk is full or broken; the message names the file. Nothing is written after that: the rest of a line that was cut
                off would damage the journal.
        """
        lines = encode(records)
        if self._redact is not None:
            lines = self._redact(lines)
        if self._durability == "off":
            self._pending += lines
            if len(self._pending) < _BUFFER:
                return
            lines = bytes(self._pending)
            self._pending.clear()
        self._write(lines)

    def _write(self, data: bytes) -> None:
        if self._failure is not None:
            raise MassGenError(str(self._failure))
        done = 0
        try:
            while done < len(data):
                done += os.write(self._descriptor, data[done:] if done else data)
        except OSError as error:
            self._failure = MassGenError(f"the journal {self.path} cannot be written: {error.strerror}; free space and resume the run")
            raise self._failure from error
        self._written += done

    @property
    def waits(self) -> bool:
        """`durable` waits for the disk."""
        return self._durability == "power"

    async def durable(self) -> None:
        """Return when everything appended so far survives what the mode promises. Callers that come together share one sync."""
        if not self.waits:
            return
        wanted = self._written
        async with self._sync_lock:
            if self._synced >= wanted:
                return
            reached = self._written
            await anyio.to_thread.run_sync(os.fdatasync, self._descriptor)
            self._synced = reached

    def close(self) -> None:
        """Write what is pending and close the file. Closing twice is allowed."""
        if self._descriptor < 0:
            return
        try:
            if self._pending:
                self._write(bytes(self._pending))
            if self._durability == "power":
                os.fdatasync(self._descriptor)
        finally:
            os.close(self._descriptor)
            self._descriptor = -1


def read(folder: Path, plugin_types: Callable[[], Mapping[str, type[Event]]] | None = None) -> Iterator[Record]:
    """Yield the records of a run's folder, or of a journal file, in order; memory does not grow with the file.

    A last line without its end was being written when the process died and is left out.

    Raises:
        JournalDamaged: Another line cannot be read, or a number is missing; the message names the file and the line.
        MassGenError: There is no journal.
    """
    path = folder / FILE if folder.is_dir() else folder
    decode = decoder(plugin_types)
    try:
        file = path.open("rb")
    except OSError as error:
        raise MassGenError(f"{path} cannot be read: {error.strerror}") from error
    with file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                return
            try:
                record = decode(line)
            except ValueError as error:
                raise JournalDamaged(f"{path}:{number}: {error}") from error
            if record.seq != number:
                raise JournalDamaged(f"{path}:{number}: found record {record.seq} where {number} was expected; lines are missing or doubled")
            yield record


def is_live(folder: Path) -> bool:
    """Return whether a process is writing this run's journal now."""
    try:
        descriptor = os.open(folder / FILE, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _cut_torn_line(path: Path) -> None:
    """Take away a last line that has no end: it was being written when the process died, and nobody was told of it."""
    with path.open("rb+") as file:
        size = file.seek(0, os.SEEK_END)
        end = size
        while end:
            start = max(0, end - _BUFFER)
            file.seek(start)
            found = file.read(end - start).rfind(b"\n")
            if found >= 0:
                end = start + found + 1
                break
            end = start
        if end < size:
            file.truncate(end)
