"""Thoughts and what the provider's tools did: kept in order and sent back exactly as they came."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import attrs
import pytest

from massgen_core.api import Message, ModelRequest, Text, Tool, ToolResult, Usage
from massgen_testkit.protocols.messages import block, ended, started
from massgen_testkit.provider import Play

from .stage import MODEL, QUESTION, hear, items, message, played, reasoning, stop, text, usage

pytestmark = pytest.mark.anyio
WEATHER = Tool(name="weather", description="Tell the weather.", parameters={"type": "object", "properties": {"city": {"type": "string"}}})


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def play(*blocks: tuple[bytes, ...], stop: str = "end_turn", **delta: Any) -> Play:
    return Play(pieces=(started(Usage(input=10)), *(piece for each in blocks for piece in each), *ended(stop, Usage(output=5, reasoning=3), **delta)))


def thought(index: int, signature: str, *pieces: str) -> tuple[bytes, ...]:
    deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces]
    return block(index, {"type": "thinking", "thinking": "", "signature": ""}, *deltas, {"type": "signature_delta", "signature": signature})


def said(index: int, *pieces: str) -> tuple[bytes, ...]:
    return block(index, {"type": "text", "text": ""}, *({"type": "text_delta", "text": piece} for piece in pieces))


def called(index: int, identifier: str, arguments: str, name: str = "weather") -> tuple[bytes, ...]:
    content = {"type": "tool_use", "id": identifier, "name": name, "input": {}}
    return block(index, content, *({"type": "input_json_delta", "partial_json": piece} for piece in (arguments[:5], arguments[5:])))


def used(index: int, name: str, asked: str) -> tuple[bytes, ...]:
    content = {"type": "server_tool_use", "id": f"srvtoolu_{index}", "name": name, "input": {}, "caller": {"type": "direct"}}
    return block(index, content, {"type": "input_json_delta", "partial_json": asked})


def results(call: str, *texts: str) -> Message:
    return Message(role="tool", content=tuple(ToolResult(call=f"{call}{at}", content=(Text(text=text),)) for at, text in enumerate(texts)))


def sent(body: Any, role: str = "assistant") -> list[Any]:
    """Return the content of one role's messages, without marks of the cache."""
    return [
        [{name: value for name, value in part.items() if name != "cache_control"} for part in each["content"]]
        for each in body["messages"]
        if each["role"] == role
    ]


async def test_thoughts_survive_tool_calls(tmp_path: Path) -> None:
    """Over three calls of a model each thought returns with its signature, in its place, and nothing that was sent changes."""
    plays = (
        play(
            thought(0, "sig-1", "Paris ", "first."),
            said(1, "I look."),
            called(2, "t0", '{"city": "Paris"}'),
            called(3, "t1", '{"city": "Rome"}'),
            stop="tool_use",
        ),
        play(
            block(0, {"type": "redacted_thinking", "data": "secret-δ=="}), thought(1, "sig-2"), called(2, "u0", '{"city": "Oslo"}'), stop="tool_use"
        ),
        play(thought(0, "sig-3", "Done."), said(1, "Sunny.")),
    )
    talk = QUESTION
    async with played(tmp_path, *plays) as (backend, provider):
        for prefix, texts in (("t", ("sun", "rain")), ("u", ("snow",)), ("", ())):
            heard = await hear(backend, request=attrs.evolve(talk, tools=(WEATHER,)))
            assert stop(heard).reason == ("tools" if prefix else "stop")
            more = (results(prefix, *texts),) if prefix else (Message.of("user", "And tomorrow?"),)
            talk = attrs.evolve(talk, messages=(*talk.messages, message(heard), *more))
        await hear(backend, request=attrs.evolve(talk, tools=(WEATHER,)))
        bodies = provider.bodies

    assert sent(bodies[3]) == [
        [
            {"type": "thinking", "thinking": "Paris first.", "signature": "sig-1"},
            {"type": "text", "text": "I look."},
            {"type": "tool_use", "id": "t0", "name": "weather", "input": {"city": "Paris"}},
            {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Rome"}},
        ],
        [
            {"type": "redacted_thinking", "data": "secret-δ=="},
            {"type": "thinking", "thinking": "", "signature": "sig-2"},
            {"type": "tool_use", "id": "u0", "name": "weather", "input": {"city": "Oslo"}},
        ],
        [{"type": "thinking", "thinking": "Done.", "signature": "sig-3"}, {"type": "text", "text": "Sunny."}],
    ]
    for earlier, later in pairwise(bodies):
        for role in ("assistant", "user"):
            before = sent(earlier, role)
            assert sent(later, role)[: len(before)] == before
        assert earlier["thinking"] == later["thinking"]
        assert [tool["name"] for tool in earlier["tools"]] == [tool["name"] for tool in later["tools"]]


async def test_thought_without_signature_stays_here(tmp_path: Path) -> None:
    """What a server did not sign is shown and not sent back: nobody could check it."""
    async with played(tmp_path, play(block(0, {"type": "thinking", "thinking": "hm"}), said(1, "Paris."))) as (backend, _):
        heard = await hear(backend)

    assert (reasoning(heard), items(heard)) == ("hm", [])


async def test_unfinished_thought_is_not_kept(tmp_path: Path) -> None:
    """A thought that broke off is shown, and is no item."""
    pieces = (started(), *thought(0, "sig", "hm")[:2])
    heard: list[Any] = []
    async with played(tmp_path, Play(pieces=pieces, end="drop")) as (backend, _):
        with pytest.raises(Exception, match="broke"):
            await hear(backend, heard)

    assert (reasoning(heard), items(heard)) == ("hm", [])


async def test_web_search(tmp_path: Path) -> None:
    """What was searched and found is told as reasoning; all blocks return in their order, cited text included, and no text twice."""
    page = {"type": "web_search_result", "url": "https://example.org/a", "title": "A", "encrypted_content": "x==", "page_age": None}
    citation = {"type": "web_search_result_location", "url": "https://example.org/a", "title": "A", "encrypted_index": "i==", "cited_text": "is"}
    cited = block(
        4, {"type": "text", "text": "", "citations": []}, {"type": "text_delta", "text": "It is"}, {"type": "citations_delta", "citation": citation}
    )
    found = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [page]}
    answer = play(said(0, "I search."), used(1, "web_search", '{"query": "capital"}'), block(2, found), said(3, "So: "), cited, said(5, " Paris."))
    async with played(tmp_path, answer, enable_web_search=True, web_search={"max_uses": 3}) as (backend, provider):
        heard = await hear(backend)
        await hear(backend, request=attrs.evolve(QUESTION, messages=(*QUESTION.messages, message(heard), Message.of("user", "Sure?"))))
        first, second = provider.bodies

    assert first["tools"] == [{"type": "web_search_20250305", "name": "web_search", "max_uses": 3, "cache_control": {"type": "ephemeral"}}]
    assert text(heard) == "I search.So: It is Paris."
    assert reasoning(heard) == "[web_search: capital]\n[found: A (https://example.org/a)]\n[source: A (https://example.org/a)]\n"
    assert sent(second) == [
        [
            {"type": "text", "text": "I search."},
            {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "capital"}, "caller": {"type": "direct"}},
            found,
            {"type": "text", "text": "So: "},
            {"type": "text", "text": "It is", "citations": [citation]},
            {"type": "text", "text": " Paris."},
        ]
    ]


async def test_code_execution(tmp_path: Path) -> None:
    """Code and its output are told; the sandbox is used again in the next call."""
    output = {"type": "bash_code_execution_result", "stdout": "42\n", "stderr": "", "return_code": 0, "content": []}
    ran = block(1, {"type": "bash_code_execution_tool_result", "tool_use_id": "srvtoolu_0", "content": output})
    answer = play(
        used(0, "bash_code_execution", '{"command": "echo 42"}'), ran, said(2, "42"), container={"id": "box-1", "expires_at": "2026-11-20T12:00:00Z"}
    )
    async with played(tmp_path, answer, enable_code_execution=True) as (backend, provider):
        heard = await hear(backend)
        await hear(backend, request=attrs.evolve(QUESTION, messages=(*QUESTION.messages, message(heard), Message.of("user", "Again."))))
        first, second = provider.bodies

    assert [tool["type"] for tool in first["tools"]] == ["code_execution_20250825"]
    assert reasoning(heard) == "[bash_code_execution: echo 42]\n[42]\n"
    assert ("container" in first, second["container"]) == (False, "box-1")
    assert [part["type"] for part in sent(second)[0]] == ["server_tool_use", "bash_code_execution_tool_result", "text"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"type": "web_search_tool_result_error", "error_code": "max_uses_exceeded"}, "[failed: max_uses_exceeded]\n"),
        ([], "[found: nothing]\n"),
        ({"type": "code_execution_result", "stdout": "", "stderr": "no\n", "return_code": 1}, "[no\nexit code 1]\n"),
        ({"type": "web_fetch_result", "url": "https://example.org"}, "[https://example.org]\n"),
        ("odd", ""),
    ],
)
async def test_results_of_hosted_tools(content: Any, told: str, tmp_path: Path) -> None:
    """Failures of the provider's tools are told too."""
    found = {"type": "web_search_tool_result", "tool_use_id": "s", "content": content}
    async with played(tmp_path, play(block(0, found), said(1, "Well."))) as (backend, _):
        heard = await hear(backend)

    assert reasoning(heard) == told
    assert items(heard) == [found]


async def test_paused_turn_goes_on(tmp_path: Path) -> None:
    """Where the provider pauses for its tools, it is given its own words and goes on; the answer and the usage are one."""
    plays = (
        play(thought(0, "sig-1", "hm"), used(1, "web_search", '{"query": "a"}'), stop="pause_turn", container={"id": "box-1"}),
        play(block(0, {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}), said(1, "Paris.")),
    )
    async with played(tmp_path, *plays, enable_web_search=True) as (backend, provider):
        heard = await hear(backend)
        second = provider.bodies[1]

    assert text(heard) == "Paris."
    assert stop(heard).reason == "stop"
    assert usage(heard) == Usage(input=20, output=10, reasoning=6)
    assert [part["type"] for part in sent(second)[0]] == ["thinking", "server_tool_use"]
    assert second["container"] == "box-1"
    assert [item["type"] for item in items(heard)] == ["thinking", "server_tool_use", "web_search_tool_result", "container"]


async def test_endless_pauses_are_cut(tmp_path: Path) -> None:
    """A provider that pauses again and again ends as an answer that was cut off."""
    async with played(tmp_path, play(said(0, "hm "), stop="pause_turn")) as (backend, provider):
        heard = await hear(backend)

    assert stop(heard).reason == "length"
    assert len(provider.asked) == 10


async def test_refusal_says_why(tmp_path: Path) -> None:
    """A refusal without words has the provider's explanation, and its category for logs."""
    details = {"type": "refusal", "category": "bio", "explanation": "This may harm."}
    async with played(tmp_path, play(stop="refusal", stop_details=details)) as (backend, _):
        heard = await hear(backend)

    assert text(heard) == "This may harm."
    assert (stop(heard).reason, stop(heard).detail) == ("refused", "refusal: bio")


@pytest.mark.parametrize(
    ("word", "reason"),
    [("end_turn", "stop"), ("stop_sequence", "stop"), ("max_tokens", "length"), ("model_context_window_exceeded", "length"), ("news", "stop")],
)
async def test_stop_reasons(word: str, reason: str, tmp_path: Path) -> None:
    """Each word for an end has its reason; the word itself is kept."""
    async with played(tmp_path, play(said(0, "a"), stop=word)) as (backend, _):
        heard = await hear(backend)

    assert (stop(heard).reason, stop(heard).detail, stop(heard).model) == (reason, word, "m")


async def test_counting_tokens(tmp_path: Path) -> None:
    """Tokens are counted by the provider, for the very request that would be sent."""
    count = Play(media_type="application/json", pieces=(b'{"input_tokens": 14}',))
    async with played(tmp_path, count, enable_web_search=True) as (backend, provider):
        counted = await backend.count_tokens(ModelRequest(model=MODEL, messages=QUESTION.messages, tools=(WEATHER,)))
        asked = provider.asked[0]

    assert counted == 14
    assert asked.path == "/v1/messages/count_tokens"
    assert [tool["name"] for tool in asked.body["tools"]] == ["weather", "web_search"]
    assert "max_tokens" not in asked.body


async def test_schemas_are_fitted(tmp_path: Path) -> None:
    """A union at a schema's root, which this API refuses, is written otherwise; the journal is told once."""
    union = {
        "anyOf": [{"type": "object", "properties": {"city": {"type": "string"}}}, {"type": "object", "properties": {"zip": {"type": "integer"}}}]
    }
    request = attrs.evolve(QUESTION, tools=(Tool(name="weather", parameters=union),), metadata={"agent": "ann"})
    async with played(tmp_path, play(said(0, "Hm."))) as (backend, provider):
        for _ in range(2):
            await hear(backend, request=request)

    assert provider.bodies[0]["tools"][0]["input_schema"]["type"] == "object"
    assert "anyOf" not in provider.bodies[0]["tools"][0]["input_schema"]
