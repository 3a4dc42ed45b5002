"""A real model behind the real program: a server of this protocol on this machine."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from massgen_core.api import Message, ModelRequest, Sampling, StopChunk, TextChunk, UsageChunk
from massgen_testkit import PlainContext

MODELS = Path(os.environ.get("MASSGEN_MODELS") or Path.home() / ".cache" / "massgen" / "models")
WEIGHTS = MODELS / "smollm2-135m.gguf"
SERVER = Path(__file__).parents[2] / "massgen-backend-chat" / "tests" / "model_server.py"  # it speaks this protocol, too
KEY = "sk-local-3c5f7a9b1d2e4f60"
pytestmark = [
    pytest.mark.once,
    pytest.mark.anyio,
    pytest.mark.skipif(
        not WEIGHTS.is_file() or importlib.util.find_spec("xllamacpp") is None,
        reason="not in CI: needs xllamacpp and the weights of smollm2-135m (massgen models pull smollm2-135m)",
    ),
]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    command = [sys.executable, str(SERVER), str(WEIGHTS), KEY]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


async def test_conversation(address: str, tmp_path: Path) -> None:
    """A real model answers in pieces, with usage and an end, and goes on in the same session."""
    options = {"base_url": address, "key": "env:K", "tools": [], "system_prompt": "Answer briefly.", "max_thinking_tokens": 0}
    messages = [Message.of("user", "What is the capital of France?")]
    heard = []
    with anyio.fail_after(120):
        async with PlainContext(folder=tmp_path, secrets={"env:K": KEY}) as context:
            backend = await context.open("backend", "claude-code", options)
            for _ in range(2):
                async with backend.respond(ModelRequest(messages=tuple(messages), sampling=Sampling(max_tokens=24))) as stream:
                    heard.append([chunk async for chunk in stream])
                text = "".join(chunk.text for chunk in heard[-1] if isinstance(chunk, TextChunk))
                items = tuple(chunk.item for chunk in heard[-1] if chunk.__class__.__name__ == "ItemChunk")
                messages += [Message.of("assistant", text), Message.of("user", "And of Italy?")]
                messages[-2] = Message(role="assistant", content=(*messages[-2].content, *items))

    for chunks in heard:
        assert sum(isinstance(chunk, TextChunk) for chunk in chunks) > 1
        assert isinstance(chunks[-1], StopChunk)
        assert chunks[-1].reason in ("stop", "length")
        assert [chunk.usage.output for chunk in chunks if isinstance(chunk, UsageChunk)][-1] > 0
