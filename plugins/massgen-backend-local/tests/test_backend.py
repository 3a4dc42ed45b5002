"""The smallest model, really loaded: streaming, sharing, queueing, cancelling, and what is said when it cannot be loaded."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

import massgen_backend_local.engine as engines
from massgen_backend_local.backend import LocalBackend, open_backend
from massgen_backend_local.config import LocalConfig
from massgen_backend_local.grammar import choice_grammar
from massgen_backend_local.store import find, models_folder
from massgen_core.api import (
    BackendFault,
    Chunk,
    ConnectionLost,
    ContextTooLong,
    Message,
    ModelMissing,
    ModelRequest,
    Overloaded,
    Sampling,
    StopChunk,
    TextChunk,
    Tool,
    ToolCallChunk,
    Usage,
    UsageChunk,
)
from massgen_testkit import Leaks

pytestmark = pytest.mark.anyio

# Text that does not end by itself, of any model.
ENDLESS: dict[str, Any] = {"response_schema": {"type": "array", "items": {"const": "again"}, "minItems": 3000}}
PATIENCE = 120.0


@pytest.fixture
def make(tiny: str) -> Callable[..., ModelRequest]:
    """Make a request to the smallest model."""

    def request(text: str = "What is the capital of France?", *, agent: str = "a", **fields: Any) -> ModelRequest:
        fields = {"sampling": Sampling(temperature=0.0, max_tokens=12), **fields}
        return ModelRequest(model=tiny, messages=(Message.of("user", text),), metadata={"agent": agent}, **fields)

    return request


@asynccontextmanager
async def opened(**options: Any) -> AsyncIterator[LocalBackend]:
    with anyio.fail_after(PATIENCE):
        async with open_backend(LocalConfig(**options), None) as backend:  # type: ignore[arg-type]  # it takes nothing from the context
            yield backend
    assert engines._engines == {}


async def hear(backend: LocalBackend, request: ModelRequest) -> list[Chunk]:
    async with backend.respond(request) as stream:
        return [chunk async for chunk in stream]


def text_of(chunks: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, TextChunk))


def usage_of(chunks: list[Chunk]) -> Usage:
    return next(chunk.usage for chunk in reversed(chunks) if isinstance(chunk, UsageChunk))


async def test_text_streams(make: Callable[..., ModelRequest], tiny: str) -> None:
    """Text comes in pieces, with what it cost and who wrote it; the same again reads the question from memory."""
    async with opened() as backend:
        first = await hear(backend, make())
        second = await hear(backend, make())

    assert sum(isinstance(chunk, TextChunk) for chunk in first) > 2
    assert isinstance(first[-1], StopChunk)
    assert first[-1].model == tiny
    assert usage_of(first).cached == 0
    assert usage_of(first).input == usage_of(second).input + usage_of(second).cached
    assert usage_of(second).cached > 10
    assert 0 < usage_of(first).output <= 12


async def test_the_limit_of_tokens(make: Callable[..., ModelRequest]) -> None:
    """A text that was cut says so, whether the agent's sampling or the option cut it."""
    async with opened(max_tokens=4) as backend:
        by_agent = await hear(backend, make(sampling=Sampling(max_tokens=3), **ENDLESS))
        by_option = await hear(backend, make(sampling=Sampling(), **ENDLESS))

    assert [chunks[-1].reason for chunks in (by_agent, by_option)] == ["length", "length"]  # type: ignore[union-attr]  # StopChunks
    assert [usage_of(chunks).output for chunks in (by_agent, by_option)] == [3, 4]


TEXTS = {
    "plain": "Paris",
    "quotes": 'a "quoted" \\ word',
    "bars": "| one | two",
    "unicode": "Zwölf 🦜 日本",
    "marks": "%json {} <tool_call>",
    "long": "a" * 300,
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
async def test_a_grammar_allows_its_texts_only(text: str, make: Callable[..., ModelRequest]) -> None:
    """The runtime takes any text that a vote may hold: a grammar that it cannot read would constrain nothing."""
    body = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 400, "grammar": choice_grammar([text]), "temperature": 0.0}
    async with opened() as backend:
        path = find("smollm2-135m", models_folder())
        job = engines.Job("a", {**body, "stream": True})
        backend._engine(path).submit(job)
        said = ""
        while (chunk := await job.get()) is not None:
            assert "error" not in chunk
            said += "".join(choice["delta"].get("content") or "" for choice in chunk.get("choices", ()))

    assert said == text


async def test_a_schema_is_obeyed(make: Callable[..., ModelRequest]) -> None:
    """Text obeys the schema, without spaces that cost time."""
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer", "minimum": 1, "maximum": 9}},
        "required": ["n"],
        "additionalProperties": False,
    }
    async with opened() as backend:
        text = text_of(await hear(backend, make(response_schema=schema)))

    assert 1 <= json.loads(text)["n"] <= 9
    assert " " not in text


async def test_a_tool_is_called(make: Callable[..., ModelRequest]) -> None:
    """A demanded call has the tool's name and arguments that obey its schema; none of it is shown as text."""
    tools = (Tool(name="paint", parameters={"type": "object", "properties": {"colour": {"enum": ["red", "blue"]}}, "required": ["colour"]}),)
    async with opened() as backend:
        chunks = await hear(backend, make("Paint it red.", tools=tools, tool_choice="required", sampling=Sampling(max_tokens=80)))

    (call,) = (chunk for chunk in chunks if isinstance(chunk, ToolCallChunk))
    assert (call.name, json.loads(call.arguments)["colour"] in ("red", "blue")) == ("paint", True)
    assert text_of(chunks) == ""
    assert isinstance(chunks[-1], StopChunk)
    assert chunks[-1].reason == "tools"


async def test_agents_share_one_model(make: Callable[..., ModelRequest], tiny: str) -> None:
    """Backends of one process with equal options load a model once; it is freed when the last of them closes."""
    async with opened() as first:
        async with open_backend(LocalConfig(), None) as second, open_backend(LocalConfig(context=512), None) as third:  # type: ignore[arg-type]
            for backend in (first, second, third):
                await hear(backend, make())
            path = find(tiny, models_folder())
            assert first._engines[path] is second._engines[path]
            assert first._engines[path] is not third._engines[path]
            shared = first._engines[path]
        assert len(engines._engines) == 1
        await hear(first, make())
    assert not shared._thread.is_alive()


async def test_nothing_is_left_of_a_closed_model(make: Callable[..., ModelRequest], leaks: Leaks) -> None:
    """Threads, processes and descriptors of a model go with it, however often it is opened; loading can be broken off."""
    async with opened() as backend:
        await hear(backend, make())
    before = leaks.held()
    for _ in range(3):
        async with opened() as backend:
            await hear(backend, make())
        async with opened() as backend:
            with anyio.move_on_after(0.05):
                await hear(backend, make())

    await leaks.none_since(before)


async def test_a_model_that_dies_is_loaded_again(make: Callable[..., ModelRequest], tiny: str) -> None:
    """When the system ends the model's process the call fails in a way that may be tried again, and the next try works."""
    async with opened() as backend:
        async with backend.respond(make(sampling=Sampling(max_tokens=3000), **ENDLESS)) as stream:
            await anext(stream)
            process = backend._engines[find(tiny, models_folder())]._process
            assert process is not None
            os.kill(process.id, signal.SIGKILL)
            with pytest.raises(ConnectionLost, match=r"ended by itself \(signal 9\); perhaps the machine ran out of memory"):
                async for _ in stream:
                    pass
        assert text_of(await hear(backend, make()))


async def test_agents_take_turns(make: Callable[..., ModelRequest]) -> None:
    """An agent with one call is not behind another's three, and everybody gets an answer."""
    order: list[str] = []
    async with opened() as backend:
        await hear(backend, make())

        async def ask(agent: str) -> None:
            assert text_of(await hear(backend, make(agent=agent, sampling=Sampling(temperature=0.0, max_tokens=30), **ENDLESS)))
            order.append(agent)

        async with anyio.create_task_group() as group:
            for agent in ("many", "many", "many", "one"):
                group.start_soon(ask, agent)

    assert order.index("one") <= 2, order
    assert len(order) == 4


async def test_a_full_queue_is_an_overload(make: Callable[..., ModelRequest]) -> None:
    """What does not fit into the queue fails at once, in a way that may be tried again; leaving makes room."""
    async with opened(queue=1) as backend:
        async with backend.respond(make(sampling=Sampling(max_tokens=3000), **ENDLESS)) as running:
            await anext(running)
            async with anyio.create_task_group() as group:
                group.start_soon(hear, backend, make(agent="b"))
                await anyio.wait_all_tasks_blocked()
                with pytest.raises(Overloaded, match="1 calls wait for the local model smollm2-135m already") as caught:
                    await hear(backend, make(agent="c"))
                assert caught.value.is_retryable
                group.cancel_scope.cancel()
        assert text_of(await hear(backend, make(agent="c")))


async def test_leaving_stops_the_model(make: Callable[..., ModelRequest], tiny: str) -> None:
    """Half a second after a call was cancelled the model does nothing any more, and the next call is served."""
    async with opened() as backend:
        await hear(backend, make())
        engine = backend._engines[find(tiny, models_folder())]
        with anyio.CancelScope() as scope:
            async with backend.respond(make(sampling=Sampling(max_tokens=3000), **ENDLESS)) as stream:
                async for chunk in stream:
                    if isinstance(chunk, TextChunk):
                        left = time.monotonic()
                        scope.cancel()
        assert time.monotonic() - left < 0.25, "leaving took too long"
        await anyio.sleep(max(0.0, left + 0.5 - time.monotonic()))
        pulse = engine.pulse
        await anyio.sleep(0.2)
        assert engine.pulse == pulse, "the model still writes"
        assert text_of(await hear(backend, make()))


async def test_leaving_while_the_question_is_read(make: Callable[..., ModelRequest], tiny: str) -> None:
    """A long question is read in small batches; leaving stops between two of them."""
    async with opened() as backend:
        await hear(backend, make())
        engine = backend._engines[find(tiny, models_folder())]
        with anyio.move_on_after(0.3):
            await hear(backend, make("word " * 3000))
        pulse, left = engine.pulse, time.monotonic()
        assert text_of(await hear(backend, make("Another question?")))
        assert time.monotonic() - left < 5.0, "the abandoned question was read to its end"
        assert engine.pulse > pulse


async def test_the_event_loop_runs_on(make: Callable[..., ModelRequest]) -> None:
    """While a model is loaded, reads, writes and is freed, the loop is less than 50 ms late 99 times of 100, and never stands still."""

    async def lags() -> list[float]:
        late: list[float] = []

        async def tick() -> None:
            while True:
                began = time.perf_counter()
                await anyio.sleep(0.005)
                late.append(time.perf_counter() - began - 0.005)

        async with anyio.create_task_group() as group:
            group.start_soon(tick)
            async with opened() as backend:
                await hear(backend, make("word " * 200, sampling=Sampling(max_tokens=150), **ENDLESS))
            await anyio.sleep(0.02)
            group.cancel_scope.cancel()
        return sorted(late)

    worst = []
    # A machine that others use delays ticks too: the best of five tries is the model's own doing. The longest stall counts as well, since a loop that
    # stands still for a second is one late tick among hundreds.
    for _ in range(5):
        late = await lags()
        worst.append((late[int(len(late) * 0.99)], late[-1]))
        if worst[-1][0] < 0.05 and worst[-1][1] < 0.15:
            return
    pytest.fail(f"99th percentile and maximum of lag in seconds: {worst}")


async def test_a_call_that_waits_shows_that_it_lives(make: Callable[..., ModelRequest], monkeypatch: pytest.MonkeyPatch) -> None:
    """A call in the queue is not silent for long, so that nobody gives it up; the engine's own silence is not covered."""
    monkeypatch.setattr("massgen_backend_local.backend.SIGN_OF_LIFE", 0.05)
    async with opened() as backend, backend.respond(make(sampling=Sampling(max_tokens=3000), **ENDLESS)) as running:
        await anext(running)
        async with backend.respond(make(agent="b")) as waiting:
            assert [await anext(waiting) for _ in range(2)] == [UsageChunk(Usage())] * 2


async def test_the_context_is_a_limit(make: Callable[..., ModelRequest]) -> None:
    """A question that does not fit is told with both numbers; one that fits is answered as far as there is room."""
    async with opened(context=256) as backend:
        with pytest.raises(ContextTooLong, match=r"this call needs \d+ tokens, the local model smollm2-135m holds 256; raise the option 'context'"):
            await hear(backend, make("word " * 400))
        cut = await hear(backend, make(sampling=Sampling(max_tokens=2000), **ENDLESS))

    assert cut[-1] == StopChunk("length", "smollm2-135m")


@pytest.mark.parametrize("damage", ["architecture", "tensors"])
async def test_a_file_that_the_runtime_refuses(damage: str, tiny: str, tmp_path: Path) -> None:
    """An architecture that is not known, or a tensor that is missing, is told with the architecture and the runtime's version."""
    data = find(tiny, models_folder()).read_bytes()
    changed = {"architecture": (b"\x05\0\0\0\0\0\0\0llama", b"\x05\0\0\0\0\0\0\0lhama"), "tensors": (b"output_norm.weight", b"output_nurm.weight")}
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(data.replace(*changed[damage], 1))
    async with opened() as backend:
        for _ in range(2):  # the second try loads again: somebody may have put another file there
            with pytest.raises(ModelMissing, match=r"bad.gguf cannot be loaded \(architecture 'l.ama', xllamacpp [\d.]+\)"):
                await hear(backend, ModelRequest(model=str(bad), messages=(Message.of("user", "Hi"),)))
        shutil.copy(find(tiny, models_folder()), bad)
        assert text_of(await hear(backend, ModelRequest(model=str(bad), messages=(Message.of("user", "Hi"),), sampling=Sampling(max_tokens=5))))


async def test_too_little_memory(make: Callable[..., ModelRequest], monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that does not fit is not even tried; the message names both sizes."""
    monkeypatch.setattr(engines, "available_bytes", lambda: 200_000_000)
    async with opened() as backend:
        with pytest.raises(
            BackendFault, match=r"too little memory for the local model smollm2-135m: it needs 0.3 GB with a context of 4,096 tokens, 0.2 GB are"
        ):
            await hear(backend, make())


async def test_a_missing_model_is_told_at_once(tmp_path: Path) -> None:
    """Nothing is fetched at run time."""
    async with opened(models_folder=str(tmp_path)) as backend:
        with pytest.raises(ModelMissing, match="massgen models pull"):
            await hear(backend, ModelRequest(messages=(Message.of("user", "Hi"),)))
