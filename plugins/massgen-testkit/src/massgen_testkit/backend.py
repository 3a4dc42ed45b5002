"""The conformance suite of backends."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import anyio
import attrs
import pytest

from massgen_core.api import (
    BackendFault,
    Capabilities,
    Chunk,
    Message,
    ModelRequest,
    ProviderItem,
    RateLimited,
    Text,
    TextChunk,
    Tool,
    ToolCall,
    ToolResult,
    Usage,
)
from massgen_testkit.context import AnyKey, PlainContext
from massgen_testkit.distribution import PluginSuite
from massgen_testkit.hearing import Heard, check, holds
from massgen_testkit.leaks import Leaks
from massgen_testkit.scenarios import FAULTS, PIECES, RETRY_AFTER, SCENARIOS, SECRET, USAGE, Scenario, Stage

WEATHER = Tool(
    name="weather",
    description="Tell the weather of a city.",
    parameters={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)
PING = Tool(name="ping", description="Answer at once.")
QUICK = 0.5


class BackendSuite(PluginSuite):
    """What every backend must do.

    A subclass gives `name` and `play`. Scenarios that the backend cannot play are declared in `unsupported` with a reason; properties of the whole
    backend that are, beside scenario names, known there: `sent` (what reaches the provider cannot be seen).

    Attributes:
        is_exact: The backend yields the scenario's very text. A real model does not: content is not compared then, form is.
        patience: Seconds that one call may take here.
        usage_fields: The counts of `Usage` that the provider tells apart; the others are added to `input` and `output`.
    """

    kind: ClassVar[str] = "backend"
    is_exact: ClassVar[bool] = True
    patience: ClassVar[float] = 10.0
    usage_fields: ClassVar[Sequence[str]] = ("input", "cached", "written", "output", "reasoning")

    def play(self, scenario: Scenario, context: PlainContext) -> AbstractAsyncContextManager[Stage]:
        """Return a context in which the backend plays a scenario; write it with `@asynccontextmanager`.

        The backend takes its key from the context where it needs one: every reference that begins with `env:` gives `SECRET`. An idle limit, where
        the backend has one, is set to a second or less, so that `stall` ends. `context.folder` is an empty folder.
        """
        raise NotImplementedError(f"{type(self).__name__} must define play(scenario, context)")

    def features(self) -> frozenset[str]:
        return frozenset({*SCENARIOS, "sent"})

    @property
    def capabilities(self) -> Capabilities:
        """What the spec declares."""
        declared = self.spec.capabilities
        assert isinstance(declared, Capabilities)
        return declared

    @property
    def supports_tools(self) -> bool:
        return self.capabilities.tools

    @property
    def supports_reasoning(self) -> bool:
        return self.capabilities.reasoning

    @property
    def supports_streaming(self) -> bool:
        return self.capabilities.streaming

    def request(
        self, text: str = "What is the capital of France?", *, tools: tuple[Tool, ...] = (), messages: tuple[Message, ...] = ()
    ) -> ModelRequest:
        """Return the request that the suite sends; override it to name a model or options."""
        return ModelRequest(messages=messages or (Message.of("user", text),), tools=tools)

    def is_item_sent(self, item: Any, sent: Any) -> bool:
        """Tell whether a provider's item is in what was sent, verbatim."""
        return holds(sent, item)

    # What tests are made of

    @pytest.fixture
    def context(self, tmp_path: Path) -> PlainContext:
        return PlainContext(folder=tmp_path, secrets=AnyKey(SECRET))

    @asynccontextmanager
    async def staged(self, name: str, context: PlainContext) -> AsyncIterator[Stage]:
        """Play a scenario, or skip with the reason why it cannot be played."""
        self.need(name)
        with anyio.fail_after(self.patience * 3):
            async with context, self.play(SCENARIOS[name], context) as stage:
                yield stage

    async def hear(self, stage: Stage, request: ModelRequest | None = None) -> Heard:
        """Make one call and check what every good stream obeys."""
        chunks: list[Chunk] = []
        with anyio.fail_after(self.patience):
            async with stage.backend.respond(request or self.request()) as stream:
                chunks = [chunk async for chunk in stream]
        check(chunks)
        return Heard(chunks=tuple(chunks))

    async def sent(self, stage: Stage) -> Sequence[Any]:
        """Return what reached the provider, or skip."""
        self.need("sent")
        assert stage.sent is not None, "give Stage(sent=...) or declare unsupported = {'sent': 'why'}"
        return stage.sent()

    def need_tools(self) -> None:
        if not self.supports_tools:
            pytest.skip(f"{self.kind}.{self.name} declares no tools")

    # Text

    async def test_text_streams_and_stops(self, context: PlainContext) -> None:
        """An answer comes in chunks whose text adds up, and ends with one StopChunk that says why."""
        async with self.staged("text", context) as stage:
            heard = await self.hear(stage)

        assert heard.stop == "stop"
        assert heard.text
        assert not heard.calls
        if self.is_exact:
            assert heard.text == "The capital of France is Paris."

    async def test_text_comes_in_pieces(self, context: PlainContext) -> None:
        """A streaming backend yields text before the answer is whole."""
        if not self.supports_streaming:
            pytest.skip(f"{self.kind}.{self.name} declares no streaming")
        async with self.staged("text", context) as stage:
            heard = await self.hear(stage)

        assert sum(isinstance(chunk, TextChunk) for chunk in heard.chunks) > 1

    async def test_unicode_survives_chunk_borders(self, context: PlainContext) -> None:
        """Characters of several bytes arrive whole, wherever the wire tears them."""
        async with self.staged("unicode", context) as stage:
            heard = await self.hear(stage)

        assert "\ufffd" not in heard.text
        if self.is_exact:
            assert heard.text == "".join(PIECES)

    async def test_length_limit_is_told(self, context: PlainContext) -> None:
        """Text that was cut by the token limit stops with `length`."""
        async with self.staged("length", context) as stage:
            heard = await self.hear(stage)

        assert heard.stop == "length"
        assert heard.text

    async def test_reasoning_is_apart_from_text(self, context: PlainContext) -> None:
        """Visible reasoning comes as reasoning and never as text."""
        if not self.supports_reasoning:
            pytest.skip(f"{self.kind}.{self.name} declares no reasoning")
        async with self.staged("reasoning", context) as stage:
            heard = await self.hear(stage)

        assert heard.reasoning
        if self.is_exact:
            assert (heard.reasoning, heard.text) == ("First, France.", "Paris.")

    async def test_refusal_is_one_outcome(self, context: PlainContext) -> None:
        """A refusal stops with `refused`, in whichever way the provider says it."""
        async with self.staged("refusal", context) as stage:
            assert (await self.hear(stage)).stop == "refused"

    async def test_content_filter_is_one_outcome(self, context: PlainContext) -> None:
        """A filtered answer stops with `filtered` and is no empty success."""
        async with self.staged("content_filter", context) as stage:
            assert (await self.hear(stage)).stop == "filtered"

    # Tools

    async def test_tool_call_round_trip(self, context: PlainContext) -> None:
        """A call comes with id, name and whole arguments; its result reaches the provider, and the model goes on."""
        self.need_tools()
        async with self.staged("tool_call", context) as stage:
            first = await self.hear(stage, self.request(tools=(WEATHER,)))
            assert first.stop == "tools"
            (made,) = first.calls
            assert made.name == "weather"
            assert isinstance(made.parsed(), dict)
            if self.is_exact:
                assert made.parsed() == {"city": "Paris"}
            second = await self.hear(stage, self._answered(first, made, "21 degrees and sunny"))
            assert second.stop == "stop"
            if "sent" not in self.unsupported:
                sent = [json.dumps(each, ensure_ascii=False, default=str) for each in await self.sent(stage)]
                assert "weather" in sent[0]
                assert "21 degrees and sunny" in sent[-1]

    def _answered(self, heard: Heard, made: ToolCall, result: str) -> ModelRequest:
        conversation = (
            *self.request(tools=(WEATHER,)).messages,
            Message(role="assistant", content=(*heard.items, *((Text(text=heard.text),) if heard.text else ()), made)),
            Message(role="tool", content=(ToolResult(call=made.id, content=(Text(text=result),)),)),
        )
        return self.request(tools=(WEATHER,), messages=conversation)

    async def test_parallel_calls_stay_apart(self, context: PlainContext) -> None:
        """Two calls of one answer have ids and arguments of their own."""
        self.need_tools()
        async with self.staged("parallel_calls", context) as stage:
            heard = await self.hear(stage, self.request(tools=(WEATHER,)))

        assert heard.stop == "tools"
        assert len(heard.calls) == 2
        assert heard.calls[0].id != heard.calls[1].id
        assert [made.parsed() for made in heard.calls] == [{"city": "Paris"}, {"city": "Rome"}] or not self.is_exact

    async def test_malformed_arguments_come_verbatim(self, context: PlainContext) -> None:
        """Arguments that are no JSON are neither repaired nor dropped, so that the model can be shown what it wrote."""
        self.need_tools()
        async with self.staged("malformed_arguments", context) as stage:
            heard = await self.hear(stage, self.request(tools=(WEATHER,)))

        assert [made.arguments for made in heard.calls] == ['{"city": Paris,}']

    async def test_empty_arguments_are_no_arguments(self, context: PlainContext) -> None:
        """A call without arguments reads as an empty object."""
        self.need_tools()
        async with self.staged("empty_arguments", context) as stage:
            heard = await self.hear(stage, self.request(tools=(PING,)))

        assert [made.parsed() for made in heard.calls] == [{}]

    async def test_truncated_call_is_not_complete(self, context: PlainContext) -> None:
        """A call that was cut by the token limit stops with `length`, and its arguments do not look whole."""
        self.need_tools()
        async with self.staged("truncated_arguments", context) as stage:
            heard = await self.hear(stage, self.request(tools=(WEATHER,)))

        assert heard.stop == "length"
        for made in heard.calls:
            with pytest.raises(ValueError):  # noqa: PT011 - whatever json says
                json.loads(made.arguments)

    # Usage and the provider's own items

    async def test_usage_is_normalised(self, context: PlainContext) -> None:
        """The five counts are disjoint: what was cached is not counted as plain input again, nor reasoning as plain output."""
        async with self.staged("usage", context) as stage:
            heard = await self.hear(stage)

        assert heard.usage is not None
        if not self.is_exact:
            assert heard.usage.input + heard.usage.cached + heard.usage.written > 0
            assert heard.usage.output > 0
            return
        kept = {field: getattr(USAGE, field) for field in self.usage_fields}
        kept["input"] = USAGE.input + sum(getattr(USAGE, field) for field in ("cached", "written") if field not in self.usage_fields)
        kept["output"] = USAGE.output + (0 if "reasoning" in self.usage_fields else USAGE.reasoning)
        assert attrs.evolve(heard.usage, cost=None) == Usage(**kept)

    async def test_provider_items_return_verbatim(self, context: PlainContext) -> None:
        """An item that the provider wants back is in the next request exactly as it came; another backend's item is not."""
        async with self.staged("provider_items", context) as stage:
            first = await self.hear(stage)
            assert first.items, "the backend yields no ItemChunk"
            assert {item.backend for item in first.items} == {self.name}
            stranger = ProviderItem(backend="another-backend", item={"stranger": "signed by somebody else"})
            reply = Message(role="assistant", content=(*first.items, stranger, Text(text=first.text)))
            again = (*self.request().messages, reply, Message.of("user", "And of Italy?"))
            await self.hear(stage, self.request(messages=again))
            last = (await self.sent(stage))[-1]

        for item in first.items:
            assert self.is_item_sent(item.item, last), f"not sent back as it came: {item.item}"
        assert "signed by somebody else" not in json.dumps(last, default=str)

    # Faults

    @pytest.mark.parametrize("name", sorted(FAULTS))
    async def test_fault_is_mapped(self, name: str, context: PlainContext) -> None:
        """Each way to fail has its error, which shows no key; what came before the fault is not lost."""
        heard: list[Chunk] = []

        async def listen(stage: Stage) -> None:
            with anyio.fail_after(self.patience):
                async with stage.backend.respond(self.request()) as stream:
                    async for chunk in stream:
                        heard.append(chunk)

        async with self.staged(name, context) as stage:
            with pytest.raises(BackendFault) as caught:
                await listen(stage)

        assert isinstance(caught.value, FAULTS[name]), f"{name} must raise {FAULTS[name].__name__}, not {caught.value!r}"
        assert str(caught.value).strip(), "an error says what happened"
        shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(vars(caught.value))
        assert SECRET not in shown, "an error shows the key"
        if name == "rate_limited":
            assert isinstance(caught.value, RateLimited)
            assert caught.value.retry_after == RETRY_AFTER
        if any(isinstance(step, TextChunk) for step in SCENARIOS[name].turn(0)) and self.supports_streaming:
            said = Heard(chunks=tuple(heard)).text
            assert said == "The capital of " or (said and not self.is_exact), "text that came before the fault is lost"

    # Ends before the end

    async def _reach(self, point: int, stream: AsyncIterator[Chunk]) -> None:
        """Read so many chunks."""
        if point and not self.supports_streaming:
            pytest.skip(f"{self.kind}.{self.name} declares no streaming")
        with anyio.fail_after(self.patience):
            for _ in range(point):
                await anext(stream)

    @pytest.mark.parametrize("point", [0, 1, 2, 10])
    async def test_cancellation_frees_everything(self, point: int, context: PlainContext) -> None:
        """A call that is cancelled, at whatever chunk, is gone within half a second and leaves nothing behind; the next one works."""
        async with self.staged("long_text", context) as stage:
            await self.hear(stage)
            leaks = Leaks()
            before = leaks.held()
            cancelled = 0.0
            with anyio.CancelScope() as scope:
                async with stage.backend.respond(self.request()) as stream:
                    await self._reach(point, stream)
                    cancelled = time.monotonic()
                    scope.cancel()
                    await anyio.sleep_forever()
            assert time.monotonic() - cancelled < QUICK, "cancelling took too long"
            await leaks.none_since(before, within=QUICK)
            assert (await self.hear(stage)).stop == "stop"

    async def test_cancellation_while_waiting(self, context: PlainContext) -> None:
        """A call that waits for its provider can be cancelled there."""
        async with self.staged("long_text", context) as stage:
            await self.hear(stage)
            leaks = Leaks()
            before = leaks.held()
            with anyio.move_on_after(0.2) as scope:
                async with stage.backend.respond(self.request()) as stream:
                    async for _ in stream:
                        pass
            assert scope.cancelled_caught, "the scenario ended although it should wait"
            assert anyio.current_time() - scope.deadline < QUICK, "cancelling took too long"
            await leaks.none_since(before, within=QUICK)

    @pytest.mark.parametrize("point", [0, 1])
    async def test_abandoned_stream_is_closed(self, point: int, context: PlainContext) -> None:
        """A stream that is left before its end, or never read, leaves nothing behind; the next call works."""
        async with self.staged("long_text", context) as stage:
            await self.hear(stage)
            leaks = Leaks()
            before = leaks.held()
            left = time.monotonic()
            async with stage.backend.respond(self.request()) as stream:
                await self._reach(point, stream)
                left = time.monotonic()
            assert time.monotonic() - left < QUICK, "leaving took too long"
            await leaks.none_since(before, within=QUICK)
            assert (await self.hear(stage)).stop == "stop"

    async def test_two_calls_at_once(self, context: PlainContext) -> None:
        """Two calls at once get an answer each, unmixed."""
        said: list[str] = []

        async def listen(stage: Stage) -> None:
            said.append((await self.hear(stage)).text)

        async with self.staged("two_at_once", context) as stage, anyio.create_task_group() as group:
            group.start_soon(listen, stage)
            group.start_soon(listen, stage)

        assert len(said) == 2
        assert sorted(said) == ["blue blue blue", "red red red"] or not self.is_exact
