"""What a run costs beside its model calls: prints figures with their targets, and ratios against a floor of the same calls without MassGen.

Usage: python benchmarks/runs.py. Needs massgen-backend-scripted and massgen-strategy-consensus. CPU time is user and system time of the process.
"""

from __future__ import annotations

import gc
import os
import resource
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import anyio

from massgen_core.api import AnswerGiven, Record, Task
from massgen_core.config.sections import AgentConfig, PluginConfig, RunConfig
from massgen_core.plugins.manager import Plugins
from massgen_core.runtime.emitter import Emitter
from massgen_core.runtime.journal import Journal
from massgen_core.runtime.run import Job, make_folder

PLUGINS = Plugins.discover()
QUESTION = "What is 17 + 25?"


def config(agents: int, delay: float = 0.0) -> RunConfig:
    backend = PluginConfig(type="scripted", options={"delay": delay} if delay else {})
    return RunConfig(agents=tuple(AgentConfig(name=f"agent{number}", backend=backend) for number in range(agents)), middlewares=())


async def one(runs: Path, settings: RunConfig) -> None:
    folder = make_folder(runs)
    await Job(run=folder.name, folder=folder, task=Task(question=QUESTION, seed=1), config=settings, plugins=PLUGINS).conduct()


async def many(runs: Path, settings: RunConfig, count: int) -> None:
    async with anyio.create_task_group() as tasks:
        for _ in range(count):
            tasks.start_soon(one, runs, settings)


async def crowd(runs: Path, settings: RunConfig, count: int, rounds: int) -> None:
    """Keep so many runs going: as one ends, the next begins."""

    async def seat() -> None:
        for _ in range(rounds):
            await one(runs, settings)

    async with anyio.create_task_group() as tasks:
        for _ in range(count):
            tasks.start_soon(seat)


async def floor(delay: float) -> None:
    """The sleeps of a run with three agents: answers, votes, presentation, and nothing else."""

    async def call() -> None:
        await anyio.sleep(delay)

    for calls in (3, 3, 1):
        async with anyio.create_task_group() as tasks:
            for _ in range(calls):
                tasks.start_soon(call)


def cpu(work: Callable[[], Awaitable[Any]], rounds: int) -> float:
    """Return the CPU seconds of `work`, done so often in a row, garbage collection included; the best of five, since other work only adds."""
    samples = []

    async def measure() -> None:
        await work()
        for _ in range(5):
            gc.collect()
            began = time.process_time()
            for _ in range(rounds):
                await work()
            samples.append((time.process_time() - began) / rounds)

    anyio.run(measure)
    return min(samples)


def wall(work: Callable[..., Awaitable[Any]], *arguments: Any) -> float:
    """Return the seconds that `work` takes by the clock."""
    began = time.perf_counter()
    anyio.run(work, *arguments)
    return time.perf_counter() - began


def process(arguments: Sequence[str], environment: dict[str, str]) -> tuple[float, float]:
    """Return CPU seconds and peak MiB of a whole process; the best of five, since other work on the machine only adds."""
    found = []
    for _ in range(5):
        child = subprocess.Popen(arguments, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise SystemExit(f"{arguments} failed with {child.returncode}")
        found.append((used.ru_utime + used.ru_stime, used.ru_maxrss / 1024))
    return min(found)


class Count:
    """The cheapest sink."""

    seen = 0

    def write(self, records: Sequence[Record]) -> None:
        self.seen += len(records)


def emission(runs: Path, sinks: int, block: int, events: int = 50_000) -> float:
    """Return the CPU microseconds of one event with so many sinks, the journal among them; what happens in one go is emitted as one block."""
    folder = make_folder(runs)
    journal = Journal(folder)
    emitter = Emitter(journal, "r")
    for number in range(sinks - 1):
        emitter.bus.add(str(number), Count())
    event = AnswerGiven(agent="a", number=1, content="forty-two")
    began = time.process_time()
    for _ in range(events // block):
        with emitter:
            for _ in range(block):
                emitter.emit(event, span="00f067aa0ba902b7")
    used = time.process_time() - began
    journal.close()
    return used / events * 1e6


def row(what: str, value: str, target: str) -> None:
    sys.stdout.write(f"{what:58} {value:>22}   {target}\n")


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        runs = Path(name)
        # Whoever installs a program has its modules compiled; here the first process does it.
        environment = {**os.environ, "MASSGEN_RUNS": str(runs / "cli"), "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(runs / "compiled")}
        command = [sys.executable, "-m", "massgen_core", "run", "--quiet", QUESTION]
        for agent in "abc":
            command += ["--agent", f"{agent}=scripted"]
        seconds, mib = process(command, environment)
        bare, bare_mib = process([sys.executable, "-c", "pass"], environment)
        row("one run, 3 agents, 7 calls, whole process", f"{seconds:.2f} s CPU, {mib:.0f} MiB", "at most 0.35 s and 45 MiB")
        row("  against a bare interpreter", f"{seconds / bare:.0f} x CPU, {mib / bare_mib:.1f} x", "")

        marginal = cpu(lambda: one(runs, config(3)), 40)
        alone = cpu(lambda: floor(0.0), 40)
        row("one more run in the same process", f"{marginal * 1e3:.2f} ms CPU", "at most 1 ms")
        row("  against bare tasks", f"{marginal / alone:.1f} x", "")

        ideal = 50 / wall(floor, 0.05)
        rate = max(500 / wall(crowd, runs, config(3, delay=0.05), 50, 10) for _ in range(4))
        row("50 runs at once on calls of 50 ms, one after another", f"{rate:.0f} a second, {rate / ideal:.0%} of the ideal", "at least 80 %")
        burst = 50 / min(wall(many, runs, config(3, delay=0.05), 50) for _ in range(4))
        row("  50 that begin in the same moment, and no more", f"{burst:.0f} a second, {burst / ideal:.0%}", "")

        tracemalloc.start()
        peaks = []
        for count in (10, 60):
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            anyio.run(many, runs, config(3, delay=0.2), count)
            peaks.append(tracemalloc.get_traced_memory()[1] - before)
        tracemalloc.stop()
        row("memory of a concurrent run", f"{(peaks[1] - peaks[0]) / 50 / 1024:.0f} KiB", "at most 130 KB")

        base = None
        for agents, rounds in ((1, 20), (3, 20), (10, 10), (100, 3)):
            used = cpu(lambda agents=agents: one(runs, config(agents)), rounds) / agents
            base = base or used
            row(f"CPU an agent, {agents} agents", f"{used * 1e3:.2f} ms, {used / base:.1f} x", "grows linearly: about 1 x")

        for sinks in (1, 3):
            for block in (1, 5):  # the journal of a run has about five records a block
                used = emission(runs, sinks, block)
                row(f"one event, {sinks} sinks, {block} at once", f"{used:.1f} us, {used / sinks:.1f} a sink", "at most 2 us a sink")
    row("peak of this process", f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB", "")


if __name__ == "__main__":
    main()
