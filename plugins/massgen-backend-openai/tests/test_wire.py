"""What servers and proxies do on the wire, through the real SDK."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

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
    ItemChunk,
    LimitsChunk,
    Message,
    ModelMissing,
    ModelRequest,
    Overloaded,
    RateLimited,
    SecretMissing,
    Text,
    TextChunk,
)
from massgen_testkit import PlainContext, WireSuite
from massgen_testkit.protocols.responses import WIRE_FAULTS
from massgen_testkit.provider import Play, Provider, refused, serving

pytestmark = pytest.mark.anyio
QUESTION = ModelRequest(model="m", messages=(Message.of("user", "What is the capital of France?"),))
KEY = "sk-test-0a1b2c3d4e5f6071"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class TestWire(WireSuite):
    name = "openai"
    faults = WIRE_FAULTS
    address = ("base_url", "/v1")
    options: ClassVar[Mapping[str, Any]] = {"key": "env:K"}
    harmless = (*WireSuite.harmless, "done_marker", "no_places", "no_deltas", "only_the_end")
    broken: ClassVar[Mapping[str, type[BackendFault]]] = {
        **WireSuite.broken,
        "failed": Overloaded,
        "failed_for_a_while": RateLimited,
        "error_of_a_proxy": Overloaded,
    }
    waits: ClassVar[Mapping[str, tuple[float, float]]] = {**WireSuite.waits, "failed_for_a_while": (6.5, 6.5)}
    separate = (*WireSuite.separate, "calls", "calls_without_places", "calls_without_deltas", "calls_only_at_the_end", "calls_in_one_place")


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


async def test_limits_are_told(tmp_path: Path) -> None:
    """The limits in an answer's headers come before the answer."""
    play = attrs.evolve(WIRE_FAULTS["empty_answer"], headers={"x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "59"})
    heard: list[Chunk] = []
    async with played(tmp_path, play) as (backend, _):
        await hear(backend, heard)

    assert isinstance(heard[0], LimitsChunk)
    assert heard[0].limits.requests is not None
    assert heard[0].limits.requests.remaining == 59


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


async def test_chained_answers(tmp_path: Path) -> None:
    """The second request names the first answer and says only what is new."""
    heard: list[Chunk] = []
    async with played(tmp_path, WIRE_FAULTS["done_marker"], chain=True) as (backend, provider):
        await hear(backend, heard)
        items = tuple(chunk.item for chunk in heard if isinstance(chunk, ItemChunk))
        reply = Message(role="assistant", content=(Text(text=text(heard)), *items))
        again = attrs.evolve(QUESTION, messages=(*QUESTION.messages, reply, Message.of("user", "And of Italy?")))
        await hear(backend, [], again)

    assert provider.bodies[1]["previous_response_id"] == "resp_1"
    assert provider.bodies[1]["input"] == [{"role": "user", "content": "And of Italy?"}]


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
