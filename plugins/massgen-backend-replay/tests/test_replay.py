"""What a recording holds, and how it is played."""
# ruff: noqa: ASYNC240 - a test may wait for a small file

from __future__ import annotations

import json
import stat
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest

from massgen_backend_replay.backend import open_backend
from massgen_backend_replay.config import ReplayConfig
from massgen_core.api import (
    Backend,
    BadRequest,
    Chunk,
    ConfigProblem,
    ConnectionLost,
    ItemChunk,
    Message,
    ModelRequest,
    NoticeGiven,
    ProviderItem,
    RateLimited,
    StopChunk,
    TextChunk,
    TimedOut,
    ToolCallChunk,
    Usage,
    UsageChunk,
    fingerprint,
)
from massgen_testkit import PlainContext, QueueBackend, say
from massgen_testkit.backends import Step
from massgen_testkit.simulation import simulate

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    return tmp_path / "tape.jsonl"


def ask(text: str = "Hi?", agent: str = "ann", **fields: Any) -> ModelRequest:
    return ModelRequest(messages=(Message.of("user", text),), metadata={"agent": agent}, **fields)


@asynccontextmanager
async def opened(tape: Path, inner: object = None, *, context: PlainContext | None = None, **options: Any) -> AsyncIterator[Backend]:
    context = context or PlainContext(folder=tape.parent, objects={("backend", "acme"): inner})
    config = ReplayConfig(file=str(tape), backend={"type": "acme"} if inner else {}, **options)
    with anyio.fail_after(1000):
        async with context, open_backend(config, context) as backend:
            yield backend


async def hear(backend: Backend, request: ModelRequest) -> list[Chunk]:
    async with backend.respond(request) as stream:
        return [chunk async for chunk in stream]


async def said(backend: Backend, request: ModelRequest) -> str:
    return "".join(chunk.text for chunk in await hear(backend, request) if isinstance(chunk, TextChunk))


def lines(tape: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in tape.read_text().splitlines()]


async def recorded(tape: Path, answers: Mapping[str, Sequence[Any]], agent: str = "ann") -> None:
    async with opened(tape, QueueBackend(*answers.values()), mode="record") as backend:
        for text in answers:
            await hear(backend, ask(text.rstrip("'"), agent))


ANSWER: list[Step] = [
    TextChunk("Pa"),
    TextChunk("ris"),
    ItemChunk(ProviderItem(backend="acme", item={"signed": "δ"})),
    ToolCallChunk(0, "c1", "look"),
    ToolCallChunk(0, arguments='{"a": 1}'),
    UsageChunk(Usage(input=3, output=2, cost=0.01)),
    StopChunk("tools", "m-1", "tool_calls"),
]


async def test_chunks_come_back_exactly(tape: Path) -> None:
    """Each piece of an answer is played as it was heard; provider items bear the name of whoever gives them."""
    inner = QueueBackend(ANSWER)
    async with opened(tape, inner, mode="record") as backend:
        live = await hear(backend, ask())
    async with opened(tape, mode="replay") as backend:
        played = await hear(backend, ask())

    assert played == live
    assert live == [ItemChunk(ProviderItem(backend="replay", item={"signed": "δ"})) if isinstance(chunk, ItemChunk) else chunk for chunk in ANSWER]
    assert lines(tape)[1]["key"] == fingerprint(ask())


async def test_provider_items_find_their_way_back(tape: Path) -> None:
    """An item that goes into the next request reaches the recorded backend under its own name."""
    inner = QueueBackend(say("ok"))
    item = ProviderItem(backend="replay", item=1)
    async with opened(tape, inner, mode="record") as backend:
        await hear(backend, ModelRequest(messages=(Message(role="assistant", content=(item,)), Message.of("user", "?"))))

    assert inner.requests[0].messages[0].content == (attrs.evolve(item, backend="acme"),)


async def test_equal_requests_are_answered_in_order(tape: Path) -> None:
    """Repeated requests get their exchanges in the order of the recording; one more is an error that counts them."""
    await recorded(tape, {"Hi?": say("one"), "Hi?'": say("two")})
    async with opened(tape, mode="replay") as backend:
        assert [await said(backend, ask()), await said(backend, ask())] == ["one", "two"]
        with pytest.raises(BadRequest, match="holds this request 2 times, and it is made once more"):
            await said(backend, ask())


async def test_each_agent_gets_its_own_answer(tape: Path) -> None:
    """Agents that ask the same in another order than in the recording hear what they heard then; a stranger gets the rest."""
    await recorded(tape, {"Hi?": say("to ann")}, "ann")
    await recorded(tape, {"Hi?": say("to bob")}, "bob")
    async with opened(tape, mode="replay") as backend:
        assert await said(backend, ask(agent="bob")) == "to bob"
        assert await said(backend, ask(agent="cas")) == "to ann"


async def test_a_miss_names_what_differs_from_the_nearest(tape: Path) -> None:
    """The error of an unknown request shows the values that differ, around the place where they do."""
    await recorded(tape, {"What is the capital of France?": say("Paris"), "Something else entirely": say("no")})
    async with opened(tape, mode="replay") as backend:
        with pytest.raises(BadRequest) as caught:
            await said(backend, ask("What is the capital of Finland?", model="m"))

    assert "holds 2 other requests; the nearest differs in " in str(caught.value)
    assert 'messages[0].content[0].text: recorded ... is the capital of France?", now ... is the capital of Finland?"' in str(caught.value)
    assert 'model: recorded nothing, now "m"' in str(caught.value)
    assert "Mode auto records what is missing" in str(caught.value)


async def test_auto_calls_only_for_what_is_missing(tape: Path) -> None:
    """What is recorded is played, the rest is called and recorded, and the next run calls nothing."""
    await recorded(tape, {"Hi?": say("one")})
    inner = QueueBackend(say("two"))
    async with opened(tape, inner) as backend:
        assert [await said(backend, ask()), await said(backend, ask("Bye?"))] == ["one", "two"]
    silent = QueueBackend()
    async with opened(tape, silent) as backend:
        assert [await said(backend, ask("Bye?")), await said(backend, ask())] == ["two", "one"]

    assert (len(inner.requests), silent.requests) == (1, [])


@pytest.mark.parametrize("fault", [RateLimited("slow down", retry_after=2.5), ConnectionLost("it broke", status=502)])
async def test_faults_come_back_typed(tape: Path, fault: ConnectionLost | RateLimited) -> None:
    """A call that failed fails again, after the same pieces, with the same error."""
    with pytest.raises(type(fault)):
        await recorded(tape, {"Hi?": [TextChunk("so f"), fault]})
    heard: list[Chunk] = []

    async def listen() -> None:
        async with opened(tape, mode="replay") as backend, backend.respond(ask()) as stream:
            async for chunk in stream:
                heard.append(chunk)

    with pytest.raises(type(fault)) as caught:
        await listen()

    assert heard == [TextChunk("so f")]
    assert (str(caught.value), vars(caught.value)) == (str(fault), vars(fault))


async def test_a_fault_on_entering_is_recorded_but_not_the_readers_own(tape: Path) -> None:
    """What the backend raises before its stream is part of the recording; what its reader raises is not."""

    class Closed:
        @asynccontextmanager
        async def respond(self, request: ModelRequest) -> AsyncIterator[AsyncIterator[Chunk]]:
            raise ConnectionLost("no route")
            yield

    async def leave(inner: object, text: str) -> None:
        async with opened(tape, inner, mode="record") as backend, backend.respond(ask(text)) as stream:
            await anext(stream)
            raise TimedOut("the reader's own")

    with pytest.raises(ConnectionLost):
        await leave(Closed(), "a")
    with pytest.raises(TimedOut):
        await leave(QueueBackend(say("x", "y")), "b")

    assert [(line.get("fault", {}).get("type"), line.get("is_cut")) for line in lines(tape)[1:]] == [("ConnectionLost", None), (None, True)]


def test_times_are_played_at_the_chosen_speed(tape: Path) -> None:
    """With a speed the recorded pauses come back, scaled; without one there are none."""

    class Slow:
        @asynccontextmanager
        async def respond(self, request: ModelRequest) -> AsyncIterator[AsyncIterator[Chunk]]:
            async def stream() -> AsyncIterator[Chunk]:
                for chunk in say("a", "b"):
                    await anyio.sleep(2)
                    assert not isinstance(chunk, BaseException)
                    yield chunk  # type: ignore[misc]

            yield stream()

    async def record() -> None:
        async with opened(tape, Slow(), mode="record") as backend:
            await hear(backend, ask())

    async def play(speed: float) -> float:
        start = anyio.current_time()
        async with opened(tape, mode="replay", speed=speed) as backend:
            await hear(backend, ask())
        return anyio.current_time() - start

    simulate(record)

    assert [simulate(lambda speed=speed: play(speed)) for speed in (0, 1, 4)] == [0, 8, 2]  # type: ignore[misc]


def test_a_cut_call_waits_as_it_did_and_then_times_out(tape: Path) -> None:
    """A call that was interrupted in the recording can be interrupted again; if nobody does, it ends with a clear error."""

    async def record() -> None:
        async with opened(tape, QueueBackend(say("one ", "two")), mode="record") as backend, backend.respond(ask()) as stream:
            await anext(stream)

    async def play() -> float:
        start = anyio.current_time()
        async with opened(tape, mode="replay", patience=7) as backend:
            with pytest.raises(TimedOut, match="its reader left"):
                await hear(backend, ask())
        return anyio.current_time() - start

    simulate(record)

    assert simulate(play) == 7


async def test_a_torn_last_line_is_ignored_and_cut_off(tape: Path) -> None:
    """After a crash in the middle of a line the whole lines are played, and recording goes on behind them."""
    await recorded(tape, {"Hi?": say("one"), "Bye?": say("two")})
    whole = tape.read_bytes()
    tape.write_bytes(whole[:-20])
    async with opened(tape, QueueBackend(say("again"))) as backend:
        assert [await said(backend, ask()), await said(backend, ask("Bye?"))] == ["one", "again"]

    assert [line.get("key") for line in lines(tape)] == [None, fingerprint(ask()), fingerprint(ask("Bye?"))]


@pytest.mark.parametrize("cut", [0, 10, 45])
async def test_any_torn_beginning_is_a_new_recording(tape: Path, cut: int) -> None:
    """A file that was torn in its first line, or is empty, is begun anew."""
    await recorded(tape, {"Hi?": say("one")})
    tape.write_bytes(tape.read_bytes()[:cut])
    await recorded(tape, {"Hi?": say("two")})

    assert len(lines(tape)) == 2


@pytest.mark.parametrize(
    ("content", "place", "message"),
    [
        ('{"format": "massgen-cassette", "version": 1}\n{"key": 1}\n', "2:1", "this is no recorded exchange"),
        ('{"format": "massgen-cassette", "version": 1}\nnonsense\n', "2:1", "this is no recorded exchange"),
        ('{"format": "massgen-cassette", "version": 2}\n', "1:1", "this is no recording: its first line must be"),
        ("[1]\n", "1:1", "this is no recording"),
    ],
)
async def test_damage_is_named_with_its_line(tape: Path, content: str, place: str, message: str) -> None:
    """Anything but a torn end is an error that says which line of which file."""
    tape.write_text(content)
    with pytest.raises(ConfigProblem, match=f"tape.jsonl:{place}: {message}"):
        async with opened(tape, mode="replay"):
            pass


async def test_what_cannot_work_is_said_at_the_start(tape: Path) -> None:
    """No recording to play, no backend to record, and no place to write are told before any call."""
    for mode, message in (("replay", "no such recording"), ("record", "mode record needs a backend"), ("auto", "mode auto needs a backend")):
        with pytest.raises(ConfigProblem, match=message):
            async with opened(tape, mode=mode):
                pass
    tape.write_text("")
    with pytest.raises(ConfigProblem, match=r"cannot (read|write) this recording: Not a directory"):
        async with opened(tape / "below", QueueBackend()):
            pass


async def test_nothing_secret_is_written(tape: Path) -> None:
    """Keys of known forms leave prompt, answer, arguments and error, also where the stream tears them; the request is found all the same."""
    question = ask("my key is sk-0123456789abcdefghij")
    chunks: list[Step] = [
        TextChunk("yours is sk-abcdefgh"),
        TextChunk("ijklmnop1234"),
        ToolCallChunk(0, "c", "login", '{"password": "hunter2hunter2'),
        ToolCallChunk(0, arguments='hunter2"}'),
        ConnectionLost("Bearer abcdefghijk12345 was refused"),
    ]
    async with opened(tape, QueueBackend(chunks), mode="record") as backend:
        with pytest.raises(ConnectionLost):
            await hear(backend, question)
    written = tape.read_text()

    for secret in ("sk-abcdefgh", "ijklmnop1234", "sk-01234", "hunter2", "abcdefghijk12345"):
        assert secret not in written
    assert [chunk[1].get("text") for chunk in lines(tape)[1]["chunks"][:2]] == ["yours is ***", ""]
    async with opened(tape, mode="replay") as backend:
        with pytest.raises(ConnectionLost, match=r"Bearer \*\*\* was refused"):
            await hear(backend, question)


async def test_known_values_of_the_run_are_removed(tape: Path) -> None:
    """A value that the run handed out is not written, whatever its form."""
    inner = QueueBackend(say("it is opense", "same-42"))
    context = PlainContext(folder=tape.parent, secrets={"env:KEY": "opensesame-42"}, objects={("backend", "acme"): inner})
    async with opened(tape, inner, context=context, mode="record") as backend:
        context.secret("env:KEY")
        await hear(backend, ask("opensesame-42?"))

    assert "opensesame" not in tape.read_text()


async def test_the_file_is_its_owners(tape: Path) -> None:
    """Prompts are private: nobody else may read a recording."""
    await recorded(tape, {"Hi?": say("one")})

    assert stat.S_IMODE(tape.stat().st_mode) == 0o600


async def test_a_recording_that_cannot_be_written_harms_no_run(tape: Path) -> None:
    """A full disk costs the recording, not the answer; the run's journal says so once."""
    inner = QueueBackend(say("one"), say("two"))
    context = PlainContext(folder=tape.parent, objects={("backend", "acme"): inner})
    async with opened(tape, inner, context=context, mode="record") as backend:
        backend._cassette._descriptor = 1_000_000  # type: ignore[attr-defined]
        assert [await said(backend, ask()), await said(backend, ask())] == ["one", "two"]
        backend._cassette._descriptor = -1  # type: ignore[attr-defined]

    assert [event.text for event in context.records.of(NoticeGiven)] == [f"the recording {tape} is not whole: [Errno 9] Bad file descriptor"]


async def test_agents_of_a_run_share_a_recording(tape: Path) -> None:
    """Two backends that name one file play each exchange once."""
    await recorded(tape, {"Hi?": say("one"), "Hi?'": say("two")})
    context = PlainContext(folder=tape.parent)
    config = ReplayConfig(file=str(tape), mode="replay")
    async with context, open_backend(config, context) as first, open_backend(config, context) as second:
        assert [await said(first, ask()), await said(second, ask())] == ["one", "two"]
