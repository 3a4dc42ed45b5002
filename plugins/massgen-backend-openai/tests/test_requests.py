"""What is asked, as the API writes it."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import attrs
import pytest

from massgen_backend_openai.catalogue import CATALOGUE
from massgen_backend_openai.config import OpenAIConfig, ReasoningConfig, TextConfig
from massgen_backend_openai.files import placing
from massgen_backend_openai.schemas import Tools
from massgen_backend_openai.wire import Requests
from massgen_core.api import (
    BadRequest,
    Event,
    File,
    Image,
    Message,
    ModelRequest,
    ProviderItem,
    Sampling,
    Text,
    Tool,
    ToolCall,
    ToolReduced,
    ToolResult,
    keep_media,
)

pytestmark = pytest.mark.anyio
CLOSED = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}
TOOL = Tool(name="weather", description="Tell the weather.", parameters=CLOSED)
OPEN = Tool(name="look", parameters={"type": "object", "properties": {"at": {"type": "string"}}})
PICTURE = Image(media_type="image/png", data="aGk=")
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def said(text: str, **fields: str) -> dict[str, Any]:
    status = {"status": "completed"} if "id" in fields else {}
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text, "annotations": []}], **status, **fields}


def own(item: dict[str, Any]) -> ProviderItem:
    return ProviderItem(backend="openai", item=item)


async def body(
    *messages: Message, folder: Path = Path(), config: OpenAIConfig | None = None, told: list[Event] | None = None, **asked: Any
) -> dict[str, Any]:
    config = config or OpenAIConfig()
    emit = ([] if told is None else told).append
    requests = Requests(config, Tools(strict=config.strict_tools, emit=emit), folder, placing(None, 0))
    return await requests.body(ModelRequest(**{"model": "gpt-4o", "messages": messages or (Message.of("user", "Hi"),), **asked}))


async def test_plain_request() -> None:
    """A request holds what was asked and nothing else; the system message is the instructions, and nothing is stored."""
    assert await body(Message.of("system", "Be brief."), Message.of("user", "Hi")) == {
        "model": "gpt-4o",
        "instructions": "Be brief.",
        "input": [{"role": "user", "content": "Hi"}],
        "stream": True,
        "store": False,
    }


async def test_sampling_and_options() -> None:
    """Sampling has the API's names; options of the agent win over those of the backend, and neither undoes the other's nested fields."""
    config = OpenAIConfig(extra_body={"top_logprobs": 2, "user": "u"}, text=TextConfig(verbosity="low"), service_tier="flex")
    sampling = Sampling(temperature=0.0, top_p=0.9, max_tokens=50)
    made = await body(config=config, sampling=sampling, options={"top_logprobs": 1, "text": {"x": 1}})

    wanted = {"temperature": 0.0, "top_p": 0.9, "max_output_tokens": 50, "top_logprobs": 1, "user": "u", "service_tier": "flex"}
    assert {name: made[name] for name in wanted} == wanted
    assert made["text"] == {"verbosity": "low", "x": 1}


@pytest.mark.parametrize(
    ("choice", "written"), [("auto", "auto"), ("none", "none"), ("required", "required"), ("weather", {"type": "function", "name": "weather"})]
)
async def test_tools(choice: str, written: Any) -> None:
    """Tools are flat in this API, and are not made strict behind one's back; the choice among them is said."""
    made = await body(tools=(TOOL,), tool_choice=choice)

    assert made["tools"] == [{"type": "function", "name": "weather", "description": "Tell the weather.", "parameters": CLOSED, "strict": False}]
    assert made["tool_choice"] == written
    assert "parallel_tool_calls" not in made


async def test_strict_tools() -> None:
    """Arguments are held to the schemas that can be enforced as they are; the others stay as they are."""
    made = await body(config=OpenAIConfig(strict_tools=True, parallel_tool_calls=False), tools=(TOOL, OPEN))

    assert [tool["strict"] for tool in made["tools"]] == [True, False]
    assert made["tools"][1]["parameters"] == OPEN.parameters
    assert made["parallel_tool_calls"] is False


async def test_schemas_that_the_api_does_not_take() -> None:
    """A union at the root is rewritten, and the journal says so once for each agent."""
    odd = Tool(name="odd", parameters={"type": "object", "anyOf": [{"required": ["a"]}, {"required": ["b"]}], "properties": {"a": {}, "b": {}}})
    told: list[Event] = []
    made = await body(tools=(odd,), told=told)

    assert "anyOf" not in made["tools"][0]["parameters"]
    assert [type(event) for event in told] == [ToolReduced]


async def test_hosted_tools() -> None:
    """Switches stand for the API's own tools; one that is written out replaces its switch; code comes with its output."""
    config = OpenAIConfig(
        enable_web_search=True,
        enable_code_interpreter=True,
        enable_image_generation=True,
        hosted_tools=({"type": "web_search", "search_context_size": "low"}, {"type": "file_search", "vector_store_ids": ["vs_1"]}),
    )
    made = await body(config=config, tools=(TOOL,), tool_choice="required")

    assert [tool["type"] for tool in made["tools"]] == ["code_interpreter", "image_generation", "web_search", "file_search", "function"]
    assert made["tools"][0] == {"type": "code_interpreter", "container": {"type": "auto"}}
    assert made["tools"][2]["search_context_size"] == "low"
    assert made["include"] == ["code_interpreter_call.outputs"]
    assert "tool_choice" not in await body(config=config)


@pytest.mark.parametrize(
    ("model", "effort", "written"),
    [
        ("gpt-5.4", "low", {"effort": "low", "summary": "auto"}),
        ("gpt-5.4", None, {"effort": "medium", "summary": "auto"}),
        ("gpt-6-astra", "max", {"effort": "max", "summary": "auto"}),
        ("gpt-5.2", "max", {"effort": "xhigh", "summary": "auto"}),
        ("gpt-5-mini", "max", {"effort": "high", "summary": "auto"}),
    ],
)
async def test_reasoning(model: str, effort: Any, written: dict[str, Any]) -> None:
    """The agent's effort goes before the backend's; the most that a model takes has different names."""
    config = OpenAIConfig(reasoning=ReasoningConfig(effort="medium", summary="auto"))

    assert (await body(config=config, model=model, reasoning_effort=effort))["reasoning"] == written


@pytest.mark.parametrize(
    ("model", "option", "is_asked"),
    [("gpt-5-nano", None, True), ("o3", None, True), ("gpt-4.1", None, False), ("gpt-5-chat-latest", None, False), ("my-deployment", True, True)],
)
async def test_encrypted_reasoning(model: str, option: bool | None, is_asked: bool) -> None:
    """Models that think are asked for their encrypted thoughts; the others would refuse that."""
    made = await body(config=OpenAIConfig(encrypted_reasoning=option), model=model)

    assert made.get("include", []) == (["reasoning.encrypted_content"] if is_asked else [])


async def test_conversation_with_tools() -> None:
    """Thoughts, calls and results keep their order, their ids and their words; another backend's items are left out."""
    reply = Message(
        role="assistant",
        content=(
            own(THOUGHT),
            ProviderItem(backend="other", item={"x": 1}),
            Text(text="Let me see."),
            ToolCall(id="1", name="weather", arguments='{"city": Paris'),
            ToolCall(id="2", name="look", arguments=""),
        ),
    )
    results = (
        ToolResult(call="1", content=(Text(text="no JSON"),), is_error=True),
        ToolResult(call="2", content=(Text(text="see"), PICTURE, File(name="a.pdf", media_type="application/pdf", data="aGk="))),
        ToolResult(call="3", structured={"degrees": 21}),
    )
    made = (await body(reply, Message(role="tool", content=results)))["input"]

    assert made[0] == THOUGHT
    assert made[1] == said("Let me see.")
    assert made[2] == {"type": "function_call", "call_id": "1", "name": "weather", "arguments": '{"city": Paris'}
    assert made[3]["arguments"] == "{}"
    assert made[4] == {"type": "function_call_output", "call_id": "1", "output": "Error:\nno JSON"}
    assert [part["type"] for part in made[5]["output"]] == ["input_text", "input_image", "input_file"]
    assert made[6]["output"] == '{"degrees":21}'


def hint(of: str, **fields: str) -> ProviderItem:
    return own({"type": "massgen.hint", "of": of, **fields})


async def test_ids_and_phases() -> None:
    """A thought goes back with the very item that it led to; what was commentary and what was the answer is said again."""
    content = (
        own(THOUGHT),
        hint("message", id="msg_1", phase="commentary"),
        Text(text="Hm."),
        hint("message", id="msg_2"),  # a message without text
        hint("function_call", id="fc_1"),
        ToolCall(id="1", name="look"),
        ToolCall(id="2", name="look"),
    )

    assert (await body(Message(role="assistant", content=content)))["input"] == [
        THOUGHT,
        said("Hm.", id="msg_1", phase="commentary"),
        {"type": "function_call", "id": "fc_1", "status": "completed", "call_id": "1", "name": "look", "arguments": "{}"},
        {"type": "function_call", "call_id": "2", "name": "look", "arguments": "{}"},
    ]


async def test_thoughts_that_lead_to_nothing() -> None:
    """A thought whose calls were cut off, and one whose content OpenAI did not give, are left out: the API refuses them, and their items' ids."""
    empty = {"type": "reasoning", "id": "rs_2", "summary": []}
    content = (own(empty), hint("message", id="msg_1"), Text(text="Hm."), own(THOUGHT))

    assert (await body(Message(role="assistant", content=content), Message.of("user", "And?")))["input"] == [
        said("Hm."),
        {"role": "user", "content": "And?"},
    ]
    assert (await body(Message(role="assistant", content=content), config=OpenAIConfig(store=True)))["input"] == [empty, said("Hm.", id="msg_1")]


async def test_items_with_fields_that_only_come() -> None:
    """Of an image goes back what the API takes."""
    made = {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "aGk=", "action": "generate", "size": "1024x1024"}
    (item,) = (await body(Message(role="assistant", content=(own(made),))))["input"]

    assert item == {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "aGk="}


async def test_images_of_earlier_answers(tmp_path: Path) -> None:
    """An image goes back from the file in which it was kept, also where the run's folder was moved; without its file it is left out."""
    path = await keep_media(tmp_path / "now", b"hi", "image/png")
    made = {"type": "image_generation_call", "id": "ig_1", "status": "completed", "massgen.kept": str(tmp_path / "before" / "media" / path.name)}
    asked = Message(role="assistant", content=(own(made), Text(text="Here.")))
    whole = {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "aGk="}

    assert (await body(asked, folder=tmp_path / "now"))["input"] == [whole, said("Here.")]
    assert (await body(asked, folder=tmp_path / "gone"))["input"] == [said("Here.")]

    (tmp_path / "id_rsa").write_bytes(b"mine")
    for asked_for in (str(tmp_path / "id_rsa"), 7):  # a server says which file it wants to see
        asked = Message(role="assistant", content=(own({**made, "massgen.kept": asked_for}), Text(text="Here.")))
        assert (await body(asked, folder=tmp_path / "now"))["input"] == [said("Here.")]


async def test_chaining() -> None:
    """With chaining only what is new is sent, and the answer to go on from; the instructions are sent each time; answers are stored."""
    reply = Message(role="assistant", content=(Text(text="4"), own({"type": "massgen.response", "id": "resp_7"})))
    talk = (Message.of("system", "Be brief."), Message.of("user", "2+2?"), reply, Message.of("user", "And 3+3?"))
    chained, whole = await body(*talk, config=OpenAIConfig(chain=True), model="o3"), await body(*talk)

    assert chained["previous_response_id"] == "resp_7"
    assert chained["input"] == [{"role": "user", "content": "And 3+3?"}]
    assert chained["instructions"] == "Be brief."
    assert chained["store"] is True
    assert "include" not in chained
    assert len(whole["input"]) == 3
    assert "previous_response_id" not in whole


async def test_images_and_files(tmp_path: Path) -> None:
    """Images are data or addresses, text files are text, other files are files."""
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    note = File(name="n.txt", media_type="text/plain", data=base64.b64encode("Grüße".encode()).decode())
    paper = File(name="a.pdf", media_type="application/pdf", path=str(tmp_path / "a.pdf"))
    photo = File(name="p.png", media_type="image/png", data="aGk=")
    asked = Message(role="user", content=(Text(text="Look."), Image(media_type="image/png", url="https://example.org/a.png"), note, paper, photo))
    parts = (await body(asked))["input"][0]["content"]

    assert [part["type"] for part in parts] == ["input_text", "input_image", "input_text", "input_file", "input_image"]
    assert parts[1]["image_url"] == "https://example.org/a.png"
    assert "Grüße" in parts[2]["text"]
    assert parts[3] == {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64," + base64.b64encode(b"%PDF").decode()}
    with pytest.raises(BadRequest, match="cannot be read"):
        await body(Message(role="user", content=(attrs.evolve(paper, path=str(tmp_path / "none")),)))


async def test_uploads(tmp_path: Path) -> None:
    """Uploads stand before the first question, and only there; what is an address OpenAI fetches itself."""
    (tmp_path / "a.png").write_bytes(b"hi")
    (tmp_path / "n.md").write_text("Grüße", encoding="utf-8")
    config = OpenAIConfig(
        upload_files=(
            {"image_path": str(tmp_path / "a.png")},
            {"file_path": str(tmp_path / "n.md")},
            {"file_path": "https://example.org/a.pdf"},
        )
    )
    made = (await body(Message.of("user", "Look."), Message.of("assistant", "Yes."), Message.of("user", "And?"), config=config))["input"]

    assert [part["type"] for part in made[0]["content"]] == ["input_image", "input_text", "input_file", "input_text"]
    assert made[0]["content"][0]["image_url"] == "data:image/png;base64,aGk="
    assert made[0]["content"][2] == {"type": "input_file", "file_url": "https://example.org/a.pdf"}
    assert made[2] == {"role": "user", "content": "And?"}
    with pytest.raises(BadRequest, match="cannot be read"):
        await body(config=OpenAIConfig(upload_files=({"file_path": str(tmp_path / "none")},)))


async def test_schema() -> None:
    """A schema for the text is enforced where it can be."""
    strict, loose = await body(response_schema=CLOSED), await body(response_schema=OPEN.parameters)

    assert strict["text"]["format"] == {"type": "json_schema", "name": "answer", "schema": CLOSED, "strict": True}
    assert loose["text"]["format"]["strict"] is False


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"sampling": Sampling(seed=1)}, "seed"),
        ({"sampling": Sampling(stop=("x",))}, "stop"),
        ({"options": {"stream": False}}, "stream"),
        ({"options": {"store": True}}, "store"),
    ],
)
async def test_what_cannot_be_asked(asked: dict[str, Any], told: str) -> None:
    """What the API does not take is refused before it is sent, never left out silently."""
    with pytest.raises(BadRequest, match=told):
        await body(**asked)


async def test_an_agent_that_names_no_model() -> None:
    """It gets the usual one at OpenAI, with what goes for that one; another server is asked for its own."""
    usual, elsewhere = await body(model="", reasoning_effort="max"), await body(model="", config=OpenAIConfig(base_url="https://example.org/v1"))

    assert usual == await body(model="gpt-5.4-mini", reasoning_effort="max")
    assert "model" not in elsewhere
    assert "gpt-5.4-mini" in {one.name for one in CATALOGUE.models()}
