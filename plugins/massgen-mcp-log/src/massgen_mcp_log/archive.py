"""Sealed logs: zstd in independent frames with an index, so that one line is read without the others, and half a file is half a log.

A sealed log is an ordinary `.zst` file: `zstd -dc` reads it. Its last frame is a skippable one that holds the index as JSON and ends with the
index's length and eight letters, by which it is found from the end. Without it, because the file was cut, frames are read from the beginning.
"""

from __future__ import annotations

import os
import struct
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import attrs
import zstandard

from massgen_core.api import MassGenError
from massgen_mcp_log.lines import decode, encode

__all__ = ["Sealed", "seal"]

FRAME = 1 << 20
LEVEL = 3
_SKIPPABLE = 0x184D2A5E
_MARK = b"MGMCPIDX"
_FOOT = struct.Struct("<Q8s")
_LONGEST = 1 << 28


@attrs.frozen
class _Frame:
    """Where a frame begins in the file, its sizes, and the number of its first line, from 0."""

    offset: int
    packed: int
    plain: int
    first: int


def seal(source: Path, target: Path, frame: int = FRAME) -> int:
    """Compress a file of lines and return how many there are; `target` is there only when it is complete. A last line without an end is kept.

    Raises:
        OSError: A file cannot be read or written.
    """
    compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True, write_content_size=True)
    fresh = target.with_name(f"{target.name}.{os.getpid()}.new")
    frames: list[list[int]] = []
    count = offset = 0
    try:
        with source.open("rb") as read, fresh.open("xb") as written:
            for block, lines in _blocks(read, frame):
                packed = compressor.compress(block)
                frames.append([offset, len(packed), len(block), count])
                written.write(packed)
                offset += len(packed)
                count += lines
            index = encode({"v": 1, "lines": count, "frames": frames})
            written.write(struct.pack("<II", _SKIPPABLE, len(index) + _FOOT.size) + index + _FOOT.pack(len(index), _MARK))
            written.flush()
            os.fsync(written.fileno())
        fresh.chmod(0o600)
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)
    return count


def _blocks(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int]]:
    """Yield pieces of whole lines, about `size` bytes each, and how many lines they hold."""
    while True:
        block = file.read(size)
        if not block:
            return
        if not block.endswith(b"\n"):
            block += file.readline(_LONGEST)
        yield block, block.count(b"\n") + (not block.endswith(b"\n"))


class Sealed:
    """A sealed log, read in place.

    Args:
        path: The file; it may be cut anywhere.

    Attributes:
        is_whole: It has its index.

    Raises:
        MassGenError: It cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._decompressor = zstandard.ZstdDecompressor()
        try:
            with path.open("rb") as file:
                index = _index(file)
        except OSError as error:
            raise MassGenError(f"{path} cannot be read: {error.strerror}") from error
        self.is_whole = index is not None
        self._frames = [_Frame(*numbers) for numbers in index["frames"]] if index is not None else []
        self._lines = int(index["lines"]) if index is not None else 0

    @property
    def count(self) -> int:
        """How many lines there are.

        Raises:
            MassGenError: The file was cut, so that nobody knows.
        """
        if not self.is_whole:
            raise MassGenError(f"{self._path} was cut and has no index; its lines can only be read one after the other")
        return self._lines

    def line(self, number: int) -> bytes:
        """Return one line by its number from 0, without reading those before its frame.

        Raises:
            IndexError: There is no such line.
            MassGenError: The file was cut or is damaged.
        """
        if not 0 <= number < self.count:
            raise IndexError(f"{self._path} has {self._lines} lines, numbered from 0")
        frame = self._frames[bisect_right(self._frames, number, key=lambda each: each.first) - 1]
        try:
            with self._path.open("rb") as file:
                file.seek(frame.offset)
                block = self._decompressor.decompress(file.read(frame.packed), max_output_size=frame.plain)
        except zstandard.ZstdError as error:
            raise MassGenError(f"{self._path} is damaged at byte {frame.offset}: {error}") from error
        return block.split(b"\n")[number - frame.first]

    def __iter__(self) -> Iterator[bytes]:
        """Yield all lines, without their ends; of a file that was cut, all whole lines before the cut. Memory does not grow with it."""
        rest = b""
        with self._path.open("rb") as file, self._decompressor.stream_reader(file, read_across_frames=True) as reader:
            while True:
                try:
                    piece = reader.read(1 << 17)
                except zstandard.ZstdError:
                    return
                if not piece:
                    break
                lines = (rest + piece).split(b"\n")
                rest = lines.pop()
                yield from lines
        if rest and self.is_whole:
            yield rest


def _index(file: BinaryIO) -> dict[str, Any] | None:
    size = file.seek(0, os.SEEK_END)
    if size < _FOOT.size:
        return None
    file.seek(size - _FOOT.size)
    length, mark = _FOOT.unpack(file.read(_FOOT.size))
    if mark != _MARK or length > size - _FOOT.size:
        return None
    file.seek(size - _FOOT.size - length)
    try:
        found = decode(file.read(length))
        return found if isinstance(found, dict) and isinstance(found["frames"], list) and isinstance(found["lines"], int) else None
    except (ValueError, KeyError):
        return None
