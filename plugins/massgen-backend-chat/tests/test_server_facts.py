"""What a server says that it has, how much of its limits is left, and which schemas it takes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_backend_chat.backend import open_backend
from massgen_backend_chat.catalogue import CATALOGUE, listed_models
from massgen_backend_chat.config import ChatConfig
from massgen_core.api import (
    LimitsChunk,
    Message,
    ModelInfo,
    ModelRequest,
    Price,
    RateLimit,
    RateLimits,
    Tool,
    ToolReduced,
    clean_line,
    listed_price,
)
from massgen_testkit import ListingSuite, PlainContext
from massgen_testkit.protocols.chat import WIRE_FAULTS
from massgen_testkit.provider import Play, serving

pytestmark = pytest.mark.anyio
KEY = "sk-test-0a1b2c3d4e5f6071"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class TestListing(ListingSuite):
    """GET /models is asked; names, contexts and prices are taken where the server tells them."""

    name = "chat"
    options: ClassVar[Mapping[str, Any]] = {"key": "env:K", "preset": "groq"}
    address = ("base_url", "/v1")
    paths = ("/v1/models",)
    pages = (
        {
            "object": "list",
            "data": [
                {"id": "b", "context_length": 4096, "pricing": {"prompt": "0.000003", "completion": "0.000015", "input_cache_read": "0.0000003"}},
                {"id": "a\u001b[2J", "owned_by": "acme", "max_model_len": 1024},
                {"id": "c", "pricing": {"input": 0.88, "output": 0.9}},
                {"object": "nothing"},
                "junk",
            ],
        },
    )
    listed = (
        ModelInfo(name="a", summary="acme", context=1024, options={"preset": "groq"}),
        ModelInfo(name="b", context=4096, price=Price(input=3, output=15, cached=0.3), options={"preset": "groq"}),
        ModelInfo(name="c", price=Price(input=0.88, output=0.9), options={"preset": "groq"}),
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5) | st.sampled_from(["nan", "1e999"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["data", "models", "id", "name", "pricing", "prompt", "completion", "input", "output"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON)
def test_no_list_breaks_reading(raw: Any) -> None:
    """Whatever a server sends, reading it raises nothing."""
    for model in listed_models(raw, {}):
        assert model.name == clean_line(model.name)
        assert model.price is None or model.price.input >= 0


def test_the_examples_prices_hold_for_their_presets_only() -> None:
    """The same model at another provider has another price, which nobody knows here."""
    assert listed_price(CATALOGUE.models(), {"preset": "grok"}, "grok-4") == Price(input=3, output=15, cached=0.75, as_of="2025-10-01")
    assert listed_price(CATALOGUE.models(), {"base_url": "http://localhost/v1"}, "grok-4") is None
    assert listed_price(CATALOGUE.models(), {"preset": "groq"}, "grok-4") is None


async def test_limits_in_the_headers_of_an_answer(tmp_path: Path) -> None:
    """What a provider says about its limits comes before the answer's first piece."""
    whole = WIRE_FAULTS["slow_first_byte"]
    play = Play(
        delay=0.0,
        pieces=whole.pieces,
        headers={"x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "59", "x-ratelimit-reset-requests": "1s"},
    )
    request = ModelRequest(model="m", messages=(Message.of("user", "Hi"),))
    with anyio.fail_after(20):
        async with (
            serving(play) as provider,
            PlainContext(folder=tmp_path, secrets={"env:K": KEY}) as context,
            open_backend(ChatConfig(base_url=f"{provider.url}/v1", key="env:K"), context) as backend,
            backend.respond(request) as stream,
        ):
            heard = [chunk async for chunk in stream]

    assert heard[0] == LimitsChunk(RateLimits(requests=RateLimit(limit=60, remaining=59, reset=1.0)))


async def test_tools_have_no_alternatives_at_their_root(tmp_path: Path) -> None:
    """A tool's schema that servers refuse is reduced, and that is told once."""
    parameters = {"type": "object", "anyOf": [{"properties": {"a": {"type": "string"}}}, {"properties": {"b": {"type": "string"}}}]}
    request = ModelRequest(
        model="m", messages=(Message.of("user", "Hi"),), tools=(Tool(name="odd", parameters=parameters),), metadata={"agent": "ann"}
    )
    with anyio.fail_after(20):
        async with (
            serving(WIRE_FAULTS["slow_first_byte"]) as provider,
            PlainContext(folder=tmp_path) as context,
            open_backend(ChatConfig(base_url=f"{provider.url}/v1"), context) as backend,
        ):
            for _ in range(2):
                async with backend.respond(request) as stream:
                    assert [chunk async for chunk in stream]

    for body in provider.bodies:
        written = body["tools"][0]["function"]["parameters"]
        assert written == {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}}
    (told,) = context.records.of(ToolReduced)
    assert (told.agent, told.backend, told.tool) == ("ann", "chat", "odd")
