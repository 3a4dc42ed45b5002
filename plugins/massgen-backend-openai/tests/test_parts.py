"""The parts: chunks from events, what hosted tools did, errors from bodies, options."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_backend_openai.answers import Answer, usage_of
from massgen_backend_openai.backend import open_backend
from massgen_backend_openai.catalogue import AS_OF, CATALOGUE
from massgen_backend_openai.config import OpenAIConfig
from massgen_backend_openai.faults import RULES
from massgen_core.api import (
    AuthenticationFailed,
    BackendFault,
    BadRequest,
    ConfigProblem,
    ConfigProblems,
    ContextTooLong,
    Faults,
    ItemChunk,
    Message,
    ModelMissing,
    ModelRequest,
    Overloaded,
    RateLimited,
    ReasoningChunk,
    StopChunk,
    TextChunk,
    TimedOut,
    Usage,
    UsageChunk,
    structure,
)
from massgen_testkit import PlainContext
from massgen_testkit.protocols.responses import Writer
from massgen_testkit.provider import Play, serving

KEYLIKE = "sk-abcdefghijklmnop0123456789"


def heard(*events: dict[str, Any], **options: bool) -> list[Any]:
    answer = Answer(**options)
    chunks = [chunk for event in events for chunk in answer.take(event)]
    return [*chunks, *answer.end()]


def done(item: dict[str, Any], place: int = 0) -> dict[str, Any]:
    return {"type": "response.output_item.done", "output_index": place, "item": item}


def completed(**fields: Any) -> dict[str, Any]:
    return {"type": "response.completed", "response": {"id": "resp_1", "model": "m", "status": "completed", "output": [], **fields}}


def shown(chunks: list[Any]) -> str:
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, ReasoningChunk))


def items(chunks: list[Any]) -> list[Any]:
    return [chunk.item.item for chunk in chunks if isinstance(chunk, ItemChunk)]


@pytest.mark.parametrize(
    ("raw", "usage"),
    [
        ({"input_tokens": 10, "output_tokens": 5}, Usage(input=10, output=5)),
        (
            {
                "input_tokens": 10,
                "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
                "output_tokens": 5,
                "output_tokens_details": {"reasoning_tokens": 3},
            },
            Usage(input=4, cached=4, written=2, output=2, reasoning=3),
        ),
        ({"input_tokens": None, "output_tokens": "many", "input_tokens_details": []}, Usage()),
    ],
)
def test_usage(raw: dict[str, Any], usage: Usage) -> None:
    """Counts are disjoint."""
    assert usage_of(raw) == usage


@pytest.mark.parametrize(
    ("status", "why", "reason"),
    [
        ("completed", None, "stop"),
        ("incomplete", "max_output_tokens", "length"),
        ("incomplete", "content_filter", "filtered"),
        ("incomplete", "something new", "length"),
        ("cancelled", None, "cancelled"),
    ],
)
def test_ends(status: str, why: str | None, reason: str) -> None:
    """Each way to end has its reason; the API's own word is kept."""
    end = {"type": f"response.{status}", "response": {"model": "m", "status": status, "incomplete_details": why and {"reason": why}}}

    assert heard(end)[-1] == StopChunk(reason, "m", why or status)  # type: ignore[arg-type]


def test_two_messages_are_two_paragraphs() -> None:
    """Commentary and answer of one turn do not run into each other, and each keeps its phase."""
    events: list[dict[str, Any]] = []
    for place, (phase, text) in enumerate((("commentary", "Let me see."), ("final_answer", "4"))):
        events.append({"type": "response.output_item.added", "output_index": place, "item": {"type": "message", "id": f"m{place}", "phase": phase}})
        events.append({"type": "response.output_text.delta", "output_index": place, "item_id": f"m{place}", "delta": text})
    chunks = heard(*events, completed())

    assert [chunk.text for chunk in chunks if isinstance(chunk, TextChunk)] == ["Let me see.", "\n\n4"]
    assert items(chunks) == [
        {"type": "massgen.hint", "of": "message", "id": "m0", "phase": "commentary"},
        {"type": "massgen.hint", "of": "message", "id": "m1", "phase": "final_answer"},
    ]


def test_parts_of_a_summary_are_paragraphs() -> None:
    """A summary of several parts reads as several paragraphs."""
    events = [{"type": "response.reasoning_summary_text.delta", "summary_index": part, "delta": text} for part, text in ((0, "First."), (1, "Then."))]

    assert shown(heard(*events, completed())) == "First.\n\nThen."


def test_raw_reasoning_is_shown() -> None:
    """Servers with open models stream thoughts themselves."""
    assert shown(heard({"type": "response.reasoning_text.delta", "delta": "hm"}, completed())) == "hm"


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ({"type": "web_search_call", "action": {"type": "search", "queries": ["a", "b"]}}, "[web search] a; b"),
        ({"type": "web_search_call", "action": {"type": "search", "query": "a"}}, "[web search] a"),
        ({"type": "web_search_call", "action": {"type": "open_page", "url": "https://e.org"}}, "[web search] https://e.org"),
        (
            {"type": "web_search_call", "action": {"type": "find_in_page", "url": "https://e.org", "pattern": "x"}},
            "[web search] https://e.org, for 'x'",
        ),
        ({"type": "file_search_call", "queries": ["a"]}, "[file search] a"),
        ({"type": "code_interpreter_call", "code": "1+1", "outputs": [{"type": "logs", "logs": "2"}]}, "[code] 1+1\n\n[output] 2"),
        ({"type": "mcp_call", "server_label": "s", "name": "t"}, "[hosted MCP] s.t"),
        ({"type": "compaction", "encrypted_content": "x"}, ""),
    ],
)
def test_hosted_tools_are_shown(item: dict[str, Any], said: str) -> None:
    """What a hosted tool did can be read beside the reasoning, and its item goes back as it came."""
    chunks = heard(done(item), completed())

    assert shown(chunks).strip() == said
    assert items(chunks) == [item]


def test_citations_stand_below_the_text() -> None:
    """Each page that a text cites is listed once; without `cites` the text is left alone."""
    page = {"type": "url_citation", "url": "https://e.org", "title": "E"}
    message = {"type": "message", "content": [{"type": "output_text", "text": "So.", "annotations": [page, {"type": "file_citation"}]}]}
    events = ({"type": "response.output_text.annotation.added", "annotation": page}, done(message), completed())

    assert "".join(chunk.text for chunk in heard(*events) if isinstance(chunk, TextChunk)) == "So.\n\nSources:\n- E: https://e.org"
    assert "".join(chunk.text for chunk in heard(*events, cites=False) if isinstance(chunk, TextChunk)) == "So."


def test_chaining_names_whole_answers_only() -> None:
    """An answer that was cut off is not gone on from: its calls were never answered."""
    cut = {"type": "response.incomplete", "response": {"id": "resp_1", "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}}

    assert items(heard(completed(), chains=True)) == [{"type": "massgen.response", "id": "resp_1"}]
    assert items(heard(cut, chains=True)) == []


def test_a_failed_answer_was_paid_for() -> None:
    """The usage of an answer that failed is told before its error."""
    answer = Answer()
    response = {"status": "failed", "error": {"code": "server_error"}, "usage": {"input_tokens": 7}}

    assert answer.take({"type": "response.failed", "response": response}) == [UsageChunk(Usage(input=7))]
    assert answer.failure == {"code": "server_error"}


VALUES = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3))


@given(VALUES)
def test_nonsense_breaks_nothing(value: Any) -> None:
    """Fields of unexpected types are left out."""
    kinds = ("output_text.delta", "refusal.delta", "reasoning_summary_text.delta", "function_call_arguments.delta", "function_call_arguments.done")
    fields = {"delta": value, "arguments": value, "item_id": value, "output_index": value, "summary_index": value, "sequence_number": value}
    for event in (
        *({"type": f"response.{kind}", **fields} for kind in kinds),
        *({"type": f"response.output_item.{when}", "item": value, "output_index": value} for when in ("added", "done")),
        *(
            done({"type": kind, "id": value, "call_id": value, "name": value, "arguments": value, "content": value})
            for kind in ("message", "function_call")
        ),
        *(
            done({"type": kind, "action": value, "outputs": value, "queries": value, "result": value})
            for kind in ("web_search_call", "image_generation_call")
        ),
        done({"type": "message", "content": [value, {"text": value, "annotations": value}, {"annotations": [value]}]}),
        {"type": value},
        {"type": "response.completed", "response": value},
        completed(usage=value, output=value, incomplete_details=value, status=value),
    ):
        assert isinstance(heard(event)[-1], StopChunk)


FAULTS = Faults("example", "env:K", lambda text: text.replace(KEYLIKE, "***"), RULES)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"code": "rate_limit_exceeded", "message": "x"}, RateLimited),
        ({"code": "server_error", "message": "x"}, Overloaded),
        ({"type": "overloaded_error", "message": "x"}, Overloaded),
        ({"type": "insufficient_quota", "message": "x"}, AuthenticationFailed),
        ({"code": "invalid_api_key", "message": "x"}, AuthenticationFailed),
        ({"code": "invalid_prompt", "message": "x"}, BadRequest),
        ({"code": "image_content_policy_violation", "message": "x"}, BadRequest),
        ({"code": "vector_store_timeout", "message": "x"}, TimedOut),
        ({"code": "model_not_found", "message": "x"}, ModelMissing),
        ({"code": "context_length_exceeded", "message": "x"}, ContextTooLong),
        ({"type": "invalid_request_error", "message": "Your input exceeds the context window of this model."}, ContextTooLong),
        ({"type": "error", "error": {"type": "server_error", "message": "x"}}, Overloaded),
        ({"message": "x"}, Overloaded),
        ("x", Overloaded),
        ([], Overloaded),
    ],
)
def test_errors_in_streams(body: Any, error: type[BackendFault]) -> None:
    """An error inside a stream is classified by its words."""
    assert type(FAULTS.of_event(body, "m")) is error


def test_errors_are_clean() -> None:
    """What a server says cannot steer a terminal, shows no key, and is not endless."""
    said = str(FAULTS.of_event({"message": f"\x1b[2J{KEYLIKE} {'x' * 5000}"}, "m"))

    assert "\x1b" not in said
    assert KEYLIKE not in said
    assert len(said) < 1000


def test_lost_answers_of_a_chain_have_advice() -> None:
    """When OpenAI does not have the answer to go on from any more, the error says which option to change."""
    fault = FAULTS.of_event({"code": "previous_response_not_found", "message": "x"}, "m")

    assert isinstance(fault, BadRequest)
    assert "chain" in str(fault)


@pytest.mark.parametrize(
    ("options", "path", "said"),
    [
        ({"base_url": "localhost:8000"}, "base_url", "https://"),
        ({"base_url": "https://user:pw@example.org/v1"}, "base_url", "user or a password"),
        ({"base_url": "https://example.org/v1?key=1"}, "base_url", "query"),
        ({"base_url": "https://example.org", "azure_endpoint": "https://example.org"}, "azure_endpoint", "not both"),
        ({"api_version": "2025-04-01"}, "api_version", "azure_endpoint"),
        ({"key": KEYLIKE}, "key", "reference"),
        ({"key": f"sk:{KEYLIKE}"}, "key", "reference"),
        ({"headers": {"Authorization": KEYLIKE}}, "headers", "secret"),
        ({"extra_body": {"input": []}}, "extra_body", "input"),
        ({"hosted_tools": [{"name": "x"}]}, "hosted_tools[0]", "type"),
        ({"hosted_tools": [{"type": "function"}]}, "hosted_tools[0].type", "toolsets"),
        ({"hosted_tools": [{"type": "mcp", "server_label": "s"}]}, "hosted_tools[0].require_approval", "never"),
        ({"hosted_tools": [{"type": "mcp", "require_approval": "never", "authorization": KEYLIKE}]}, "hosted_tools[0].authorization", "toolset"),
        ({"upload_files": [{"audio_path": "a.wav"}]}, "upload_files[0].audio_path", "audio"),
        ({"upload_files": [{"path": "a"}]}, "upload_files[0]", "file_path"),
        ({"text": {"verbosity": "lots"}}, "text.verbosity", "high"),
        ({"reasoning": {"effort": "hard"}}, "reasoning.effort", "xhigh"),
        ({"enable_audio_generation": True}, "enable_audio_generation", "enable_image_generation"),
        ({"connect_seconds": 0}, "", "connect_seconds"),
    ],
)
def test_mistakes_in_options(options: dict[str, Any], path: str, said: str) -> None:
    """A mistake is refused at its place with words that help, and a key that was written down is not repeated."""
    with pytest.raises((ConfigProblem, ConfigProblems)) as caught:
        structure(OpenAIConfig, options)

    assert path in str(caught.value)
    assert said in str(caught.value)
    assert KEYLIKE not in str(caught.value)


def test_key_stays_at_its_provider() -> None:
    """OpenAI's key is not sent to another address unless it is named."""
    assert OpenAIConfig().reference == "OPENAI_API_KEY"
    assert OpenAIConfig(base_url="https://api.openai.com/v1/").reference == "OPENAI_API_KEY"
    assert OpenAIConfig(base_url="https://elsewhere.example/v1").reference == ""
    assert OpenAIConfig(base_url="https://elsewhere.example/v1", key="keyring:openai").reference == "keyring:openai"
    assert OpenAIConfig(azure_endpoint="https://r.openai.azure.com").reference == "AZURE_OPENAI_API_KEY"


def test_catalogue() -> None:
    """Each model is listed once with its context and a dated price; nothing can be fetched."""
    listed = CATALOGUE.models()

    assert len({model.name for model in listed}) == len(listed)
    for model in listed:
        assert model.context >= 128_000
        assert model.price is not None
        assert model.price.as_of == AS_OF
        assert model.price.of(Usage(cached=10)) <= model.price.of(Usage(input=10)) < model.price.of(Usage(output=10))
    with pytest.raises(ModelMissing, match="local"):
        CATALOGUE.pull("gpt-5", lambda what, done, total: None)


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_images_become_files(tmp_path: Path, anyio_backend: str) -> None:
    """An image that the model made is a file of the run, which the answer names; no item holds its data; a damaged one harms nothing."""
    data = base64.b64encode(b"\x89PNG").decode()
    writer = Writer()
    writer.item({"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": data, "output_format": "png"})
    writer.item({"type": "image_generation_call", "id": "ig_2", "status": "completed", "result": "!"})
    writer.text("Done.")
    async with serving(Play(pieces=writer.end())) as provider, PlainContext(folder=tmp_path) as context:
        with anyio.fail_after(20):
            async with (
                open_backend(OpenAIConfig(base_url=f"{provider.url}/v1"), context) as backend,
                backend.respond(ModelRequest(model="m", messages=(Message.of("user", "Draw."),))) as stream,
            ):
                chunks = [chunk async for chunk in stream]
    (saved,) = (tmp_path / "media").iterdir()

    assert saved.read_bytes() == b"\x89PNG"
    assert f"[image: {saved}]" in "".join(chunk.text for chunk in chunks if isinstance(chunk, TextChunk))
    assert [item["id"] for item in items(chunks)] == ["ig_1", "msg_2"]
    assert items(chunks)[0]["massgen.kept"] == str(saved)
    assert data not in repr(chunks)
