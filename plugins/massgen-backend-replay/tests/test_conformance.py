"""Recording changes nothing, and what is played back is what was heard: both sides pass the suite of all backends."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, ClassVar

import anyio
import anyio.lowlevel
import attrs

from massgen_core.api import Chunk, ItemChunk, ModelRequest, ProviderItem, RateLimited, TimedOut
from massgen_testkit import BackendSuite, Fault, PlainContext, Scenario, Stage, Stall


class Provider:
    """A backend that does what a scenario says, and keeps what it was sent."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.sent: list[Any] = []

    @asynccontextmanager
    async def respond(self, request: ModelRequest) -> AsyncIterator[AsyncIterator[Chunk]]:
        number = len(self.sent)
        own = [part for message in request.messages for part in message.content if not isinstance(part, ProviderItem) or part.backend == "acme"]
        self.sent.append([*map(attrs.asdict, own), *map(attrs.asdict, request.tools)])
        async with aclosing(self._stream(number)) as chunks:
            yield chunks

    async def _stream(self, number: int) -> AsyncGenerator[Chunk, None]:
        for step in self.scenario.turn(number):
            await anyio.lowlevel.checkpoint()
            if isinstance(step, Fault):
                if step.error is RateLimited:
                    raise RateLimited(step.message, retry_after=step.retry_after)
                raise step.error(f"the provider says: {step.message}")
            if isinstance(step, Stall):
                if self.scenario.name == "stall":
                    raise TimedOut("nothing came for a second")
                await anyio.sleep_forever()
            elif isinstance(step, ItemChunk):
                yield ItemChunk(ProviderItem(backend="acme", item=step.item.item))
            else:
                yield step


@asynccontextmanager
async def opened(suite: BackendSuite, context: PlainContext, provider: Provider, mode: str) -> AsyncIterator[Any]:
    inner = attrs.evolve(context, objects={("backend", "acme"): provider})
    options = {"mode": mode, "file": str(context.folder / "tape.jsonl"), "backend": {"type": "acme"}, "patience": 20}
    async with inner, suite.opened(inner, options) as backend:
        yield backend


class TestRecording(BackendSuite):
    """A backend that is recorded behaves as it does unrecorded."""

    name = "replay"

    @asynccontextmanager
    async def play(self, scenario: Scenario, context: PlainContext) -> AsyncIterator[Stage]:
        provider = Provider(scenario)
        async with opened(self, context, provider, "record") as backend:
            yield Stage(backend=backend, sent=lambda: provider.sent)


class Twice:
    """Records each request when it is made, and plays that back: the suite's requests are not known before."""

    def __init__(self, suite: BackendSuite, context: PlainContext, scenario: Scenario) -> None:
        self.suite, self.context, self.provider = suite, context, Provider(scenario)
        self.calls = 0

    @asynccontextmanager
    async def respond(self, request: ModelRequest) -> AsyncIterator[AsyncIterator[Chunk]]:
        self.calls += 1
        folder = self.context.folder / str(self.calls)
        context = PlainContext(folder=folder, secrets=self.context.secrets)
        async with opened(self.suite, context, self.provider, "record") as backend:
            with anyio.move_on_after(0.1):
                try:
                    async with backend.respond(request) as stream:
                        async for _ in stream:
                            pass
                except Exception:
                    pass
        async with opened(self.suite, PlainContext(folder=folder), self.provider, "replay") as backend, backend.respond(request) as stream:
            yield stream


class TestPlayingBack(BackendSuite):
    """What is played back obeys the same rules; a call that never ended waits, as it did."""

    name = "replay"
    unsupported: ClassVar[Mapping[str, str]] = {"sent": "nothing is sent to a provider when a recording is played"}

    @asynccontextmanager
    async def play(self, scenario: Scenario, context: PlainContext) -> AsyncIterator[Stage]:
        yield Stage(backend=Twice(self, context, scenario))
