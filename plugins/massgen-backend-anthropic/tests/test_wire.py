"""What servers and proxies do to a stream, over real sockets and through the real SDK."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import httpx2
import pytest

from massgen_backend_anthropic.backend import open_backend
from massgen_backend_anthropic.config import AnthropicConfig
from massgen_core.api import (
    AuthenticationFailed,
    BackendFault,
    BadRequest,
    ContextTooLong,
    LimitsChunk,
    ModelMissing,
    Overloaded,
    ReasoningChunk,
)
from massgen_testkit import PlainContext, WireSuite
from massgen_testkit.protocols.messages import FILTERED, WIRE_FAULTS, block, ended, rejected, started
from massgen_testkit.provider import Play

from .stage import KEY, MODEL, QUESTION, hear, items, played, stop

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class TestWire(WireSuite):
    name = "anthropic"
    faults = WIRE_FAULTS
    model = MODEL
    options: ClassVar[Mapping[str, Any]] = {"key": "env:K"}
    separate = ("interleaved_blocks", "same_index", "duplicate_ids", "missing_ids", "whole_input")


async def test_blocks_of_unknown_kinds_go_back(tmp_path: Path) -> None:
    """A block that nobody here knows may matter to the provider: it is an item."""
    async with played(tmp_path, WIRE_FAULTS["unknown_events"]) as (backend, _):
        assert items(await hear(backend)) == [{"type": "mystery", "stuff": 1}]


async def test_blocks_in_pieces_go_back_whole(tmp_path: Path) -> None:
    """Blocks of tools that run at the provider, and of whatever it adds, are put together from their pieces before they go back."""
    pieces = ('{"a": ', "1}")
    call = {"type": "mcp_tool_use", "id": "mcptoolu_1", "name": "echo", "server_name": "s"}
    result = {"type": "mcp_tool_result", "tool_use_id": "mcptoolu_1", "is_error": False, "content": [{"type": "text", "text": "Hello"}]}
    play = Play(
        pieces=(
            started(),
            *block(0, {"type": "compaction", "content": None}, {"type": "compaction_delta", "content": "So far: nothing."}),
            *block(1, {**call, "input": {}}, *({"type": "input_json_delta", "partial_json": piece} for piece in pieces)),
            *block(2, result),
            *block(3, {"type": "text", "text": ""}, {"type": "text_delta", "text": "Done."}),
            *ended(),
        )
    )
    async with played(tmp_path, play) as (backend, _):
        heard = await hear(backend)

    assert items(heard) == [{"type": "compaction", "content": "So far: nothing."}, {**call, "input": {"a": 1}}, result]
    assert "found: Hello" in "".join(chunk.text for chunk in heard if isinstance(chunk, ReasoningChunk))


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        ("gateway_page", Overloaded, "says"),
        ("overloaded", Overloaded, "Overloaded"),
        ("prompt_too_long", ContextTooLong, "does not fit into the context of 'claude-sonnet-5-5'"),
        ("request_too_large", ContextTooLong, "does not fit"),
        ("no_such_model", ModelMissing, "massgen models"),
        ("no_credit", AuthenticationFailed, "The account behind 'env:K' has no credit left"),
    ],
)
async def test_refused_calls(name: str, error: type[BackendFault], said: str, tmp_path: Path) -> None:
    """Refusals of a call become the right error, with what to do."""
    async with played(tmp_path, WIRE_FAULTS[name]) as (backend, provider):
        with pytest.raises(error, match=said):
            await hear(backend)

    assert len(provider.asked) == 1


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
