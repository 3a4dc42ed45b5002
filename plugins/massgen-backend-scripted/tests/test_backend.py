"""What the scripted backend says, and how it fails."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import anyio
import pytest

from massgen_backend_scripted.backend import ScriptedBackend
from massgen_backend_scripted.config import ScriptedConfig
from massgen_core.api import (
    AuthenticationFailed,
    BackendFault,
    BadRequest,
    Brief,
    Candidate,
    Chunk,
    ConnectionLost,
    ItemChunk,
    Message,
    ModelRequest,
    Purpose,
    RateLimited,
    ReasoningChunk,
    StopChunk,
    TextChunk,
    TimedOut,
    Tool,
    ToolCallChunk,
    Usage,
    UsageChunk,
)

pytestmark = pytest.mark.anyio
ANSWER = Tool(name="new_answer", parameters={"type": "object", "properties": {"content": {"type": "string"}}, "required": ["content"]})
CANDIDATES = (Candidate(label="agent2", content="Lyon"), Candidate(label="agent1", content="Paris"), Candidate(label="agent3", content="Nice"))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def vote(candidates: Sequence[Candidate] = CANDIDATES, name: str = "vote", key: str = "agent") -> Tool:
    labels = [candidate.label for candidate in candidates]
    properties = {"reason": {"type": "string"}, key: {"type": "string", "enum": labels}}
    return Tool(name=name, parameters={"type": "object", "properties": properties, "required": [key, "reason"]})


def ask(
    purpose: Purpose = "answer", *, agent: str = "ann", candidates: tuple[Candidate, ...] = (), tools: Sequence[Tool] = (), **fields: Any
) -> ModelRequest:
    metadata = {"agent": agent, "turn": str(fields.pop("turn", 1))}
    brief = Brief(purpose=purpose, question="Capital of France?", candidates=candidates)
    messages = (Message.of("user", fields.pop("text", "Capital of France?")),)
    return ModelRequest(messages=messages, tools=tuple(tools), brief=brief, metadata=metadata, **fields)


async def play(backend: ScriptedBackend, request: ModelRequest) -> list[Chunk]:
    with anyio.fail_after(5):
        async with backend.respond(request) as chunks:
            return [chunk async for chunk in chunks]


def scripted(*steps: Mapping[str, Any] | str, **options: Any) -> ScriptedBackend:
    return ScriptedBackend(ScriptedConfig(steps=steps, **options))


def text(chunks: Sequence[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, TextChunk))


def calls(chunks: Sequence[Chunk]) -> list[tuple[str, str]]:
    found: dict[int, list[str]] = {}
    for chunk in chunks:
        if isinstance(chunk, ToolCallChunk):
            entry = found.setdefault(chunk.index, ["", ""])
            entry[0] += chunk.name
            entry[1] += chunk.arguments
    return [(name, arguments) for name, arguments in found.values()]


def stop(chunks: Sequence[Chunk]) -> str:
    assert isinstance(chunks[-1], StopChunk)
    return chunks[-1].reason


# Without a script


async def test_it_answers_with_the_strategys_tool() -> None:
    """Without a script an agent calls `new_answer` with a text made from its name and the question."""
    chunks = await play(scripted(), ask(tools=[ANSWER]))

    assert calls(chunks) == [("new_answer", '{"content": "Scripted answer of ann to: Capital of France?"}')]
    assert stop(chunks) == "tools"


async def test_it_says_text_where_no_tool_of_the_strategy_is_offered() -> None:
    """Tools of other sources are never called."""
    chunks = await play(scripted(), ask(tools=[Tool(name="search", source="mcp.web")]))

    assert (calls(chunks), text(chunks), stop(chunks)) == ([], "Scripted answer of ann to: Capital of France?", "stop")


async def test_it_votes_alike_whatever_the_labels_are() -> None:
    """The vote follows from seed, agent and the answers' texts, so shuffled labels do not change it."""
    shuffled = tuple(Candidate(label=f"x{index}", content=each.content) for index, each in enumerate(reversed(CANDIDATES)))
    chosen = set()
    for candidates in (CANDIDATES, shuffled):
        ((name, arguments),) = calls(await play(scripted(), ask("vote", candidates=candidates, tools=[ANSWER, vote(candidates)])))
        label = json.loads(arguments)["agent"]
        chosen.add((name, next(each.content for each in candidates if each.label == label)))

    assert len(chosen) == 1


async def test_the_seed_moves_votes() -> None:
    """Over many seeds each answer is voted for."""
    request = ask("vote", candidates=CANDIDATES, tools=[vote()])
    chosen = {calls(await play(scripted(seed=seed), request))[0][1] for seed in range(40)}

    assert len(chosen) == 3


async def test_it_votes_once_its_own_answer_is_among_the_candidates() -> None:
    """An agent that is asked to answer again, with its own answer in view, votes instead of repeating itself."""
    candidates = (Candidate(label="agent1", content="Scripted answer of ann to: Capital of France?"),)

    assert calls(await play(scripted(), ask(candidates=candidates, tools=[ANSWER, vote(candidates)])))[0][0] == "vote"
    assert calls(await play(scripted(), ask(agent="bob", candidates=candidates, tools=[ANSWER, vote(candidates)])))[0][0] == "new_answer"


async def test_any_tool_that_takes_a_label_is_a_vote() -> None:
    """A strategy may name its ballot as it likes; what else its schema requires is filled in."""
    ((name, arguments),) = calls(await play(scripted(), ask("judge", candidates=CANDIDATES, tools=[vote(name="pick", key="best")])))

    assert name == "pick"
    assert json.loads(arguments).keys() == {"best", "reason"}


async def test_it_presents_text() -> None:
    """A presentation is plain text, also where tools are offered."""
    chunks = await play(scripted(), ask("present", candidates=CANDIDATES, tools=[ANSWER, vote()]))

    assert (text(chunks), calls(chunks)) == ("Scripted presentation of ann of: Capital of France?", [])


async def test_it_obeys_a_response_schema_and_a_forced_tool() -> None:
    """A schema gets a small instance; a named tool of the strategy is called with what it requires."""
    schema = {"type": "object", "properties": {"best": {"enum": ["a", "b"]}, "n": {"type": "integer", "minimum": 3}}, "required": ["best", "n"]}

    assert json.loads(text(await play(scripted(), ask(response_schema=schema)))) == {"best": "a", "n": 3}
    assert calls(await play(scripted(), ask(tools=[Tool(name="grade", parameters=schema)], tool_choice="grade"))) == [
        ("grade", '{"best": "a", "n": 3}')
    ]
    assert calls(await play(scripted(), ask(tools=[ANSWER], tool_choice="none"))) == []


async def test_without_brief_and_metadata_it_answers_the_last_question() -> None:
    """A bare request, as of a single chat, is answered too."""
    chunks = await play(ScriptedBackend(ScriptedConfig(), agent="zoe"), ModelRequest(messages=(Message.of("user", "Hi?"),)))

    assert text(chunks) == "Scripted answer of zoe to: Hi?"


# With a script


async def test_steps_follow_one_another_for_each_agent() -> None:
    """One shared backend keeps each agent's own place; after the last step the default is played."""
    script = {"agents": {"ann": ["one", "two"], "*": ["other"]}, "default": {"text": "over"}}
    backend = ScriptedBackend(ScriptedConfig(script=script))
    said = [text(await play(backend, ask(agent=agent))) for agent in ("ann", "bob", "ann", "ann", "bob")]

    assert said == ["one", "other", "two", "over", "over"]


async def test_a_step_waits_for_its_purpose_turn_and_words() -> None:
    """Conditions choose among the steps that are left; `repeat` lets one serve several calls."""
    backend = scripted(
        {"purpose": "vote", "text": "ballot", "repeat": "forever"},
        {"turn": 2, "text": "second turn"},
        {"when": "failed", "text": "again"},
        {"text": "twice", "repeat": 2},
    )
    requests = [ask("vote"), ask(), ask(turn=2), ask(text="the tool failed"), ask("vote"), ask(), ask()]

    assert [text(await play(backend, request)) for request in requests] == [
        "ballot", "twice", "second turn", "again", "ballot", "twice", "Scripted answer of ann to: Capital of France?",
    ]  # fmt: skip


async def test_a_whole_answer_streams_in_order() -> None:
    """Reasoning, text, items, calls, usage and the stop come in this order, cut as asked, with the given figures."""
    step = {
        "reasoning": "hm",
        "text": "Hello {agent}",
        "items": [{"sig": 1}],
        "calls": [{"name": "a", "arguments": {"q": "{question}"}}, {"name": "b", "arguments": "not json", "id": "x"}],
        "usage": {"input": 7, "cost": 0.5},
        "model": "m-1",
        "chunk": 4,
    }
    chunks = await play(scripted(step), ask())
    kinds = [type(chunk) for chunk in chunks]

    assert [kind for kind, before in zip(kinds, [None, *kinds], strict=False) if kind is not before] == [
        ReasoningChunk, TextChunk, ItemChunk, ToolCallChunk, UsageChunk, StopChunk,
    ]  # fmt: skip
    assert [chunk.text for chunk in chunks if isinstance(chunk, TextChunk)] == ["Hell", "o an", "n"]
    assert calls(chunks) == [("a", '{"q": "Capital of France?"}'), ("b", "not json")]
    assert chunks[-2:] == [UsageChunk(Usage(input=7, cost=0.5)), StopChunk("tools", "m-1", "scripted")]


async def test_ids_of_calls_are_unique_in_a_conversation() -> None:
    """Two answers of one agent never share a call id."""
    backend = scripted()
    ids = [chunk.id for _ in range(3) for chunk in await play(backend, ask(tools=[ANSWER])) if isinstance(chunk, ToolCallChunk) and chunk.id]

    assert len(set(ids)) == 3


@pytest.mark.parametrize(
    ("choice", "label"),
    [
        ("first", "agent1"),
        ("last", "agent3"),
        ("own", "agent2"),
        ("agent9", "agent9"),
        ({"content_contains": "Nic"}, "agent3"),
        ({"label": "agent1", "reason": "why"}, "agent1"),
    ],
)
async def test_a_vote_is_resolved_from_the_candidates(choice: object, label: str) -> None:
    """Position, text and label all lead to a label; an unknown label goes out as it is, to try how a strategy refuses it."""
    backend = scripted({"vote": choice}, {"answer": "Lyon"})
    ((name, arguments),) = calls(await play(backend, ask("vote", candidates=CANDIDATES, tools=[vote()])))

    assert (name, json.loads(arguments)["agent"]) == ("vote", label)


async def test_a_vote_that_fits_no_answer_says_what_there_is() -> None:
    """The fault names the step, the wish and the candidates."""
    with pytest.raises(BadRequest, match=r"steps\[0\]: no answer to vote for fits the text 'Rome'; there are: agent2: 'Lyon'"):
        await play(scripted({"vote": {"content_contains": "Rome"}}), ask("vote", candidates=CANDIDATES, tools=[vote()]))


async def test_chance_is_drawn_from_the_seed() -> None:
    """The same seed fails the same calls; about as many as asked for."""

    async def failed(seed: int) -> list[bool]:
        backend, result = scripted({"chance": 0.3, "fault": "overloaded", "repeat": "forever"}, seed=seed), []
        for _ in range(100):
            try:
                await play(backend, ask())
                result.append(False)
            except BackendFault:
                result.append(True)
        return result

    first = await failed(1)

    assert first == await failed(1)
    assert first != await failed(2)
    assert 15 <= sum(first) <= 45


# Faults


@pytest.mark.parametrize(
    ("fault", "kind"),
    [("rate_limited", RateLimited), ("connection_lost", ConnectionLost), ("timed_out", TimedOut), ("authentication", AuthenticationFailed)],
)
async def test_typed_faults(fault: str, kind: type[BackendFault]) -> None:
    """Each named fault raises its class and names the step."""
    with pytest.raises(kind, match=rf"scripted fault: {fault} \(steps\[0\]\)"):
        await play(scripted({"fault": fault}), ask())


async def test_a_rate_limit_carries_its_wait() -> None:
    """`retry_after` reaches the error."""
    with pytest.raises(RateLimited) as caught:
        await play(scripted({"fault": {"type": "rate_limited", "retry_after": 2}}), ask())

    assert caught.value.retry_after == 2


async def test_a_stream_breaks_where_it_is_told_to() -> None:
    """The text up to the break has come, nothing after it."""
    seen: list[Chunk] = []
    with pytest.raises(ConnectionLost):  # noqa: PT012
        async with scripted({"text": "0123456789", "fault": {"type": "connection_lost", "after": 4}}).respond(ask()) as chunks:
            async for chunk in chunks:
                seen.append(chunk)

    assert (text(seen), [kind for kind in map(type, seen) if kind is not TextChunk]) == ("0123", [])


@pytest.mark.parametrize(
    ("fault", "reason", "said"),
    [("refused", "refused", "words"), ("filtered", "filtered", "words"), ("length", "length", "words"), ("empty", "stop", "")],
)
async def test_answers_that_are_none(fault: str, reason: str, said: str) -> None:
    """Refusals, filters and cut or empty answers end regularly, with their reason."""
    chunks = await play(scripted({"text": "words", "fault": fault}), ask())

    assert (stop(chunks), text(chunks)) == (reason, said)


async def test_malformed_and_truncated_arguments_are_no_json() -> None:
    """Both come as the model wrote them, so that a strategy can be tried with them."""
    for fault in ("malformed_arguments", "length"):
        ((name, arguments),) = calls(await play(scripted({"answer": "Paris", "fault": fault}), ask(tools=[ANSWER])))

        assert name == "new_answer"
        with pytest.raises(ValueError, match=r"delimiter|Unterminated"):
            json.loads(arguments)


@pytest.mark.parametrize(("fault", "said"), [("hang", ""), ({"type": "stall", "after": 3}, "wor")])
async def test_hang_and_stall_end_by_cancellation_only(fault: object, said: str) -> None:
    """A hang says nothing, a stall stops after some text; both leave at once when they are cancelled."""
    seen: list[Chunk] = []
    with anyio.move_on_after(0.05) as scope:
        async with scripted({"text": "words", "fault": fault}).respond(ask()) as chunks:
            async for chunk in chunks:
                seen.append(chunk)

    assert (scope.cancelled_caught, text(seen)) == (True, said)


async def test_leaving_early_is_quiet() -> None:
    """A reader that goes after one chunk leaves nothing behind."""
    async with scripted("words").respond(ask()) as chunks:
        async for _ in chunks:
            break


async def test_a_run_of_seven_calls_costs_less_than_a_millisecond() -> None:
    """Three answers, three votes and a presentation; the best of many runs, in CPU time."""
    backend = scripted()
    answers = [ask(agent=agent, tools=[ANSWER]) for agent in ("a", "b", "c")]
    votes = [ask("vote", agent=agent, candidates=CANDIDATES, tools=[ANSWER, vote()]) for agent in ("a", "b", "c")]

    async def run() -> float:
        start = time.process_time()
        for request in (*answers, *votes, ask("present", candidates=CANDIDATES)):
            async with backend.respond(request) as chunks:
                async for _ in chunks:
                    pass
        return time.process_time() - start

    assert min([await run() for _ in range(50)]) < 0.001
