"""`massgen replay`: goes through a run's journal again, with the strategy's state beside it; nothing is called."""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from massgen_core.cli.run import find_run
from massgen_core.terminal import clean_line, columns

if TYPE_CHECKING:
    from pathlib import Path

    from massgen_core.cli.app import ConsoleApp
    from massgen_core.coordination import Strategy
    from massgen_core.events import Event, Record

__all__ = ["configure", "run"]

HELP = "Enter: next decision   e: event   p: phase   s: state   a: the rest   q: quit"
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
    parser.add_argument("run", metavar="RUN", nargs="?", default="last", help="a run's id, the beginning of it, or 'last' (default)")
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
    if not began:
        raise MassGenError(f"nothing of run {folder.name} was recorded; its folder is {folder}")


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
    line = f"{record.seq:5}  {record.at:8.3f} s  {record.event.type:16}  {words or _facts(record.event)}".rstrip()
    return "\n".join(textwrap.wrap(line, _width() or 10**6, subsequent_indent=" " * 37, break_on_hyphens=False))


def _facts(event: Event) -> str:
    """Name the small fields of an event that needs no words of its own."""
    facts = ((field.name, getattr(event, field.name)) for field in attrs.fields(type(event)))
    small = ((name, clean_line(str(value), 40)) for name, value in facts if isinstance(value, str | int) and not isinstance(value, bool))
    return "  ".join(f"{name} {text}" for name, text in small if text)


def _width() -> int:
    """Return the terminal's columns; 0 where lines go into a pipe or a file, which get them whole."""
    return (wide := columns()) and max(40, wide)


def _show(state: Any) -> str:
    """Return a state as indented lines: one a field, and one an entry of a mapping; what is empty is named at the end."""
    if not attrs.has(type(state)):
        return _fitted(f"        {state!r}")
    lines, empty = [], []
    for field in attrs.fields(type(state)):
        value = getattr(state, field.name)
        if not value and value != 0:
            empty.append(field.name)
        elif isinstance(value, Mapping):
            lines += [f"        {field.name}:", *(f"            {key}: {entry!r}" for key, entry in value.items())]
        else:
            lines.append(f"        {field.name}: {value!r}")
    return "\n".join(map(_fitted, [*lines, *([f"        empty: {', '.join(empty)}"] if empty else [])]))


def _fitted(line: str) -> str:
    most = _width() or 300
    return line if len(line) <= most else f"{line[: most - 1]}…"
