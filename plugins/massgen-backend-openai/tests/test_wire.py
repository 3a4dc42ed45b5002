"""What servers and proxies do on the wire, through the real SDK."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import attrs
import httpx2
import pytest

from massgen_backend_openai.backend import OpenAIBackend, open_backend
from massgen_backend_openai.config import OpenAIConfig
from massgen_core.api import (
    BackendFault,
    BadRequest,
    Chunk,
    ConnectionLost,
    LimitsChunk,
    Message,
    ModelMissing,
    ModelRequest,
    Overloaded,
    RateLimited,
    SecretMissing,
    StopChunk,
    TextChunk,
    TimedOut,
    ToolCallChunk,
)
from massgen_testkit import PlainContext
from massgen_testkit.protocols.responses import WIRE_FAULTS
from massgen_testkit.provider import Play, Provider, refused, serving

pytestmark = pytest.mark.anyio
QUESTION = ModelRequest(model="m", messages=(Message.of("user", "What is the capital of France?"),))
KEY = "sk-test-0a1b2c3d4e5f6071"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def played(folder: Path, *plays: Play, **options: Any) -> AsyncIterator[tuple[OpenAIBackend, Provider]]:
    """Run a server and a backend that speaks with it."""
    with anyio.fail_after(20):
        async with serving(*plays) as provider, PlainContext(folder=folder, secrets={"env:K": KEY}) as context:
            config = OpenAIConfig(**{"base_url": f"{provider.url}/v1", "key": "env:K", **options})
            async with open_backend(config, context) as backend:
                yield backend, provider


async def hear(backend: OpenAIBackend, heard: list[Chunk], request: ModelRequest = QUESTION) -> None:
    async with backend.respond(request) as stream:
        async for chunk in stream:
            heard.append(chunk)


def text(heard: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in heard if isinstance(chunk, TextChunk))


@pytest.mark.parametrize(
    "name",
    ["slow_first_byte", "unknown_events", "carriage_returns", "done_marker", "no_places", "no_deltas", "only_the_end", "no_stream"],
)
async def test_harmless_oddities(name: str, tmp_path: Path) -> None:
    """What is odd and harmless changes nothing of the answer."""
    heard: list[Chunk] = []
    async with played(tmp_path, WIRE_FAULTS[name]) as (backend, _):
        await hear(backend, heard)

    assert text(heard) == "The capital of "
    assert isinstance(heard[-1], StopChunk)
    assert (heard[-1].reason, heard[-1].model) == ("stop", "m")


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("stall", TimedOut),
        ("drop", ConnectionLost),
        ("drop_inside_an_event", ConnectionLost),
        ("silent_end", ConnectionLost),
        ("malformed_json", ConnectionLost),
        ("failed", Overloaded),
        ("failed_for_a_while", RateLimited),
        ("error_of_a_proxy", Overloaded),
    ],
)
async def test_broken_streams(name: str, error: type[BackendFault], tmp_path: Path) -> None:
    """A stream that breaks raises an error that can be retried, after all that came before."""
    heard: list[Chunk] = []
    async with played(tmp_path, WIRE_FAULTS[name], idle_seconds=1.0 if name == "stall" else None) as (backend, _):
        with pytest.raises(error) as caught:
            await hear(backend, heard)

    assert caught.value.is_retryable
    assert text(heard) == "The capital of "


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [("retry_after_seconds", 2, 2), ("retry_after_date", 1e9, 1e10), ("unavailable_for_a_while", 7, 7), ("failed_for_a_while", 6.5, 6.5)],
)
async def test_waiting_times(name: str, least: float, most: float, tmp_path: Path) -> None:
    """The time to wait is read from seconds, from dates and, inside of a stream, from words; nothing is asked twice."""
    async with played(tmp_path, WIRE_FAULTS[name]) as (backend, provider):
        with pytest.raises(RateLimited) as caught:
            await hear(backend, [])

    assert caught.value.retry_after is not None
    assert least <= caught.value.retry_after <= most
    assert len(provider.asked) == 1


@pytest.mark.parametrize(("name", "error"), [("gateway_page", Overloaded), ("page_instead_of_events", ConnectionLost)])
async def test_pages(name: str, error: type[BackendFault], tmp_path: Path) -> None:
    """A proxy's page instead of an answer is an error that can be retried."""
    async with played(tmp_path, WIRE_FAULTS[name]) as (backend, _):
        with pytest.raises(error):
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


@pytest.mark.parametrize(
    "name",
    ["calls", "calls_without_places", "calls_without_deltas", "calls_only_at_the_end", "calls_in_one_place", "duplicate_ids", "missing_ids"],
)
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
    assert heard[-1] == StopChunk("tools", "m", "completed")


async def test_huge_arguments(tmp_path: Path) -> None:
    """A megabyte of arguments comes whole."""
    heard: list[Chunk] = []
    async with played(tmp_path, WIRE_FAULTS["huge_arguments"]) as (backend, _):
        await hear(backend, heard)

    assert sum(len(chunk.arguments) for chunk in heard if isinstance(chunk, ToolCallChunk)) == 1_000_000 + len('{"city": ""}')


async def test_limits_are_told(tmp_path: Path) -> None:
    """The limits in an answer's headers come before the answer."""
    play = attrs.evolve(WIRE_FAULTS["empty_answer"], headers={"x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "59"})
    heard: list[Chunk] = []
    async with played(tmp_path, play) as (backend, _):
        await hear(backend, heard)

    assert isinstance(heard[0], LimitsChunk)
    assert heard[0].limits.requests is not None
    assert heard[0].limits.requests.remaining == 59


async def test_connections_are_used_again(tmp_path: Path) -> None:
    """Calls one after the other use one connection, read to its end."""
    async with played(tmp_path, WIRE_FAULTS["empty_answer"]) as (backend, provider):
        for _ in range(5):
            await hear(backend, [])
            assert provider.open == 1


async def test_agents_share_a_client(tmp_path: Path) -> None:
    """Agents with the same server and key share one client, whatever else they differ in; another key gets another client."""
    async with PlainContext(folder=tmp_path, secrets={"env:K": KEY, "env:L": KEY}) as context:
        configs = (
            OpenAIConfig(base_url="http://127.0.0.1:9/v1", key="env:K"),
            OpenAIConfig(base_url="http://127.0.0.1:9/v1", key="env:K", idle_seconds=5, enable_web_search=True),
            OpenAIConfig(base_url="http://127.0.0.1:9/v1", key="env:L"),
        )
        clients = []
        for config in configs:
            async with open_backend(config, context) as backend:
                clients.append(backend._client)

    assert clients[0] is clients[1]
    assert clients[0] is not clients[2]


async def test_leaving_closes_the_connection(tmp_path: Path) -> None:
    """The server sees soon that nobody listens any more."""
    async with played(tmp_path, WIRE_FAULTS["stall"]) as (backend, provider):
        async with backend.respond(QUESTION) as stream:
            await anext(stream)
            left = time.monotonic()
        while provider.open:
            await anyio.lowlevel.checkpoint()
            assert time.monotonic() - left < 5


async def test_nobody_listens(tmp_path: Path) -> None:
    """A server that is not there is named, with what to check."""
    async with serving(WIRE_FAULTS["stall"]) as gone:
        address = f"{gone.url}/v1"
    async with played(tmp_path, WIRE_FAULTS["stall"], base_url=address) as (backend, _):
        with pytest.raises(ConnectionLost, match=r"cannot connect to 127\.0\.0\.1:\d+"):
            await hear(backend, [])


async def test_headers_and_query(tmp_path: Path) -> None:
    """The key goes into its header; further headers, query and fields are sent as they are."""
    options = {"query": {"v": "1"}, "headers": {"x-team": "blue"}, "extra_body": {"top_logprobs": 2}, "organization": "o-1", "project": "p-1"}
    async with played(tmp_path, WIRE_FAULTS["empty_answer"], **options) as (backend, provider):
        await hear(backend, [])
    asked = provider.asked[0]

    assert asked.path == "/v1/responses?v=1"
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert (asked.headers["x-team"], asked.headers["openai-organization"], asked.headers["openai-project"]) == ("blue", "o-1", "p-1")
    assert asked.body["top_logprobs"] == 2


@pytest.mark.parametrize(
    ("version", "path", "header"),
    [("", "/openai/v1/responses", "authorization"), ("2025-04-01-preview", "/openai/responses?api-version=2025-04-01-preview", "api-key")],
)
async def test_azure(version: str, path: str, header: str, tmp_path: Path) -> None:
    """Azure is asked at its own paths, with the key in the header that each of its APIs has."""
    async with (
        serving(WIRE_FAULTS["empty_answer"]) as provider,
        PlainContext(folder=tmp_path, secrets={"AZURE_OPENAI_API_KEY": KEY}) as context,
        open_backend(OpenAIConfig(azure_endpoint=f"{provider.url}/", api_version=version), context) as backend,
    ):
        await hear(backend, [])
    asked = provider.asked[0]

    assert asked.path == path
    assert asked.headers[header].removeprefix("Bearer ") == KEY


async def test_missing_key(tmp_path: Path) -> None:
    """Without a key nothing is opened, and the reference is named."""
    async with PlainContext(folder=tmp_path) as context:
        with pytest.raises(SecretMissing, match="OPENAI_API_KEY"):
            async with open_backend(OpenAIConfig(), context):
                pass


async def test_key_that_no_header_can_carry(tmp_path: Path) -> None:
    """A key with a line break in it is refused and not shown."""
    async with PlainContext(folder=tmp_path, secrets={"OPENAI_API_KEY": "sk-secret\nsecond"}) as context:
        with pytest.raises(BadRequest) as caught:
            async with open_backend(OpenAIConfig(), context):
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
    async with played(tmp_path, refused(404, "The model `m` does not exist"), refused(404, "no such page")) as (backend, _):
        with pytest.raises(ModelMissing):
            await hear(backend, [])
        with pytest.raises(BadRequest, match="Responses API"):
            await hear(backend, [])


async def test_consumer_errors_are_not_disguised(tmp_path: Path) -> None:
    """An error of the one who reads is not taken for one of the connection."""
    async with played(tmp_path, WIRE_FAULTS["stall"]) as (backend, _):
        with pytest.raises(httpx2.ReadError):
            async with backend.respond(QUESTION):
                raise httpx2.ReadError("mine")


async def test_a_background_answer_is_taken_up_again(tmp_path: Path) -> None:
    """When the connection of a background answer breaks, reading goes on where it broke, and nothing is said twice."""
    rest = Play(pieces=WIRE_FAULTS["done_marker"].pieces[len(WIRE_FAULTS["drop"].pieces) :])
    heard: list[Chunk] = []
    async with played(tmp_path, WIRE_FAULTS["drop"], refused(502, "not now"), rest, background=True) as (backend, provider):
        await hear(backend, heard)

    assert text(heard) == "The capital of "
    assert provider.asked[0].body["background"] is True
    assert provider.asked[0].body["store"] is True
    assert provider.asked[1].path.startswith("/v1/responses/resp_1?")
    assert f"starting_after={len(WIRE_FAULTS['drop'].pieces) - 1}" in provider.asked[1].path
    assert len(provider.asked) == 3


async def test_a_background_answer_that_failed_is_not_taken_up(tmp_path: Path) -> None:
    """What the API itself says is the end, is the end."""
    async with played(tmp_path, WIRE_FAULTS["failed"], background=True) as (backend, provider):
        with pytest.raises(Overloaded):
            await hear(backend, [])

    assert len(provider.asked) == 1


async def test_a_background_answer_that_nobody_waits_for_is_cancelled(tmp_path: Path) -> None:
    """Who leaves a background answer early does not pay for the rest of it."""
    plays = (WIRE_FAULTS["stall"], refused(200, ""))
    async with played(tmp_path, *plays, background=True) as (backend, provider), backend.respond(QUESTION) as stream:
        await anext(stream)

    assert provider.asked[1].path == "/v1/responses/resp_1/cancel"


def test_the_hook_module_imports_no_sdk() -> None:
    """Listing the backend, with its options and its models, costs neither the SDK nor the HTTP library."""
    code = (
        "import sys, massgen_backend_openai.plugin as p, massgen_backend_openai.catalogue; p.massgen_backends();"
        "print(sorted(n for n in ('openai', 'httpx2', 'pydantic', 'ssl', 'email') if n in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
