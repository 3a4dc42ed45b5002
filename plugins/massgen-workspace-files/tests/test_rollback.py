"""`massgen rollback`: which steps there are, what comes back, and what is asked first."""

from __future__ import annotations

import argparse
import fcntl
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from massgen_core.api import Event, MassGenError, Record, RunStarted, ToolCalled, UsageProblem, WorkspaceSnapshotted
from massgen_core.cli.app import ConsoleApp
from massgen_core.codec import encode
from massgen_core.plugins.manager import Plugins
from massgen_testkit.trees import tree
from massgen_workspace_files.config import FilesConfig
from massgen_workspace_files.rollback import Rollback
from massgen_workspace_files.store import Store
from massgen_workspace_files.workspace import FOLDER, FilesWorkspace

Massgen = Callable[..., int]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run's folder."""
    monkeypatch.setenv("MASSGEN_RUNS", str(tmp_path / "runs"))
    (folder := tmp_path / "runs" / "run-1").mkdir(parents=True)
    return folder


@pytest.fixture
def files(run: Path) -> Path:
    """The folder of ann: of three calls, the second deleted everything, and the third wrote something."""
    (folder := run / "workspaces" / "ann").mkdir(parents=True)
    happen(run, folder, [("write", '{"path": "a"}', "one"), ("execute_command", '{"command": "rm -rf *"}', None), ("write", '{"path": "b"}', "two")])
    return folder


def happen(run: Path, folder: Path, calls: list[tuple[str, str, str | None]], agent: str = "ann") -> None:
    workspace = FilesWorkspace(Store(run / FOLDER), folder, agent, FilesConfig())
    events: list[Event] = [RunStarted(run=run.name, question="Why?", agents=("ann",), strategy="single", seed=1, version="0")]
    for number, (tool, arguments, content) in enumerate(calls, start=1):
        snapshot, _ = workspace.keep(f"before {tool}, turn 1")
        events.append(WorkspaceSnapshotted(agent=agent, turn=1, call=f"c{number}", tool=tool, snapshot=snapshot, path=str(folder)))
        events.append(ToolCalled(agent=agent, turn=1, call=f"c{number}", tool=tool, arguments=arguments))
        if content is None:
            for path in folder.iterdir():
                path.unlink()
        else:
            (folder / json.loads(arguments)["path"]).write_text(content, encoding="utf-8")
    records = [Record(seq=number, at=float(number), event=event) for number, event in enumerate(events, start=1)]
    (run / "journal.jsonl").write_bytes(encode(records))


@pytest.fixture
def massgen() -> Massgen:
    """Type `massgen rollback`."""

    def typed(*words: str) -> int:
        parser, command = argparse.ArgumentParser(), Rollback()
        command.configure(parser)
        return command.run(parser.parse_args(words), ConsoleApp(Plugins.discover()))

    return typed


def test_steps_are_listed_with_their_calls(files: Path, massgen: Massgen, capsys: pytest.CaptureFixture[str]) -> None:
    """What came then, of whom; as text and as JSON; no change."""
    before = tree(files)
    assert (massgen("last"), massgen("run-1", "2", "--list")) == (0, 0)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == lines[3:]
    assert [line.split()[:2] for line in lines[:3]] == [["1", "ann"], ["2", "ann"], ["3", "ann"]]
    assert 'before execute_command, turn 1 {"command": "rm -rf *"}' in lines[1]
    assert massgen("last", "--json") == 0
    assert [step["number"] for step in json.loads(capsys.readouterr().out)] == [1, 2, 3]
    assert tree(files) == before


def test_a_rollback_can_be_rolled_back(files: Path, massgen: Massgen, capsys: pytest.CaptureFixture[str]) -> None:
    """The folder is what it was before the step, and again what it was before the rollback."""
    before = tree(files)
    assert massgen("last", "2") == 0
    assert {name: content for name, (_, _, content) in tree(files).items()} == {"a": b"one"}
    said = capsys.readouterr().out
    assert said.endswith("back again with: massgen rollback run-1 4\n")
    assert massgen("last", "4") == 0
    assert tree(files) == before
    assert massgen("last", "1") == 0
    assert tree(files) == {}
    capsys.readouterr()
    assert massgen("last", "1") == 0
    assert "already" in capsys.readouterr().out


def test_what_would_change_is_shown(files: Path, massgen: Massgen, capsys: pytest.CaptureFixture[str]) -> None:
    """Without changing anything, and without making a step."""
    before = tree(files)
    assert massgen("last", "2", "--diff") == 0
    assert {"+one", "-two"} <= set(capsys.readouterr().out.splitlines())
    assert tree(files) == before
    assert massgen("last") == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_only_what_was_kept_can_come_back(files: Path, run: Path, massgen: Massgen) -> None:
    """Messages name the run and the agents; a run that is being worked on is left alone."""
    with pytest.raises(UsageProblem, match=r"no such step.*--list"):
        massgen("last", "9")
    with pytest.raises(UsageProblem, match=r"nothing of 'bob'.*ann"):
        massgen("last", "--agent", "bob")
    before = tree(files)
    with (run / "journal.jsonl").open("rb") as journal:
        fcntl.flock(journal, fcntl.LOCK_EX)
        with pytest.raises(MassGenError, match="working on run"):
            massgen("last", "1")
    assert tree(files) == before
    (moved := files.parent / "moved").mkdir()
    files.rename(moved / "ann")
    files.symlink_to(moved)
    with pytest.raises(MassGenError, match="become a link"):
        massgen("last", "1")
    assert tree(moved / "ann") == before


def test_a_folder_outside_of_the_run_is_asked_about(
    run: Path, tmp_path: Path, massgen: Massgen, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run that somebody sent could name any folder: a person says yes, on a terminal or by --yes."""
    (folder := tmp_path / "project").mkdir()
    happen(run, folder, [("write", '{"path": "a"}', "one")])
    before = tree(folder)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(UsageProblem, match="--yes"):
        massgen("last", "1")
    terminal = io.StringIO("n\n")
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", terminal)
    assert massgen("last", "1") == 1
    assert tree(folder) == before
    assert "[y/N]" in capsys.readouterr().err
    assert massgen("last", "1", "--yes") == 0
    assert tree(folder) == {}


def test_a_run_that_somebody_sent_leads_nowhere_unasked(
    run: Path, tmp_path: Path, massgen: Massgen, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not by a link in the place of its folders, and not by a time that no calendar has."""
    (folder := tmp_path / "home" / "documents").mkdir(parents=True)
    happen(run, folder, [("write", '{"path": "a"}', "one")])
    (run / "workspaces").symlink_to(tmp_path / "home")
    log = run / FOLDER / "log.jsonl"
    line = {**json.loads(log.read_text(encoding="ascii")), "at": 1e300, "path": str(folder)}
    log.write_text(json.dumps(line) + "\n", encoding="ascii")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert massgen("last") == 0
    with pytest.raises(UsageProblem, match="--yes"):
        massgen("last", "1")
    assert tree(folder).keys() == {"a"}


def test_a_run_of_which_nothing_was_kept_says_so(run: Path, massgen: Massgen, capsys: pytest.CaptureFixture[str]) -> None:
    """And makes nothing in its folder."""
    happen(run, run, [])
    for path in (run / FOLDER).iterdir():
        path.rmdir()
    (run / FOLDER).rmdir()
    assert massgen("last") == 0
    assert "nothing was kept" in capsys.readouterr().err
    assert not (run / FOLDER).exists()
