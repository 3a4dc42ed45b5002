"""What servers and proxies do to a stream, over real sockets."""

from __future__ import annotations

import time
from typing import Any

import anyio
import httpx2
import pytest

from massgen_backend_gemini.backend import GeminiBackend
from massgen_core.api import (
    AuthenticationFailed,
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
    StopChunk,
    TextChunk,
    TimedOut,
    Tool,
    ToolCallChunk,
)
from massgen_testkit.protocols.gemini import WIRE_FAULTS, gemini_error, gemini_event
from massgen_testkit.provider import Play, event, serving

pytestmark = pytest.mark.anyio
WEATHER = Tool(name="weather", parameters={"type": "object", "properties": {"city": {"type": "string"}}})
QUESTION = ModelRequest(model="gemini-3-flash", messages=(Message.of("user", "What is the capital of France?"),), tools=(WEATHER,))
KEY = "AIza-0a1b2c3d"


async def hear(backend: GeminiBackend, heard: list[Chunk], request: ModelRequest = QUESTION) -> None:
    async with backend.respond(request) as stream:
        async for chunk in stream:
            heard.append(chunk)


def text(heard: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in heard if isinstance(chunk, TextChunk))


@pytest.mark.parametrize(
    "name", ["slow_first_byte", "heartbeats", "unknown_events", "carriage_returns", "closing_mark", "no_stream", "new_finish_reason"]
)
async def test_harmless_oddities(name: str, played: Any) -> None:
    """What is odd and harmless changes nothing of the answer."""
    heard: list[Chunk] = []
    async with played(WIRE_FAULTS[name]) as (backend, _, _):
        await hear(backend, heard)

    assert text(heard) == "The capital of "
    assert isinstance(heard[-1], StopChunk)
    assert heard[-1].reason == "stop"


async def test_page_instead_of_an_answer(played: Any) -> None:
    """A web page where an answer should be is called one, with what to check."""
    async with played(Play(media_type="text/html", pieces=(b"<!doctype html>",))) as (backend, _, _):
        with pytest.raises(ConnectionLost, match=r"text/html.*base_url"):
            await hear(backend, [])


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("stall", TimedOut),
        ("drop", ConnectionLost),
        ("drop_inside_an_event", ConnectionLost),
        ("silent_end", ConnectionLost),
        ("malformed_json", ConnectionLost),
        ("error_event_without_code", Overloaded),
        ("error_without_event", Overloaded),
    ],
)
async def test_broken_streams(name: str, error: type[BackendFault], played: Any) -> None:
    """A stream that breaks raises an error that can be retried, after all that came before."""
    heard: list[Chunk] = []
    async with played(WIRE_FAULTS[name], idle_seconds=0.3) as (backend, _, _):
        with pytest.raises(error) as caught:
            await hear(backend, heard)

    assert caught.value.is_retryable
    assert text(heard) == "The capital of "


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [("retry_after_seconds", 2, 2), ("retry_after_date", 1e9, 1e10), ("retry_info", 31.5, 31.5), ("unavailable_for_a_while", 7, 7)],
)
async def test_waiting_times(name: str, least: float, most: float, played: Any) -> None:
    """The time to wait is read from seconds, from dates and from the details of Google's errors."""
    async with played(WIRE_FAULTS[name]) as (backend, provider, _):
        with pytest.raises(RateLimited) as caught:
            await hear(backend, [])

    assert caught.value.retry_after is not None
    assert least <= caught.value.retry_after <= most
    assert len(provider.asked) == 1, "the SDK must not repeat calls by itself"


@pytest.mark.parametrize("name", ["gateway_page", "error_in_a_list", "malformed_call_without_words"])
async def test_overloads(name: str, played: Any) -> None:
    """A proxy's page, a list of errors and a turn that came to nothing are worth another try."""
    async with played(WIRE_FAULTS[name]) as (backend, _, _):
        with pytest.raises(Overloaded):
            await hear(backend, [])


@pytest.mark.parametrize(
    ("play", "error"),
    [
        (gemini_error(400, "API key not valid. Please pass a valid API key."), AuthenticationFailed),
        (gemini_error(403, "denied"), AuthenticationFailed),
        (gemini_error(404, "models/m is not found for API version v1"), ModelMissing),
        (gemini_error(504, "deadline"), TimedOut),
        (gemini_error(400, "Tool use with function calling is unsupported"), BadRequest),
        (Play(status=307, headers={"Location": "http://127.0.0.1:9/"}), BadRequest),
        (Play(pieces=(gemini_event(finish="MISSING_THOUGHT_SIGNATURE"),)), BadRequest),
    ],
)
async def test_refusals(play: Play, error: type[BackendFault], played: Any) -> None:
    """What cannot succeed by repeating it says so; nothing is asked twice, and redirects are not followed."""
    async with played(play) as (backend, provider, _):
        with pytest.raises(error):
            await hear(backend, [])

    assert len(provider.asked) == 1


async def test_mixed_tools_hint(played: Any) -> None:
    """The error of a model that cannot mix tools names the option that helps."""
    async with played(gemini_error(400, "Tool use with function calling is unsupported")) as (backend, _, _):
        with pytest.raises(BadRequest, match="hosted_with_functions: first"):
            await hear(backend, [])


async def test_blocked_prompt(played: Any) -> None:
    """A prompt that Google blocks is a filtered answer."""
    heard: list[Chunk] = []
    async with played(WIRE_FAULTS["blocked_prompt"]) as (backend, _, _):
        await hear(backend, heard)

    assert heard == [StopChunk("filtered", "m", "PROHIBITED_CONTENT")]


async def test_empty_answer(played: Any) -> None:
    """An answer of nothing is an answer: the kernel decides what to do with it."""
    heard: list[Chunk] = []
    async with played(WIRE_FAULTS["empty_answer"]) as (backend, _, _):
        await hear(backend, heard)

    assert heard == [StopChunk("stop", "m", "STOP")]


@pytest.mark.parametrize(("name", "said"), [("torn_unicode", "Zürich 🦜 日本"), ("line_separators", "one\u2028two\u2029three\x85four")])
async def test_characters(name: str, said: str, played: Any) -> None:
    """Characters that the network tears, or that end lines in Python, arrive as they are."""
    heard: list[Chunk] = []
    async with played(WIRE_FAULTS[name]) as (backend, _, _):
        await hear(backend, heard)

    assert text(heard) == said


@pytest.mark.parametrize("name", ["parallel_calls_of_one_name", "duplicate_ids", "missing_ids"])
async def test_calls_stay_apart(name: str, played: Any) -> None:
    """Two calls stay two calls with ids of their own, whatever ids the server gives."""
    heard: list[Chunk] = []
    async with played(WIRE_FAULTS[name]) as (backend, _, _):
        await hear(backend, heard)
    pieces = [chunk for chunk in heard if isinstance(chunk, ToolCallChunk)]
    arguments = {index: "".join(piece.arguments for piece in pieces if piece.index == index) for index in (0, 1)}

    assert arguments == {0: '{"city":"Paris"}', 1: '{"city":"Rome"}'}
    assert len({piece.id for piece in pieces if piece.id}) == 2
    assert {piece.name for piece in pieces if piece.id} == {"weather"}


async def test_huge_arguments(played: Any) -> None:
    """A megabyte of arguments comes whole."""
    heard: list[Chunk] = []
    async with played(WIRE_FAULTS["huge_arguments"]) as (backend, _, _):
        await hear(backend, heard)

    assert sum(len(chunk.arguments) for chunk in heard if isinstance(chunk, ToolCallChunk)) == 1_000_000 + len('{"city":""}')


@pytest.mark.parametrize(
    "words",
    ['Malformed function call: print(default_api.weather(city="Par', "Malformed function call: call:default_api:weather{city:Par"],
)
async def test_malformed_call(words: str, played: Any) -> None:
    """A call that Google could not read comes back with what the model wrote, which is no JSON."""
    heard: list[Chunk] = []
    async with played(Play(pieces=(gemini_event(finish="MALFORMED_FUNCTION_CALL", candidate={"finishMessage": words}),))) as (backend, _, _):
        await hear(backend, heard)

    assert isinstance(call := heard[0], ToolCallChunk)
    assert (call.name, call.arguments) == ("weather", words.partition("weather")[2])
    assert heard[-1] == StopChunk("tools", "m", "MALFORMED_FUNCTION_CALL")


async def test_terminal_sequences_of_a_finish_reason(played: Any, recwarn: pytest.WarningsRecorder) -> None:
    """A word that the SDK does not know reaches no terminal by a warning."""
    async with played(Play(pieces=(gemini_event({"text": "a"}, finish="\x1b[31m\nBAD"),))) as (backend, _, _):
        await hear(backend, [])

    assert not recwarn.list


async def test_limits_of_a_proxy(played: Any) -> None:
    """Limits in the headers are told."""
    heard: list[Chunk] = []
    play = Play(headers={"x-ratelimit-remaining-requests": "7"}, pieces=(gemini_event({"text": "a"}, finish="STOP"),))
    async with played(play) as (backend, _, _):
        await hear(backend, heard)

    assert isinstance(told := heard[0], LimitsChunk)
    assert told.limits.requests is not None
    assert told.limits.requests.remaining == 7


async def test_continuation(played: Any) -> None:
    """An answer that Google breaks off to go on is one answer, and its tokens are added up."""
    token = {"continuationToken": "dG9rZW4="}
    first = gemini_event({"text": "one "}, finish="CONTINUATION", candidate=token, usageMetadata={"promptTokenCount": 5, "candidatesTokenCount": 2})
    second = gemini_event({"text": "two"}, finish="STOP", usageMetadata={"promptTokenCount": 5, "candidatesTokenCount": 3})
    heard: list[Chunk] = []
    async with played(Play(pieces=(first,)), Play(pieces=(second,))) as (backend, provider, _):
        await hear(backend, heard)

    assert text(heard) == "one two"
    assert heard[-1] == StopChunk("stop", "m", "STOP")
    assert len(provider.asked) == 2


async def test_connections_are_used_again(played: Any) -> None:
    """Calls one after the other use one connection, read to its end."""
    async with played(WIRE_FAULTS["empty_answer"]) as (backend, provider, _):
        for _ in range(5):
            await hear(backend, [])
            assert provider.open == 1


async def test_leaving_closes_the_connection(played: Any) -> None:
    """The server sees soon that nobody listens any more."""
    async with played(WIRE_FAULTS["stall"]) as (backend, provider, _):
        async with backend.respond(QUESTION) as stream:
            await anext(stream)
            left = time.monotonic()
        while provider.open:
            await anyio.lowlevel.checkpoint()
            assert time.monotonic() - left < 5


async def test_nobody_listens(played: Any) -> None:
    """A server that is not there is named, with what to check."""
    async with serving(WIRE_FAULTS["stall"]) as gone:
        address = gone.url
    async with played(WIRE_FAULTS["stall"], base_url=address) as (backend, _, _):
        with pytest.raises(ConnectionLost, match=r"cannot connect to 127\.0\.0\.1:\d+"):
            await hear(backend, [])


async def test_headers(played: Any) -> None:
    """The key goes into Google's header and nowhere else; further headers and fields are sent as they are."""
    options = {"headers": {"x-team": "blue"}, "extra_body": {"generationConfig": {"topK": 40}}, "api_version": "v1beta"}
    async with played(WIRE_FAULTS["empty_answer"], **options) as (backend, provider, _):
        await hear(backend, [])
    asked = provider.asked[0]

    assert asked.path == "/v1beta/models/gemini-3-flash:streamGenerateContent?alt=sse"
    assert asked.headers["x-goog-api-key"] == KEY
    assert asked.headers["x-team"] == "blue"
    assert not [name for name in asked.headers if name.startswith("x-massgen")]
    assert "authorization" not in asked.headers
    assert asked.body["generationConfig"]["topK"] == 40


async def test_environment_does_not_redirect(played: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK's own variables send no key elsewhere and change no service."""
    for name, value in {
        "GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:9",
        "GOOGLE_GENAI_USE_VERTEXAI": "true",
        "GOOGLE_API_KEY": "another",
        "GOOGLE_CLOUD_PROJECT": "p",
    }.items():
        monkeypatch.setenv(name, value)
    async with played(WIRE_FAULTS["empty_answer"]) as (backend, provider, _):
        await hear(backend, [])

    assert provider.asked[0].headers["x-goog-api-key"] == KEY


async def test_consumer_errors_are_not_disguised(played: Any) -> None:
    """An error of the one who reads is not taken for one of the connection."""
    async with played(WIRE_FAULTS["stall"]) as (backend, _, _):
        with pytest.raises(httpx2.ReadError):
            async with backend.respond(QUESTION):
                raise httpx2.ReadError("mine")


async def test_error_that_is_no_document(played: Any) -> None:
    """An error event of another form is classified by its words."""
    async with played(Play(pieces=(event({"error": "quota exceeded"}),))) as (backend, _, _):
        with pytest.raises(RateLimited, match="quota exceeded"):
            await hear(backend, [])
