"""Runs that are killed with SIGKILL at random moments and resumed, in real processes on a real disk.

Usage: python killed_runs.py FOLDER KILLS SEED. A parent that has imported everything forks a child for each attempt. The child tells the parent of
each record through a pipe, after the journal has it; the backend and the tool write down each call when it is made. Prints one JSON object.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anyio

from massgen_core.api import (
    Capabilities,
    Chunk,
    ModelRequest,
    Question,
    Record,
    StopChunk,
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
from massgen_core.config.sections import AgentConfig, LimitsConfig, PermissionsConfig, PluginConfig
from massgen_core.plugins.manager import Plugins
from massgen_core.runtime.agent import Agent
from massgen_core.runtime.conductor import Conductor
from massgen_core.runtime.emitter import Emitter
from massgen_core.runtime.journal import FILE, Journal, read
from massgen_core.runtime.run import open_strategy
from massgen_core.runtime.toolbox import Toolbox

AGENTS = ("ada", "bob", "cyd")
# Each agent: a tool call, an answer, a vote; the winner presents.
ANSWERS_PER_RUN = 3 * 3 + 1


class Ledger:
    """What was paid for and done, kept outside of the run."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ledger"

    def note(self, text: str) -> None:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, f"{text}\n".encode())
        os.close(descriptor)

    def lines(self) -> list[str]:
        return self.path.read_text().splitlines() if self.path.exists() else []


class PaidBackend:
    """Calls the tool once in a first turn, answers, and votes for the first label."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @asynccontextmanager
    async def respond(self, request: ModelRequest) -> AsyncIterator[AsyncIterator[Chunk]]:
        self._ledger.note(f"model {request.metadata['agent']}")
        yield self._chunks(request)

    async def _chunks(self, request: ModelRequest) -> AsyncIterator[Chunk]:
        await anyio.sleep(0.001)
        agent, turn = request.metadata["agent"], request.metadata["turn"]
        brief = request.brief
        purpose = brief.purpose if brief else "present"
        if purpose == "answer" and not any(message.role == "tool" for message in request.messages):
            yield ToolCallChunk(0, f"act-{agent}-{turn}", "act", "{}")
        elif purpose == "answer":
            yield ToolCallChunk(0, "n", "new_answer", json.dumps({"content": f"the answer of {agent}"}))
        elif purpose == "vote" and brief:
            yield ToolCallChunk(0, "v", "vote", json.dumps({"agent": brief.candidates[0].label, "reason": "it is right"}))
        else:
            yield TextChunk("the final answer")
        yield UsageChunk(Usage(input=1, output=1))
        yield StopChunk("stop")


class Actions:
    """One tool with an effect that must not happen twice."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def tools(self) -> Sequence[Tool]:
        return (Tool(name="act"),)

    async def call(self, use: ToolUse) -> ToolResult:
        self._ledger.note(f"tool {use.call.id}")
        await anyio.sleep(0.001)
        return ToolResult(call=use.call.id, content=(Text(text="done"),))


class Pipe:
    """Tells the parent which records are told to anyone."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, records: Sequence[Record]) -> None:
        os.write(self._descriptor, b"".join(b"%d\n" % record.seq for record in records))


async def _nobody(question: Question) -> str:
    return question.default


async def conduct(folder: Path, plugins: Plugins, told: int) -> None:
    """Begin or resume the run in `folder`."""
    ledger = Ledger(folder)
    journal = Journal(folder)
    earlier = list(read(folder))
    emitter = Emitter(journal, folder.name, last=len(earlier), trace=earlier[-1].trace if earlier else "")
    emitter.bus.add("pipe", Pipe(told))
    conductor = Conductor(
        run=folder.name,
        task=Task(question="What is it?", seed=7),
        agents=dict.fromkeys(AGENTS, LimitsConfig()),
        strategy=open_strategy(plugins, PluginConfig(type="consensus", options={"early_stop": False})),
        strategy_name="consensus",
        emitter=emitter,
    )
    if earlier:
        conductor.take_up(earlier)
    else:
        conductor.begin()
    agents = {}
    for name in AGENTS:
        toolbox = Toolbox(
            name,
            toolsets=[Actions(ledger)],
            permissions=[PermissionsConfig(allow=("*",))],
            ask=_nobody,
            durable=emitter.durable,
            folder=folder,
        )
        config = AgentConfig(name=name, backend=PluginConfig(type="paid"))
        agents[name] = Agent(config, PaidBackend(ledger), Capabilities(), toolbox, run=folder.name)
    await conductor.conduct(agents)
    journal.close()


def attempt(folder: Path, plugins: Plugins, kill_after: float) -> tuple[bool, int]:
    """Fork a child that works on the run, kill it in time, and return whether it was killed and the last record that was told."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reading)
            anyio.run(partial(conduct, folder, plugins, writing))
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    # The moment counts from the first record on; a child that tells nothing is killed all the same.
    told, deadline = b"", time.monotonic() + 30.0
    is_killed = False
    while True:
        ready, _, _ = select.select([reading], [], [], max(0.0, deadline - time.monotonic()) if not is_killed else 5)
        if ready:
            data = os.read(reading, 65536)
            if not data:
                break
            if not told:
                deadline = time.monotonic() + kill_after
            told += data
        elif not is_killed:
            os.kill(child, signal.SIGKILL)
            is_killed = True
    os.close(reading)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status) and os.waitstatus_to_exitcode(status) != 0:
        raise SystemExit(f"a child failed in {folder}")
    numbers = told.decode().split("\n")[:-1]
    return os.WIFSIGNALED(status), int(numbers[-1]) if numbers else 0


def main(root: Path, kills: int, seed: int) -> None:
    """Kill and resume until there were `kills` kills, and report what was found."""
    draw, plugins = random.Random(seed), Plugins.discover()
    killed = runs = lost = rewritten = repeated = doubled = requests = answered = 0
    while killed < kills:
        folder = root / f"run{runs}"
        folder.mkdir(parents=True)
        runs += 1
        before: list[Record] = []
        for number in range(60):
            # The last attempts are left alone, so that every run ends.
            was_killed, told = attempt(folder, plugins, draw.uniform(0.0, 0.012) if number < 50 else 30.0)
            killed += was_killed
            now = list(read(folder)) if (folder / FILE).exists() else []
            lost += told > len(now)
            rewritten += now[: len(before)] != before
            before = now
            if now and now[-1].event.type == "run.ended":
                break
        events = [record.event for record in before]
        made = sum(event.type == "model.answered" for event in events)
        answered += made
        repeated += max(0, made - ANSWERS_PER_RUN)
        ledger = Ledger(folder).lines()
        requests += sum(line.startswith("model") for line in ledger)
        tools = [line for line in ledger if line.startswith("tool")]
        doubled += len(tools) - len(set(tools))
    print(
        json.dumps(
            {
                "kills": killed,
                "runs": runs,
                "records lost": lost,
                "journals rewritten": rewritten,
                "recorded answers repeated": repeated,
                "tool effects doubled": doubled,
                "model calls": requests,
                "model answers recorded": answered,
            }
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
