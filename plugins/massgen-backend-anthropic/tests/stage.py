"""A server that plays, and the backend that speaks with it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

from massgen_backend_anthropic.backend import AnthropicBackend, open_backend
from massgen_backend_anthropic.config import AnthropicConfig
from massgen_core.api import (
    Chunk,
    Content,
    ItemChunk,
    Message,
    ModelRequest,
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
from massgen_testkit import PlainContext
from massgen_testkit.provider import Play, Provider, serving

KEY = "sk-ant-test-0a1b2c3d4e5f6071"
MODEL = "claude-sonnet-5-5"
QUESTION = ModelRequest(model=MODEL, messages=(Message.of("user", "What is the capital of France?"),))


@asynccontextmanager
async def played(folder: Path, *plays: Play, **options: Any) -> AsyncIterator[tuple[AnthropicBackend, Provider]]:
    """Run a server and a backend that speaks with it."""
    with anyio.fail_after(60):
        async with serving(*plays) as provider, PlainContext(folder=folder, secrets={"env:K": KEY}) as context:
            config = AnthropicConfig(**{"base_url": provider.url, "key": "env:K", **options})
            async with open_backend(config, context) as backend:
                yield backend, provider


async def hear(backend: AnthropicBackend, heard: list[Chunk] | None = None, request: ModelRequest = QUESTION) -> list[Chunk]:
    """Make one call; `heard` holds what came even where the call fails."""
    heard = [] if heard is None else heard
    async with backend.respond(request) as stream:
        async for chunk in stream:
            heard.append(chunk)
    return heard


def text(heard: Sequence[Chunk]) -> str:
    return "".join(chunk.text for chunk in heard if isinstance(chunk, TextChunk))


def reasoning(heard: Sequence[Chunk]) -> str:
    return "".join(chunk.text for chunk in heard if isinstance(chunk, ReasoningChunk))


def items(heard: Sequence[Chunk]) -> list[Any]:
    return [chunk.item.item for chunk in heard if isinstance(chunk, ItemChunk)]


def usage(heard: Sequence[Chunk]) -> Usage:
    return [chunk.usage for chunk in heard if isinstance(chunk, UsageChunk)][-1]


def stop(heard: Sequence[Chunk]) -> StopChunk:
    assert isinstance(heard[-1], StopChunk)
    return heard[-1]


def message(heard: Sequence[Chunk]) -> Message:
    """Put an answer together as a run does: runs of text and of reasoning are one part, everything in its order."""
    parts: list[Content] = []
    for chunk in heard:
        last = parts[-1] if parts else None
        if isinstance(chunk, TextChunk):
            parts[-1:] = [Text(text=last.text + chunk.text)] if isinstance(last, Text) else [*parts[-1:], Text(text=chunk.text)]
        elif isinstance(chunk, ReasoningChunk):
            parts[-1:] = [Reasoning(text=last.text + chunk.text)] if isinstance(last, Reasoning) else [*parts[-1:], Reasoning(text=chunk.text)]
        elif isinstance(chunk, ItemChunk):
            parts.append(chunk.item)
        elif isinstance(chunk, ToolCallChunk):
            before = next((part for part in parts if isinstance(part, ToolCall) and part.id == chunk.id), None) if chunk.id else None
            if before is None and chunk.id:
                parts.append(ToolCall(id=chunk.id, name=chunk.name, arguments=chunk.arguments))
            else:
                place = [at for at, part in enumerate(parts) if isinstance(part, ToolCall)][chunk.index]
                call = parts[place]
                assert isinstance(call, ToolCall)
                parts[place] = ToolCall(id=call.id, name=call.name, arguments=call.arguments + chunk.arguments)
    return Message(role="assistant", content=tuple(parts))
