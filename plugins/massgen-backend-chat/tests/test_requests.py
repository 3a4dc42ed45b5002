"""What is asked, as the protocol writes it."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import attrs
import pytest

from massgen_backend_chat.presets import PRESETS, UNKNOWN, Preset
from massgen_backend_chat.wire import body_of
from massgen_core.api import (
    BadRequest,
    File,
    Image,
    Message,
    ModelRequest,
    ProviderItem,
    Sampling,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)

pytestmark = pytest.mark.anyio
TOOL = Tool(name="weather", description="Tell the weather.", parameters={"type": "object", "properties": {"city": {"type": "string"}}})
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
PICTURE = Image(media_type="image/png", data="aGk=")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def body(*messages: Message, known: Preset = UNKNOWN, extra: dict[str, Any] | None = None, **asked: Any) -> dict[str, Any]:
    return await body_of(ModelRequest(**{"model": "m", "messages": messages or (Message.of("user", "Hi"),), **asked}), known, extra=extra or {})


async def test_plain_request() -> None:
    """A request holds what was asked and nothing else."""
    assert await body(Message.of("system", "Be brief."), Message.of("user", "Hi")) == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def test_sampling_and_options() -> None:
    """Sampling has the protocol's names; options of the agent win over those of the backend."""
    sampling = Sampling(temperature=0.0, top_p=0.9, max_tokens=50, seed=7, stop=("END",))
    made = await body(sampling=sampling, options={"top_k": 1}, extra={"top_k": 2, "user": "u"})

    assert {name: made[name] for name in ("temperature", "top_p", "max_tokens", "seed", "stop", "top_k", "user")} == {
        "temperature": 0.0,
        "top_p": 0.9,
        "max_tokens": 50,
        "seed": 7,
        "stop": ["END"],
        "top_k": 1,
        "user": "u",
    }
    assert (await body(sampling=sampling, known=PRESETS["openai"]))["max_completion_tokens"] == 50
    assert "stream_options" not in await body(known=attrs.evolve(UNKNOWN, stream_usage=False))


@pytest.mark.parametrize(
    ("choice", "written"),
    [("auto", "auto"), ("none", "none"), ("required", "required"), ("weather", {"type": "function", "function": {"name": "weather"}})],
)
async def test_tools(choice: str, written: Any) -> None:
    """Tools and the choice among them; what cannot be demanded is offered."""
    made = await body(tools=(TOOL,), tool_choice=choice)

    assert made["tools"] == [{"type": "function", "function": {"name": "weather", "description": "Tell the weather.", "parameters": TOOL.parameters}}]
    assert made["tool_choice"] == written
    offered = (await body(tools=(TOOL,), tool_choice=choice, known=attrs.evolve(UNKNOWN, forced_tools=False)))["tool_choice"]
    assert offered == ("none" if choice == "none" else "auto")


async def test_conversation_with_tools() -> None:
    """Calls and results keep their ids; images of results follow all results in one user message; errors are marked."""
    calls = (ToolCall(id="1", name="weather", arguments='{"city": Paris'), ToolCall(id="2", name="look"))
    results = (
        ToolResult(call="1", content=(Text(text="no JSON"),), is_error=True),
        ToolResult(call="2", content=(Text(text="see"), PICTURE, File(name="a.bin", data="aGk="))),
    )
    made = await body(Message(role="assistant", content=calls), *(Message(role="tool", content=(result,)) for result in results))

    assert [message["role"] for message in made["messages"]] == ["assistant", "tool", "tool", "user"]
    assert made["messages"][0]["content"] is None
    assert [call["function"]["arguments"] for call in made["messages"][0]["tool_calls"]] == ['{"city": Paris', "{}"]
    assert made["messages"][1] == {"role": "tool", "tool_call_id": "1", "content": "Error: no JSON"}
    assert made["messages"][2]["content"] == "see\n[an image; it follows below]\n[the file a.bin (application/octet-stream) cannot be shown]"
    assert made["messages"][3]["content"][1] == {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}


async def test_structured_result_without_text() -> None:
    """A result of data alone is written as JSON."""
    made = await body(Message(role="tool", content=(ToolResult(call="1", structured={"degrees": 21}),)))

    assert made["messages"][0]["content"] == '{"degrees":21}'


async def test_images_and_files(tmp_path: Path) -> None:
    """Images are data or addresses; text files are text; other files go only where the server takes them."""
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    note = File(name="n.txt", media_type="text/plain", data=base64.b64encode("Grüße".encode()).decode())
    paper = File(name="a.pdf", media_type="application/pdf", path=str(tmp_path / "a.pdf"))
    asked = Message(role="user", content=(Text(text="Look."), Image(media_type="image/png", url="https://example.org/a.png"), note, paper))
    parts = (await body(asked, known=PRESETS["openai"]))["messages"][0]["content"]

    assert [part["type"] for part in parts] == ["text", "image_url", "text", "file"]
    assert parts[1]["image_url"] == {"url": "https://example.org/a.png"}
    assert "Grüße" in parts[2]["text"]
    assert parts[3]["file"] == {"filename": "a.pdf", "file_data": "data:application/pdf;base64," + base64.b64encode(b"%PDF").decode()}
    with pytest.raises(BadRequest, match=r"a\.pdf"):
        await body(asked)
    with pytest.raises(BadRequest, match="cannot be read"):
        await body(Message(role="user", content=(attrs.evolve(paper, path=str(tmp_path / "none")),)))


@pytest.mark.parametrize(
    ("preset", "effort", "written"),
    [
        ("groq", "low", {"reasoning_effort": "low"}),
        ("groq", "max", {"reasoning_effort": "high"}),
        ("openai", "max", {"reasoning_effort": "xhigh"}),
        ("deepseek", "none", {"thinking": {"type": "disabled"}}),
        ("zai", "high", {"thinking": {"type": "enabled"}}),
        ("qwen", "low", {"enable_thinking": True}),
    ],
)
async def test_effort(preset: str, effort: str, written: dict[str, Any]) -> None:
    """A reasoning effort is said in the provider's way."""
    assert written.items() <= (await body(reasoning_effort=effort, known=PRESETS[preset])).items()


async def test_schema() -> None:
    """A schema is sent as such, strictly where that can be; otherwise it is said in a system message."""
    strict, loose = await body(response_schema=SCHEMA), await body(response_schema={"type": "object", "properties": {"a": {}}})
    told = await body(Message.of("system", "Be brief."), Message.of("user", "Hi"), response_schema=SCHEMA, known=PRESETS["deepseek"])

    assert strict["response_format"] == {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True}}
    assert loose["response_format"]["json_schema"]["strict"] is False
    assert told["response_format"] == {"type": "json_object"}
    assert [message["role"] for message in told["messages"]] == ["system", "system", "user"]
    assert '"additionalProperties":false' in told["messages"][1]["content"]


async def test_own_reasoning_returns() -> None:
    """Reasoning that a provider wants back stands beside its calls; another backend's item does not."""
    items = (ProviderItem(backend="chat", item={"reasoning_content": "hm"}), ProviderItem(backend="other", item={"reasoning_content": "no"}))
    made = await body(Message(role="assistant", content=(*items, ToolCall(id="1", name="f"))))

    assert made["messages"][0]["reasoning_content"] == "hm"


@pytest.mark.parametrize(
    ("asked", "known"),
    [
        ({"model": ""}, PRESETS["azure"]),
        ({"tools": (TOOL,)}, attrs.evolve(UNKNOWN, tools=False)),
        ({"reasoning_effort": "low"}, PRESETS["poe"]),
        ({"response_schema": SCHEMA}, PRESETS["poe"]),
        ({"options": {"stream": False}}, UNKNOWN),
    ],
)
async def test_what_cannot_be_asked(asked: dict[str, Any], known: Preset) -> None:
    """What the server cannot take is refused before it is sent, never left out silently."""
    with pytest.raises(BadRequest):
        await body(known=known, **asked)


async def test_an_agent_that_names_no_model() -> None:
    """It gets its preset's, unless addresses, and so names of models, are each user's own; a server that knows itself is asked for none."""
    assert await body(model="", known=PRESETS["groq"]) == await body(model="openai/gpt-oss-120b", known=PRESETS["groq"])
    assert "model" not in await body(model="")
    with pytest.raises(BadRequest, match="needs a model's name"):
        await body(model="", known=PRESETS["azure"])
