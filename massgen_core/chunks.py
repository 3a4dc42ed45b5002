"""What a backend streams."""

from __future__ import annotations

from typing import TypeAlias

import attrs

from massgen_core.messages import ProviderItem, StopReason, Usage
from massgen_core.rates import RateLimits

__all__ = [
    "Chunk",
    "ItemChunk",
    "LimitsChunk",
    "ReasoningChunk",
    "StopChunk",
    "TextChunk",
    "ToolCallChunk",
    "UsageChunk",
]

# Chunks are made for every streamed token: `define` takes a third of the time that `frozen` takes. Treat them as frozen.


@attrs.define
class TextChunk:
    """A piece of the answer's text."""

    text: str


@attrs.define
class ReasoningChunk:
    """A piece of visible reasoning."""

    text: str


@attrs.define
class ToolCallChunk:
    """A piece of a tool call.

    Attributes:
        index: Which call of this answer, from 0; pieces of one call share it.
        id: Given in a call's first piece.
        name: Given in a call's first piece.
        arguments: The next piece of JSON text.
    """

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


@attrs.define
class UsageChunk:
    """The usage so far; the last one of a stream counts."""

    usage: Usage


@attrs.define
class LimitsChunk:
    """The provider's limits, from the headers of its answer; the last one of a stream counts."""

    limits: RateLimits


@attrs.define
class ItemChunk:
    """An item to send back verbatim in the next request."""

    item: ProviderItem


@attrs.define
class StopChunk:
    """The end of the answer: always the last chunk of a stream that did not fail.

    Attributes:
        reason: Why the model stopped.
        model: The model that answered, as the provider names it.
        detail: The provider's own word, for logs.
    """

    reason: StopReason
    model: str = ""
    detail: str = ""


Chunk: TypeAlias = TextChunk | ReasoningChunk | ToolCallChunk | UsageChunk | LimitsChunk | ItemChunk | StopChunk
