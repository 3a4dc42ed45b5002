"""Each panel of `examples/` runs, with its own backends where they are scripted, and with scripted ones in their place elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted(Path(__file__).parents[2].joinpath("examples").glob("panel-*.yaml"))
OWN = {"panel-careful.yaml", "panel-code.yaml", "panel-guarded.yaml", "panel-rollback.yaml", "panel-scripted.yaml"}


def run(example: Path, folder: Path) -> dict[str, object]:
    environment = {**os.environ, "MASSGEN_RUNS": str(folder / "runs"), "HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}
    command = [sys.executable, "-m", "massgen_core", "run", "How much does the bridge carry?", "--config", str(example), "--json", "--quiet"]
    if example.name not in OWN:
        command += ["--backend", "scripted"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_a_panel_answers(example: Path, tmp_path: Path) -> None:
    """The file is valid as it stands, and the run ends with an answer."""
    found = run(example, tmp_path)

    assert found["status"] == "answered"
    assert found["answer"]


def test_the_improved_answer_wins(tmp_path: Path) -> None:
    """A new answer makes the votes void, and everybody looks again."""
    found = run(next(path for path in EXAMPLES if path.name == "panel-scripted.yaml"), tmp_path)

    journal = (Path(str(found["folder"])) / "journal.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in journal]
    assert found["winner"] == "ben"
    assert found["answer"] == "40 tonnes, with a safety factor of two, on a dry deck."
    assert [event["data"]["number"] for event in events if event["type"] == "answer.given" and event["data"]["agent"] == "ben"] == [1, 2]
    last = {event["data"]["voter"]: event["data"]["choice"] for event in events if event["type"] == "vote.cast"}
    assert set(last.values()) == {"ben"}
    assert "agent.left" not in {event["type"] for event in events}


def test_agents_really_run_code(tmp_path: Path) -> None:
    """The panel's programs ran in the sandbox, what its patterns deny did not, and the audit lists both."""
    found = run(next(path for path in EXAMPLES if path.name == "panel-code.yaml"), tmp_path)

    command = [sys.executable, "-m", "massgen_core", "code", "audit", str(found["folder"]), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    entries = [json.loads(line) for line in done.stdout.splitlines()]
    said = (Path(str(found["folder"])) / "journal.jsonl").read_text()
    assert sorted((entry["agent"], entry["tool"], entry["status"]) for entry in entries if entry["tool"] != "start_job") == [
        ("ada", "execute_code", "exited"),
        ("ada", "execute_command", "exited"),
        ("ben", "execute_command", "refused"),
    ]
    assert [entry["job"] for entry in entries if entry["tool"] == "start_job"] == ["job-1"]
    assert "all girders together carry 40.0 tonnes" in said
    assert found["winner"] == "ada"


def test_a_rule_refuses_a_command_and_says_why(tmp_path: Path) -> None:
    """The model is told the reason and the rule, nothing ran, and it goes on with a command that no rule matches."""
    found = run(next(path for path in EXAMPLES if path.name == "panel-guarded.yaml"), tmp_path)

    events = [json.loads(line) for line in (Path(str(found["folder"])) / "journal.jsonl").read_text().splitlines()]
    judged = [(event["data"]["level"], event["data"]["rule"]) for event in events if event["type"] == "tool.judged"]
    returned = [event["data"]["result"]["content"][0]["text"] for event in events if event["type"] == "tool.returned"]
    assert judged == [("deny", "commands.network-into-interpreter"), ("allow", "commands.otherwise")]
    assert "it executes what the network sends, which nobody has read: curl | sh" in returned[0]
    assert "stdout:\n40\n" in returned[1]
    assert [event["type"] for event in events].count("tool.called") == 1


def test_there_are_panels() -> None:
    """An empty folder would pass everything else."""
    assert len(EXAMPLES) >= 4


def test_what_an_agent_deleted_is_brought_back(tmp_path: Path) -> None:
    """Its folder was kept before each command; the step before the deletion has the files, and the rollback itself can be rolled back."""
    found = run(next(path for path in EXAMPLES if path.name == "panel-rollback.yaml"), tmp_path)
    folder, files = str(found["folder"]), Path(str(found["folder"])) / "workspaces" / "ada"

    def massgen(*words: str) -> str:
        command = [sys.executable, "-m", "massgen_core", "rollback", folder, *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout

    steps = json.loads(massgen("--json"))
    assert [(step["agent"], "rm -rf" in step["what"]) for step in steps] == [("ada", False), ("ada", True)]
    assert list(files.iterdir()) == []
    massgen("2")
    assert (files / "notes" / "girders.txt").read_text(encoding="utf-8") == "40 tonnes\n"
    massgen("3")
    assert list(files.iterdir()) == []
    events = [json.loads(line) for line in (Path(folder) / "journal.jsonl").read_text().splitlines()]
    assert [event["data"]["snapshot"] for event in events if event["type"] == "workspace.snapshotted"] == [step["snapshot"] for step in steps]
    assert found["files"] is None
