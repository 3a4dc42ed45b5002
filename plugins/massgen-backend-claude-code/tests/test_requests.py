"""What exactly the real program sends to the model's server."""

from __future__ import annotations

import json
from typing import Any

import pytest

from massgen_core.api import File, Image, Message, Sampling, Text, Tool, ToolReduced, Usage
from massgen_testkit.protocols.messages import block, ended, rejected, started
from massgen_testkit.provider import Play

pytestmark = [pytest.mark.anyio, pytest.mark.once]


async def test_what_an_agent_asks_for(talking: Any, say: Any) -> None:
    """Model, effort, limit of tokens, extra fields, instructions and tools reach the server."""
    async with talking(say.text("Hm."), extra_body={"service_tier": "auto"}) as talk:
        talk.more = {"model": "claude-sonnet-5-5", "reasoning_effort": "low", "sampling": Sampling(max_tokens=999), "options": {"top_k": 3}}
        await talk.ask(Message.of("system", "Be brief."), "Hello")
        (body,) = talk.provider.bodies

    assert (body["model"], body["max_tokens"], body["service_tier"], body["top_k"]) == ("claude-sonnet-5-5", 999, "auto", 3)
    assert body["output_config"]["effort"] == "low"
    assert body["stream"] is True
    assert body["system"][-1]["text"].endswith("Be brief.")
    (weather,) = [tool for tool in body["tools"] if tool["name"] == "weather"]
    assert weather["input_schema"]["required"] == ["city"]
    assert "ToolSearch" not in {tool["name"] for tool in body["tools"]}


async def test_thinking_can_be_turned_off(talking: Any, say: Any) -> None:
    """No effort is no thinking."""
    async with talking(say.text("Hm."), system_prompt="You are nobody.") as talk:
        talk.more = {"model": "claude-sonnet-4-5", "reasoning_effort": "none"}
        await talk.ask("Hello")
        (body,) = talk.provider.bodies

    assert body.get("thinking", {"type": "disabled"})["type"] == "disabled"
    assert "You are nobody." in json.dumps(body["system"])


async def test_words_are_not_commands(talking: Any, say: Any, tmp_path: Any) -> None:
    """What is said to an agent is no command of the program, and names no files for it to read: others may have written it."""
    (tmp_path / "secret.txt").write_text("the secret", encoding="utf-8")
    async with talking(say.text("Hm."), say.text("Hm.")) as talk:
        await talk.ask(f"/clear @{tmp_path / 'secret.txt'} and so on")
        await talk.ask("/help me")
        first, second = talk.seen_text(0), talk.seen_text(1)

    assert "/clear @" in first
    assert "the secret" not in first
    assert "/help me" in second


async def test_pictures_and_files_are_shown(talking: Any, say: Any) -> None:
    """A picture and a text reach the model in their order."""
    pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    parts = (Text(text="Look:"), Image(media_type="image/png", data=pixel), File(name="a.txt", media_type="text/plain", data="aGVsbG8="))
    async with talking(say.text("Seen.")) as talk:
        await talk.ask(Message(role="user", content=parts))
        content = talk.seen()[-1]["content"]

    kinds = [part["type"] for part in content if "<system-reminder>" not in part.get("text", "")]
    assert kinds[:2] == ["text", "image"]
    assert any("hello" in part.get("text", "") for part in content)


async def test_schemas_are_fitted(talking: Any, say: Any) -> None:
    """A schema that the provider does not take is reduced, and the journal says so."""
    one = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    async with talking(say.text("Hm.")) as talk:
        talk.tools = (Tool(name="either", parameters={"oneOf": [one, {"type": "object", "properties": {"b": {"type": "string"}}}]}),)
        await talk.ask("Hello")
        (either,) = [tool for tool in talk.provider.bodies[0]["tools"] if tool["name"] == "either"]
        notes = talk.context.records.of(ToolReduced)

    assert either["input_schema"]["type"] == "object"
    assert "oneOf" not in either["input_schema"]
    assert [note.tool for note in notes] == ["either"]


async def test_cut_answer_is_gone_on_with(talking: Any, say: Any) -> None:
    """An answer that was cut ends there: nothing that the program makes of it follows, and the next word goes on from it."""
    cut = Play(
        pieces=(started(Usage(input=10)), *block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": "Half of"}), *ended("max_tokens"))
    )
    async with talking(cut, say.text("the rest.")) as talk:
        first = await talk.ask("Tell me all")
        second = await talk.ask("Go on")
        shown = talk.seen_text()

    assert (first.stop, first.message.text) == ("length", "Half of")
    assert second.message.text == "the rest."
    assert "Half of" in shown
    assert "as a record" not in shown


async def test_words_before_and_after_tools_are_paragraphs(talking: Any, say: Any) -> None:
    """What is said before a tool of its own works, and after, does not run together."""
    first = (
        started(Usage(input=10)),
        *block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": "Let me "}, {"type": "text_delta", "text": "look."}),
        *block(1, {"type": "tool_use", "id": "b1", "name": "Bash", "input": {}}, {"type": "input_json_delta", "partial_json": '{"command": "pwd"}'}),
        *ended("tool_use"),
    )
    async with talking(Play(pieces=first), say.text("Found it."), allowed_tools=["Bash"]) as talk:
        heard = await talk.ask("Look")

    assert heard.message.text == "Let me look.\n\nFound it."


async def test_another_model_where_the_first_is_overloaded(talking: Any, say: Any) -> None:
    """With a fallback model the program tries again by itself, and then with that."""
    overloaded = rejected(529, "Overloaded")
    async with talking(overloaded, overloaded, overloaded, say.text("Done."), fallback_model="claude-haiku-4-5") as talk:
        talk.more = {"model": "claude-opus-5-5"}
        heard = await talk.ask("Hello")
        models = [body["model"] for body in talk.provider.bodies]

    assert heard.message.text == "Done."
    assert models[0] == "claude-opus-5-5"
    assert models[-1] == "claude-haiku-4-5"
