"""A file's header says what is wrong with it before anything is loaded."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from massgen_backend_local.gguf import read_header
from massgen_backend_local.store import find, models_folder
from massgen_core.api import ModelMissing


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def pair(key: str, value: Any) -> bytes:
    if isinstance(value, str):
        return text(key) + struct.pack("<I", 8) + text(value)
    if isinstance(value, list):
        return text(key) + struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(text, value))
    return text(key) + struct.pack("<II", 4, value)


VALUES = {
    "general.architecture": "llama",
    "llama.block_count": 4,
    "llama.context_length": 2048,
    "llama.embedding_length": 64,
    "llama.attention.head_count": 8,
    "llama.attention.head_count_kv": 2,
    "tokenizer.ggml.tokens": ["a", "bc", ""],
}


def model(*, version: int = 3, magic: bytes = b"GGUF", data: int = 256, **values: Any) -> bytes:
    """Return a file with one tensor of 64 numbers of 4 bytes."""
    every = {**VALUES, **values}
    head = magic + struct.pack("<IQQ", version, 1, len(every)) + b"".join(pair(key, value) for key, value in every.items())
    head += text("weights") + struct.pack("<IQQIQ", 2, 8, 8, 0, 0)
    return head + b"\0" * (-len(head) % 32) + b"\1" * data


@pytest.fixture
def write(tmp_path: Path) -> Callable[[bytes], Path]:
    """Write a file."""

    def make(data: bytes) -> Path:
        file = tmp_path / "made.gguf"
        file.write_bytes(data)
        return file

    return make


def test_a_whole_file_is_read(write: Callable[[bytes], Path]) -> None:
    """Architecture, context and the memory of a context come from the header."""
    header = read_header(write(model()))

    assert (header.architecture, header.context, header.number("block_count")) == ("llama", 2048, 4)
    # 4 layers, 2 heads of 8 numbers, keys and values, 2 bytes each, 10 tokens.
    assert header.cache_bytes(10) == 4 * 2 * 8 * 2 * 2 * 10
    assert "tokenizer.ggml.tokens" not in header.values


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"PK\x03\x04" + bytes(100), "is no GGUF file: it begins with b'PK"),
        (model(version=1), "is GGUF version 1; versions 2 and 3 are supported"),
        (model(version=99), "is GGUF version 99"),
        (model()[:40], "ends within its header: the file is truncated"),
        (model(data=200), "is truncated: its tensors need .* bytes, it has"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 1), "damaged"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("key") + struct.pack("<I", 77), "damaged"),
        (model(**{"general.alignment": 0}), "damaged"),
    ],
)
def test_what_is_wrong_is_told(data: bytes, message: str, write: Callable[[bytes], Path]) -> None:
    """Every fault of a file has its message, which names the file."""
    file = write(data)

    with pytest.raises(ModelMissing, match=message) as caught:
        read_header(file)
    assert str(file) in str(caught.value)


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_file_breaks_the_reader(data: st.DataObject, write: Callable[[bytes], Path]) -> None:
    """Cut anywhere, or changed anywhere, a file is read or refused, never anything else."""
    whole = bytearray(model())
    for place, value in data.draw(st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), max_size=4)):
        whole[place] = value
    cut = data.draw(st.integers(0, len(whole)))
    try:
        header = read_header(write(bytes(whole[:cut])))
        header.cache_bytes(1000)
    except ModelMissing:
        return
    assert cut == len(whole) or header.size == cut


def test_every_cut_is_noticed(write: Callable[[bytes], Path]) -> None:
    """However little is missing at the end, it is told."""
    whole = model()
    for cut in range(len(whole)):
        with pytest.raises(ModelMissing):
            read_header(write(whole[:cut]))


def test_a_real_model_ends_where_its_header_says(tiny: str, tmp_path: Path) -> None:
    """A real file is whole to the byte, and one byte less is noticed."""
    file = find(tiny, models_folder())
    header = read_header(file)
    assert (header.architecture, header.context) == ("llama", 8192)
    short = tmp_path / "short.gguf"
    short.write_bytes(file.read_bytes()[:-1])

    with pytest.raises(ModelMissing, match=re.escape(f"{short} is truncated: its tensors need {header.size:,} bytes, it has {header.size - 1:,}")):
        read_header(short)
