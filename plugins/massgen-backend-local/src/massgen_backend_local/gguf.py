"""Reads the header of a GGUF file: enough to say what is wrong with a file before a megabyte of it is loaded.

The runtime says only that it failed. Layout after the format's description in the ggml repository, `docs/gguf.md`: magic, version, two counts,
key-value pairs, tensor descriptions, then the tensors' data.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import Any, TypeAlias

import attrs

from massgen_core.api import ModelMissing

__all__ = ["Header", "read_header"]

_Buffer: TypeAlias = "mmap.mmap | bytes"

MAGIC = b"GGUF"
VERSIONS = (2, 3)
# More than any model has; a damaged count must not keep us reading.
MOST_PAIRS, MOST_TENSORS, MOST_TEXT = 10_000, 100_000, 1 << 24

_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_STRING, _ARRAY = 8, 9
# Weights in a block and bytes of a block, by the tensor's type; of other types only the beginning is checked.
# fmt: off
_BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 36),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292),
    24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 30: (1, 2),
}
# fmt: on


@attrs.frozen(kw_only=True)
class Header:
    """What a file says about itself.

    Attributes:
        size: Bytes of the file.
        values: The scalars and texts of its key-value pairs; arrays are left out.
    """

    size: int
    values: dict[str, Any]

    @property
    def architecture(self) -> str:
        """The architecture, for instance `qwen2`; empty where it is not named."""
        return str(self.values.get("general.architecture", ""))

    def number(self, key: str, default: int = 0) -> int:
        """Return a whole number of the architecture, for instance `block_count`."""
        value = self.values.get(f"{self.architecture}.{key}", default)
        return value if isinstance(value, int) else default

    @property
    def context(self) -> int:
        """Tokens that the model was trained for; 0 where it is not said."""
        return self.number("context_length")

    def cache_bytes(self, tokens: int) -> int:
        """Return the bytes that a context of `tokens` takes: keys and values of every layer in 16 bits each."""
        heads = self.number("attention.head_count", 1) or 1
        width = self.number("embedding_length") // heads
        each = self.number("attention.key_length", width) + self.number("attention.value_length", width)
        return self.number("block_count") * self.number("attention.head_count_kv", heads) * each * 2 * tokens


class _Reader:
    """Walks over a buffer; `struct.error` and `IndexError` mean that it ends too early."""

    def __init__(self, data: _Buffer) -> None:
        self.data, self.at = data, 0

    def scalar(self, form: str) -> Any:
        (value,) = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return value

    def count(self, most: int) -> int:
        number: int = self.scalar("<Q")
        if number > most:
            raise ValueError(f"a count of {number}")
        return number

    def text(self) -> bytes:
        length = self.count(MOST_TEXT)
        value = self.data[self.at : self.at + length]
        if len(value) < length:
            raise IndexError
        self.at += length
        return value

    def value(self, kind: int) -> Any:
        if kind == _STRING:
            return self.text().decode("utf-8", "replace")
        if kind != _ARRAY:
            return self.scalar(_SCALARS[kind])
        kind, length = self.scalar("<I"), self.scalar("<Q")
        if kind == _STRING:
            self._skip_texts(length)
        elif kind in _SCALARS:
            self.at += length * struct.calcsize(_SCALARS[kind])
        else:
            raise ValueError(f"an array of type {kind}")
        return None

    def _skip_texts(self, count: int) -> None:
        # Vocabularies have some hundred thousand entries: no call for each of them.
        at, data, size = self.at, self.data, struct.Struct("<Q")
        for _ in range(count):
            at += 8 + size.unpack_from(data, at)[0]
        self.at = at


def read_header(file: Path) -> Header:
    """Read and check a file's header.

    Raises:
        ModelMissing: It is no GGUF file, of a version that is not supported, damaged, or shorter than its tensors need.
    """
    try:
        with file.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(0)
            magic = stream.read(4)
            if magic != MAGIC:
                what = "is empty" if not size else f"is no GGUF file: it begins with {magic!r}, not {MAGIC!r}"
                raise ModelMissing(f"{file} {what}; give a model in GGUF format, or a name that `massgen models` lists")
            with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
                values, end = _parse(data, file)
    except OSError as error:
        raise ModelMissing(f"the model file {file} cannot be read: {error.strerror or error}; check its permissions") from error
    except (struct.error, IndexError, OverflowError):
        raise ModelMissing(f"{file} ends within its header: the file is truncated ({size:,} bytes); fetch it again") from None
    except (ValueError, KeyError) as error:
        raise ModelMissing(f"the header of {file} is damaged ({error}); fetch the file again") from None
    if end > size:
        raise ModelMissing(f"{file} is truncated: its tensors need {end:,} bytes, it has {size:,}; fetch it again")
    return Header(size=size, values=values)


def _parse(data: _Buffer, file: Path) -> tuple[dict[str, Any], int]:
    """Return the scalar values, and the byte where the last tensor ends."""
    reader = _Reader(data)
    reader.at = 4
    version = reader.scalar("<I")
    if version not in VERSIONS:
        raise ModelMissing(
            f"{file} is GGUF version {version}; versions {' and '.join(map(str, VERSIONS))} are supported. "
            "Take a newer conversion of the model, or a newer massgen-backend-local"
        )
    tensors, pairs = reader.count(MOST_TENSORS), reader.count(MOST_PAIRS)
    values = {}
    for _ in range(pairs):
        key = reader.text().decode("utf-8", "replace")
        value = reader.value(reader.scalar("<I"))
        if value is not None:
            values[key] = value
    last = 0
    for _ in range(tensors):
        reader.text()
        weights = 1
        for _ in range(min(reader.scalar("<I"), 8)):
            weights *= reader.scalar("<Q")
        block, width = _BLOCKS.get(reader.scalar("<I"), (1, 0))
        last = max(last, reader.scalar("<Q") + weights // block * width)
    alignment = values.get("general.alignment", 32)
    if not isinstance(alignment, int) or not 0 < alignment <= 1 << 20:
        raise ValueError(f"an alignment of {alignment!r}")
    return values, -(-reader.at // alignment) * alignment + last if tensors else reader.at
