"""A real model behind a server of this protocol: LiteLLM's proxy before a model of this machine."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import pytest

from massgen_backend_gemini.backend import GeminiBackend, open_backend
from massgen_backend_gemini.config import GeminiConfig
from massgen_core.api import Chunk, ContextTooLong, Message, ModelRequest, Sampling, StopChunk, Text, TextChunk, ToolCall, ToolResult
from massgen_testkit import PlainContext

MODELS = Path(os.environ.get("MASSGEN_MODELS") or Path.home() / ".cache" / "massgen" / "models")
WEIGHTS = MODELS / "smollm2-135m.gguf"
PROXY = os.environ.get("MASSGEN_LITELLM") or shutil.which("litellm") or ""
KEY = "sk-proxy-3c5f7a9b1d2e4f60"
START_SECONDS = 180
pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(
        not PROXY or not WEIGHTS.is_file() or importlib.util.find_spec("xllamacpp") is None,
        reason="not in CI: needs LiteLLM's proxy (MASSGEN_LITELLM), xllamacpp and the weights of smollm2-135m",
    ),
]
MODEL_SERVER = """
import sys, xllamacpp
given = xllamacpp.CommonParams()
given.model.path, given.n_parallel, given.n_ctx, given.port = sys.argv[1], 1, 1024, 0
given.warmup, given.verbosity = False, -1
server = xllamacpp.Server(given)
print(server.listening_address, flush=True)
sys.stdin.read()
"""
PROXY_CONFIG = """
model_list:
  - {{model_name: gemini-2.5-flash, litellm_params: {{model: openai/local, api_base: "{address}/v1", api_key: none}}}}
general_settings: {{master_key: {key}}}
router_settings: {{disable_cooldowns: true}}
litellm_settings: {{drop_params: true}}
"""


def _is_up(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    config = tmp_path_factory.mktemp("proxy") / "config.yaml"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    model = subprocess.Popen([sys.executable, "-c", MODEL_SERVER, str(WEIGHTS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert model.stdout is not None
    config.write_text(PROXY_CONFIG.format(address=model.stdout.readline().strip(), key=KEY))
    told = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "HF_HUB_OFFLINE": "1"}
    proxy = subprocess.Popen(
        [PROXY, "--config", str(config), "--host", "127.0.0.1", "--port", str(port)],
        env={**os.environ, **told},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + START_SECONDS
        while not _is_up(port):
            assert proxy.poll() is None, "the proxy ended"
            assert time.monotonic() < until, "the proxy does not come up"
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        for process in (proxy, model):
            process.kill()
            process.wait()
        for pipe in (model.stdin, model.stdout):
            if pipe is not None:
                pipe.close()


@asynccontextmanager
async def opened(address: str, folder: Path) -> AsyncIterator[GeminiBackend]:
    config = GeminiConfig(base_url=address, api_version="v1beta", key="env:K")
    with anyio.fail_after(120):
        async with PlainContext(folder=folder, secrets={"env:K": KEY}) as context, open_backend(config, context) as backend:
            yield backend


async def hear(backend: GeminiBackend, *messages: Message, **asked: Any) -> list[Chunk]:
    request = ModelRequest(model="gemini-2.5-flash", messages=messages, sampling=Sampling(max_tokens=30, temperature=0.0), **asked)
    async with backend.respond(request) as stream:
        return [chunk async for chunk in stream]


async def test_text_streams(address: str, tmp_path: Path) -> None:
    """A real answer comes in pieces and ends."""
    async with opened(address, tmp_path) as backend:
        heard = await hear(backend, Message.of("system", "Be brief."), Message.of("user", "What is the capital of France?"))

    assert sum(isinstance(chunk, TextChunk) for chunk in heard) > 1
    assert isinstance(heard[-1], StopChunk)


async def test_results_of_tools_are_taken(address: str, tmp_path: Path) -> None:
    """A conversation with a call and its result is taken, though no id is in this protocol."""
    call = ToolCall(id="call_7", name="weather", arguments='{"city": "Paris"}')
    result = ToolResult(call="call_7", content=(Text(text="21 degrees"),))
    talk = (Message.of("user", "The weather?"), Message(role="assistant", content=(call,)), Message(role="tool", content=(result,)))
    async with opened(address, tmp_path) as backend:
        heard = await hear(backend, *talk)

    assert isinstance(heard[-1], StopChunk)


async def test_context_is_limited(address: str, tmp_path: Path) -> None:
    """A conversation that does not fit says so."""
    async with opened(address, tmp_path) as backend:
        with pytest.raises(ContextTooLong):
            await hear(backend, Message.of("user", "word " * 3000))


async def test_leaving_early(address: str, tmp_path: Path) -> None:
    """A call that is left early leaves the server free for the next one."""
    async with opened(address, tmp_path) as backend:
        request = ModelRequest(model="gemini-2.5-flash", messages=(Message.of("user", "Count to a thousand."),))
        async with backend.respond(request) as stream:
            await anext(stream)
        assert isinstance((await hear(backend, Message.of("user", "Hi")))[-1], StopChunk)
