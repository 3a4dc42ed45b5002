from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from massgen_core.api import (
    AgentLeft,
    AnswerGiven,
    AnswerPresented,
    AnswerRejected,
    Event,
    Message,
    ModelAnswered,
    ModelRequested,
    PhaseEntered,
    PhaseLeft,
    Record,
    RunEnded,
    RunStarted,
    TurnEnded,
    TurnFailed,
    TurnStarted,
    Usage,
    VoteCast,
    VotesCleared,
    WinnerChosen,
)
from massgen_core.cli.app import ConsoleApp
from massgen_core.codec import encode
from massgen_core.plugins.manager import Plugins

START = 1_795_161_730.0
ANSWERS = {"anna": "Insertion sort.", "ben": "\n".join(f"line {number}" for number in range(1, 31))}


def turn(agent: str, answer: str) -> list[Event]:
    message = Message.of("assistant", answer)
    return [
        TurnStarted(agent=agent, turn=1, purpose="answer", messages=()),
        ModelRequested(agent=agent, turn=1, call=1, backend="local", model="qwen"),
        ModelAnswered(agent=agent, turn=1, call=1, message=message, stop="stop", usage=Usage(input=10, output=5, cost=0.01)),
        AnswerGiven(agent=agent, number=1, content=answer),
        TurnEnded(agent=agent, turn=1),
    ]


def whole(run: str) -> list[Event]:
    return [
        RunStarted(run=run, question="Which sort is stable?\nAnd why?", agents=("anna", "ben", "carl"), strategy="consensus", seed=7, version="0"),
        PhaseEntered(phase="answering"),
        *turn("anna", ANSWERS["anna"]),
        VoteCast(voter="anna", choice="anna", number=1, reason="mine"),
        *turn("ben", ANSWERS["ben"]),
        VotesCleared(reason="ben gave a new answer", count=1),
        TurnStarted(agent="carl", turn=1, purpose="answer", messages=()),
        AnswerRejected(agent="carl", reason="the same as anna's"),
        TurnFailed(agent="carl", turn=1, fault="RateLimited", reason="too many calls", partial="I would say"),
        AgentLeft(agent="carl", reason="too many calls"),
        PhaseLeft(phase="answering", seconds=3.0),
        VoteCast(voter="anna", choice="ben", number=1, reason="complete"),
        VoteCast(voter="ben", choice="ben", number=1, reason="long"),
        WinnerChosen(agent="ben", votes={"anna": 0, "ben": 2}, reason="2 of 2 votes"),
        AnswerPresented(agent="ben", content="Use insertion sort."),
        RunEnded(status="answered", winner="ben", answer="Use insertion sort.", reason="2 of 2 votes", seconds=12.5),
    ]


@pytest.fixture
def told(keep: Callable[..., Path]) -> Path:
    """A whole run: carl fails, votes are cleared once, ben wins."""
    return keep("run-1", whole("run-1"))


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ConsoleApp:
    """The program, with an empty folder of runs."""
    (tmp_path / "runs").mkdir()
    monkeypatch.setenv("MASSGEN_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("TZ", "UTC")
    return ConsoleApp(Plugins.discover())


@pytest.fixture
def keep(app: ConsoleApp) -> Callable[..., Path]:
    """Write a run's journal, one second between events."""

    def write(run: str, events: Sequence[Event], at: float = START, tail: bytes = b"") -> Path:
        folder = app.runs / run
        folder.mkdir()
        records = [Record(seq, at + seq - 1, event, trace="0" * 32) for seq, event in enumerate(events, start=1)]
        (folder / "journal.jsonl").write_bytes(encode(records) + tail)
        return folder

    return write


@pytest.fixture
def call(app: ConsoleApp, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Call a command as the program does; return its exit code and what it wrote."""

    def invoke(command: Any, *arguments: str) -> tuple[int, str, str]:
        parser = argparse.ArgumentParser()
        command.configure(parser)
        code = app.invoke(command, parser.parse_args(arguments))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return invoke
