"""A backend that plays what a test puts into it."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import anyio
import anyio.lowlevel

from massgen_core.api import (
    Chunk,
    ModelRequest,
    StopChunk,
    TextChunk,
    ToolCallChunk,
    Usage,
    UsageChunk,
)
from massgen_testkit.scenarios import Stall

Step: TypeAlias = Chunk | BaseException | Stall


def say(*pieces: str, usage: Usage | None = None) -> list[Step]:
    """Return the chunks of an answer in text, one for each piece."""
    return [*(TextChunk(piece) for piece in pieces), UsageChunk(usage or Usage(input=10, output=len(pieces))), StopChunk("stop")]


def call(name: str, arguments: Mapping[str, Any] | str = "{}", *, id: str = "call-1", text: str = "") -> list[Step]:  # noqa: A002 - the contract's word
    """Return the chunks of an answer that calls one tool; `arguments` may be JSON text, malformed included."""
    raw = arguments if isinstance(arguments, str) else json.dumps(arguments)
    said: list[Step] = [TextChunk(text)] if text else []
    return [*said, ToolCallChunk(0, id, name), ToolCallChunk(0, arguments=raw), UsageChunk(Usage(input=10, output=5)), StopChunk("tools")]


class QueueBackend:
    """Plays lists of chunks, one list a call; an exception in a list is raised there, a `Stall` waits until it is cancelled.

    Attributes:
        requests: What was asked, in order.
        running: Calls under way.
    """

    def __init__(self, *answers: Sequence[Step]) -> None:
        self.answers = list(answers)
        self.requests: list[ModelRequest] = []
        self.running = 0

    @asynccontextmanager
    async def respond(self, request: ModelRequest) -> AsyncIterator[AsyncIterator[Chunk]]:
        self.requests.append(request)
        if not self.answers:
            raise AssertionError(f"the backend was called {len(self.requests)} times and had {len(self.requests) - 1} answers")
        stream = self._stream(self.answers.pop(0))
        self.running += 1
        try:
            yield stream
        finally:
            self.running -= 1
            await stream.aclose()

    async def _stream(self, steps: Sequence[Step]) -> AsyncGenerator[Chunk, None]:
        for step in steps:
            # A real backend waits for its provider between chunks; without this a consumer could never be cancelled there.
            await anyio.lowlevel.checkpoint()
            if isinstance(step, Stall):
                await anyio.sleep_forever()
            elif isinstance(step, BaseException):
                raise step
            else:
                yield step
