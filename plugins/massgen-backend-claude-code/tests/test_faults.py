"""What a program does that fails, and what servers and proxies do to it."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest

from massgen_core.api import (
    AuthenticationFailed,
    Backend,
    BackendFault,
    BadRequest,
    Chunk,
    ConnectionLost,
    ContextTooLong,
    ItemChunk,
    Message,
    ModelMissing,
    ModelRequest,
    Overloaded,
    RateLimited,
    Sampling,
    StopChunk,
    Text,
    TextChunk,
    TimedOut,
    Tool,
    ToolCall,
    ToolCallChunk,
    ToolResult,
)
from massgen_testkit import PlainContext
from massgen_testkit.leaks import Leaks
from massgen_testkit.protocols.messages import WIRE_FAULTS

pytestmark = [pytest.mark.anyio, pytest.mark.once]
KEY = "sk-test-0a1b2c3d4e5f6071"
WEATHER = Tool(name="weather", parameters={"type": "object", "properties": {"city": {"type": "string"}}})
QUESTION = ModelRequest(messages=(Message.of("user", "What is the weather?"),), tools=(WEATHER,), metadata={"agent": "ann", "turn": "1"})


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Return a program that fails as it is told."""
    if sys.platform == "win32":
        pytest.skip("not in CI: a script is no program here")
    made = tmp_path / "claude"
    source = Path(__file__).with_name("fake_cli.py").read_text(encoding="utf-8")
    made.write_text(f"#!{sys.executable} -I\n{source}", encoding="utf-8")
    made.chmod(0o755)
    return made


@asynccontextmanager
async def failing(program: Path, word: str, **options: Any) -> AsyncIterator[Backend]:
    folder = program.parent
    with anyio.fail_after(30):
        async with PlainContext(folder=folder, secrets={"env:K": KEY}) as context:
            env = {"FAKE_PLAY": word, "FAKE_ARGUMENTS": str(folder / "arguments"), **options.pop("env", {})}
            yield await context.open("backend", "claude-code", {"cli_path": str(program), "key": "env:K", "env": env, **options})


async def hear(backend: Backend, heard: list[Chunk], request: ModelRequest = QUESTION) -> None:
    async with backend.respond(request) as stream:
        async for chunk in stream:
            heard.append(chunk)


def text_of(heard: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in heard if isinstance(chunk, TextChunk))


@pytest.mark.parametrize(
    ("word", "error", "said"),
    [
        ("dies_at_once", ConnectionLost, "cannot find my configuration"),
        ("dies_in_the_middle", ConnectionLost, "exit code 1"),
        ("ends_in_the_middle", ConnectionLost, "in the middle"),
        ("broken_line", ConnectionLost, "JSON"),
        ("silent", TimedOut, "idle_seconds"),
        ("broke_off", ConnectionLost, "disk full"),
        ("cut_call", ConnectionLost, "exit code 1"),
    ],
)
async def test_failure_of_the_program_is_a_fault(program: Path, word: str, error: type[BackendFault], said: str) -> None:
    """Each way in which the program fails is one fault that says why and shows no key; what came before is not lost, and nothing runs on."""
    heard: list[Chunk] = []
    leaks = Leaks()
    before = leaks.held().children
    async with failing(program, word, idle_seconds=3.0) as backend:
        with pytest.raises(error) as caught:
            await hear(backend, heard)

        assert leaks.held().children == before
    assert said in str(caught.value)
    assert KEY not in "".join(traceback.format_exception(caught.value))
    assert caught.value.is_retryable
    assert text_of(heard) == ("Half of" if word in ("dies_in_the_middle", "ends_in_the_middle", "broken_line", "silent") else "")
    assert not any(isinstance(chunk, StopChunk) for chunk in heard)


@pytest.mark.parametrize(("word", "said", "stop"), [("other_lines", "Whole.", "stop"), ("too_many_turns", "So far.", "stop")])
async def test_what_is_no_failure(program: Path, word: str, said: str, stop: str) -> None:
    """Lines and messages that nobody knows are left out; a limit of turns ends an answer."""
    heard: list[Chunk] = []
    async with failing(program, word) as backend:
        await hear(backend, heard)

    assert text_of(heard) == said
    assert isinstance(heard[-1], StopChunk)
    assert heard[-1].reason == stop


async def test_huge_line(program: Path) -> None:
    """A message of megabytes arrives whole."""
    heard: list[Chunk] = []
    async with failing(program, "huge_line") as backend:
        await hear(backend, heard)

    assert len(text_of(heard)) == 3_000_000


async def test_stubborn_program_is_killed(program: Path) -> None:
    """A program that will not end is ended."""
    heard: list[Chunk] = []
    leaks = Leaks()
    before = leaks.held().children
    async with failing(program, "stubborn") as backend:
        async with anyio.create_task_group() as group:
            group.start_soon(hear, backend, heard)
            while not heard:  # noqa: ASYNC110 - waits for the first chunk
                await anyio.sleep(0.01)
            left = time.monotonic()
            group.cancel_scope.cancel()

        assert time.monotonic() - left < 5
        assert leaks.held().children == before


@pytest.mark.parametrize("is_told", [False, True], ids=["before it is told", "when it is told"])
async def test_death_while_waiting_costs_no_result(program: Path, is_told: bool) -> None:
    """A program that dies while we carry out its call, or as it gets the result, is replaced by one that is told of call and result."""
    heard, again = list[Chunk](), list[Chunk]()
    prompts, leaks = program.parent / "prompts", Leaks()
    end = program.parent / "prompts.end"
    before = leaks.held().children
    async with failing(program, "dies_while_waiting", env={"FAKE_PROMPTS": str(prompts)}) as backend:
        await hear(backend, heard)
        item = next(chunk.item for chunk in heard if isinstance(chunk, ItemChunk))
        answer = Message(role="assistant", content=(item, ToolCall(id="t1", name="weather", arguments='{"city": "Paris"}')))
        result = Message(role="tool", content=(ToolResult(call="t1", content=(Text(text="21 degrees"),)),))
        if not is_told:
            end.touch()
            while leaks.held().children - before:  # noqa: ASYNC110 - a process tells no event
                await anyio.sleep(0.01)
        async with anyio.create_task_group() as group:
            group.start_soon(hear, backend, again, attrs.evolve(QUESTION, messages=(*QUESTION.messages, answer, result)))
            await anyio.wait_all_tasks_blocked()
            end.touch()

    told = prompts.read_text(encoding="utf-8").splitlines()
    assert len(told) == 2
    assert "weather (call t1)" in told[1]
    assert "21 degrees" in told[1]
    assert isinstance(again[-1], StopChunk)


async def test_call_of_a_subagent_is_told(program: Path) -> None:
    """A call of one of our tools by a subagent is a call like any other."""
    heard: list[Chunk] = []
    async with failing(program, "subagent", tools=["Task"]) as backend:
        await hear(backend, heard)

    calls = [chunk for chunk in heard if isinstance(chunk, ToolCallChunk)]
    assert (calls[0].id, calls[0].name, "".join(chunk.arguments for chunk in calls)) == ("t1", "weather", '{"city": "Paris"}')
    assert isinstance(heard[-1], StopChunk)
    assert heard[-1].reason == "tools"


async def test_missing_program_says_what_to_do(tmp_path: Path) -> None:
    """A program that is not there is a mistake of the configuration."""
    async with failing(tmp_path / "nothing", "x") as backend:
        with pytest.raises(BadRequest, match="cli_path"):
            await hear(backend, [])


async def test_program_that_never_greets_can_be_cancelled(program: Path) -> None:
    """Waiting for a program to greet is no wait for ever."""
    leaks = Leaks()
    before = leaks.held().children
    async with failing(program, "never_greets") as backend:
        with anyio.move_on_after(1.0):
            await hear(backend, [])

        assert leaks.held().children == before


@pytest.mark.parametrize(
    ("sampling", "said"),
    [(Sampling(temperature=1), "temperature"), (Sampling(top_p=1), "top_p"), (Sampling(seed=1), "seed"), (Sampling(stop=("x",)), "stop")],
)
async def test_sampling_that_it_does_not_take_is_refused(program: Path, sampling: Sampling, said: str) -> None:
    """What the program cannot honour is refused with the option's name."""
    async with failing(program, "other_lines") as backend:
        with pytest.raises(BadRequest, match=said):
            await hear(backend, [], attrs.evolve(QUESTION, sampling=sampling))


WIRE: dict[str, type[BackendFault] | str] = {
    "retry_after_seconds": RateLimited,
    "unavailable_for_a_while": RateLimited,
    "overloaded": Overloaded,
    "gateway_page": Overloaded,
    "prompt_too_long": ContextTooLong,
    "request_too_large": BadRequest,
    "no_such_model": ModelMissing,
    "no_credit": AuthenticationFailed,
    "stall": TimedOut,
    "drop": ConnectionLost,
    "drop_inside_an_event": ConnectionLost,
    "silent_end": ConnectionLost,
    "malformed_json": ConnectionLost,
    "no_stream": ConnectionLost,
    "slow_first_byte": "stop",
    "unknown_events": "stop",
    "carriage_returns": "stop",
    "torn_unicode": "stop",
    "interleaved_blocks": "tools",
    "same_index": "tools",
    "duplicate_ids": "tools",
    "whole_input": "tools",
    "huge_arguments": "tools",
    "empty_answer": "stop",
}


@pytest.mark.once
@pytest.mark.parametrize("name", WIRE)
async def test_wire(talking: Any, name: str) -> None:
    """Whatever the model's server does, the real program and this backend make one outcome of it."""
    expected, heard = WIRE[name], list[Chunk]()
    async with talking(WIRE_FAULTS[name], idle_seconds=4.0 if name == "stall" else 30.0) as talk:
        if isinstance(expected, str):
            await hear(talk.backend, heard)
        else:
            with pytest.raises(expected) as caught:
                await hear(talk.backend, heard)
            assert KEY not in str(caught.value)

    if isinstance(expected, str):
        assert isinstance(heard[-1], StopChunk)
        assert heard[-1].reason == expected
    if name in ("stall", "silent_end", "malformed_json", "slow_first_byte", "unknown_events", "carriage_returns"):
        assert text_of(heard) == "The capital of "
    if name == "torn_unicode":
        assert text_of(heard) == "Zürich 🦜 日本"
    if expected == "tools":
        calls = [chunk for chunk in heard if isinstance(chunk, ToolCallChunk)]
        identifiers = [chunk.id for chunk in calls if chunk.id]
        assert len(identifiers) == len(set(identifiers)) > 0
    if expected is RateLimited:
        assert isinstance(caught.value, RateLimited)
        assert caught.value.retry_after is not None
        assert caught.value.retry_after >= (2 if name == "retry_after_seconds" else 7)
