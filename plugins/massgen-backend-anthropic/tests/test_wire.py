"""What servers and proxies do to a stream, over real sockets and through the real SDK."""

from __future__ import annotations

import time
from pathlib import Path

import anyio
import anyio.abc
import httpx2
import pytest

from massgen_backend_anthropic.backend import open_backend
from massgen_backend_anthropic.config import AnthropicConfig
from massgen_core.api import (
    AuthenticationFailed,
    BackendFault,
    BadRequest,
    Chunk,
    ConnectionLost,
    ContextTooLong,
    LimitsChunk,
    ModelMissing,
    Overloaded,
    RateLimited,
    StopChunk,
    TimedOut,
    ToolCallChunk,
    UsageChunk,
)
from massgen_testkit import PlainContext
from massgen_testkit.protocols.messages import FILTERED, WIRE_FAULTS, rejected
from massgen_testkit.provider import Play, serving

from .stage import KEY, QUESTION, hear, items, played, stop, text

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize("name", ["slow_first_byte", "unknown_events", "carriage_returns", "no_stream"])
async def test_harmless_oddities(name: str, tmp_path: Path) -> None:
    """What is odd and harmless changes nothing of the answer."""
    async with played(tmp_path, WIRE_FAULTS[name]) as (backend, _):
        heard = await hear(backend)

    assert text(heard) == "The capital of "
    assert stop(heard).reason == "stop"
    # A block of an unknown kind may matter to the provider: it goes back.
    assert items(heard) == ([{"type": "mystery", "stuff": 1}] if name == "unknown_events" else [])


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
    """The time to wait is read from seconds and from dates, and the SDK asks once only."""
    async with played(tmp_path, WIRE_FAULTS[name]) as (backend, provider):
        with pytest.raises(RateLimited) as caught:
            await hear(backend)

    assert caught.value.retry_after is not None
    assert least <= caught.value.retry_after <= most
    assert len(provider.asked) == 1


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        ("gateway_page", Overloaded, "says"),
        ("overloaded", Overloaded, "Overloaded"),
        ("prompt_too_long", ContextTooLong, "does not fit into the context of 'claude-sonnet-5-5'"),
        ("request_too_large", ContextTooLong, "does not fit"),
        ("no_such_model", ModelMissing, "massgen models"),
        ("no_credit", AuthenticationFailed, "The account behind 'env:K' cannot pay"),
    ],
)
async def test_refused_calls(name: str, error: type[BackendFault], said: str, tmp_path: Path) -> None:
    """Refusals of a call become the right error, with what to do."""
    async with played(tmp_path, WIRE_FAULTS[name]) as (backend, provider):
        with pytest.raises(error, match=said):
            await hear(backend)

    assert len(provider.asked) == 1


async def test_empty_answer(tmp_path: Path) -> None:
    """An answer of nothing is an answer: the kernel decides what to do with it."""
    async with played(tmp_path, WIRE_FAULTS["empty_answer"]) as (backend, _):
        heard = await hear(backend)

    assert [type(chunk) for chunk in heard if not isinstance(chunk, UsageChunk)] == [StopChunk]


async def test_torn_characters(tmp_path: Path) -> None:
    """Characters that the network tears arrive whole."""
    async with played(tmp_path, WIRE_FAULTS["torn_unicode"]) as (backend, _):
        assert text(await hear(backend)) == "Zürich 🦜 日本"


@pytest.mark.parametrize("name", ["interleaved_blocks", "same_index", "duplicate_ids", "missing_ids", "whole_input"])
async def test_calls_stay_apart(name: str, tmp_path: Path) -> None:
    """Two calls stay two calls with ids of their own, however badly the server numbers them."""
    async with played(tmp_path, WIRE_FAULTS[name]) as (backend, _):
        heard = await hear(backend)
    pieces = [chunk for chunk in heard if isinstance(chunk, ToolCallChunk)]
    arguments = {index: "".join(piece.arguments for piece in pieces if piece.index == index) for index in (0, 1)}
    ids = [piece.id for piece in pieces if piece.id]

    assert arguments == {0: '{"city": "Paris"}', 1: '{"city": "Rome"}'}
    assert len(set(ids)) == 2
    assert {piece.name for piece in pieces if piece.id} == {"weather"}
    assert stop(heard).reason == "tools"


async def test_huge_arguments(tmp_path: Path) -> None:
    """A megabyte of arguments comes whole."""
    async with played(tmp_path, WIRE_FAULTS["huge_arguments"]) as (backend, _):
        heard = await hear(backend)

    assert sum(len(chunk.arguments) for chunk in heard if isinstance(chunk, ToolCallChunk)) == 1_000_000 + len('{"city": ""}')


async def test_filter_before_the_answer(tmp_path: Path) -> None:
    """A filter that lets nothing through is an outcome, no error."""
    async with played(tmp_path, rejected(400, FILTERED)) as (backend, _):
        assert stop(await hear(backend)).reason == "filtered"


async def test_limits_are_told(tmp_path: Path) -> None:
    """The provider's limits come with the answer."""
    headers = {
        "anthropic-ratelimit-requests-limit": "50",
        "anthropic-ratelimit-requests-remaining": "49",
        "anthropic-ratelimit-tokens-remaining": "7",
    }
    play = Play(headers=headers, pieces=WIRE_FAULTS["empty_answer"].pieces)
    async with played(tmp_path, play) as (backend, _):
        (limits,) = [chunk.limits for chunk in await hear(backend) if isinstance(chunk, LimitsChunk)]

    assert limits.requests is not None
    assert (limits.requests.limit, limits.requests.remaining) == (50, 49)
    assert limits.tokens is not None
    assert limits.tokens.remaining == 7


async def test_connections_are_used_again(tmp_path: Path) -> None:
    """Calls one after the other use one connection, read to its end."""
    async with played(tmp_path, WIRE_FAULTS["empty_answer"]) as (backend, provider):
        for _ in range(5):
            await hear(backend)
            assert provider.open == 1


async def test_many_calls(tmp_path: Path) -> None:
    """Many calls at once are all answered by one client."""
    heard: list[Chunk] = []
    async with played(tmp_path, WIRE_FAULTS["slow_first_byte"]) as (backend, provider), anyio.create_task_group() as group:
        for _ in range(40):
            group.start_soon(hear, backend, heard)

    assert sum(isinstance(chunk, StopChunk) for chunk in heard) == 40
    assert len(provider.asked) == 40


async def test_client_is_shared(tmp_path: Path) -> None:
    """Agents of one run with the same server and key share a client; another key gets another one."""
    config = AnthropicConfig(base_url="http://127.0.0.1:9", key="env:K")
    async with (
        PlainContext(folder=tmp_path, secrets={"env:K": KEY, "env:L": KEY + "2"}) as context,
        open_backend(config, context) as one,
        open_backend(AnthropicConfig(base_url="http://127.0.0.1:9/", key="env:K", cache="off"), context) as two,
        open_backend(AnthropicConfig(base_url="http://127.0.0.1:9", key="env:L"), context) as three,
    ):
        assert one._client is two._client
        assert one._client is not three._client


async def test_leaving_closes_the_connection(tmp_path: Path) -> None:
    """The server sees that nobody listens any more."""
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
        address = gone.url
    async with played(tmp_path, WIRE_FAULTS["stall"], base_url=address) as (backend, _):
        with pytest.raises(ConnectionLost, match=r"cannot connect to 127\.0\.0\.1:\d+"):
            await hear(backend)


async def test_headers(tmp_path: Path) -> None:
    """Key, version, beta features and further headers and fields are sent as they are configured; a model's needs are added."""
    options = {"headers": {"x-team": "blue"}, "extra_body": {"service_tier": "auto"}, "betas": ("files-api-2025-04-14",), "api_version": "2023-06-01"}
    async with played(tmp_path, WIRE_FAULTS["empty_answer"], **options) as (backend, provider):
        await hear(backend)
    asked = provider.asked[0]

    assert asked.path == "/v1/messages"
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert (asked.headers["x-team"], asked.headers["anthropic-version"]) == ("blue", "2023-06-01")
    assert asked.headers["anthropic-beta"] == "files-api-2025-04-14,thinking-binding-controls-2026-08-01"
    assert asked.body["service_tier"] == "auto"


async def test_other_key_header(tmp_path: Path) -> None:
    """A proxy with a header of its own gets the key there and nowhere else."""
    async with played(tmp_path, WIRE_FAULTS["empty_answer"], key_header="x-api-key") as (backend, provider):
        await hear(backend)

    assert provider.asked[0].headers["x-api-key"] == KEY
    assert "authorization" not in provider.asked[0].headers


async def test_no_key_for_strangers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server of another address gets no key that was not named for it, even where the SDK would find one."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", KEY)
    async with played(tmp_path, WIRE_FAULTS["empty_answer"], key="") as (backend, provider):
        await hear(backend)

    assert KEY not in str(provider.asked[0].headers)
    assert "authorization" not in provider.asked[0].headers


async def test_key_that_no_header_can_carry(tmp_path: Path) -> None:
    """A key with a line break in it is refused and not shown."""
    async with PlainContext(folder=tmp_path, secrets={"env:K": "sk-secret\nsecond"}) as context:
        with pytest.raises(BadRequest) as caught:
            async with open_backend(AnthropicConfig(base_url="http://127.0.0.1:9", key="env:K"), context):
                pass

    assert "sk-secret" not in str(caught.value)


async def test_redirects_are_not_followed(tmp_path: Path) -> None:
    """A server that sends its callers elsewhere does not get the key sent there."""
    play = Play(status=307, headers={"Location": "http://127.0.0.1:9/v1"})
    async with played(tmp_path, play) as (backend, provider):
        with pytest.raises(BadRequest, match="elsewhere"):
            await hear(backend)

    assert len(provider.asked) == 1


async def test_wrong_address(tmp_path: Path) -> None:
    """A page that is not there is told apart from a model that is not."""
    async with played(tmp_path, Play(status=404)) as (backend, _):
        with pytest.raises(BadRequest, match="base_url"):
            await hear(backend)


async def test_consumer_errors_are_not_disguised(tmp_path: Path) -> None:
    """An error of the one who reads is not taken for one of the connection."""
    async with played(tmp_path, WIRE_FAULTS["stall"]) as (backend, _):
        with pytest.raises(httpx2.ReadError):
            async with backend.respond(QUESTION):
                raise httpx2.ReadError("mine")


async def test_counting_fails_like_calls(tmp_path: Path) -> None:
    """Counting tokens has the same errors, and shows no key."""
    async with played(tmp_path, rejected(401, f"no {KEY}")) as (backend, _):
        with pytest.raises(AuthenticationFailed, match="env:K") as caught:
            await backend.count_tokens(QUESTION)

    assert KEY not in str(caught.value)
