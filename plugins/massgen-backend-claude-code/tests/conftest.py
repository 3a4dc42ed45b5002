"""The real program against a server of the test kit, and conversations with it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest

from massgen_core.api import (
    Backend,
    Chunk,
    ItemChunk,
    Message,
    ModelRequest,
    StopChunk,
    Text,
    TextChunk,
    Tool,
    ToolCall,
    ToolCallChunk,
    ToolResult,
    Usage,
    UsageChunk,
)
from massgen_testkit import PlainContext
from massgen_testkit.protocols.messages import block, ended, started
from massgen_testkit.provider import Play, Provider, serving

KEY = "sk-test-0a1b2c3d4e5f6071"
WEATHER = Tool(name="weather", parameters={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]})


def text(said: str) -> Play:
    """Return the play of an answer in text."""
    return Play(pieces=(started(Usage(input=10)), *block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": said}), *ended()))


def calls(*made: tuple[str, str, Mapping[str, Any]]) -> Play:
    """Return the play of an answer that calls tools, each with id, name and arguments."""
    pieces = [started(Usage(input=10))]
    for index, (identifier, name, arguments) in enumerate(made):
        delta = {"type": "input_json_delta", "partial_json": json.dumps(arguments)}
        pieces += block(index, {"type": "tool_use", "id": identifier, "name": name, "input": {}}, delta)
    return Play(pieces=(*pieces, *ended("tool_use", Usage(output=5))))


@attrs.frozen(kw_only=True)
class Heard:
    """One answer, as the kernel puts it together."""

    chunks: tuple[Chunk, ...]

    @property
    def message(self) -> Message:
        made: dict[int, ToolCall] = {}
        parts: list[Any] = []
        for chunk in self.chunks:
            if isinstance(chunk, TextChunk):
                parts.append(Text(text=chunk.text))
            elif isinstance(chunk, ItemChunk):
                parts.append(chunk.item)
            elif isinstance(chunk, ToolCallChunk):
                before = made.get(chunk.index, ToolCall(id=chunk.id, name=chunk.name, arguments=""))
                made[chunk.index] = attrs.evolve(before, arguments=before.arguments + chunk.arguments)
        return Message(role="assistant", content=(*parts, *made.values()))

    @property
    def stop(self) -> str:
        return next(chunk.reason for chunk in self.chunks if isinstance(chunk, StopChunk))

    @property
    def usage(self) -> Usage:
        return [chunk.usage for chunk in self.chunks if isinstance(chunk, UsageChunk)][-1]

    @property
    def used(self) -> list[Mapping[str, Any]]:
        """What tools of the program's own were given and gave back."""
        return [chunk.item.item for chunk in self.chunks if isinstance(chunk, ItemChunk) and chunk.item.item["type"] == "tool"]


@attrs.define
class Talk:
    """A conversation of one agent with the backend."""

    backend: Backend
    provider: Provider
    context: PlainContext
    messages: list[Message] = attrs.field(factory=list)
    tools: tuple[Tool, ...] = (WEATHER,)
    agent: str = "ann"
    turn: str = "1"
    more: dict[str, Any] = attrs.field(factory=dict)

    @property
    def request(self) -> ModelRequest:
        return ModelRequest(messages=tuple(self.messages), tools=self.tools, metadata={"agent": self.agent, "turn": self.turn}, **self.more)

    async def ask(self, *said: Message | str) -> Heard:
        """Say something and return the answer."""
        self.messages += [Message.of("user", each) if isinstance(each, str) else each for each in said]
        async with self.backend.respond(self.request) as stream:
            heard = Heard(chunks=tuple([chunk async for chunk in stream]))
        self.messages.append(heard.message)
        return heard

    def seen(self, place: int = -1) -> list[dict[str, Any]]:
        """Return the conversation that the model's server saw in a call, without the program's own remarks."""
        return [message for message in self.provider.bodies[place]["messages"] if message["role"] != "system"]

    def seen_text(self, place: int = -1) -> str:
        return json.dumps(self.seen(place), ensure_ascii=False)

    @property
    def sessions(self) -> list[str]:
        """The program's session of each call."""
        return [asked.headers["x-claude-code-session-id"] for asked in self.provider.asked]


def results(**texts: str) -> Message:
    """Return the results of calls, by id."""
    return Message(role="tool", content=tuple(ToolResult(call=call, content=(Text(text=said),)) for call, said in texts.items()))


Talking = Callable[..., AbstractAsyncContextManager[Talk]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def talking(tmp_path: Path) -> Talking:
    @asynccontextmanager
    async def opened(*plays: Play, context: Mapping[str, Any] | None = None, **options: Any) -> AsyncIterator[Talk]:
        """Run a server that plays, and a backend in the test's folder that speaks with it."""
        with anyio.fail_after(60):
            async with serving(*plays) as provider, PlainContext(**{"folder": tmp_path, "secrets": {"env:K": KEY}, **(context or {})}) as plain:
                backend = await plain.open("backend", "claude-code", {"base_url": provider.url, "key": "env:K", **options})
                yield Talk(backend, provider, plain)

    return opened


@pytest.fixture
def say() -> Any:
    """Return the words in which tests speak: plays, and messages with results."""

    class Words:
        text = staticmethod(text)
        calls = staticmethod(calls)
        results = staticmethod(results)
        key = KEY

    return Words
