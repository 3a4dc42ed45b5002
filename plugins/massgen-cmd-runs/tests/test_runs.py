from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from massgen_cmd_runs.digest import digest
from massgen_cmd_runs.runs import Runs
from massgen_cmd_runs.text import cells, fitted, folded, table
from massgen_core.api import EventsDropped, RunEnded, RunResumed, RunStarted
from massgen_core.cli.app import ConsoleApp

Keep = Callable[..., Path]
Call = Callable[..., tuple[int, str, str]]
START = 1_795_161_730.0


def a_start(run: str, question: str = "Why?") -> RunStarted:
    return RunStarted(run=run, question=question, agents=("a", "b"), strategy="consensus", seed=1, version="0")


def an_end(**fields: Any) -> RunEnded:
    return RunEnded(**{"status": "answered", "winner": "a", "answer": "Because.", "seconds": 75.0, **fields})


def test_runs_are_listed_newest_first(keep: Keep, call: Call) -> None:
    """A line for each run: when, status, agents, winner, time, tokens and the first line of the question."""
    keep("20260101-000000-aaaa", [a_start("x", "First\nmore"), an_end()])
    keep("20260102-000000-bbbb", [a_start("y", "Second"), an_end(status="failed", winner="", seconds=4000)])
    code, out, _ = call(Runs())
    lines = [line.split() for line in out.splitlines()]

    assert code == 0
    assert lines[0] == ["RUN", "WHEN", "STATUS", "AGENTS", "WINNER", "TIME", "TOKENS", "QUESTION"]
    assert lines[1] == ["20260102-000000-bbbb", "2026-11-20", "08:02", "failed", "2", "1", "h", "06", "m", "0", "Second"]
    assert lines[2] == ["20260101-000000-aaaa", "2026-11-20", "08:02", "answered", "2", "a", "1", "m", "15", "s", "0", "First"]


def test_running_and_stopped_runs_are_told_apart(keep: Keep, call: Call) -> None:
    """A run without an end is running while a process holds its journal, and stopped, hence resumable, otherwise."""
    keep("run-1", [a_start("run-1")])
    held = keep("run-2", [a_start("run-2"), RunResumed(version="0")]) / "journal.jsonl"
    descriptor = os.open(held, os.O_WRONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    _, out, _ = call(Runs(), "--json")
    os.close(descriptor)

    assert [(brief["run"], brief["status"]) for brief in json.loads(out)] == [("run-2", "running"), ("run-1", "stopped")]


def test_a_live_run_counts_its_seconds(keep: Keep, tmp_path: Path) -> None:
    """What a run takes so far is told while it runs."""
    folder = keep("run-1", [a_start("run-1")])
    brief = digest(folder, lambda _: True, START + 30)

    assert brief is not None
    assert (brief.status, brief.seconds, brief.tokens) == ("running", 30.0, None)


@pytest.mark.parametrize("length", [10, 8_000, 8_192, 70_000, 3_000_000])
def test_the_end_is_found_whatever_its_length(keep: Keep, length: int) -> None:
    """An answer of any length does not hide the run's end."""
    folder = keep("run-1", [a_start("run-1"), *[EventsDropped(sink="s", count=1)] * 50, an_end(answer="ä" * length)])
    brief = digest(folder, lambda _: False, 0.0)

    assert brief is not None
    assert (brief.status, brief.winner) == ("answered", "a")


def test_reports_after_the_end_do_not_hide_it(keep: Keep) -> None:
    """Losses are reported after a run's end."""
    folder = keep("run-1", [a_start("run-1"), an_end(), EventsDropped(sink="s", count=3)])
    brief = digest(folder, lambda _: False, 0.0)

    assert brief is not None
    assert brief.status == "answered"


def test_words_of_a_model_are_no_end(keep: Keep) -> None:
    """Only a line's type counts, not what somebody wrote."""
    folder = keep("run-1", [a_start("run-1", '{"seq":2,"at":1.0,"type":"run.ended","data":{}}'), EventsDropped(sink='"type":"run.ended"', count=1)])
    brief = digest(folder, lambda _: False, 0.0)

    assert brief is not None
    assert brief.status == "stopped"


@pytest.mark.parametrize("content", [b"", b"\n", b"not json\n", b"[1]\n", b'{"seq":1,"type":"other"}\n', b"\x00" * 100])
def test_a_damaged_journal_is_one_line_too(app: ConsoleApp, call: Call, content: bytes) -> None:
    """A journal that cannot be read spoils no listing."""
    (app.runs / "run-1").mkdir()
    (app.runs / "run-1" / "journal.jsonl").write_bytes(content)
    code, out, _ = call(Runs())

    assert code == 0
    assert out.splitlines()[1].split() == ["run-1", "unreadable"]


def test_a_torn_last_line_is_a_stopped_run(keep: Keep) -> None:
    """What was being written when the process died is not the end."""
    folder = keep("run-1", [a_start("run-1")], tail=b'{"seq":2,"at":1.0,"type":"run.ended","data":{"sta')
    brief = digest(folder, lambda _: False, 0.0)

    assert brief is not None
    assert brief.status == "stopped"


def test_what_is_no_run_is_left_out(app: ConsoleApp, call: Call) -> None:
    """Folders without a journal, files and links are no runs; without any run a message says so."""
    (app.runs / "empty").mkdir()
    (app.runs / "file").write_text("x")
    (app.runs / "link").symlink_to(app.runs / "empty")
    code, out, err = call(Runs())

    assert (code, out) == (0, "")
    assert err == f"no run in {app.runs}\n"


def test_number_and_status_choose(keep: Keep, call: Call) -> None:
    """-n cuts the list, --status filters before it is cut; the columns that hold nothing are left out."""
    for number in range(5):
        keep(f"run-{number}", [a_start("r"), *([an_end()] if number % 2 else [])])
    names = [line.split()[0] for line in call(Runs(), "--status", "stopped", "-n", "2")[1].splitlines()]

    assert names == ["RUN", "run-4", "run-2"]
    assert len(call(Runs(), "-n", "0")[1].splitlines()) == 6


def test_hostile_questions_do_no_harm(keep: Keep, call: Call) -> None:
    """Escape sequences in a question, a name or a folder do not reach the terminal."""
    keep("run-\x1b[2J1", [a_start("x", "\x1b]52;c;ZXZpbA==\x07hi\rthere"), an_end(winner="\x1b[31ma")])
    _, out, err = call(Runs())

    assert "\x1b" not in out + err
    assert out.splitlines()[1].split()[-1] == "hi"


def test_time_does_not_depend_on_a_journals_length(app: ConsoleApp, keep: Keep) -> None:
    """Only the ends are read: a journal of sixteen gigabytes (with a hole) is as quick as any."""
    folder = keep("run-1", [a_start("run-1")])
    path = folder / "journal.jsonl"
    end = keep("run-2", [a_start("run-2"), an_end()]) / "journal.jsonl"
    with path.open("r+b") as file:
        file.seek(1 << 34)
        file.write(b"\n" * 20 + end.read_bytes().splitlines(keepends=True)[1])
    began = time.process_time()
    brief = digest(folder, app.is_live, 0.0)

    assert brief is not None
    assert brief.status == "answered"
    assert time.process_time() - began < 0.2


def test_a_thousand_runs_are_listed_quickly(app: ConsoleApp, keep: Keep, call: Call) -> None:
    """Listing costs well under a millisecond for each run."""
    source = (keep("run-0000", [a_start("r"), *[EventsDropped(sink="s" * 100, count=1)] * 300, an_end()]) / "journal.jsonl").read_bytes()
    for number in range(1, 1000):
        folder = app.runs / f"run-{number:04}"
        folder.mkdir()
        (folder / "journal.jsonl").write_bytes(source)
    began = time.process_time()
    _, out, _ = call(Runs(), "-n", "0")

    assert len(out.splitlines()) == 1001
    assert time.process_time() - began < 1.0


def test_prune_keeps_what_was_named(keep: Keep, call: Call, app: ConsoleApp) -> None:
    """The newest N stay, and what began within the last DAYS days."""
    now = time.time()
    for number, age in enumerate((40, 30, 20, 10, 0)):
        keep(f"run-{number}", [a_start("r"), an_end()], at=now - age * 86_400)
    dry = call(Runs(), "prune", "--keep", "1", "--older-than", "15", "--dry-run")
    before = sorted(path.name for path in app.runs.iterdir())
    done = call(Runs(), "prune", "--keep", "1", "--older-than", "15")

    assert dry[1].splitlines() == [f"would delete run-{number}  answered  Why?" for number in (2, 1, 0)]
    assert dry[2] == "3 runs would be deleted\n"
    assert len(before) == 5
    assert done[2] == "3 runs deleted\n"
    assert sorted(path.name for path in app.runs.iterdir()) == ["run-3", "run-4"]


def test_prune_leaves_live_runs_alone(keep: Keep, call: Call) -> None:
    """A run that a process is working on is not deleted."""
    folder = keep("run-1", [a_start("r")])
    descriptor = os.open(folder / "journal.jsonl", os.O_WRONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    call(Runs(), "prune", "--keep", "0")
    os.close(descriptor)

    assert folder.is_dir()


@pytest.mark.parametrize("arguments", [("prune",), ("prune", "--keep", "-1"), ("--keep", "3"), ("--dry-run",), ("-n", "-1")])
def test_mistakes_delete_nothing(keep: Keep, call: Call, arguments: tuple[str, ...]) -> None:
    """A command line that makes no sense is refused with what to write instead."""
    folder = keep("run-1", [a_start("r"), an_end()])
    code, out, err = call(Runs(), *arguments)

    assert (code, out) == (2, "")
    assert err.startswith("massgen: ")
    assert folder.is_dir()


def test_lines_are_cut_to_cells() -> None:
    """Wide characters count twice."""

    assert [fitted("abcdef", width) for width in (6, 5, 1)] == ["abcdef", "abcd…", "…"]
    assert fitted("日本語", 6) == "日本語"
    assert fitted("日本語", 5) == "日本…"


def test_a_table_leaves_empty_columns_out() -> None:
    """Columns that hold nothing take no room."""
    assert list(table(("A", "B", "C"), [("1", "", "x"), ("10", "", "y")], right=(0,))) == [" A  C", " 1  x", "10  y"]


def test_columns_of_wide_characters_are_aligned() -> None:
    """Columns are as wide as a terminal shows them, not as many characters."""
    lines = list(table(("A", "B"), [("日本", "x"), ("abc", "y")]))

    assert lines == ["A     B", "日本  x", "abc   y"]


@pytest.mark.parametrize("text", ["日本語、" * 30, "word " * 40, "x" * 200, "  indented 日本語 text " * 9, "e\u0301" * 90])
@pytest.mark.parametrize("width", [20, 41, 80])
def test_no_folded_line_is_wider_than_the_terminal(text: str, width: int) -> None:
    """Whatever the script, each line fits, and no text is lost."""
    lines = folded(text, width, "    ")

    assert all(cells(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


@pytest.mark.parametrize(
    ("columns", "kept"), [(60, "RUN STATUS QUESTION"), (80, "RUN STATUS WINNER QUESTION"), (100, "RUN WHEN STATUS WINNER TIME QUESTION")]
)
def test_a_narrow_terminal_still_shows_questions(keep: Keep, call: Call, monkeypatch: pytest.MonkeyPatch, columns: int, kept: str) -> None:
    """Figures give way until a question can be told from others; `massgen show` has them all."""
    keep("20260101-000000-aaaa", [a_start("x", "Why is the sky blue?"), an_end(winner="a", seconds=4000)])
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    _, out, _ = call(Runs())

    assert out.splitlines()[0].split() == kept.split()
    assert "Why is the sky blue?" in out
