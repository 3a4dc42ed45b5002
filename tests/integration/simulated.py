"""A whole run in virtual time: agents that answer, fail, hang and call tools by a seed, and a process that dies after any record."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import attrs

from massgen_core.api import (
    Backend,
    BackendFault,
    Capabilities,
    Chunk,
    ConnectionLost,
    ModelRequest,
    Outcome,
    Overloaded,
    Question,
    RateLimited,
    Record,
    StopChunk,
    Strategy,
    Task,
    Text,
    TextChunk,
    Tool,
    ToolCallChunk,
    ToolResult,
    ToolUse,
    Usage,
    UsageChunk,
)
from massgen_core.codec import decoder, encode
from massgen_core.config.sections import AgentConfig, LimitsConfig, PermissionsConfig, PluginConfig
from massgen_core.runtime.agent import Agent
from massgen_core.runtime.conductor import Conductor
from massgen_core.runtime.emitter import Emitter
from massgen_core.runtime.toolbox import Toolbox
from massgen_testkit.simulation import simulate

NO_LIMITS = LimitsConfig()
SENTENCES = ["blue whales sing", "the answer is 42", "green tea is warm", "stars are far away", "rivers run down to the sea"]


class Crash(BaseException):
    """The process dies here."""


class MemoryJournal:
    """Keeps encoded lines, and dies after so many of them."""

    waits = False

    def __init__(self, lines: list[bytes], crash_after: int | None = None) -> None:
        self.lines, self._crash_after = lines, crash_after

    def append(self, records: Sequence[Record]) -> None:
        for record in records:
            if self._crash_after is not None and len(self.lines) >= self._crash_after:
                raise Crash
            self.lines.append(encode([record]))

    async def durable(self) -> None:
        """Memory is all there is."""


@attrs.define
class World:
    """What is outside of the run, and what it counted."""

    seed: int
    faults: float = 0.1
    hangs: float = 0.0
    tools: float = 0.0
    garbage: float = 0.0
    novelty: float = 0.1
    is_mute: bool = False
    model_calls: int = 0
    effects: list[str] = attrs.field(factory=list)

    def choices(self, *key: object) -> random.Random:
        return random.Random(f"{self.seed}:{key}")


class SimulatedBackend(Backend):
    """A model whose behaviour is drawn from the world's seed and the number of the call."""

    def __init__(self, world: World, agent: str) -> None:
        self._world, self._agent = world, agent

    @asynccontextmanager
    async def respond(self, request: ModelRequest) -> AsyncIterator[AsyncIterator[Chunk]]:
        self._world.model_calls += 1
        number = self._world.model_calls
        draw = self._world.choices(self._agent, number)
        await anyio.sleep(draw.uniform(0.1, 30))
        yield self._chunks(request, draw, number)

    async def _chunks(self, request: ModelRequest, draw: random.Random, number: int) -> AsyncIterator[Chunk]:
        world = self._world
        roll = draw.random()
        if roll < world.faults:
            raise draw.choice([Overloaded("busy"), ConnectionLost("gone"), RateLimited("slow down", retry_after=3), BackendFault("no")])
        if roll < world.faults + world.hangs:
            await anyio.sleep_forever()
        oddity = draw.random()
        if world.is_mute or oddity < world.garbage / 4:
            # An answer without anything in it; asked again, a model usually says something.
            yield StopChunk("stop")
            return
        if oddity < world.garbage / 2:
            # Cut off in the middle of a call, which must not be carried out.
            yield ToolCallChunk(0, f"cut{number}", "act", "{}")
            yield StopChunk("length")
            return
        if oddity < world.garbage * 0.6:
            yield StopChunk("refused")
            return
        for word in draw.choice(SENTENCES).split():
            await anyio.sleep(draw.uniform(0, 2))
            yield TextChunk(f"{word} ")
            if draw.random() < world.faults / 20:
                raise ConnectionLost("dropped in the middle")
        for chunk in self._calls(request, draw, number):
            yield chunk
        yield UsageChunk(Usage(input=10, output=5))
        yield StopChunk("stop")

    def _calls(self, request: ModelRequest, draw: random.Random, number: int) -> Sequence[Chunk]:
        names = {tool.name for tool in request.tools}
        world = self._world
        if "act" in names and draw.random() < world.tools:
            return [ToolCallChunk(0, f"act{number}", "act", "{}")]
        if draw.random() < world.garbage:
            return [ToolCallChunk(0, "x", draw.choice(["vote", "new_answer", "nonsense"]), draw.choice(["{", "{}", '{"agent": "nobody"}', "[]"]))]
        candidates = request.brief.candidates if request.brief else ()
        wants_vote = "vote" in names and candidates and draw.random() >= world.novelty
        if wants_vote:
            label = draw.choice(candidates).label
            return [ToolCallChunk(0, f"v{number}", "vote", f'{{"agent": "{label}", "reason": "best"}}')]
        if "new_answer" in names:
            text = f"{draw.choice(SENTENCES)} {draw.randrange(10**6)} {draw.randrange(10**6)}"
            return [ToolCallChunk(0, f"a{number}", "new_answer", f'{{"content": "{text}"}}')]
        return []


class Actions:
    """A toolset with one tool that has effects and takes time."""

    def __init__(self, world: World) -> None:
        self._world = world

    def tools(self) -> Sequence[Tool]:
        return (Tool(name="act"),)

    async def call(self, use: ToolUse) -> ToolResult:
        self._world.effects.append(use.call.id)
        await anyio.sleep(self._world.choices("act", use.call.id).uniform(0, 20))
        return ToolResult(call=use.call.id, content=(Text(text="done"),))


async def _nobody(question: Question) -> str:
    return question.default


def run_once(
    strategy: Strategy,
    name: str,
    world: World,
    agents: Sequence[str],
    lines: list[bytes],
    *,
    limits: LimitsConfig = NO_LIMITS,
    crash_after: int | None = None,
    seed: int = 0,
) -> Outcome | None:
    """Run, or go on with what `lines` hold; None where the process died."""

    async def conduct() -> Outcome | None:
        decode = decoder()
        earlier = [decode(line) for line in lines]
        emitter = Emitter(MemoryJournal(lines, crash_after), "sim", last=len(earlier), trace=earlier[-1].trace if earlier else "")
        conductor = Conductor(
            run="sim",
            task=Task(question="What is it?", seed=world.seed),
            agents=dict.fromkeys(agents, LimitsConfig()),
            strategy=strategy,
            strategy_name=name,
            emitter=emitter,
            limits=limits,
            idle_seconds=120,
        )
        if earlier:
            conductor.take_up(earlier)
        else:
            conductor.begin()
        return await conductor.conduct({agent: _agent(world, agent, emitter) for agent in agents})

    try:
        return simulate(conduct, seed=seed)
    except BaseException as error:
        if _is_crash(error):
            return None
        raise


def _is_crash(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return any(_is_crash(part) for part in error.exceptions)
    return isinstance(error, Crash)


def _agent(world: World, name: str, emitter: Emitter) -> Agent:
    toolbox = Toolbox(
        name,
        toolsets=[Actions(world)] if world.tools else [],
        permissions=[PermissionsConfig(allow=("*",))],
        ask=_nobody,
        durable=emitter.durable,
        folder=Path("/nonexistent"),
        trace=emitter.trace,
    )
    config = AgentConfig(name=name, backend=PluginConfig(type="simulated"))
    return Agent(config, SimulatedBackend(world, name), Capabilities(), toolbox, run="sim")


def records(lines: Sequence[bytes]) -> list[Record]:
    """Decode a journal."""
    decode = decoder()
    return [decode(line) for line in lines]
