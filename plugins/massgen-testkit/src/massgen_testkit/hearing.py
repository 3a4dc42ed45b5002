"""A stream of chunks, taken apart and checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from massgen_core.api import (
    Chunk,
    ItemChunk,
    LimitsChunk,
    ProviderItem,
    ReasoningChunk,
    StopChunk,
    TextChunk,
    ToolCall,
    ToolCallChunk,
    Usage,
    UsageChunk,
)

KNOWN = (TextChunk, ReasoningChunk, ToolCallChunk, UsageChunk, LimitsChunk, ItemChunk, StopChunk)


@attrs.frozen(kw_only=True)
class Heard:
    """One stream, taken apart."""

    chunks: tuple[Chunk, ...]

    @property
    def text(self) -> str:
        return "".join(chunk.text for chunk in self.chunks if isinstance(chunk, TextChunk))

    @property
    def reasoning(self) -> str:
        return "".join(chunk.text for chunk in self.chunks if isinstance(chunk, ReasoningChunk))

    @property
    def stop(self) -> str:
        return next((chunk.reason for chunk in self.chunks if isinstance(chunk, StopChunk)), "none")

    @property
    def usage(self) -> Usage | None:
        return next((chunk.usage for chunk in reversed(self.chunks) if isinstance(chunk, UsageChunk)), None)

    @property
    def items(self) -> tuple[ProviderItem, ...]:
        return tuple(chunk.item for chunk in self.chunks if isinstance(chunk, ItemChunk))

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """The calls, each put together from the pieces of its index."""
        pieces: dict[int, list[ToolCallChunk]] = {}
        for chunk in self.chunks:
            if isinstance(chunk, ToolCallChunk):
                pieces.setdefault(chunk.index, []).append(chunk)
        return tuple(
            ToolCall(id=parts[0].id, name=parts[0].name, arguments="".join(part.arguments for part in parts)) for _, parts in sorted(pieces.items())
        )


def holds(data: Any, part: Any) -> bool:
    """Tell whether plain data contains a part, at any depth, exactly as it is."""
    if data == part:
        return True
    if isinstance(data, Mapping):
        return any(holds(value, part) for value in data.values())
    return isinstance(data, Iterable) and not isinstance(data, str | bytes) and any(holds(value, part) for value in data)


def check(chunks: Sequence[Chunk]) -> None:
    """Check what every stream obeys that did not fail.

    Raises:
        AssertionError: It does not.
    """
    assert all(isinstance(chunk, KNOWN) for chunk in chunks), f"unknown chunks: {chunks}"
    stops = [index for index, chunk in enumerate(chunks) if isinstance(chunk, StopChunk)]
    assert stops == [len(chunks) - 1], f"a stream ends with one StopChunk and holds no other; this one: {[type(chunk).__name__ for chunk in chunks]}"
    begun: dict[int, str] = {}
    for chunk in chunks:
        if not isinstance(chunk, ToolCallChunk):
            continue
        if chunk.index not in begun:
            assert chunk.id, "a call's first piece gives its id"
            assert chunk.name, "a call's first piece gives its name"
            assert chunk.id not in begun.values(), "ids differ within one answer"
            begun[chunk.index] = chunk.id
        assert chunk.id in ("", begun[chunk.index]), "pieces of one index belong to one call"
    assert sorted(begun) == list(range(len(begun))), "indices count from 0"
