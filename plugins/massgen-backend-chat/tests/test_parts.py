"""The parts: events from bytes, chunks from events, errors from bodies, options."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_backend_chat import sse
from massgen_backend_chat.answers import Answer, usage_of
from massgen_backend_chat.backend import FAULTS as FAULT_RULES
from massgen_backend_chat.catalogue import CATALOGUE
from massgen_backend_chat.config import ChatConfig
from massgen_backend_chat.presets import PRESETS
from massgen_core.api import (
    AuthenticationFailed,
    BackendFault,
    BadRequest,
    ConfigProblem,
    ConfigProblems,
    ContextTooLong,
    Faults,
    ItemChunk,
    ModelMissing,
    Overloaded,
    RateLimited,
    ReasoningChunk,
    StopChunk,
    TextChunk,
    TimedOut,
    ToolCallChunk,
    Usage,
    UsageChunk,
    structure,
)

KEYLIKE = "sk-abcdefghijklmnop0123456789"


@given(
    st.lists(st.text(min_size=1).filter(lambda text: text == text.strip() and not {"\n", "\r"} & set(text))),
    st.lists(st.integers(1, 9)),
    st.booleans(),
)
def test_events_survive_any_cut(texts: list[str], sizes: list[int], is_dos: bool) -> None:
    """However bytes are cut, the same events come out."""
    ending = b"\r\n" if is_dos else b"\n"
    whole = b"".join(b": note" + ending + b"data: " + text.encode() + ending * 2 for text in texts)
    reader, found, place = sse.EventReader(), [], 0
    for size in [*sizes, len(whole) + 1]:
        found += reader.feed(whole[place : place + size])
        place += size
    found += reader.end()

    assert [data.decode() for _, data in found] == texts


def test_events_with_names_and_lines() -> None:
    """Data of several lines are joined, a name holds for its event, a byte order mark is skipped, a missing last line is forgiven."""
    reader = sse.EventReader()

    assert reader.feed(b"\xef\xbb\xbfevent: error\ndata: a\ndata:b\n\ndata: c\n\n") == [(b"error", b"a\nb"), (b"", b"c")]
    assert reader.feed(b"data: d") == []
    assert reader.end() == [(b"", b"d")]


def test_events_without_data() -> None:
    """An event without data, with which servers keep connections open, is none; spaces around data mean nothing."""
    reader = sse.EventReader()

    assert reader.feed(b"data:\n\ndata: \n\nevent: ping\n\n") == []
    assert reader.feed(b"data: \n\n") == []
    assert reader.feed(b"data: [DONE] \n\n") == [(b"", b"[DONE]")]


def test_endless_event_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server cannot fill the memory with one event; comments between events do not count."""
    monkeypatch.setattr(sse, "LIMIT", 1000)
    reader = sse.EventReader()
    for _ in range(1000):
        reader.feed(b": still here\n")
    reader.feed(b"data: " + b"x" * 900)
    with pytest.raises(sse.LineTooLong):
        reader.feed(b"x" * 100)


@pytest.mark.parametrize(
    ("raw", "usage"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 5}, Usage(input=10, output=5)),
        ({"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 4}}, Usage(input=6, cached=4, output=5)),
        ({"prompt_tokens": 10, "completion_tokens": 5, "prompt_cache_hit_tokens": 4}, Usage(input=6, cached=4, output=5)),
        ({"prompt_tokens": 10, "completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 4}}, Usage(input=10, output=5, reasoning=4)),
        (
            {"prompt_tokens": 10, "completion_tokens": 9, "total_tokens": 23, "completion_tokens_details": {"reasoning_tokens": 4}},
            Usage(input=10, output=9, reasoning=4),
        ),
        ({"prompt_tokens": None, "completion_tokens": "many", "prompt_tokens_details": []}, Usage()),
        ({"prompt_tokens": 3, "completion_tokens": 1, "cost": 0.5}, Usage(input=3, output=1)),
    ],
)
def test_usage(raw: dict[str, Any], usage: Usage) -> None:
    """Counts are disjoint, whichever way a provider nests them."""
    assert usage_of(raw) == usage


def test_told_cost() -> None:
    """A cost counts where the provider is known to tell dollars."""
    assert usage_of({"prompt_tokens": 3, "cost": 0.5}, is_cost_told=True).cost == 0.5


def choice(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"model": "m-1", "choices": [{"delta": delta, "finish_reason": finish}]}


def heard(*events: dict[str, Any], **options: bool) -> list[Any]:
    answer = Answer(**options)
    chunks = [chunk for event in events for chunk in answer.take(event)]
    return [*chunks, *answer.end()]


@pytest.mark.parametrize(
    ("finish", "reason"),
    [("stop", "stop"), ("eos", "stop"), ("length", "length"), ("content_filter", "filtered"), ("sensitive", "filtered"), ("STOP", "stop")],
)
def test_finish_reasons(finish: str, reason: str) -> None:
    """Each word for an end has its reason; the word itself is kept."""
    assert heard(choice({"content": "a"}, finish))[-1] == StopChunk(reason, "m-1", finish)  # type: ignore[arg-type]


def test_end_with_calls_is_for_tools() -> None:
    """Some servers end with `stop` although they call."""
    events = heard(choice({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": {"a": 1}}}]}, "stop"))

    assert events == [ToolCallChunk(0, "c", "f", '{"a":1}'), StopChunk("tools", "m-1", "stop")]


def test_late_name() -> None:
    """A call whose name comes late begins with it, and loses nothing."""
    pieces = ({"index": 3, "id": "c", "function": {"arguments": "{"}}, {"index": 3, "function": {"name": "f", "arguments": "}"}})

    assert heard(*(choice({"tool_calls": [piece]}) for piece in pieces))[0] == ToolCallChunk(0, "c", "f", "{}")


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_reasoning(field: str) -> None:
    """Reasoning is apart from text under both of its names, and returns as an item where the provider wants that."""
    called = choice({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f"}}]})
    chunks = heard(choice({field: "hm"}), called, keeps_reasoning=True)

    assert chunks[0] == ReasoningChunk("hm")
    assert [chunk.item.item for chunk in chunks if isinstance(chunk, ItemChunk)] == [{"reasoning_content": "hm"}]


def test_usage_beside_the_reason() -> None:
    """Some servers tell the usage with the reason for the end, and not beside the choices."""
    end = {"choices": [{"delta": {}, "finish_reason": "stop", "usage": {"prompt_tokens": 3, "completion_tokens": 4}}]}

    assert heard(choice({"content": "a"}), end)[1] == UsageChunk(Usage(input=3, output=4))


def test_content_in_parts() -> None:
    """Content may be a list of parts."""
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "Paris"}]

    assert heard(choice({"content": parts}))[:2] == [ReasoningChunk("hm"), TextChunk("Paris")]


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)))
def test_nonsense_breaks_nothing(value: Any) -> None:
    """Fields of unexpected types are left out."""
    for event in (
        {"choices": value, "usage": value, "model": value},
        {"choices": [value]},
        choice({"content": value, "reasoning": value, "refusal": value, "tool_calls": value}),
        choice({"tool_calls": [{"index": value, "id": value, "function": value}]}),
        choice({"tool_calls": [{"function": {"name": value, "arguments": value}}]}),
    ):
        assert isinstance(heard(event)[-1], StopChunk)


FAULTS = Faults("example", "env:K", lambda text: text.replace(KEYLIKE, "***"), FAULT_RULES)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, {"error": {"message": "This model's maximum context length is 8192 tokens", "code": None}}, ContextTooLong),
        (400, {"error": {"message": "too big", "type": "exceed_context_size_error"}}, ContextTooLong),
        (400, [{"error": {"message": "API key not valid", "status": "INVALID_ARGUMENT"}}], AuthenticationFailed),
        (400, {"error": "plain words"}, BadRequest),
        (400, {"detail": "plain words"}, BadRequest),
        (401, {"error": {"message": f"no {KEYLIKE}"}}, AuthenticationFailed),
        (402, {"error": {"message": "pay"}}, AuthenticationFailed),
        (429, {"error": {"message": "no credit", "code": "insufficient_quota"}}, AuthenticationFailed),
        (429, {}, RateLimited),
        (422, {"object": "error", "message": "no"}, BadRequest),
        (498, {}, Overloaded),
        (504, {}, TimedOut),
    ],
)
def test_errors(status: int, body: Any, error: type[BackendFault]) -> None:
    """Bodies of all known forms become the right error, with the provider's words and without the key."""
    fault = FAULTS.of_status(status, {}, json.dumps(body).encode(), "m")

    assert type(fault) is error
    assert fault.status == status
    assert KEYLIKE not in str(fault)
    if error is AuthenticationFailed and status == 401:
        assert "env:K" in str(fault)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"error": {"message": "x", "code": 429}}, RateLimited),
        ({"error": {"message": "x", "code": "502"}}, Overloaded),
        ({"error": {"message": "x", "type": "invalid_request_error"}}, BadRequest),
        ({"error": "x"}, Overloaded),
        ({"message": "x"}, Overloaded),
    ],
)
def test_errors_in_streams(body: Any, error: type[BackendFault]) -> None:
    """An error inside a stream is classified by its words."""
    assert type(FAULTS.of_event(body, "m")) is error


def test_control_sequences_are_removed() -> None:
    """What a server says cannot steer a terminal."""
    assert "\x1b" not in str(FAULTS.of_status(500, {}, b'{"error": "\\u001b[2Jgone"}', "m"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "base_url"),
        ({"preset": "grog"}, "groq"),
        ({"preset": "azure"}, "base_url"),
        ({"base_url": "localhost:8000"}, "https://"),
        ({"base_url": "https://"}, "https://"),
        ({"base_url": "http://host:port/v1"}, "https://"),
        ({"base_url": "https://user:pw@example.org/v1"}, "user or a password"),
        ({"base_url": "https://example.org/v1?key=1"}, "query"),
        ({"preset": "groq", "key": KEYLIKE}, "reference"),
        ({"preset": "groq", "key": f"sk:{KEYLIKE}"}, "reference"),
        ({"preset": "groq", "headers": {"Authorization": KEYLIKE}}, "secret"),
        ({"preset": "groq", "extra_body": {"messages": []}}, "messages"),
        ({"preset": "groq", "connect_seconds": 0}, "connect_seconds"),
    ],
)
def test_mistakes_in_options(options: dict[str, Any], said: str) -> None:
    """A mistake is refused with words that help, and a key that was written down is not repeated."""
    with pytest.raises((ConfigProblem, ConfigProblems)) as caught:
        structure(ChatConfig, options)

    assert said in str(caught.value)
    assert KEYLIKE not in str(caught.value)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets(name: str) -> None:
    """Each preset has an address, and a key unless it is on this machine."""
    preset = PRESETS[name]
    config = ChatConfig(preset=name, base_url="https://r.openai.azure.com/openai/v1" if name == "azure" else "")

    assert config.address.endswith("/chat/completions")
    assert bool(preset.key) == (not config.address.startswith("http://localhost"))
    assert config.reference == preset.key


def test_key_stays_at_its_provider() -> None:
    """A preset's key is not sent to another address unless it is named."""
    assert ChatConfig(preset="groq", base_url="https://elsewhere.example/v1").reference == ""
    assert ChatConfig(preset="groq", base_url="https://elsewhere.example/v1", key="env:GROQ_API_KEY").reference == "env:GROQ_API_KEY"
    assert ChatConfig(preset="groq", base_url="https://api.groq.com/openai/v1/").reference == "GROQ_API_KEY"


def test_catalogue() -> None:
    """Each provider is listed with a model and the variable of its key; nothing can be fetched."""
    listed = CATALOGUE.models()

    assert len(listed) == sum(bool(preset.model) for preset in PRESETS.values())
    assert all(model.name and "preset" in model.summary for model in listed)
    with pytest.raises(ModelMissing, match="local"):
        CATALOGUE.pull("grok-4", lambda what, done, total: None)
