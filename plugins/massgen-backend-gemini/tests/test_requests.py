"""What is asked: the bytes that reach the server, through the SDK."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from massgen_backend_gemini.backend import GeminiBackend
from massgen_backend_gemini.catalogue import CATALOGUE
from massgen_backend_gemini.config import GeminiConfig
from massgen_backend_gemini.wire import asked_of
from massgen_core.api import (
    BadRequest,
    Chunk,
    File,
    Image,
    ItemChunk,
    Message,
    ModelRequest,
    ProviderItem,
    Sampling,
    StopChunk,
    Text,
    TextChunk,
    Tool,
    ToolCall,
    ToolCallChunk,
    ToolReduced,
    ToolResult,
)
from massgen_testkit.protocols.gemini import gemini_event
from massgen_testkit.provider import Play

pytestmark = pytest.mark.anyio
TOOL = Tool(name="weather", description="Tell the weather.", parameters={"type": "object", "properties": {"city": {"type": "string"}}})
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
PICTURE = Image(media_type="image/png", data="aGk=")
DONE = Play(pieces=(gemini_event({"text": "Yes."}, finish="STOP"),))
SIGNATURE = base64.b64encode(b"signed \xff\xfe\xfd").decode()


async def hear(backend: GeminiBackend, *messages: Message, model: str = "gemini-3.5-flash", **asked: Any) -> list[Chunk]:
    request = ModelRequest(**{"model": model, "messages": messages or (Message.of("user", "Hi"),), **asked})
    async with backend.respond(request) as stream:
        return [chunk async for chunk in stream]


async def body(played: Any, *messages: Message, options: Mapping[str, Any] | None = None, **asked: Any) -> Any:
    async with played(DONE, **(options or {})) as (backend, provider, _):
        await hear(backend, *messages, **asked)
    return provider.bodies[0]


def message_of(heard: list[Chunk]) -> Message:
    """Return what an agent would keep of an answer: its texts, calls and items in order."""
    content: list[Any] = []
    calls: dict[int, int] = {}
    for chunk in heard:
        if isinstance(chunk, TextChunk):
            content.append(Text(text=chunk.text))
        elif isinstance(chunk, ItemChunk):
            content.append(chunk.item)
        elif isinstance(chunk, ToolCallChunk) and chunk.index not in calls:
            calls[chunk.index] = len(content)
            content.append(ToolCall(id=chunk.id, name=chunk.name, arguments=chunk.arguments))
        elif isinstance(chunk, ToolCallChunk):
            made = content[calls[chunk.index]]
            content[calls[chunk.index]] = ToolCall(id=made.id, name=made.name, arguments=made.arguments + chunk.arguments)
    return Message(role="assistant", content=tuple(content))


async def test_plain_request(played: Any) -> None:
    """A request holds what was asked and nothing else."""
    made = await body(played, Message.of("system", "Be brief."), Message.of("user", "Hi"), model="gemma-4")

    assert made == {
        "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
        "generationConfig": {},
        "systemInstruction": {"role": "user", "parts": [{"text": "Be brief."}]},
    }


async def test_sampling_and_options(played: Any) -> None:
    """Sampling has Google's names; options of the agent win over those of the backend."""
    sampling = Sampling(temperature=0.0, top_p=0.9, max_tokens=50, seed=7, stop=("END",))
    options = {"extra_body": {"generationConfig": {"topK": 2}, "labels": {"a": "b"}}}
    made = await body(played, sampling=sampling, options=options, model="gemma-4")

    assert made["generationConfig"] == {"temperature": 0.0, "topP": 0.9, "maxOutputTokens": 50, "seed": 7, "stopSequences": ["END"], "topK": 2}
    assert made["labels"] == {"a": "b"}


async def test_own_fields_are_refused(played: Any) -> None:
    """What the backend itself says cannot be replaced."""
    async with played(DONE) as (backend, _, _):
        with pytest.raises(BadRequest, match="'contents'"):
            await hear(backend, options={"contents": []})
        with pytest.raises(BadRequest, match="needs a model"):
            await hear(backend, model="")
        with pytest.raises(BadRequest, match="message of a user"):
            await hear(backend, Message.of("system", "Be brief."))


@pytest.mark.parametrize(
    ("choice", "written"),
    [
        ("auto", None),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        ("weather", {"mode": "ANY", "allowedFunctionNames": ["weather"]}),
    ],
)
async def test_tools(choice: str, written: Any, played: Any) -> None:
    """Tools and the choice among them."""
    made = await body(played, tools=(TOOL,), tool_choice=choice)

    assert made["tools"] == [
        {"functionDeclarations": [{"name": "weather", "description": "Tell the weather.", "parameters_json_schema": TOOL.parameters}]}
    ]
    assert made.get("toolConfig", {}).get("functionCallingConfig") == written


async def test_names_are_mapped_back(played: Any) -> None:
    """A name that Google does not take is changed on the way there and back."""
    call = Play(pieces=(gemini_event({"functionCall": {"name": "_2nd", "args": {}}}, finish="STOP"),))
    async with played(call) as (backend, provider, _):
        heard = await hear(backend, tools=(Tool(name="2nd"),), tool_choice="2nd")

    assert provider.bodies[0]["tools"][0]["functionDeclarations"][0]["name"] == "_2nd"
    assert provider.bodies[0]["toolConfig"]["functionCallingConfig"]["allowedFunctionNames"] == ["_2nd"]
    assert isinstance(heard[0], ToolCallChunk)
    assert heard[0].name == "2nd"


async def test_schemas_are_reduced_with_a_note(played: Any) -> None:
    """Keywords that Google does not take are reduced, once with a note."""
    parameters = {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/A"}, "b": {"type": ["string", "null"], "pattern": "^x"}, "c": {"const": 1}},
        "$defs": {"A": {"type": "string", "format": "uri"}},
    }
    async with played(DONE) as (backend, provider, context):
        for _ in range(2):
            await hear(backend, tools=(Tool(name="t", parameters=parameters),), metadata={"agent": "a"})
    sent = str(provider.bodies[0]["tools"])

    assert not [word for word in ("$ref", "$defs", "'pattern'", "const'", "'uri'") if word in sent]
    noted = [(note.tool, note.backend) for note in context.records.of(ToolReduced)]
    assert noted == [("t", "gemini")]


async def test_response_schema(played: Any) -> None:
    """A schema for the text is sent with the type that Google wants beside it."""
    made = (await body(played, response_schema=SCHEMA, model="gemma-4"))["generationConfig"]

    assert made == {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA}


async def test_signatures_go_round(played: Any) -> None:
    """Signed calls and signed text are sent back as they came, each in its own part, and Google's ids with the results."""
    answer = (
        gemini_event({"text": "Let me "}),
        gemini_event({"text": "look.", "thoughtSignature": SIGNATURE}),
        gemini_event({"functionCall": {"id": "fc-1", "name": "weather", "args": {"city": "Paris"}}, "thoughtSignature": SIGNATURE}),
        gemini_event({"functionCall": {"id": "fc-2", "name": "weather", "args": {"city": "Rome"}}}, finish="STOP"),
    )
    async with played(Play(pieces=answer), DONE) as (backend, provider, _):
        said = message_of(await hear(backend, tools=(TOOL,)))
        results = tuple(ToolResult(call=call.id, content=(Text(text=f"{n} degrees"),), is_error=n == 2) for n, call in enumerate(said.calls, 1))
        await hear(backend, Message.of("user", "Hi"), said, Message(role="tool", content=results), tools=(TOOL,))
    _, model, user = provider.bodies[1]["contents"]
    signature = base64.urlsafe_b64encode(base64.b64decode(SIGNATURE)).decode()

    assert model == {
        "role": "model",
        "parts": [
            {"text": "Let me "},
            {"text": "look.", "thoughtSignature": signature},
            {"functionCall": {"id": "fc-1", "name": "weather", "args": {"city": "Paris"}}, "thoughtSignature": signature},
            {"functionCall": {"id": "fc-2", "name": "weather", "args": {"city": "Rome"}}},
        ],
    }
    assert user == {
        "role": "user",
        "parts": [
            {"functionResponse": {"id": "fc-1", "name": "weather", "response": {"output": "1 degrees"}}},
            {"functionResponse": {"id": "fc-2", "name": "weather", "response": {"error": "2 degrees"}}},
        ],
    }


async def test_text_that_was_changed_loses_its_signature(played: Any) -> None:
    """A signature holds for its own text: where the text was shortened it is left out."""
    item = ProviderItem(backend="gemini", item={"text": "all that was said", "thoughtSignature": SIGNATURE})
    said = Message(role="assistant", content=(Text(text="a summary"), item))
    made = await body(played, Message.of("user", "Hi"), said, Message.of("user", "And?"))

    assert made["contents"][1]["parts"] == [{"text": "a summary"}]


@pytest.mark.parametrize(("model", "is_marked"), [("gemini-3.5-flash", True), ("gemini-2.5-pro", False)])
async def test_calls_of_others(model: str, is_marked: bool, played: Any) -> None:
    """A call that another model made passes as Google documents it, where signatures are wanted: the first of each answer of the present turn."""
    calls = Message(role="assistant", content=(ToolCall(id="1", name="weather"), ToolCall(id="2", name="weather", arguments='{"city": Par')))
    results = Message(role="tool", content=(ToolResult(call="1"), ToolResult(call="2", structured={"degrees": 21})))
    talk = (Message.of("user", "Hi"), calls, results)
    made = await body(played, *talk, Message.of("user", "Again"), calls, results, model=model)
    old, new = (content["parts"] for content in made["contents"] if content["role"] == "model")

    assert [("thoughtSignature" in part) for part in (*old, *new)] == [False, False, is_marked, False]
    if is_marked:
        assert base64.urlsafe_b64decode(new[0]["thoughtSignature"]) == b"skip_thought_signature_validator"
    assert new[1]["functionCall"]["args"] == {"malformed": '{"city": Par'}
    assert made["contents"][2]["parts"][1]["functionResponse"] == {"name": "weather", "response": {"output": {"degrees": 21}}}


async def test_images_and_files(tmp_path: Path, played: Any) -> None:
    """Images and files are data or addresses; text files are text."""
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    note = File(name="n.txt", media_type="text/plain", data=base64.b64encode("Grüße".encode()).decode())
    paper = File(name="a.pdf", media_type="application/pdf", path=str(tmp_path / "a.pdf"))
    asked = Message(role="user", content=(Text(text="Look."), PICTURE, Image(media_type="image/png", url="https://example.org/a.png"), note, paper))
    parts = (await body(played, asked))["contents"][0]["parts"]

    assert parts[0] == {"text": "Look."}
    assert parts[1] == {"inlineData": {"data": "aGk=", "mime_type": "image/png"}}
    assert parts[2] == {"fileData": {"file_uri": "https://example.org/a.png", "mime_type": "image/png"}}
    assert "Grüße" in parts[3]["text"]
    assert parts[4] == {"inlineData": {"data": base64.urlsafe_b64encode(b"%PDF").decode(), "mime_type": "application/pdf"}}


async def test_files_that_cannot_be_read(tmp_path: Path, played: Any) -> None:
    """A file that is not there, and data that is none, are refused before anything is sent."""
    async with played(DONE) as (backend, provider, _):
        for part in (File(name="gone", path=str(tmp_path / "gone")), Image(media_type="image/png", data="?")):
            with pytest.raises(BadRequest):
                await hear(backend, Message(role="user", content=(part,)))

    assert not provider.asked


@pytest.mark.parametrize(("model", "is_inside"), [("gemini-3.5-flash", True), ("gemini-2.5-flash", False)])
async def test_images_of_results(model: str, is_inside: bool, played: Any) -> None:
    """Images of a result are parts of it where the model takes them there, and follow it where not."""
    call = Message(role="assistant", content=(ToolCall(id="1", name="look"),))
    result = Message(role="tool", content=(ToolResult(call="1", content=(Text(text="see"), PICTURE)),))
    contents = (await body(played, Message.of("user", "Hi"), call, result, model=model))["contents"]

    assert [content["role"] for content in contents] == ["user", "model", "user"] + ["user"] * (not is_inside)
    answer = contents[2]["parts"][0]["functionResponse"]
    if is_inside:
        assert answer["response"] == {"output": "see"}
        assert "aGk=" in str(answer["parts"])
    else:
        assert "parts" not in answer
        assert "aGk=" in str(contents[3]["parts"][1])


@pytest.mark.parametrize(
    ("model", "effort", "options", "written"),
    [
        ("gemini-3.5-flash", None, {}, {"include_thoughts": True}),
        ("gemini-3.5-flash", "minimal", {}, {"include_thoughts": True, "thinking_level": "MINIMAL"}),
        ("gemini-3.8-flash", "none", {}, {"include_thoughts": True, "thinking_level": "LOW"}),
        ("gemini-3.1-pro-preview", "max", {}, {"include_thoughts": True, "thinking_level": "HIGH"}),
        ("gemini-flash-latest", "medium", {}, {"include_thoughts": True, "thinking_level": "MEDIUM"}),
        ("models/gemini-2.5-flash", "none", {}, {"thinking_budget": 0}),
        ("gemini-2.5-pro", "none", {}, {"include_thoughts": True, "thinking_budget": 128}),
        ("gemini-2.5-pro", "max", {}, {"include_thoughts": True, "thinking_budget": 32768}),
        ("gemini-2.5-flash", "high", {"thinking_budget": -1, "include_thoughts": False}, {"thinking_budget": -1}),
        ("gemini-3.5-flash", "high", {"thinking_level": "xhigh"}, {"include_thoughts": True, "thinking_level": "XHIGH"}),
        ("gemini-2.0-flash", "none", {}, None),
        ("tunedModels/mine", "high", {"thinking_budget": 5}, {"thinking_budget": 5}),
        ("gemini-2.5-flash-image", None, {}, None),
    ],
)
async def test_thinking(model: str, effort: Any, options: dict[str, Any], written: Any, played: Any) -> None:
    """An effort is a level from Gemini 3 on and a budget before; options go before it; what does not think is not asked to."""
    made = await body(played, model=model, reasoning_effort=effort, options=options)

    assert made.get("generationConfig", {}).get("thinkingConfig") == written


async def test_effort_of_a_model_that_does_not_think(played: Any) -> None:
    """What is not known to think is not silently left as it is: the option that helps is named."""
    async with played(DONE) as (backend, provider, _):
        with pytest.raises(BadRequest, match="thinking_budget"):
            await hear(backend, model="gemma-4", reasoning_effort="high")

    assert not provider.asked


async def test_safety_and_media(played: Any) -> None:
    """Thresholds and the resolution of images have Google's names."""
    made = await body(played, options={"safety": {"harassment": "block_none"}, "media_resolution": "low"})

    assert made["safetySettings"] == [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]
    assert made["generationConfig"]["mediaResolution"] == "MEDIA_RESOLUTION_LOW"


@pytest.mark.parametrize(("tool", "word"), [({"timeMachine": {}}, "timeMachine"), ({"googleSearch": {"excludeDomains": ["a"]}}, "exclude_domains")])
async def test_request_that_the_sdk_refuses(tool: dict[str, Any], word: str, played: Any) -> None:
    """What the SDK does not know, or does not send to this service, is refused with its name before anything is sent."""
    async with played(DONE, hosted_tools=(tool,)) as (backend, provider, _):
        with pytest.raises(BadRequest, match=word):
            await hear(backend)

    assert not provider.asked


async def test_stop_tells_the_model(played: Any) -> None:
    """The end names the model that answered."""
    async with played(DONE) as (backend, _, _):
        assert (await hear(backend))[-1] == StopChunk("stop", "m", "STOP")


async def test_an_agent_that_names_no_model() -> None:
    """It gets the usual one at Google, with what goes for that one."""
    none, usual = [
        await asked_of(ModelRequest(model=model, messages=(Message.of("user", "Hi"),), reasoning_effort="low"), GeminiConfig(), Path())
        for model in ("", "gemini-2.5-flash")
    ]

    assert (none.model, none.config) == (usual.model, usual.config)
    assert usual.model in {one.name for one in CATALOGUE.models()}
