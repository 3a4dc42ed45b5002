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

from massgen_backend_anthropic.backend import AnthropicBackend, open_backend
from massgen_backend_anthropic.config import AnthropicConfig
from massgen_core.api import (
    AuthenticationFailed,
    Chunk,
    ContextTooLong,
    Message,
    ModelRequest,
    Sampling,
    Text,
    TextChunk,
    Tool,
    ToolCall,
    ToolResult,
)
from massgen_testkit import PlainContext

from .stage import hear, stop, usage

MODELS = Path(os.environ.get("MASSGEN_MODELS") or Path.home() / ".cache" / "massgen" / "models")
WEIGHTS = MODELS / "smollm2-135m.gguf"
SERVER = Path(__file__).parents[2] / "massgen-backend-chat" / "tests" / "model_server.py"  # it speaks this protocol, too
KEY = "sk-local-3c5f7a9b1d2e4f60"
pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(
        not WEIGHTS.is_file() or importlib.util.find_spec("xllamacpp") is None,
        reason="not in CI: needs xllamacpp and the weights of smollm2-135m (massgen models pull smollm2-135m)",
    ),
]
TOOL = Tool(name="weather", parameters={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]})


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
async def opened(address: str, folder: Path, key: str = KEY) -> AsyncIterator[AnthropicBackend]:
    config = AnthropicConfig(base_url=address, key="env:K", api_version="2023-06-01")
    with anyio.fail_after(120):
        async with PlainContext(folder=folder, secrets={"env:K": key}) as context, open_backend(config, context) as backend:
            yield backend


def ask(text: str = "What is the capital of France?", **asked: Any) -> ModelRequest:
    return ModelRequest(**{"model": "m", "messages": (Message.of("user", text),), "sampling": Sampling(max_tokens=12, temperature=0.0), **asked})


async def test_text(address: str, tmp_path: Path) -> None:
    """A real answer comes in pieces, with usage and an end; the limit of tokens is obeyed."""
    async with opened(address, tmp_path) as backend:
        heard = await hear(backend, request=ask())

    assert sum(isinstance(chunk, TextChunk) for chunk in heard) > 3
    assert stop(heard).reason in ("stop", "length")
    assert usage(heard).input + usage(heard).cached > 5
    assert 3 < usage(heard).output <= 12


async def test_result_of_a_tool(address: str, tmp_path: Path) -> None:
    """A real server takes a conversation with a call, its result and what was said since."""
    talk = (
        Message.of("system", "Be brief."),
        Message.of("user", "How is the weather in Paris?"),
        Message(role="assistant", content=(ToolCall(id="t1", name="weather", arguments='{"city": "Paris"}'),)),
        Message(role="tool", content=(ToolResult(call="t1", content=(Text(text="Sunny, 21 degrees."),)),)),
        Message.of("user", "Say it in one sentence."),
    )
    async with opened(address, tmp_path) as backend:
        heard = await hear(backend, request=ask(messages=talk, tools=(TOOL,)))

    assert any(isinstance(chunk, TextChunk) for chunk in heard)


async def test_counting(address: str, tmp_path: Path) -> None:
    """A real server counts: more words are more tokens."""
    async with opened(address, tmp_path) as backend:
        assert 0 < await backend.count_tokens(ask("Hi")) < await backend.count_tokens(ask("Hi " * 50))


async def test_two_at_once(address: str, tmp_path: Path) -> None:
    """Two calls at once are both answered."""
    ends: list[str] = []

    async def listen(backend: AnthropicBackend) -> None:
        ends.append(stop(await hear(backend, request=ask())).reason)

    async with opened(address, tmp_path) as backend, anyio.create_task_group() as group:
        group.start_soon(listen, backend)
        group.start_soon(listen, backend)

    assert len(ends) == 2


async def test_leaving_early(address: str, tmp_path: Path) -> None:
    """A real server takes the next call after one was left in the middle."""
    async with opened(address, tmp_path) as backend:
        async with backend.respond(ask("Tell me a long story.", sampling=Sampling(max_tokens=400))) as stream:
            await anext(stream)
        heard: list[Chunk] = await hear(backend, request=ask())

    assert stop(heard).reason in ("stop", "length")


async def test_faults(address: str, tmp_path: Path) -> None:
    """A real server's own words for a conversation too long and for a wrong key are understood."""
    async with opened(address, tmp_path) as backend:
        with pytest.raises(ContextTooLong):
            await hear(backend, request=ask("word " * 3000))
    async with opened(address, tmp_path, "sk-wrong-000000000000") as backend:
        with pytest.raises(AuthenticationFailed, match="env:K"):
            await hear(backend, request=ask())
