"""The parts: chunks from events, errors from bodies, rules of models, options, what importing costs."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_backend_anthropic.answers import Answer, usage_of
from massgen_backend_anthropic.catalogue import AS_OF, CATALOGUE
from massgen_backend_anthropic.config import AnthropicConfig
from massgen_backend_anthropic.faults import RULES
from massgen_backend_anthropic.rules import Rules, rules_of
from massgen_core.api import (
    AuthenticationFailed,
    BackendFault,
    BadRequest,
    ConfigProblem,
    ConfigProblems,
    ContextTooLong,
    Faults,
    ModelMissing,
    Overloaded,
    RateLimited,
    StopChunk,
    TimedOut,
    Usage,
    structure,
)

KEYLIKE = "sk-ant-abcdefghijklmnop0123456789"
NONSENSE = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3))


@pytest.mark.parametrize(
    ("raw", "usage"),
    [
        ({"input_tokens": 10, "output_tokens": 5}, Usage(input=10, output=5)),
        (
            {"input_tokens": 10, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 3, "output_tokens": 5},
            Usage(input=10, cached=4, written=3, output=5),
        ),
        ({"output_tokens": 9, "output_tokens_details": {"thinking_tokens": 4}}, Usage(output=5, reasoning=4)),
        ({"input_tokens": None, "output_tokens": "many", "output_tokens_details": []}, Usage()),
    ],
)
def test_usage(raw: dict[str, Any], usage: Usage) -> None:
    """Counts are disjoint: this API counts thinking as output, and cached input apart."""
    assert usage_of(raw) == usage


@given(NONSENSE)
def test_nonsense_breaks_nothing(value: Any) -> None:
    """Fields of unexpected types are left out."""
    answer = Answer()
    for event in (
        {"type": value},
        {"type": "message_start", "message": value},
        {"type": "message_start", "message": {"model": value, "usage": value}},
        {"type": "content_block_start", "index": 0, "content_block": value},
        {"type": "content_block_start", "index": 0, "content_block": {"type": value, "text": value}},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": value, "name": value, "input": value}},
        {"type": "content_block_delta", "index": 1, "delta": value},
        {"type": "content_block_delta", "index": 1, "delta": {"type": value, "text": value}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": value}},
        {"type": "content_block_stop", "index": 1},
        {"type": "content_block_start", "index": 2, "content_block": {"type": "server_tool_use", "name": value, "input": {"query": value}}},
        {"type": "content_block_delta", "index": 2, "delta": {"type": "citations_delta", "citation": value}},
        {"type": "content_block_start", "index": 3, "content_block": {"type": "web_search_tool_result", "content": value}},
        {"type": "message_delta", "delta": value, "usage": value},
        {"type": "message_delta", "delta": {"stop_reason": value, "stop_details": value, "container": value}},
    ):
        answer.take(event)

    assert isinstance(answer.end()[-1], StopChunk)


FAULTS = Faults("example", "env:K", lambda text: text.replace(KEYLIKE, "***"), RULES)


@pytest.mark.parametrize(
    ("status", "kind", "message", "error"),
    [
        (400, "invalid_request_error", "prompt is too long: 9 tokens > 8 maximum", ContextTooLong),
        (400, "exceed_context_size_error", "the request exceeds the available context size", ContextTooLong),
        (400, "invalid_request_error", "messages: text content blocks must be non-empty", BadRequest),
        (400, "invalid_request_error", "Your credit balance is too low", AuthenticationFailed),
        (401, "authentication_error", f"invalid {KEYLIKE}", AuthenticationFailed),
        (402, "billing_error", "pay", AuthenticationFailed),
        (403, "permission_error", "no", AuthenticationFailed),
        (404, "not_found_error", "model: claude-x", ModelMissing),
        (404, "not_found_error", "Not Found", BadRequest),
        (408, "", "", TimedOut),
        (413, "request_too_large", "", ContextTooLong),
        (429, "rate_limit_error", "slow", RateLimited),
        (500, "api_error", "", Overloaded),
        (504, "timeout_error", "", TimedOut),
        (529, "overloaded_error", "Overloaded", Overloaded),
    ],
)
def test_errors(status: int, kind: str, message: str, error: type[BackendFault]) -> None:
    """Errors become the right ones, with the provider's words and without the key; in streams the type stands for the status."""
    body = {"type": "error", "error": {"type": kind, "message": message}}
    fault = FAULTS.of_status(status, {}, body, "m")

    assert type(fault) is error
    assert fault.status == status
    assert KEYLIKE not in str(fault)
    if kind.endswith(("_error", "large")) and kind != "exceed_context_size_error":
        assert type(FAULTS.of_event(body, "m")) is error


@pytest.mark.parametrize("body", [None, [], "text", {"error": "x"}, {"error": None}, {"message": "x"}])
def test_errors_of_any_form(body: Any) -> None:
    """An error of an unknown form is still an error that can be tried again."""
    assert type(FAULTS.of_event(body, "m")) is Overloaded


def test_control_sequences_are_removed() -> None:
    """What a server says cannot steer a terminal."""
    assert "\x1b" not in str(FAULTS.of_status(500, {}, {"error": {"message": "\x1b[2Jgone"}}, "m"))


@pytest.mark.parametrize(
    ("model", "rules"),
    [
        ("claude-3-5-haiku-20241022", Rules(most=8192)),
        ("claude-3-haiku-20240307", Rules(most=4096)),
        ("claude-3-7-sonnet-latest", Rules(most=64_000)),
        ("claude-opus-4-20250514", Rules(most=32_000)),
        ("claude-sonnet-4-5-20250929", Rules(most=64_000)),
        ("us.anthropic.claude-opus-4-6-v1:0", Rules(style="adaptive", most=128_000)),
        ("claude-sonnet-5", Rules(style="adaptive", thinks=True, most=128_000)),
        ("claude-sonnet-5-5", Rules(style="adaptive", off="between_tools", thinks=True, binds=True, most=128_000)),
        ("claude-opus-6", Rules(style="adaptive", off="", thinks=True, binds=True, most=128_000)),
        ("claude-fable-5", Rules(style="adaptive", off="", thinks=True, most=128_000)),
        ("claude-mythos-preview", Rules(style="adaptive", off="", thinks=True, most=128_000)),
        ("MiniMax-M3", Rules()),
    ],
)
def test_rules(model: str, rules: Rules) -> None:
    """Names of models tell their generation, however they are dressed; a day is no version."""
    assert rules_of(model) == rules


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"base_url": "localhost:8000"}, "https://"),
        ({"base_url": "https://user:pw@example.org"}, "password"),
        ({"base_url": "https://example.org/?key=1"}, "query"),
        ({"base_url": "https://example.org/v1/"}, "/v1"),
        ({"key": KEYLIKE}, "reference"),
        ({"headers": {"Authorization": KEYLIKE}}, "secret"),
        ({"headers": {"Anthropic-Beta": "x"}}, "betas"),
        ({"extra_body": {"messages": []}}, "messages"),
        ({"web_search": {"max_uses": 1}}, "enable_web_search"),
        ({"code_execution": {"type": "x"}}, "enable_code_execution"),
        ({"hosted_tools": [{"name": "web_fetch"}]}, "type"),
        ({"thinking": "deep"}, "adaptive"),
        ({"thinking_budget": 10}, "thinking_budget"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"enable_web_serch": True}, "enable_web_search"),
        ({"mcp_servers": []}, "mcp_servers"),
    ],
)
def test_mistakes_in_options(options: dict[str, Any], said: str) -> None:
    """A mistake is refused with words that help, and a key that was written down is not repeated."""
    with pytest.raises((ConfigProblem, ConfigProblems)) as caught:
        structure(AnthropicConfig, options)

    assert said in str(caught.value)
    assert KEYLIKE not in str(caught.value)


def test_key_stays_at_its_provider() -> None:
    """Anthropic's key is not sent to another address unless it is named."""
    assert AnthropicConfig().reference == "ANTHROPIC_API_KEY"
    assert AnthropicConfig(base_url="https://api.anthropic.com/").reference == "ANTHROPIC_API_KEY"
    assert AnthropicConfig(base_url="https://elsewhere.example").reference == ""
    assert AnthropicConfig(base_url="https://elsewhere.example", key="keyring:claude").reference == "keyring:claude"


def test_catalogue() -> None:
    """Each model has its context and a price of a known day; reading from the cache is cheaper, writing dearer; nothing can be fetched."""
    for model in CATALOGUE.models():
        price = model.price
        assert price is not None
        assert price.cached is not None
        assert price.written is not None
        assert price.cached < price.input < price.written < price.output
        assert price.as_of == AS_OF
        assert model.context >= 200_000
        assert rules_of(model.name) != Rules()
    with pytest.raises(ModelMissing, match="local"):
        CATALOGUE.pull("claude-opus-5-5", lambda what, done, total: None)


@pytest.mark.parametrize("module", ["plugin", "backend", "catalogue"])
def test_sdk_is_imported_late(module: str) -> None:
    """Neither the hook module nor the implementation imports the SDK: only opening does."""
    code = f"import sys, massgen_backend_anthropic.{module}; print([name for name in ('anthropic', 'pydantic') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
