"""One process of the real program serves a conversation: it waits while the kernel carries out our tools, and its record outlives it."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest

from massgen_core.api import Image, Message, Text, Tool, ToolResult, Usage
from massgen_testkit.protocols.messages import SIGNATURE, block, ended, started
from massgen_testkit.provider import Play

pytestmark = [pytest.mark.anyio, pytest.mark.once]
VOTE = Tool(name="vote", parameters={"type": "object", "properties": {"id": {"type": "string"}}})
PARIS, ROME = ("t1", "weather", {"city": "Paris"}), ("t2", "weather", {"city": "Rome"})


async def test_results_reach_the_process_that_waits(talking: Any, say: Any) -> None:
    """Two calls of one answer are told with ids of their own; the same process goes on with their results, in whichever order they come."""
    async with talking(say.calls(PARIS, ROME), say.text("It is 21.")) as talk:
        first = await talk.ask("What is the weather?")
        second = await talk.ask(say.results(t2="25 degrees", t1="21 degrees"))
        shown = talk.seen()[-1]["content"]

    assert (first.stop, [call.id for call in first.message.calls]) == ("tools", ["t1", "t2"])
    assert (second.stop, second.message.text) == ("stop", "It is 21.")
    assert [(part["tool_use_id"], part["content"][0]["text"]) for part in shown] == [("t1", "21 degrees"), ("t2", "25 degrees")]
    assert len(set(talk.sessions)) == 1


async def test_words_between_results_come_with_them(talking: Any, say: Any) -> None:
    """What is said to the model while it waits for a tool reaches it with the result."""
    async with talking(say.calls(PARIS), say.text("Well.")) as talk:
        await talk.ask("What is the weather?")
        await talk.ask(say.results(t1="21 degrees"), "Another agent has answered.")
        shown = talk.seen()[-1]["content"]

    assert [part["text"] for part in shown[0]["content"]] == ["21 degrees", "[message to you]\nAnother agent has answered."]


async def test_conversation_goes_on_in_its_process(talking: Any, say: Any) -> None:
    """A further word of the user is told to the process that knows what was said before."""
    async with talking(say.text("Hello."), say.text("Again.")) as talk:
        await talk.ask(Message.of("system", "Be brief."), "Good morning")
        await talk.ask("And again")
        said = talk.seen_text()

    assert len(set(talk.sessions)) == 1
    assert "Hello." in said
    assert "Be brief." in json.dumps(talk.provider.bodies[0]["system"])


async def test_signed_thinking_goes_round(talking: Any, say: Any) -> None:
    """The program sends signed thinking back as it came, across a call of our tools."""
    thinking = block(
        0,
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "thinking_delta", "thinking": "Paris?"},
        {"type": "signature_delta", "signature": SIGNATURE},
    )
    delta = {"type": "input_json_delta", "partial_json": '{"city": "Paris"}'}
    call = block(1, {"type": "tool_use", "id": "t1", "name": "weather", "input": {}}, delta)
    play = Play(pieces=(started(Usage(input=10)), *thinking, *call, *ended("tool_use")))
    async with talking(play, say.text("It is 21.")) as talk:
        await talk.ask("What is the weather?")
        await talk.ask(say.results(t1="21 degrees"))
        answer = next(message for message in talk.seen() if message["role"] == "assistant")

    assert {"type": "thinking", "thinking": "Paris?", "signature": SIGNATURE} in answer["content"]


async def test_images_in_results_are_shown(talking: Any, say: Any) -> None:
    """A picture that a tool gave back reaches the model as a picture; a failure is marked as one."""
    pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    content = (Text(text="a picture"), Image(media_type="image/png", data=pixel))
    async with talking(say.calls(PARIS, ROME), say.text("Seen.")) as talk:
        await talk.ask("What is the weather?")
        await talk.ask(
            Message(role="tool", content=(ToolResult(call="t1", content=content), ToolResult(call="t2", content=(Text(text="no"),), is_error=True)))
        )
        picture, failure = talk.seen()[-1]["content"]

    assert [part["type"] for part in picture["content"]][:2] == ["text", "image"]
    assert picture["content"][1]["source"]["data"]
    assert failure["is_error"] is True
    assert "no" in json.dumps(failure)


async def test_record_outlives_the_process(talking: Any, say: Any) -> None:
    """A resumed run goes on with the program's record: the model sees the conversation itself, no text about it."""
    async with talking(say.text("Hello.")) as talk:
        await talk.ask("Good morning")
    async with talking(say.text("Again.")) as later:
        later.messages = talk.messages
        heard = await later.ask("And again")
        roles = [message["role"] for message in later.seen()]

    assert heard.message.text == "Again."
    assert roles == ["user", "assistant", "user"]
    assert "as a record" not in later.seen_text()


async def test_open_call_is_told_again_after_a_resume(talking: Any, say: Any) -> None:
    """A process that ended while it waited is replaced by one that is told the call with its result."""
    async with talking(say.calls(PARIS)) as talk:
        await talk.ask("What is the weather?")
    async with talking(say.text("It is 21.")) as later:
        later.messages = talk.messages
        heard = await later.ask(say.results(t1="21 degrees"))
        shown = later.seen_text()

    assert heard.message.text == "It is 21."
    assert "What is the weather?" in shown
    assert "weather (call t1)" in shown
    assert "21 degrees" in shown


async def test_lost_record_is_told_as_text(talking: Any, say: Any) -> None:
    """Without the program's record the whole conversation is the prompt, tools of its own included."""
    async with talking(say.calls(PARIS), say.text("It is 21.")) as talk:
        await talk.ask("What is the weather?")
        await talk.ask(say.results(t1="21 degrees"))
        history = [*talk.messages]
        history[1] = attrs.evolve(history[1], content=tuple(part for part in history[1].content if part.type != "item"))
        history[3] = attrs.evolve(history[3], content=tuple(part for part in history[3].content if part.type != "item"))
    async with talking(say.text("Still 21.")) as later:
        later.messages = history
        heard = await later.ask("And now?")
        (shown,) = later.seen()

    assert heard.message.text == "Still 21."
    for part in ("What is the weather?", "weather (call t1)", "21 degrees", "It is 21.", "And now?"):
        assert part in json.dumps(shown), part


async def test_other_tools_need_another_process(talking: Any, say: Any) -> None:
    """Where the tools change in the middle of a conversation, a process with the new ones goes on with the record."""
    async with talking(say.calls(PARIS), say.calls(("t3", "vote", {"id": "a"}))) as talk:
        await talk.ask("What is the weather?")
        talk.tools = (*talk.tools, VOTE)
        heard = await talk.ask(say.results(t1="21 degrees"))
        offered = [{tool["name"] for tool in body["tools"]} for body in talk.provider.bodies]

    assert [call.name for call in heard.message.calls] == ["vote"]
    assert ["vote" in names for names in offered] == [False, True]
    assert "21 degrees" in talk.seen_text()


async def test_each_turn_stands_alone(talking: Any, say: Any) -> None:
    """A new conversation of the same agent knows nothing of the one before, and ends its process."""
    async with talking(say.text("Hello."), say.text("Good bye.")) as talk:
        await talk.ask("Good morning")
        talk.messages, talk.turn = [], "2"
        await talk.ask("Good night")
        processes = len(talk.backend._sessions)

    assert processes == 1
    assert "Good morning" not in talk.seen_text()


async def test_session_can_go_on_in_the_next_turn(talking: Any, say: Any) -> None:
    """With continue_session an agent remembers in its next turn what it said, under other instructions too; another agent does not."""
    async with talking(say.text("Hello."), say.text("Good bye."), say.text("Who?"), continue_session=True) as talk:
        await talk.ask(Message.of("system", "Greet."), "Good morning")
        talk.messages, talk.turn = [], "2"
        await talk.ask(Message.of("system", "Vote."), "Good night")
        second, system = talk.seen_text(), json.dumps(talk.provider.bodies[-1]["system"])
        talk.messages, talk.agent = [], "bob"
        await talk.ask("Good day")

    assert "Good morning" in second
    assert "Vote." in system
    assert "Greet." not in system
    assert "Good morning" not in talk.seen_text()


async def test_question_beside_a_conversation_leaves_it_alone(talking: Any, say: Any) -> None:
    """A question of turn 0 (an MCP server asks the model) does not end the process that waits for a tool."""
    async with talking(say.calls(PARIS), say.text("Aside."), say.text("It is 21.")) as talk:
        await talk.ask("What is the weather?")
        aside = attrs.evolve(talk, messages=[], tools=(), turn="0")
        await aside.ask("A question of a server")
        await talk.ask(say.results(t1="21 degrees"))

    assert talk.sessions[0] == talk.sessions[2] != talk.sessions[1]


async def test_demanded_tool_is_named_in_the_prompt(talking: Any, say: Any) -> None:
    """A tool cannot be forced, so the prompt asks for it; with `none`, ours are not offered."""
    async with talking(say.text("Hm."), say.text("Hm.")) as talk:
        talk.more = {"tool_choice": "required"}
        await talk.ask("Vote!")
        talk.messages, talk.turn, talk.more = [], "2", {"tool_choice": "none"}
        await talk.ask("Vote!")
        names = [{tool["name"] for tool in body["tools"]} for body in talk.provider.bodies]

    assert "Answer by calling the tool weather." in talk.seen_text(0)
    assert "Answer by calling" not in talk.seen_text(1)
    assert ["weather" in each for each in names] == [True, False]


async def test_usage_is_told_once(talking: Any, say: Any) -> None:
    """Tokens and costs of a conversation add up to what the server counted: each answer tells its own part."""
    async with talking(say.calls(PARIS), say.text("It is 21.")) as talk:
        talk.more = {"model": "claude-sonnet-5-5"}
        first = await talk.ask("What is the weather?")
        second = await talk.ask(say.results(t1="21 degrees"))

    assert [first.usage.input, second.usage.input] == [10, 10]
    assert first.usage.output == 5
    assert second.usage.cost is not None
    assert second.usage.cost > 0
