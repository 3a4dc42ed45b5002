"""Tools that run at Google: how they are asked for, and how what they did is seen."""

from __future__ import annotations

import json
from typing import Any

import pytest

from massgen_backend_gemini.backend import GeminiBackend
from massgen_core.api import (
    Brief,
    Chunk,
    ItemChunk,
    Message,
    ModelRequest,
    Overloaded,
    ReasoningChunk,
    Text,
    TextChunk,
    Tool,
    ToolCall,
    ToolCallChunk,
    ToolResult,
    UsageChunk,
)
from massgen_testkit.protocols.gemini import gemini_error, gemini_event
from massgen_testkit.provider import Play

pytestmark = pytest.mark.anyio
VOTE = Tool(name="vote", parameters={"type": "object", "properties": {"agent": {"type": "string"}}})
FOUND: dict[str, Any] = {
    "webSearchQueries": ["capital of France"],
    "groundingChunks": [{"web": {"uri": "https://example.org/fr", "title": "France"}}, {"web": {"uri": "https://example.org/eu"}}],
}
SEARCHED = Play(pieces=(gemini_event({"text": "Paris."}), gemini_event(finish="STOP", candidate={"groundingMetadata": FOUND})))
CALLED = Play(pieces=(gemini_event({"functionCall": {"name": "vote", "args": {"agent": "a"}}}, finish="STOP"),))


async def hear(backend: GeminiBackend, *messages: Message, model: str = "gemini-3.5-flash", **asked: Any) -> list[Chunk]:
    request = ModelRequest(**{"model": model, "messages": messages or (Message.of("user", "Where?"),), **asked})
    async with backend.respond(request) as stream:
        return [chunk async for chunk in stream]


def text(heard: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in heard if isinstance(chunk, TextChunk))


def thoughts(heard: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in heard if isinstance(chunk, ReasoningChunk))


async def test_search_is_seen(played: Any) -> None:
    """Queries are shown beside the answer, and the pages that it rests on below it."""
    async with played(SEARCHED, enable_web_search=True) as (backend, provider, _):
        heard = await hear(backend)

    assert provider.bodies[0]["tools"] == [{"googleSearch": {}}]
    assert "toolConfig" not in provider.bodies[0]
    assert text(heard) == "Paris.\n\nSources:\n- France: https://example.org/fr\n- https://example.org/eu"
    assert thoughts(heard) == "\nSearched the web for: capital of France\n"


@pytest.mark.parametrize("asked", [{"response_schema": {"type": "object"}}, {}])
async def test_sources_can_be_left_out(asked: dict[str, Any], played: Any) -> None:
    """No list of pages spoils a text that must obey a schema, or where nobody wants one."""
    async with played(SEARCHED, enable_web_search=True, citations=bool(asked)) as (backend, _, _):
        assert text(await hear(backend, **asked)) == "Paris."


async def test_code_is_seen_and_goes_round(played: Any) -> None:
    """Code and what it gave are shown, and sent back as they came."""
    code = {"executableCode": {"language": "PYTHON", "code": "print(6*7)"}, "thoughtSignature": "c2lnbmVk"}
    result = {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "42\n"}}
    run = Play(pieces=(gemini_event(code), gemini_event(result), gemini_event({"text": "It is 42."}, finish="STOP")))
    async with played(run, enable_code_execution=True, enable_url_context=True) as (backend, provider, _):
        heard = await hear(backend)
        items = tuple(chunk.item for chunk in heard if isinstance(chunk, ItemChunk))
        said = Message(role="assistant", content=(*items, Text(text=text(heard))))
        await hear(backend, Message.of("user", "What?"), said, Message.of("user", "And?"))

    assert provider.bodies[0]["tools"] == [{"codeExecution": {}}, {"urlContext": {}}]
    assert "print(6*7)" in thoughts(heard)
    assert "42" in thoughts(heard)
    assert text(heard) == "It is 42."
    assert provider.bodies[1]["contents"][1]["parts"] == [code, result, {"text": "It is 42."}]


async def test_together(played: Any) -> None:
    """From Gemini 3 on hosted tools and functions go together, and what the server's tools did goes round."""
    used = {"toolCall": {"id": "t-1", "toolType": "GOOGLE_SEARCH_WEB", "args": {"queries": ["France"]}}, "thoughtSignature": "c2lnbmVk"}
    gave = {"toolResponse": {"id": "t-1", "toolType": "GOOGLE_SEARCH_WEB", "response": {"result": "Paris"}}}
    call = {"functionCall": {"id": "f-1", "name": "vote", "args": {"agent": "a"}}, "thoughtSignature": "c2lnbmVk"}
    async with played(Play(pieces=(gemini_event(used, gave), gemini_event(call, finish="STOP"))), enable_web_search=True) as (
        backend,
        provider,
        _,
    ):
        heard = await hear(backend, tools=(VOTE,))
        items = [chunk.item for chunk in heard if isinstance(chunk, ItemChunk)]
        made = next(chunk for chunk in heard if isinstance(chunk, ToolCallChunk))
        said = Message(role="assistant", content=(*items, ToolCall(id=made.id, name=made.name, arguments='{"agent": "a"}')))
        await hear(backend, Message.of("user", "Where?"), said, Message(role="tool", content=(ToolResult(call=made.id),)), tools=(VOTE,))
    first, second = provider.bodies

    assert [list(tool) for tool in first["tools"]] == [["googleSearch"], ["functionDeclarations"]]
    assert first["toolConfig"] == {"includeServerSideToolInvocations": True}
    assert "France" in thoughts(heard)
    # The SDK writes some names in Python's way, which Google reads just as well.
    assert json.loads(json.dumps(second["contents"][1]["parts"]).replace("tool_type", "toolType")) == [used, gave, call]
    assert second["contents"][2]["parts"][0]["functionResponse"]["id"] == "f-1"


async def test_first(played: Any) -> None:
    """Before Gemini 3 hosted tools are used in a call of their own; its notes are the model's from then on, and tokens are added up."""
    usage = {"promptTokenCount": 10, "candidatesTokenCount": 1}
    search = Play(
        pieces=(gemini_event({"text": "Paris, it says."}), gemini_event(finish="STOP", candidate={"groundingMetadata": FOUND}, usageMetadata=usage))
    )
    call = Play(pieces=(gemini_event({"functionCall": {"name": "vote", "args": {}}}, finish="STOP", usageMetadata=usage),))
    async with played(search, call, CALLED, enable_web_search=True) as (backend, provider, _):
        heard = await hear(backend, Message.of("system", "Be brief."), Message.of("user", "Where?"), model="gemini-2.5-flash", tools=(VOTE,))
        items = [chunk.item for chunk in heard if isinstance(chunk, ItemChunk)]
        made = next(chunk for chunk in heard if isinstance(chunk, ToolCallChunk))
        said = Message(role="assistant", content=(*items, ToolCall(id=made.id, name="vote")))
        talk = (Message.of("user", "Where?"), said, Message(role="tool", content=(ToolResult(call=made.id),)), Message.of("user", "Vote."))
        await hear(backend, *talk, model="gemini-2.5-flash", tools=(VOTE,))
    gathered, asked, again = provider.bodies

    assert gathered["tools"] == [{"googleSearch": {}}]
    assert gathered["systemInstruction"]["parts"][0]["text"].startswith("Be brief.")
    assert [list(tool) for tool in asked["tools"]] == [["functionDeclarations"]]
    assert "Paris, it says." in asked["contents"][-1]["parts"][0]["text"]
    assert "https://example.org/fr" in asked["contents"][-1]["parts"][0]["text"]
    assert text(heard) == ""
    assert "Paris, it says." in thoughts(heard)
    assert [chunk.usage.total for chunk in heard if isinstance(chunk, UsageChunk)] == [11, 22]
    assert len(provider.bodies) == 3, "the tools are used once in a conversation"
    assert [content["role"] for content in again["contents"]] == ["user", "user", "model", "user", "user"]
    assert "Paris, it says." in again["contents"][1]["parts"][0]["text"]


async def test_no_functions_wanted(played: Any) -> None:
    """Where no function may be called, a model that cannot mix tools gets its hosted ones."""
    async with played(SEARCHED, enable_web_search=True) as (backend, provider, _):
        await hear(backend, model="gemini-2.5-flash", tools=(VOTE,), tool_choice="none")

    assert [body["tools"] for body in provider.bodies] == [[{"googleSearch": {}}]]
    assert "toolConfig" not in provider.bodies[0]


async def test_votes_need_no_search(played: Any) -> None:
    """A vote is one call: it rests on the answers."""
    async with played(CALLED, enable_web_search=True) as (backend, provider, _):
        await hear(backend, model="gemini-2.5-flash", tools=(VOTE,), brief=Brief(purpose="vote", question="Where?"))

    assert [list(tool) for body in provider.bodies for tool in body["tools"]] == [["functionDeclarations"]]


async def test_first_fails(played: Any) -> None:
    """What was found before a fault is not lost, and the fault is told."""
    heard: list[Chunk] = []
    async with played(SEARCHED, gemini_error(503, "overloaded"), enable_web_search=True) as (backend, _, _):
        request = ModelRequest(model="gemini-2.5-pro", messages=(Message.of("user", "Where?"),), tools=(VOTE,))

        async def listen() -> None:
            async with backend.respond(request) as stream:
                async for chunk in stream:
                    heard.append(chunk)

        with pytest.raises(Overloaded):
            await listen()

    assert "Paris." in thoughts(heard)


async def test_the_choice_can_be_made(played: Any) -> None:
    """Where a model is known to differ, an option says how tools are used; other hosted tools are taken as the API writes them."""
    options: dict[str, Any] = {"hosted_with_functions": "together", "hosted_tools": ({"googleMaps": {}},)}
    async with played(CALLED, **options) as (backend, provider, _):
        await hear(backend, model="gemini-2.5-flash", tools=(VOTE,))

    assert [list(tool) for tool in provider.bodies[0]["tools"]] == [["googleMaps"], ["functionDeclarations"]]


async def test_images_that_are_made(played: Any) -> None:
    """An image in the answer is a file of the run, which the text names; it goes back from there, and is left out when the file is gone."""
    image = {"inlineData": {"mimeType": "image/png", "data": "aGk="}}
    async with played(Play(pieces=(gemini_event(image, finish="STOP"),))) as (backend, provider, context):
        heard = await hear(backend)
        (item,) = (chunk.item for chunk in heard if isinstance(chunk, ItemChunk))
        (path,) = (context.folder / "media").iterdir()
        talk = (Message.of("user", "Draw."), Message(role="assistant", content=(item,)), Message.of("user", "Again."))
        await hear(backend, *talk)
        kept = path.read_bytes()
        path.unlink()
        await hear(backend, *talk)

    assert text(heard) == f"\n[image: {path}]\n"
    assert kept == b"hi"
    assert item.item == {"inlineData": {"mimeType": "image/png", "massgen.kept": str(path)}}
    assert provider.bodies[1]["contents"][1]["parts"][0]["inlineData"]["data"] == "aGk="
    assert [content["role"] for content in provider.bodies[2]["contents"]] == ["user", "user"]
