from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from massgen_cmd_runs.account import account_of
from massgen_cmd_runs.show import Show
from massgen_core.api import AnswerGiven, RunEnded, RunStarted, UnknownEvent, VoteCast
from massgen_core.cli.app import ConsoleApp
from massgen_testkit import Project

Keep = Callable[..., Path]
Call = Callable[..., tuple[int, str, str]]


def test_an_account_of_a_run(told: Path, call: Call) -> None:
    """Head, question, answers in order, votes with reasons, the winner and why, what happened on the way, agents, the final answer."""
    code, out, err = call(Show())

    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "run run-1 · answered · 12.5 s · 2 model calls · 30 tokens · $0.0200",
        "2026-11-20 08:02 · strategy consensus, seed 7 · answering 3.0 s",
        str(told),
        "",
        "Question",
        "  Which sort is stable?",
        "  And why?",
        "",
        "Answers",
        "  anna.1  at 5.0 s",
        "    Insertion sort.",
        "  ben.1  at 11.0 s",
        *(f"    line {number}" for number in range(1, 13)),
        "    … 18 more lines (--full shows them)",
        "",
        "Votes",
        "  anna  →  ben  complete",
        "  ben   →  ben  long",
        "",
        "Winner",
        "  ben: 2 of 2 votes (anna 0, ben 2)",
        "",
        "On the way",
        "     13.0 s  1 vote no longer valid: ben gave a new answer",
        "     15.0 s  carl: answer refused: the same as anna's",
        "     16.0 s  carl: RateLimited: too many calls",
        "     17.0 s  carl is out: too many calls",
        "",
        "Agents",
        "  NAME  BACKEND  MODEL  TURNS  CALLS  TOKENS     COST   TIME  OUT",
        "  anna  local    qwen       1      1      15  $0.0100  4.0 s",
        "  ben   local    qwen       1      1      15  $0.0100  4.0 s",
        "  carl                      1      0       0           2.0 s  too many calls",
        "",
        "Final answer (answered)",
        "  Use insertion sort.",
    ]


def test_whole_texts_on_request(told: Path, call: Call) -> None:
    """--full cuts nothing."""
    assert "    line 30" in call(Show(), "run-1", "--full")[1].splitlines()


def test_one_agent(told: Path, call: Call) -> None:
    """--agent shows its answers, what was cut off, and votes from and for it."""
    ben = call(Show(), "last", "--agent", "ben")[1].splitlines()
    carl = call(Show(), "last", "--agent", "carl")[1]

    assert ben[:2] == ["ben  local  qwen", "1 turn · 1 model call · 15 tokens · $0.0100 · 4.0 s"]
    assert ben[-6:] == ["Votes it cast", "  ben  →  ben  long", "", "Votes it received", "  anna  →  ben  complete", "  ben   →  ben  long"]
    assert "What it had said when a turn was cut off\n  I would say" in carl
    assert "carl: RateLimited: too many calls" in carl


def test_votes(told: Path, call: Call) -> None:
    """--votes shows those that no longer count, too."""
    assert call(Show(), "--votes")[1].splitlines() == [
        "anna  →  anna  (no longer counts)  mine",
        "anna  →  ben                       complete",
        "ben   →  ben                       long",
    ]


def test_json_holds_everything(told: Path, call: Call) -> None:
    """--json is one object with whole texts; --agent narrows it."""
    data = json.loads(call(Show(), "--json")[1])
    one = json.loads(call(Show(), "--json", "--agent", "ben")[1])

    assert (data["run"], data["status"], data["answer"]) == ("run-1", "answered", "Use insertion sort.")
    assert data["answers"][1]["content"].endswith("line 30")
    assert [vote["counts"] for vote in data["votes"]] == [False, True, True]
    assert data["agents"][2]["partial"] == "I would say"
    assert data["usage"]["cost"] == 0.02
    assert [agent["name"] for agent in one["agents"]] == ["ben"]
    assert [answer["agent"] for answer in one["answers"]] == ["ben"]


def test_a_run_that_stopped(keep: Keep, call: Call) -> None:
    """It says how to go on."""
    keep("run-1", [RunStarted(run="run-1", question="?", agents=("a",), strategy="s", seed=1, version="0")])

    assert call(Show())[1].splitlines()[-1] == "It stopped before its end; go on with: massgen resume run-1"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [("", ["No answer (failed)", "  all agents are out"]), ("half", ["Final answer (failed)", "  half", "  (all agents are out)"])],
)
def test_a_run_that_failed(keep: Keep, call: Call, answer: str, expected: list[str]) -> None:
    """The reason stands beside what answer there is."""
    start = RunStarted(run="run-1", question="?", agents=("a",), strategy="s", seed=1, version="0")
    keep("run-1", [start, RunEnded(status="failed", answer=answer, reason="all agents are out")])

    assert call(Show())[1].splitlines()[-len(expected) :] == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nope",), "there is no run 'nope'"),
        (("--agent", "dora"), "run run-1 has no agent 'dora'; it has anna, ben, carl"),
        (("--agent", "ben", "--votes"), "leave one out"),
    ],
)
def test_mistakes_are_explained(told: Path, call: Call, arguments: tuple[str, ...], message: str) -> None:
    """The message names what there is."""
    code, out, err = call(Show(), *arguments)

    assert (code, out) == (2, "")
    assert message in err


def test_an_empty_journal_is_explained(app: ConsoleApp, call: Call) -> None:
    """Nothing recorded is said, not shown as an empty account."""
    (app.runs / "run-1").mkdir()
    (app.runs / "run-1" / "journal.jsonl").touch()

    assert call(Show())[::2] == (1, f"massgen: nothing of run run-1 was recorded; its folder is {app.runs / 'run-1'}\n")


def test_hostile_texts_are_disarmed(keep: Keep, call: Call) -> None:
    """Questions, answers, names and reasons arrive without control sequences."""
    bad = "\x1b]52;c;ZXZpbA==\x07\x1b[2Jsafe\r\u202eEVIL"
    start = RunStarted(run="run-1", question=bad, agents=(bad,), strategy=bad, seed=1, version="0")
    answer, vote = AnswerGiven(agent=bad, number=1, content=bad), VoteCast(voter=bad, choice=bad, number=1, reason=bad)
    keep("run-1", [start, answer, vote, UnknownEvent(name="x.y", data={"z": bad}), RunEnded(status="answered", answer=bad)])
    out = call(Show(), "--full")[1]

    assert not {"\x1b", "\x07", "\r", "\u202e", "\x9b"} & set(out)
    assert "safe" in out


def test_memory_does_not_grow_with_a_journal(told: Path, app: ConsoleApp) -> None:
    """The account keeps answers, votes and steps, not records."""
    account = account_of(record for _ in range(3) for record in app.records(told))

    assert len(account.answers) == 6
    assert len(account.members) == 3


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_lines_fit_a_terminal(keep: Keep, tmp_path: Path, columns: int) -> None:
    """On a terminal long lines of texts are wrapped with their indentation."""
    words = " ".join(f"word{number}" for number in range(100))
    start = RunStarted(run="run-1", question=words, agents=("a",), strategy="s", seed=1, version="0")
    folder = keep("run-1", [start, RunEnded(status="answered", answer=words)])
    shown = Project.make(tmp_path / "at-home", {}).show("show", str(folder), "--full", columns=columns).check().stdout
    lines = [line for line in shown.splitlines() if "word" in line]

    assert " ".join(" ".join(lines).split()) == f"{words} {words}"
    assert all(len(line) <= columns and line.startswith("  ") for line in lines)
