from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from massgen_core.api import (
    Event,
    Message,
    ModelAnswered,
    Record,
    RunResumed,
    RunStarted,
    Text,
    ToolApproved,
    ToolCall,
    ToolCalled,
    ToolJudged,
    ToolResult,
    ToolReturned,
)
from massgen_core.cli.app import ConsoleApp
from massgen_core.codec import encode
from massgen_core.plugins.manager import Plugins
from massgen_tools_code.audit import Audit, entries
from massgen_tools_code.events import CodeExecuted, CodeJobEnded, CodeJobStarted, CodeRefused, FileChange

WHO = {"agent": "ann", "turn": 1}


def judged(call: str, level: str = "allow", tool: str = "execute_command") -> ToolJudged:
    return ToolJudged(agent="ann", turn=1, call=call, tool=tool, level=level, reason="because", rule=f"rule.{level}")


def called(call: str, tool: str = "execute_command") -> ToolCalled:
    return ToolCalled(agent="ann", turn=1, call=call, tool=tool, arguments='{"command": "ls"}')


def returned(call: str, tool: str = "execute_command", *, is_error: bool = False) -> ToolReturned:
    return ToolReturned(agent="ann", turn=1, tool=tool, result=ToolResult(call=call, content=(Text(text="said"),), is_error=is_error))


EVENTS: Sequence[Event] = (
    RunStarted(run="run-1", question="Why?", agents=("ann",), strategy="single", seed=7, version="0"),
    judged("c1"),
    called("c1"),
    CodeExecuted(
        agent="ann",
        turn=1,
        call="c1",
        tool="execute_command",
        language="shell",
        code="ls\x1b[31m",
        executor="local",
        status="exited",
        exit_code=0,
        seconds=1.5,
        cpu_seconds=0.5,
        memory=2_000_000,
        output=10,
        files=(FileChange(path="x", change="made", size=3),),
        changes=1,
    ),
    returned("c1"),
    ModelAnswered(
        agent="ann",
        turn=1,
        call=1,
        message=Message(role="assistant", content=(ToolCall(id="c2", name="execute_command", arguments='{"command": "rm -rf /"}'),)),
        stop="tools",
    ),
    judged("c2", "deny"),
    returned("c2", is_error=True),
    judged("c3", "ask"),
    ToolApproved(agent="ann", turn=1, call="c3", tool="execute_command", is_approved=False),
    judged("c4"),
    called("c4"),
    CodeRefused(agent="ann", turn=1, call="c4", tool="execute_command", language="shell", code="rm x", reason="named", rule="code.permissions.deny"),
    judged("c5", tool="start_job"),
    called("c5", "start_job"),
    CodeJobStarted(agent="ann", turn=1, call="c5", job="job-1", code="serve", executor="docker"),
    returned("c5", "start_job"),
    CodeJobEnded(agent="ann", job="job-1", status="stopped", exit_code=137, seconds=9.0),
    judged("c6", tool="write_job"),
    called("c6", "write_job"),
    returned("c6", "write_job"),
    judged("c7", tool="mcp__files__read"),
    judged("c8"),
    called("c8"),
)


def test_nothing_is_lost() -> None:
    """What ran, what was refused by whom, what runs in the background, and what the program's end cut off."""
    found = entries(Record(seq, float(seq), event) for seq, event in enumerate(EVENTS, start=1))

    assert [(entry.call, entry.status) for entry in found] == [
        ("c1", "exited"),
        ("c2", "refused"),
        ("c3", "refused"),
        ("c4", "refused"),
        ("c5", "stopped"),
        ("c6", "done"),
        ("c8", "unfinished"),
    ]
    assert found[0].verdict == "allow"
    assert found[1].code == '{"command": "rm -rf /"}'
    assert found[2].verdict == "ask, not approved"
    assert found[3].own == "code.permissions.deny"
    assert (found[4].job, found[4].executor, found[4].seconds) == ("job-1", "docker", 9.0)
    assert found[6].code == '{"command": "ls"}'


def test_ids_that_come_twice_are_two_executions() -> None:
    """Providers give ids twice; the span tells them apart, and what a crash cut off is answered under another one."""
    told = [(judged("c"), "1"), (called("c"), "1"), (returned("c", is_error=True), "2"), (judged("c"), "3"), (called("c"), "3"), (returned("c"), "3")]
    found = entries(Record(seq, float(seq), event, span) for seq, (event, span) in enumerate(told, start=1))

    assert [entry.status for entry in found] == ["failed", "done"]


def test_a_job_that_a_crash_cut_off_is_not_the_one_that_came_after() -> None:
    """Jobs are counted anew when a run goes on."""
    started = [CodeJobStarted(agent="ann", turn=1, call=f"c{number}", job="job-1", code="serve", executor="local") for number in (1, 2)]
    told = [started[0], RunResumed(version="0"), started[1], CodeJobEnded(agent="ann", job="job-1", status="exited", exit_code=0)]
    records = [Record(seq, float(seq), event, str(seq)) for seq, event in enumerate(told, start=1)]

    assert [entry.status for entry in entries(records)] == ["unfinished", "exited"]
    assert [entry.status for entry in entries(records[:1], is_live=True)] == ["running"]


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ConsoleApp:
    """The program, with one run."""
    folder = tmp_path / "runs" / "run-1"
    folder.mkdir(parents=True)
    (folder / "journal.jsonl").write_bytes(encode([Record(seq, 1e9 + seq, event, trace="0" * 32) for seq, event in enumerate(EVENTS, start=1)]))
    monkeypatch.setenv("MASSGEN_RUNS", str(tmp_path / "runs"))
    return ConsoleApp(Plugins.discover())


def told(app: ConsoleApp, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    parser = argparse.ArgumentParser()
    command = Audit()
    command.configure(parser)
    assert command.run(parser.parse_args(arguments), app) == 0
    return capsys.readouterr().out


def test_a_person_reads_it(app: ConsoleApp, capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each, and what was run below it; nothing commands the terminal."""
    text = told(app, capsys)

    first, second, *_ = text.splitlines()
    assert first == (
        "2001-09-09 01:46:42Z  ann  execute_command  local:.  exited 0  1.50 s  CPU 0.50 s  memory 2.0 MB  output 10 bytes  1 files changed  "
        "verdict: allow (rule.allow)"
    )
    assert second == "    ls"
    assert "\x1b" not in text


def test_a_program_reads_it(app: ConsoleApp, capsys: pytest.CaptureFixture[str]) -> None:
    """One object a line, of one agent where that is asked for."""
    lines = [json.loads(line) for line in told(app, capsys, "last", "--json").splitlines()]

    assert lines[0]["files"] == [{"path": "x", "change": "made", "size": 3}]
    assert [line["call"] for line in lines] == ["c1", "c2", "c3", "c4", "c5", "c6", "c8"]
    assert told(app, capsys, "--agent", "bob") == ""
