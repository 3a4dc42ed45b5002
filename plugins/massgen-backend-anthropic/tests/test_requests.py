"""What is asked, as the protocol writes it."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from massgen_backend_anthropic.catalogue import CATALOGUE
from massgen_backend_anthropic.config import AnthropicConfig
from massgen_backend_anthropic.wire import betas_of, body_of
from massgen_core.api import BadRequest, File, Image, Message, ModelRequest, ProviderItem, Sampling, Text, Tool, ToolCall, ToolResult

pytestmark = pytest.mark.anyio
TOOL = Tool(name="weather", description="Tell the weather.", parameters={"type": "object", "properties": {"city": {"type": "string"}}})
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}, "required": ["a"], "additionalProperties": False}
PICTURE = Image(media_type="image/png", data="aGk=")
HI = Message.of("user", "Hi")
OLD, MIDDLE, NEW = "claude-opus-4-5", "claude-opus-4-8", "claude-opus-5-5"
MARK = {"type": "ephemeral"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def body(*messages: Message, config: dict[str, Any] | None = None, **asked: Any) -> dict[str, Any]:
    request = ModelRequest(**{"model": MIDDLE, "messages": messages or (HI,), **asked})
    return await body_of(request, AnthropicConfig(**{"cache": "off", **(config or {})}))


async def test_plain_request() -> None:
    """A request holds what was asked, and the limit of tokens that this API demands."""
    assert await body(Message.of("system", "Be brief."), HI) == {
        "model": MIDDLE,
        "max_tokens": 32_000,
        "system": [{"type": "text", "text": "Be brief."}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
    }


async def test_limits_and_options() -> None:
    """The agent's limit goes before the backend's, and both before the model's; options of the agent win over those of the backend."""
    asked = {"sampling": Sampling(max_tokens=50, stop=("END",)), "options": {"service_tier": "auto"}}
    made = await body(**asked, config={"max_tokens": 70, "extra_body": {"service_tier": "standard_only", "inference_geo": "eu"}})

    assert (made["max_tokens"], made["stop_sequences"], made["service_tier"], made["inference_geo"]) == (50, ["END"], "auto", "eu")
    assert (await body(config={"max_tokens": 70}))["max_tokens"] == 70
    assert (await body(model="claude-3-5-haiku-20241022"))["max_tokens"] == 8192
    assert (await body(model="some-other-model"))["max_tokens"] == 8192


async def test_sampling_of_old_versions() -> None:
    """Temperature goes only to the version of the API that still takes it."""
    made = await body(sampling=Sampling(temperature=0.5, top_p=0.9), config={"api_version": "2023-06-01"})

    assert (made["temperature"], made["top_p"]) == (0.5, 0.9)


@pytest.mark.parametrize(
    ("model", "effort", "thinking", "output"),
    [
        (OLD, None, None, None),
        (OLD, "none", None, None),
        (OLD, "low", {"type": "enabled", "budget_tokens": 4096}, None),
        (OLD, "max", {"type": "enabled", "budget_tokens": 32_000}, None),
        ("claude-sonnet-4-20250514", "medium", {"type": "enabled", "budget_tokens": 10_000}, None),
        ("somebody-elses-model", "high", {"type": "enabled", "budget_tokens": 6144}, None),
        (MIDDLE, None, None, None),
        (MIDDLE, "none", None, None),
        (MIDDLE, "minimal", {"type": "adaptive", "display": "summarized"}, {"effort": "low"}),
        (MIDDLE, "max", {"type": "adaptive", "display": "summarized"}, {"effort": "max"}),
        ("claude-opus-5", None, {"type": "adaptive", "display": "summarized"}, None),
        ("claude-opus-5", "none", {"type": "disabled"}, None),
        ("claude-haiku-5-5", "none", {"type": "disabled"}, None),
        ("claude-sonnet-5-5", "none", {"type": "between_tools"}, None),
    ],
)
async def test_thinking(model: str, effort: str | None, thinking: Any, output: Any) -> None:
    """Each generation of models is told to think in its own way."""
    made = await body(model=model, reasoning_effort=effort)

    assert made.get("thinking") == thinking
    assert made.get("output_config") == output
    if thinking and thinking["type"] == "enabled":
        assert thinking["budget_tokens"] < made["max_tokens"]


async def test_stale_thoughts_are_dropped() -> None:
    """Models whose thoughts are bound to their conversation are told to drop stale ones, which is a beta; unless they shall refuse."""
    made, strict = await body(model=NEW), await body(model=NEW, config={"stale_thinking": "refuse"})

    assert made["thinking"]["block_binding"] == {"prefix_mismatch_behavior": "drop_block"}
    assert betas_of(made, AnthropicConfig(betas=("a",))) == "a,thinking-binding-controls-2026-08-01"
    assert "block_binding" not in strict["thinking"]
    assert betas_of(strict, AnthropicConfig()) == ""


async def test_thinking_options() -> None:
    """The options say how to think where names of models mislead; a small limit of tokens keeps room for text."""
    assert (await body(model="x", config={"thinking": "adaptive", "thinking_display": "omitted"}))["thinking"] == {
        "type": "adaptive",
        "display": "omitted",
    }
    assert (await body(model="x", config={"thinking": "disabled"}))["thinking"] == {"type": "disabled"}
    assert (await body(model=OLD, config={"thinking_budget": 2000}))["thinking"]["budget_tokens"] == 2000
    assert (await body(model=OLD, reasoning_effort="max", sampling=Sampling(max_tokens=4000)))["thinking"]["budget_tokens"] == 3000


@pytest.mark.parametrize(
    ("choice", "model", "effort", "written"),
    [
        ("auto", MIDDLE, None, None),
        ("none", MIDDLE, None, {"type": "none"}),
        ("required", MIDDLE, None, {"type": "any"}),
        ("weather", MIDDLE, None, {"type": "tool", "name": "weather"}),
        ("required", MIDDLE, "low", None),
        ("required", OLD, "low", None),
        ("required", NEW, None, None),
        ("none", NEW, None, {"type": "none"}),
        ("weather", "claude-haiku-5-5", "none", {"type": "tool", "name": "weather"}),
    ],
)
async def test_tools(choice: str, model: str, effort: str | None, written: Any) -> None:
    """Tools and the choice among them; a model that thinks cannot be forced, so its tools are offered."""
    made = await body(tools=(TOOL,), tool_choice=choice, model=model, reasoning_effort=effort)

    assert made["tools"] == [{"name": "weather", "description": "Tell the weather.", "input_schema": TOOL.parameters}]
    assert made.get("tool_choice") == written


async def test_forced_tools() -> None:
    """Whether a tool can be demanded can be said."""
    assert (await body(tools=(TOOL,), tool_choice="required", model=NEW, config={"forced_tools": True}))["tool_choice"] == {"type": "any"}
    assert "tool_choice" not in await body(tools=(TOOL,), tool_choice="required", config={"forced_tools": False})


async def test_calls_without_tools() -> None:
    """A conversation with calls names their tools even where none may be called any more: it would be refused without them."""
    calls = tuple(ToolCall(id=str(number), name="look") for number in range(2))
    results = tuple(ToolResult(call=call.id, content=(Text(text="seen"),)) for call in calls)
    made = await body(HI, Message(role="assistant", content=calls), Message(role="tool", content=results))

    assert made["tools"] == [{"name": "look", "input_schema": {"type": "object"}}]
    assert made["tool_choice"] == {"type": "none"}


async def test_hosted_tools() -> None:
    """Tools of the provider follow those of the run, with their settings."""
    config = {
        "enable_web_search": True,
        "web_search": {"allowed_domains": ["example.org"], "type": "web_search_20260318"},
        "enable_code_execution": True,
        "hosted_tools": ({"type": "web_fetch_20250910", "name": "web_fetch"},),
    }

    assert (await body(tools=(TOOL,), config=config))["tools"][1:] == [
        {"type": "web_search_20260318", "name": "web_search", "allowed_domains": ["example.org"]},
        {"type": "code_execution_20250825", "name": "code_execution"},
        {"type": "web_fetch_20250910", "name": "web_fetch"},
    ]


async def test_caching() -> None:
    """What stays is marked: tools and instructions with one mark, the conversation so far with another."""
    system = Message.of("system", "Be brief.")
    made = await body(system, HI, tools=(TOOL,), config={"cache": "5m"})
    bare = await body(HI, tools=(TOOL,), config={"cache": "1h"})

    assert made["system"] == [{"type": "text", "text": "Be brief.", "cache_control": MARK}]
    assert "cache_control" not in made["tools"][0]
    assert made["messages"][-1]["content"][-1]["cache_control"] == MARK
    assert bare["tools"][0]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}


async def test_caching_changes_no_items() -> None:
    """The mark is put on a copy, and never on a thought."""
    item = {"type": "thinking", "thinking": "hm", "signature": "s"}
    made = await body(HI, Message(role="assistant", content=(ProviderItem(backend="anthropic", item=item),)), config={"cache": "5m"})

    assert made["messages"][-1]["content"] == [item]
    assert "cache_control" not in item


async def test_conversation_with_tools() -> None:
    """Calls and results keep their ids and order; results come first, with what was said since behind them; what was malformed is shown as it was."""
    calls = (ToolCall(id="1", name="weather", arguments='{"city": Paris'), ToolCall(id="2", name="look"), ToolCall(id="3", name="look"))
    results = (
        ToolResult(call="1", content=(Text(text="no JSON"),), is_error=True),
        ToolResult(call="2", content=(Text(text="see"), PICTURE, File(name="a.bin", data="aGk="), Image(media_type="image/tiff", data="aGk="))),
        ToolResult(call="3", structured={"degrees": 21}),
    )
    made = await body(HI, Message(role="assistant", content=calls), Message(role="tool", content=results), Message.of("user", "Go on."))
    asked, answered = made["messages"][1:]

    assert [part["input"] for part in asked["content"]] == [{"malformed": '{"city": Paris'}, {}, {}]
    assert answered["role"] == "user"
    assert answered["content"] == [
        {"type": "tool_result", "tool_use_id": "1", "content": [{"type": "text", "text": "no JSON"}], "is_error": True},
        {
            "type": "tool_result",
            "tool_use_id": "2",
            "content": [
                {"type": "text", "text": "see"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
                {"type": "text", "text": "[the file a.bin (application/octet-stream) cannot be shown]"},
                {"type": "text", "text": "[an image of type image/tiff cannot be shown]"},
            ],
        },
        {"type": "tool_result", "tool_use_id": "3", "content": [{"type": "text", "text": '{"degrees": 21}'}]},
        {"type": "text", "text": "Go on."},
    ]


async def test_empty_texts_are_left_out() -> None:
    """The API refuses blocks without a visible character; a message of nothing else is left out and its neighbours become one."""
    made = await body(Message.of("system", " "), HI, Message.of("assistant", "\n"), Message.of("user", "There?"), Message.of("system", "Be kind."))

    assert "system" not in made
    assert made["messages"] == [{"role": "user", "content": [{"type": "text", "text": text} for text in ("Hi", "There?", "Be kind.")]}]


async def test_other_backends_items_are_left_out() -> None:
    """Items of other backends, and those that are no blocks, are not sent."""
    items = (ProviderItem(backend="openai", item={"type": "reasoning"}), ProviderItem(backend="anthropic", item="odd"))
    made = await body(HI, Message(role="assistant", content=(*items, Text(text="a"))))

    assert made["messages"][1]["content"] == [{"type": "text", "text": "a"}]


@pytest.mark.parametrize("before", [(), (Text(text="something else"),)])
async def test_cited_text_without_its_text(before: tuple[Text, ...]) -> None:
    """A block of text replaces its own text and nothing else."""
    item = ProviderItem(backend="anthropic", item={"type": "text", "text": "It is", "citations": [{}]})
    made = await body(HI, Message(role="assistant", content=(*before, item, Text(text="."))))

    assert made["messages"][1]["content"] == [*({"type": "text", "text": part.text} for part in before), {"type": "text", "text": "."}]


async def test_images_and_files(tmp_path: Path) -> None:
    """Images are data or addresses; PDF and text are documents; a file may be an image; other files are refused by name."""
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    paper = File(name="a.pdf", media_type="application/pdf", path=str(tmp_path / "a.pdf"))
    note = File(name="n.txt", media_type="text/plain", data=base64.b64encode("Grüße".encode()).decode())
    web = Image(media_type="image/png", url="https://example.org/a.png")
    asked = Message(role="user", content=(Text(text="Look."), web, PICTURE, paper, note, File(name="p.png", media_type="image/png", data="aGk=")))
    parts = (await body(asked))["messages"][0]["content"]

    assert [part["type"] for part in parts] == ["text", "image", "image", "document", "document", "image"]
    assert parts[1]["source"] == {"type": "url", "url": "https://example.org/a.png"}
    assert parts[3] == {
        "type": "document",
        "source": {"type": "base64", "media_type": "application/pdf", "data": base64.b64encode(b"%PDF").decode()},
        "title": "a.pdf",
    }
    assert parts[4] == {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Grüße"}, "title": "n.txt"}


async def test_schema() -> None:
    """A schema goes into the output's configuration, beside an effort; what the API does not take becomes words."""
    made = await body(response_schema=SCHEMA, reasoning_effort="low")

    assert made["output_config"]["effort"] == "low"
    assert made["output_config"]["format"]["type"] == "json_schema"
    assert "minimum" not in made["output_config"]["format"]["schema"]["properties"]["a"]
    assert made["output_config"]["format"]["schema"]["additionalProperties"] is False
    assert made["output_config"]["format"]["schema"]["required"] == ["a"]


@pytest.mark.parametrize(
    ("asked", "config", "said"),
    [
        ({"model": ""}, {"base_url": "https://example.org"}, "needs a model's name"),
        ({"sampling": Sampling(temperature=0.0)}, {}, "sampling.temperature"),
        ({"sampling": Sampling(top_p=0.5)}, {}, "sampling.top_p"),
        ({"sampling": Sampling(seed=1)}, {"api_version": "2023-06-01"}, "seed"),
        ({"model": NEW, "reasoning_effort": "none"}, {}, "always thinks"),
        ({"model": "claude-fable-5-1", "reasoning_effort": "none"}, {}, "always thinks"),
        ({"model": OLD, "reasoning_effort": "low", "sampling": Sampling(max_tokens=1000)}, {}, "max_tokens"),
        ({"model": NEW}, {"thinking_budget": 2000}, "reasoning_effort"),
        ({"options": {"stream": False}}, {}, "stream"),
        ({"messages": (Message(role="user", content=(File(name="a.zip", media_type="application/zip", data="aGk="),)),)}, {}, r"a\.zip"),
        ({"messages": (Message(role="user", content=(File(name="gone", path="/nowhere/gone"),)),)}, {}, "cannot be read"),
        ({"messages": (Message(role="user", content=(Image(media_type="image/tiff", data="aGk="),)),)}, {}, "image/tiff"),
    ],
)
async def test_what_cannot_be_asked(asked: dict[str, Any], config: dict[str, Any], said: str) -> None:
    """What the server cannot take is refused before it is sent, never left out silently."""
    with pytest.raises(BadRequest, match=said):
        await body(config=config, **asked)


async def test_an_agent_that_names_no_model() -> None:
    """It gets the usual one at Anthropic, with what goes for that one."""
    assert await body(model="", reasoning_effort="high") == await body(model="claude-sonnet-5-5", reasoning_effort="high")
    assert "claude-sonnet-5-5" in {one.name for one in CATALOGUE.models()}
