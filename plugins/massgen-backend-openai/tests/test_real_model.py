"""A real model behind a real server of this protocol."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from massgen_backend_openai.backend import OpenAIBackend, open_backend
from massgen_backend_openai.config import OpenAIConfig
from massgen_core.api import (
    AuthenticationFailed,
    Chunk,
    ConnectionLost,
    ContextTooLong,
    Message,
    ModelRequest,
    Sampling,
    StopChunk,
    Text,
    TextChunk,
    Tool,
    ToolCall,
    ToolResult,
    UsageChunk,
)
from massgen_testkit import PlainContext

MODELS = Path(os.environ.get("MASSGEN_MODELS") or Path.home() / ".cache" / "massgen" / "models")
WEIGHTS = MODELS / "smollm2-135m.gguf"
SERVER = Path(__file__).parents[2] / "massgen-backend-chat" / "tests" / "model_server.py"  # it speaks this protocol, too
KEY = "sk-local-3c5f7a9b1d2e4f60"
TOOL = Tool(name="weather", parameters={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]})
SHORT = Sampling(max_tokens=12, temperature=0.0)
pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(
        not WEIGHTS.is_file() or importlib.util.find_spec("xllamacpp") is None,
        reason="not in CI: needs xllamacpp and the weights of smollm2-135m (massgen models pull smollm2-135m)",
    ),
]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    command = [sys.executable, str(SERVER), str(WEIGHTS), KEY]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


@asynccontextmanager
async def opened(address: str, folder: Path, key: str = KEY) -> AsyncIterator[OpenAIBackend]:
    config = OpenAIConfig(base_url=f"{address}/v1", key="env:K")
    with anyio.fail_after(120):
        async with PlainContext(folder=folder, secrets={"env:K": key}) as context, open_backend(config, context) as backend:
            yield backend


async def hear(backend: OpenAIBackend, *messages: Message, **asked: Any) -> list[Chunk]:
    request = ModelRequest(**{"messages": messages or (Message.of("user", "What is the capital of France?"),), "sampling": SHORT, **asked})
    while True:
        try:
            async with backend.respond(request) as stream:
                return [chunk async for chunk in stream]
        except ConnectionLost:
            continue  # this server closes connections that it had promised to keep; the middleware `retry` asks again, too


async def test_text(address: str, tmp_path: Path) -> None:
    """A real answer comes in pieces, with usage and an end; the limit of tokens is obeyed."""
    async with opened(address, tmp_path) as backend:
        heard = await hear(backend)
    (usage,) = [chunk.usage for chunk in heard if isinstance(chunk, UsageChunk)]

    assert sum(isinstance(chunk, TextChunk) for chunk in heard) > 3
    assert isinstance(heard[-1], StopChunk)
    assert heard[-1].reason in ("stop", "length")
    assert usage.input + usage.cached > 5
    assert 3 < usage.output <= 12


async def test_conversation(address: str, tmp_path: Path) -> None:
    """A real server understands instructions, what the assistant said, tools, calls and their results."""
    call = ToolCall(id="call-1", name="weather", arguments='{"city": "Paris"}')
    talk = (
        Message.of("system", "Be brief."),
        Message.of("user", "How is the weather in Paris?"),
        Message(role="assistant", content=(Text(text="Let me see."), call)),
        Message(role="tool", content=(ToolResult(call="call-1", content=(Text(text="21 degrees"),)),)),
        Message.of("assistant", "It is 21 degrees."),
        Message.of("user", "Thank you."),
    )
    async with opened(address, tmp_path) as backend:
        heard = await hear(backend, *talk, tools=(TOOL,))

    assert isinstance(heard[-1], StopChunk)


async def test_two_at_once(address: str, tmp_path: Path) -> None:
    """Two calls at once are both answered."""
    ends: list[Chunk] = []

    async def listen(backend: OpenAIBackend) -> None:
        ends.append((await hear(backend))[-1])

    async with opened(address, tmp_path) as backend, anyio.create_task_group() as group:
        group.start_soon(listen, backend)
        group.start_soon(listen, backend)

    assert [type(end) for end in ends] == [StopChunk, StopChunk]


async def test_leaving_early(address: str, tmp_path: Path) -> None:
    """A real server takes the next call after one was left in the middle."""
    request = ModelRequest(messages=(Message.of("user", "Tell me a long story."),), sampling=Sampling(max_tokens=400))
    async with opened(address, tmp_path) as backend:
        async with backend.respond(request) as stream:
            await anext(stream)
        assert isinstance((await hear(backend))[-1], StopChunk)


async def test_faults(address: str, tmp_path: Path) -> None:
    """A real server's own words for a conversation too long and for a wrong key are understood."""
    async with opened(address, tmp_path) as backend:
        with pytest.raises(ContextTooLong):
            await hear(backend, Message.of("user", "word " * 3000))
    async with opened(address, tmp_path, "sk-wrong-000000000000") as backend:
        with pytest.raises(AuthenticationFailed, match="env:K"):
            await hear(backend)
