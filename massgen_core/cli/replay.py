"""`massgen replay`: goes through a run's journal again, with the strategy's state beside it; nothing is called."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import attrs

from massgen_core.cli.run import find_run

if TYPE_CHECKING:
    from pathlib import Path

    from massgen_core.cli.app import ConsoleApp
    from massgen_core.coordination import Strategy
    from massgen_core.events import Record

__all__ = ["configure", "run"]

HELP = "Enter: next decision   e: next event   p: next phase   s: state   a: all the rest   q: quit"
# What changes the course of a run; everything else leads to one of these.
DECISIVE = {
    "run.started",
    "run.resumed",
    "run.ended",
    "answer.given",
    "answer.rejected",
    "vote.cast",
    "vote.rejected",
    "votes.cleared",
    "decision.made",
    "winner.chosen",
    "answer.presented",
    "agent.left",
    "limit.reached",
    "turn.started",
}
PHASE = {"phase.entered", "run.ended"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments and options."""
    parser.add_argument("run", metavar="RUN", help="a run's id, the beginning of it, or 'last'")
    parser.add_argument("--step", action="store_true", help="stop at each decision, with the state beside it")
    parser.add_argument("--all", action="store_true", help="show every event, not only those that people follow")


def run(arguments: argparse.Namespace, app: ConsoleApp) -> int:
    """Replay a run."""
    folder = find_run(app.runs, arguments.run)
    steps = _steps(folder, app)
    if not arguments.step:
        for record, _, words in steps:
            if words or arguments.all:
                app.out(_line(record, words))
        return 0
    return _walk(steps, app)


def _steps(folder: Path, app: ConsoleApp) -> Iterator[tuple[Record, Any, str]]:
    """Yield each record, the strategy's state after it, and the record in words."""
    from massgen_core.errors import MassGenError  # noqa: PLC0415 - `--help` needs none of it
    from massgen_core.events import RunStarted  # noqa: PLC0415
    from massgen_core.plain import describe  # noqa: PLC0415

    strategy: Strategy | None = None
    state: Any = None
    began = 0.0
    for record in app.records(folder):
        event = record.event
        if isinstance(event, RunStarted):
            began = record.at
            try:
                strategy, state = _strategy(folder, app, event)
            except MassGenError as error:
                app.err(f"massgen: the state cannot be shown: {error}")
        if strategy is not None and event.type not in ("agent.state", "unknown"):
            state = strategy.apply(state, event)
        yield attrs.evolve(record, at=record.at - began), state, describe(event)


def _strategy(folder: Path, app: ConsoleApp, started: Any) -> tuple[Strategy, Any]:
    from massgen_core.config.document import read  # noqa: PLC0415
    from massgen_core.config.sections import RunConfig  # noqa: PLC0415
    from massgen_core.config.structure import structure  # noqa: PLC0415
    from massgen_core.coordination import Task  # noqa: PLC0415
    from massgen_core.runtime.run import open_strategy  # noqa: PLC0415

    # Only the strategy is needed: neither the run's backends nor its environment have to be here.
    strategy = open_strategy(app.plugins, structure(RunConfig, read(folder / "config.yaml").plain()).strategy)
    task = Task(question=started.question, seed=started.seed, history=started.history)
    return strategy, strategy.start(task, started.agents)


def _walk(steps: Iterator[tuple[Record, Any, str]], app: ConsoleApp) -> int:
    is_asking = sys.stdin is not None and sys.stdin.isatty()
    if is_asking:
        app.err(HELP)
    wanted = "decision"
    for record, state, words in steps:
        app.out(_line(record, words))
        kind = record.event.type
        stops = wanted == "event" or (wanted == "decision" and kind in DECISIVE) or (wanted == "phase" and kind in PHASE)
        if not stops:
            continue
        if not is_asking:
            app.out(_show(state))
            continue
        while (key := _key()) == "s":
            app.out(_show(state))
        if key == "q":
            return 0
        wanted = {"e": "event", "p": "phase", "a": "nothing"}.get(key, "decision")
    return 0


def _key() -> str:
    sys.stderr.write("> ")
    sys.stderr.flush()
    line = sys.stdin.readline()
    return line.strip().lower()[:1] if line else "q"


def _line(record: Record, words: str) -> str:
    return f"{record.seq:5}  {record.at:8.3f} s  {record.event.type:16}  {words}"


def _show(state: Any) -> str:
    """Return a state as indented lines, one a field."""
    if not attrs.has(type(state)):
        return f"        {state!r}"
    lines = []
    for field in attrs.fields(type(state)):
        value = getattr(state, field.name)
        text = repr(value)
        lines.append(f"        {field.name}: {text if len(text) <= 300 else text[:299] + '…'}")
    return "\n".join(lines)
