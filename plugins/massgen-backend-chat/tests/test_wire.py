"""What servers and proxies do to a stream, over real sockets."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import httpx2
import pytest

from massgen_backend_chat import clients
from massgen_backend_chat.backend import ChatBackend, open_backend
from massgen_backend_chat.config import ChatConfig
from massgen_core.api import (
    BackendFault,
    BadRequest,
    Chunk,
    ConnectionLost,
    Message,
    ModelMissing,
    ModelRequest,
    Overloaded,
    RateLimited,
    StopChunk,
    TextChunk,
    TimedOut,
    ToolCallChunk,
)
from massgen_testkit import PlainContext
from massgen_testkit.protocols.chat import WIRE_FAULTS
from massgen_testkit.provider import Play, Provider, serving

pytestmark = pytest.mark.anyio
QUESTION = ModelRequest(model="m", messages=(Message.of("user", "What is the capital of France?"),))
KEY = "sk-test-0a1b2c3d4e5f6071"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


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


@pytest.mark.parametrize("name", ["slow_first_byte", "unknown_events", "carriage_returns", "no_stream"])
async def test_harmless_oddities(name: str, tmp_path: Path) -> None:
    """What is odd and harmless changes nothing of the answer."""
    heard: list[Chunk] = []
    async with played(tmp_path, WIRE_FAULTS[name]) as (backend, _):
        await hear(backend, heard)

    assert text(heard) == "The capital of "
    assert isinstance(heard[-1], StopChunk)
    assert heard[-1].reason == "stop"


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("stall", TimedOut),
        ("drop", ConnectionLost),
        ("drop_inside_an_event", ConnectionLost),
        ("silent_end", ConnectionLost),
        ("malformed_json", ConnectionLost),
    ],
)
async def test_broken_streams(name: str, error: type[BackendFault], tmp_path: Path) -> None:
    """A stream that breaks raises an error that can be retried, after all that came before."""
    heard: list[Chunk] = []
    async with played(tmp_path, WIRE_FAULTS[name], idle_seconds=0.3) as (backend, _):
        with pytest.raises(error) as caught:
            await hear(backend, heard)

    assert caught.value.is_retryable
    assert text(heard) == "The capital of "


@pytest.mark.parametrize(
    ("name", "least", "most"), [("retry_after_seconds", 2, 2), ("retry_after_date", 1e9, 1e10), ("unavailable_for_a_while", 7, 7)]
)
async def test_waiting_times(name: str, least: float, most: float, tmp_path: Path) -> None:
    """The time to wait is read from seconds and from dates."""
    async with played(tmp_path, WIRE_FAULTS[name]) as (backend, _):
        with pytest.raises(RateLimited) as caught:
            await hear(backend, [])

    assert caught.value.retry_after is not None
    assert least <= caught.value.retry_after <= most


async def test_page_of_a_gateway(tmp_path: Path) -> None:
    """A proxy's page instead of an error is an overload; its markup is harmless."""
    async with played(tmp_path, WIRE_FAULTS["gateway_page"]) as (backend, _):
        with pytest.raises(Overloaded):
            await hear(backend, [])


async def test_empty_answer(tmp_path: Path) -> None:
    """An answer of nothing is an answer: the kernel decides what to do with it."""
    heard: list[Chunk] = []
    async with played(tmp_path, WIRE_FAULTS["empty_answer"]) as (backend, _):
        await hear(backend, heard)

    assert [type(chunk) for chunk in heard] == [StopChunk]


async def test_torn_characters(tmp_path: Path) -> None:
    """Characters that the network tears arrive whole."""
    heard: list[Chunk] = []
    async with played(tmp_path, WIRE_FAULTS["torn_unicode"]) as (backend, _):
        await hear(backend, heard)

    assert text(heard) == "Zürich 🦜 日本"


@pytest.mark.parametrize("name", ["missing_index", "same_index", "duplicate_ids", "missing_ids"])
async def test_calls_stay_apart(name: str, tmp_path: Path) -> None:
    """Two calls stay two calls with ids of their own, however badly the server numbers them."""
    heard: list[Chunk] = []
    async with played(tmp_path, WIRE_FAULTS[name]) as (backend, _):
        await hear(backend, heard)
    pieces = [chunk for chunk in heard if isinstance(chunk, ToolCallChunk)]
    arguments = {index: "".join(piece.arguments for piece in pieces if piece.index == index) for index in (0, 1)}
    ids = [piece.id for piece in pieces if piece.id]

    assert arguments == {0: '{"city": "Paris"}', 1: '{"city": "Rome"}'}
    assert len(set(ids)) == 2
    assert {piece.name for piece in pieces if piece.id} == {"weather"}


async def test_huge_arguments(tmp_path: Path) -> None:
    """A megabyte of arguments comes whole."""
    heard: list[Chunk] = []
    async with played(tmp_path, WIRE_FAULTS["huge_arguments"]) as (backend, _):
        await hear(backend, heard)

    assert sum(len(chunk.arguments) for chunk in heard if isinstance(chunk, ToolCallChunk)) == 1_000_000 + len('{"city": ""}')


async def test_connections_are_used_again_and_clients_are_shared(tmp_path: Path) -> None:
    """Calls one after the other use one connection, read to its end."""
    async with played(tmp_path, WIRE_FAULTS["empty_answer"]) as (backend, provider):
        for _ in range(5):
            await hear(backend, [])
            assert provider.open == 1


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


async def test_leaving_closes_the_connection(tmp_path: Path) -> None:
    """The server sees within half a second that nobody listens any more."""
    async with played(tmp_path, WIRE_FAULTS["stall"]) as (backend, provider):
        async with backend.respond(QUESTION) as stream:
            await anext(stream)
            left = time.monotonic()
        while provider.open:
            await anyio.lowlevel.checkpoint()
            assert time.monotonic() - left < 0.5


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


async def test_redirects_are_not_followed(tmp_path: Path) -> None:
    """A server that sends its callers elsewhere does not get the key sent there."""
    play = Play(status=307, headers={"Location": "http://127.0.0.1:9/v1"})
    async with played(tmp_path, play) as (backend, provider):
        with pytest.raises(BadRequest, match="elsewhere"):
            await hear(backend, [])

    assert len(provider.asked) == 1


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
