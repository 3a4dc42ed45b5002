"""What servers and proxies do to a stream, over real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import anyio
import anyio.abc
import attrs
import httpx2
import pytest

from massgen_backend_chat import clients
from massgen_backend_chat.backend import ChatBackend, open_backend
from massgen_backend_chat.config import ChatConfig
from massgen_core.api import (
    BadRequest,
    Chunk,
    ConnectionLost,
    ItemChunk,
    Message,
    ModelMissing,
    ModelRequest,
    Overloaded,
    StopChunk,
    Text,
    TextChunk,
    ToolCall,
    ToolResult,
)
from massgen_testkit import PlainContext, WireSuite
from massgen_testkit.protocols.chat import WIRE_FAULTS
from massgen_testkit.provider import Play, Provider, serving

pytestmark = pytest.mark.anyio
QUESTION = ModelRequest(model="m", messages=(Message.of("user", "What is the capital of France?"),))
KEY = "sk-test-0a1b2c3d4e5f6071"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class TestWire(WireSuite):
    name = "chat"
    faults = WIRE_FAULTS
    options: ClassVar[Mapping[str, Any]] = {"key": "env:K"}
    address = ("base_url", "/v1")
    harmless = (*WireSuite.harmless, "empty_data")
    separate = ("missing_index", "same_index", "duplicate_ids", "missing_ids")


@asynccontextmanager
async def played(folder: Path, *plays: Play, **options: Any) -> AsyncIterator[tuple[ChatBackend, Provider]]:
    """Run a server and a backend that speaks with it."""
    with anyio.fail_after(20):
        async with serving(*plays) as provider, PlainContext(folder=folder, secrets={"env:K": KEY}) as context:
            config = ChatConfig(**{"base_url": f"{provider.url}/v1", "key": "env:K", **options})
            async with open_backend(config, context) as backend:
                yield backend, provider


async def hear(backend: ChatBackend, heard: list[Chunk], request: ModelRequest = QUESTION) -> None:
    async with backend.respond(request) as stream:
        async for chunk in stream:
            heard.append(chunk)


def text(heard: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in heard if isinstance(chunk, TextChunk))


async def test_many_calls_are_spread(tmp_path: Path) -> None:
    """Many calls at once are all answered, over a bounded number of clients."""
    heard: list[Chunk] = []
    async with played(tmp_path, WIRE_FAULTS["slow_first_byte"]) as (backend, provider):
        async with anyio.create_task_group() as group:
            for _ in range(40):
                group.start_soon(hear, backend, heard)
        assert len(backend._clients._clients) == 5

    assert sum(isinstance(chunk, StopChunk) for chunk in heard) == 40
    assert len(provider.asked) == 40


async def test_nobody_listens(tmp_path: Path) -> None:
    """A server that is not there is named, with what to check."""
    async with serving(WIRE_FAULTS["stall"]) as gone:
        address = f"{gone.url}/v1"
    async with played(tmp_path, WIRE_FAULTS["stall"], base_url=address) as (backend, _):
        with pytest.raises(ConnectionLost, match=r"cannot connect to 127\.0\.0\.1:\d+"):
            await hear(backend, [])


async def test_headers_and_query(tmp_path: Path) -> None:
    """The key goes into its header; further headers, query and fields are sent as they are."""
    options = {"query": {"api-version": "1"}, "headers": {"x-team": "blue"}, "extra_body": {"top_k": 40}, "organization": "o-1"}
    async with played(tmp_path, WIRE_FAULTS["empty_answer"], **options) as (backend, provider):
        await hear(backend, [])
    asked = provider.asked[0]

    assert asked.path == "/v1/chat/completions?api-version=1"
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert (asked.headers["x-team"], asked.headers["openai-organization"]) == ("blue", "o-1")
    assert asked.body["top_k"] == 40


async def test_azure_key_header(tmp_path: Path) -> None:
    """A provider with a header of its own gets the key there and nowhere else."""
    async with played(tmp_path, WIRE_FAULTS["empty_answer"], preset="azure") as (backend, provider):
        await hear(backend, [])

    assert provider.asked[0].headers["api-key"] == KEY
    assert "authorization" not in provider.asked[0].headers


async def test_key_that_no_header_can_carry(tmp_path: Path) -> None:
    """A key with a line break in it is refused and not shown."""
    async with PlainContext(folder=tmp_path, secrets={"env:K": "sk-secret\nsecond"}) as context:
        with pytest.raises(BadRequest) as caught:
            async with open_backend(ChatConfig(base_url="http://127.0.0.1:9/v1", key="env:K"), context):
                pass

    assert "sk-secret" not in str(caught.value)


async def test_missing_model(tmp_path: Path) -> None:
    """A model that the server does not have is told apart from a wrong address."""
    play = Play(
        status=404, media_type="application/json", pieces=(b'{"error": {"message": "The model `m` does not exist", "code": "model_not_found"}}',)
    )
    async with played(tmp_path, play, Play(status=404)) as (backend, _):
        with pytest.raises(ModelMissing):
            await hear(backend, [])
        with pytest.raises(BadRequest, match="base_url"):
            await hear(backend, [])


@pytest.mark.parametrize(("name", "words"), [("bare_error", "the engine died"), ("error_of_a_choice", "upstream died")])
async def test_errors_in_other_places(tmp_path: Path, name: str, words: str) -> None:
    """An error is found where servers put it beside `error`: as the whole event, and inside of a choice; what came before stays."""
    heard: list[Chunk] = []
    async with played(tmp_path, WIRE_FAULTS[name]) as (backend, _):
        with pytest.raises(Overloaded, match=words):
            await hear(backend, heard)

    assert text(heard) == "The capital of "


async def test_what_a_server_signed_returns(tmp_path: Path) -> None:
    """What a server says beside its calls, such as signatures of thoughts, goes back with them as it came; without them some refuse it."""
    heard: list[Chunk] = []
    call = ToolCall(id="call-1", name="weather", arguments='{"city": "Paris"}')
    async with played(tmp_path, WIRE_FAULTS["signed_calls"], WIRE_FAULTS["empty_answer"]) as (backend, provider):
        await hear(backend, heard)
        items = [chunk.item for chunk in heard if isinstance(chunk, ItemChunk)]
        answered = Message(role="tool", content=(ToolResult(call="call-1", content=(Text(text="Rain"),)),))
        await hear(backend, [], attrs.evolve(QUESTION, messages=(*QUESTION.messages, Message(role="assistant", content=(call, *items)), answered)))
    sent = provider.bodies[1]["messages"][1]

    assert sent["reasoning_details"] == [
        {"type": "reasoning.text", "text": "hm", "signature": "S", "index": 0},
        {"type": "reasoning.encrypted", "data": "E", "id": "call-1", "index": 1},
    ]
    assert sent["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": "T"}}


async def test_consumer_errors_are_not_disguised(tmp_path: Path) -> None:
    """An error of the one who reads is not taken for one of the connection."""
    async with played(tmp_path, WIRE_FAULTS["stall"]) as (backend, _):
        with pytest.raises(httpx2.ReadError):
            async with backend.respond(QUESTION):
                raise httpx2.ReadError("mine")


async def test_one_tls_context(tmp_path: Path) -> None:
    """Encrypted connections are made with one context of the process; a server that does not speak TLS is an error that can be read."""

    async def answer(stream: anyio.abc.ByteStream) -> None:
        async with stream:
            await stream.receive()
            await stream.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    address = f"https://127.0.0.1:{listener.listeners[0].extra(anyio.abc.SocketAttribute.local_port)}/v1"
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, answer)
        async with played(tmp_path, WIRE_FAULTS["stall"], base_url=address) as (backend, _):
            with pytest.raises(ConnectionLost, match=r"(?i)ssl"):
                await hear(backend, [])
        group.cancel_scope.cancel()

    assert clients._tls.cache_info().currsize == 1
