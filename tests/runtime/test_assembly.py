"""Answers put together from chunks, however they were cut."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import pairwise

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_core.api import (
    Chunk,
    ConnectionLost,
    ItemChunk,
    ProviderItem,
    Reasoning,
    ReasoningChunk,
    StopChunk,
    Text,
    TextChunk,
    ToolCall,
    ToolCallChunk,
    Usage,
    UsageChunk,
)
from massgen_core.runtime.assembly import Assembly, drain


def assembled(*chunks: Chunk) -> Assembly:
    assembly = Assembly("call")
    for chunk in chunks:
        assembly.add(chunk)
    return assembly


@given(st.text(), st.lists(st.integers(0, 50)))
def test_cuts_do_not_matter(text: str, cuts: list[int]) -> None:
    """Text and arguments are the same however they were cut."""
    marks = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [text[start:end] for start, end in pairwise(marks)]

    answer = assembled(
        *map(TextChunk, pieces), ToolCallChunk(0, "i", "n", ""), *(ToolCallChunk(0, arguments=piece) for piece in pieces), StopChunk("stop")
    ).finish()

    assert answer.message.text == text
    assert answer.message.calls[0].arguments == (text or "{}")


def test_parallel_calls_are_kept_apart_and_in_order() -> None:
    """Pieces of two calls come mixed; each call keeps its own, in the order in which the calls began."""
    answer = assembled(
        ToolCallChunk(0, "a", "first", '{"x"'),
        ToolCallChunk(1, "b", "second", "{"),
        ToolCallChunk(0, arguments=":1}"),
        ToolCallChunk(1, arguments="}"),
        StopChunk("stop"),
    ).finish()

    assert answer.message.calls == (ToolCall(id="a", name="first", arguments='{"x":1}'), ToolCall(id="b", name="second", arguments="{}"))
    assert answer.stop == "tools"


def test_missing_and_double_ids_become_unique() -> None:
    """Some servers give no id, or one id to several calls; results would answer the wrong one."""
    answer = assembled(ToolCallChunk(0, "x", "a"), ToolCallChunk(1, "x", "b"), ToolCallChunk(2, "", "c"), StopChunk("tools")).finish()

    ids = [call.id for call in answer.message.calls]
    assert len(set(ids)) == 3
    assert ids[0] == "x"


def test_the_order_of_parts_is_the_order_of_their_beginnings() -> None:
    """Reasoning, items and text stay where they were: providers check that."""
    item = ProviderItem(backend="b", item={"signed": 1})
    answer = assembled(ReasoningChunk("hm"), ItemChunk(item), TextChunk("a"), TextChunk("b"), UsageChunk(Usage(output=2)), StopChunk("stop")).finish()

    assert answer.message.content == (Reasoning(text="hm"), item, Text(text="ab"))
    assert answer.usage.output == 2


def test_a_stream_that_just_ends_is_a_lost_connection() -> None:
    """Without a stop nobody knows whether the answer is whole; what came is still there."""
    assembly = assembled(TextChunk("half an ans"))

    with pytest.raises(ConnectionLost):
        assembly.finish()
    assert assembly.text == "half an ans"


def test_one_read_is_one_batch() -> None:
    """`before` is called when the stream has to wait, and not between chunks that are there already."""
    waits: list[int] = []
    seen: list[Chunk] = []

    async def stream() -> AsyncIterator[Chunk]:
        for batch in range(3):
            await anyio.lowlevel.checkpoint()
            for number in range(4):
                yield TextChunk(f"{batch}{number} ")

    async def read() -> None:
        await drain(stream(), seen.append, lambda: waits.append(len(seen)))

    anyio.run(read)
    assert len(seen) == 12
    assert sorted(set(waits)) == [0, 4, 8]


def test_cancelling_reaches_the_stream() -> None:
    """A stream that waits is cancelled where it waits, and may clean up."""
    cleaned = []

    async def stream() -> AsyncIterator[Chunk]:
        try:
            await anyio.sleep_forever()
            yield TextChunk("never")
        finally:
            cleaned.append(True)

    async def read() -> None:
        with anyio.move_on_after(0.01):
            await drain(stream(), lambda chunk: None, lambda: None)

    anyio.run(read)
    assert cleaned == [True]
