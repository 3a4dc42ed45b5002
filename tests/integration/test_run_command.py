"""`massgen run` and `massgen resume` as processes: what goes where, how they end, and what is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

MASSGEN = [sys.executable, "-m", "massgen_core"]
AGENTS = ["--agent", "ada=scripted", "--agent", "bob=scripted", "--agent", "cyd=scripted"]


@pytest.fixture
def place(tmp_path: Path) -> dict[str, str]:
    """An environment in which nothing is configured and runs are kept in the test's folder."""
    return {**os.environ, "MASSGEN_RUNS": str(tmp_path / "runs"), "XDG_CONFIG_HOME": str(tmp_path / "none"), "HOME": str(tmp_path)}


def massgen(arguments: Sequence[str], place: dict[str, str], stdin: str = "") -> subprocess.CompletedProcess[str]:
    folder = place["HOME"]
    return subprocess.run([*MASSGEN, *arguments], env=place, input=stdin, capture_output=True, text=True, timeout=60, cwd=folder, check=False)


def only_run(place: dict[str, str]) -> Path:
    (folder,) = Path(place["MASSGEN_RUNS"]).iterdir()
    return folder


def events(folder: Path) -> list[str]:
    return [json.loads(line)["type"] for line in (folder / "journal.jsonl").read_text().splitlines()]


def test_standard_output_is_the_answer_and_nothing_else(place: dict[str, str]) -> None:
    """Progress goes to standard error, the files of the run are there, and nobody else can read them."""
    done = massgen(["run", "What is 17 + 25?", *AGENTS], place)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Scripted presentation of ")
    assert done.stdout.count("\n") == 1
    assert "voted for" in done.stderr
    folder = only_run(place)
    assert (folder / "answer.md").read_text() == done.stdout.strip()
    assert len(list((folder / "answers").iterdir())) == 3
    assert "## Winner" in (folder / "transcript.md").read_text()
    assert "# --agent" in (folder / "config.yaml").read_text()
    assert folder.stat().st_mode & 0o077 == 0


def test_the_question_comes_from_an_argument_a_file_or_standard_input(place: dict[str, str], tmp_path: Path) -> None:
    """All three say the same; two at once, or none, is a mistake."""
    (tmp_path / "question.txt").write_text("What is it?\n")
    one = ["--agent", "ada=scripted", "--quiet"]

    answers = {
        massgen(["run", "What is it?", *one], place).stdout,
        massgen(["run", "--file", "question.txt", *one], place).stdout,
        massgen(["run", *one], place, stdin="What is it?\n").stdout,
        massgen(["run", "-", *one], place, stdin="What is it?").stdout,
    }

    assert len(answers) == 1
    assert "What is it?" in answers.pop()
    for wrong in (["run", *one], ["run", "  ", *one], ["run", "x", "--file", "question.txt", *one], ["run", "--file", "nowhere.txt", *one]):
        done = massgen(wrong, place)
        assert done.returncode == 2
        assert done.stdout == ""
        assert "Traceback" not in done.stderr


def test_json_is_one_object(place: dict[str, str]) -> None:
    """A program can read the outcome."""
    done = massgen(["run", "x", *AGENTS, "--json", "--quiet"], place)

    found = json.loads(done.stdout)
    assert found["status"] == "answered"
    assert found["winner"] in ("ada", "bob", "cyd")
    assert found["run"] == only_run(place).name
    assert found["usage"]["output"] > 0
    assert done.stderr == ""


def test_a_panel_without_any_answer_fails_with_reasons(place: dict[str, str], tmp_path: Path) -> None:
    """Every agent's reason is named, what was said before is shown, and the exit code tells a script."""
    (tmp_path / "faults.yaml").write_text('agents: {"*": [{text: "half a thought", fault: bad_request, repeat: forever}]}')

    done = massgen(["run", "x", "--set", "agents=[{backend: {type: scripted, file: faults.yaml}}]", "--quiet"], place)

    assert done.returncode == 4
    assert "agent1:" in done.stderr
    assert "journal" not in done.stdout
    assert str(only_run(place)) in done.stderr


def test_a_limit_ends_a_run_with_what_exists(place: dict[str, str]) -> None:
    """The answer is printed, and the exit code says that it is a part."""
    done = massgen(["run", "x", *AGENTS, "--set", "limits.calls=4", "--quiet"], place)

    assert done.returncode == 3
    assert done.stdout.startswith("Scripted answer of ")


def test_control_sequences_never_reach_the_terminal(place: dict[str, str], tmp_path: Path) -> None:
    """A model's escape sequences are taken out of what is printed, and kept in the run."""
    evil = "red \x1b[31malert\x1b]52;c;aGk=\x07 \u202egnp.exe"
    (tmp_path / "evil.json").write_text(json.dumps({"default": {"answer": evil}}))

    done = massgen(["run", "x", "--set", "agents=[{backend: {type: scripted, file: evil.json}}]"], place)

    assert done.returncode == 0, done.stderr
    assert "alert" in done.stdout
    for bad in ("\x1b", "\x07", "\u202e"):
        assert bad not in done.stdout
        assert bad not in done.stderr
    assert "\x1b" in (only_run(place) / "answer.md").read_text()


def start_slow(place: dict[str, str], delay: float = 30.0) -> subprocess.Popen[str]:
    """Start a run whose answers come at once and whose votes take long, and return when all have answered."""
    script = {
        "agents": {"*": [{"purpose": "answer", "repeat": "forever", "answer": "an answer"}, {"purpose": "vote", "delay": delay, "vote": "first"}]}
    }
    (Path(place["HOME"]) / "slow.json").write_text(json.dumps(script))
    backend = "{type: scripted, file: slow.json}"
    options = ["--set", f"agents=[{{backend: {backend}}}, {{backend: {backend}}}]"]
    process = subprocess.Popen(
        [*MASSGEN, "run", "x", *options], env=place, cwd=place["HOME"], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "phase: voting" in line:
            return process
    raise AssertionError("the run never came to its votes")


def test_ctrl_c_once_ends_with_what_exists(place: dict[str, str]) -> None:
    """The best answer so far is printed, and the run is closed properly."""
    process = start_slow(place)

    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)

    assert process.returncode == 3, err
    assert out == "an answer\n"
    assert events(only_run(place))[-1] == "run.ended"


def test_a_killed_run_is_resumed_without_asking_again(place: dict[str, str]) -> None:
    """What was answered before `kill -9` stays; only the rest is done."""
    process = start_slow(place)
    process.kill()
    process.communicate(timeout=20)
    folder = only_run(place)
    before = (folder / "journal.jsonl").read_bytes()
    (Path(place["HOME"]) / "slow.json").write_text(json.dumps({"agents": {}}))

    done = massgen(["resume", "last"], place)

    assert done.returncode == 0, done.stderr
    after = (folder / "journal.jsonl").read_bytes()
    assert after.startswith(before)
    assert events(folder).count("answer.given") == 2
    assert "run.resumed" in events(folder)
    again = massgen(["resume", folder.name], place)
    assert again.returncode == 2
    assert "has ended" in again.stderr


def test_a_running_run_cannot_be_resumed(place: dict[str, str]) -> None:
    """Two processes never work on one run."""
    process = start_slow(place)

    done = massgen(["resume", "last"], place)

    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert done.returncode == 1
    assert "another process is working on this run" in done.stderr


def test_a_broken_pipe_is_no_traceback(place: dict[str, str]) -> None:
    """Whoever reads the answer may stop reading."""
    with subprocess.Popen([*MASSGEN, "plugins"], env=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


@pytest.mark.skipif(sys.platform != "linux", reason="not in CI: only Linux has a device that is always full")
def test_a_full_disk_behind_standard_output_is_told(place: dict[str, str]) -> None:
    """The answer of a run is in its folder all the same."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*MASSGEN, "plugins"], env=place, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr == "massgen: the output cannot be written: no space is left where it goes; free some, or send it elsewhere\n"


def test_a_closed_standard_output_is_no_traceback(place: dict[str, str]) -> None:
    """Whoever closes it does not want to hear anything."""
    done = subprocess.run(["sh", "-c", '"$@" >&-', "sh", *MASSGEN, "plugins"], env=place, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_replay_shows_what_happened_without_calling_anything(place: dict[str, str]) -> None:
    """Every step is there, in order, with the state beside it; the script may be gone."""
    massgen(["run", "x", *AGENTS, "--quiet"], place)

    plain = massgen(["replay", "last"], place)
    steps = massgen(["replay", "--step"], place)
    every = massgen(["replay", "last", "--all"], place)

    assert plain.returncode == 0
    assert [word in plain.stdout for word in ("answer.given", "vote.cast", "winner.chosen", "run.ended")] == [True] * 4
    assert "phase" in steps.stdout
    assert "votes:" in steps.stdout
    assert "turn.started      agent " in every.stdout, "what needs no words of its own is told by its fields"
    assert "turn 1  purpose answer" in every.stdout


def test_a_terminal_that_knows_less_than_unicode_still_gets_the_answer(place: dict[str, str]) -> None:
    """What standard output cannot encode is a question mark in the answer."""
    done = massgen(["run", "Wie grün?", "--agent", "ada=scripted", "--quiet"], {**place, "PYTHONIOENCODING": "ascii"})

    assert done.returncode == 0
    assert "Wie gr?n?" in done.stdout


@pytest.mark.parametrize(
    ("wrong", "advice"),
    [
        (["rnu", "x"], "did you mean: massgen run"),
        (["Why is the sky blue?"], 'massgen run "QUESTION"'),
        (["frobnicate"], "`massgen --help` lists"),
        (["--no-plugins", "mcp", "list"], "massgen-"),
        (["run", "why", "not"], "goes in quotes"),
        (["run", "--confg", "x.yaml", "x"], "did you mean --config?"),
    ],
)
def test_a_slip_of_the_finger_is_met_with_what_was_meant(place: dict[str, str], wrong: list[str], advice: str) -> None:
    """An unknown command, option or argument names the nearest that there is, in a line that can be read."""
    done = massgen(wrong, place)

    assert done.returncode in (1, 2)
    assert advice in done.stderr
    assert len(done.stderr.splitlines()[-1]) < 200


def test_a_run_of_which_nothing_was_recorded_is_not_replayed_in_silence(place: dict[str, str]) -> None:
    """An empty journal is said, with where it is."""
    folder = Path(place["MASSGEN_RUNS"]) / "20260101-000000-aaaa"
    folder.mkdir(parents=True)
    (folder / "journal.jsonl").touch()
    done = massgen(["replay"], place)

    assert (done.returncode, done.stdout) == (1, "")
    assert "nothing of run 20260101-000000-aaaa was recorded" in done.stderr


def test_what_does_not_exist_is_said(place: dict[str, str]) -> None:
    """Runs, commands and options that are not there are a message and exit code 2."""
    massgen(["run", "x", "--agent", "ada=scripted", "--quiet"], place)
    for wrong in (
        ["resume", "nope"],
        ["replay", "nope"],
        ["frobnicate"],
        ["run", "x", "--agent", "ada=nope"],
        ["run", "x", "--set", "limits.cals=3"],
    ):
        done = massgen(wrong, place)
        assert done.returncode == 2, wrong
        assert done.stdout == ""
        assert "Traceback" not in done.stderr
        assert done.stderr.strip()


def test_two_quick_interrupts_never_hang(place: dict[str, str]) -> None:
    """The program is gone soon after, however far it was."""
    process = start_slow(place)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    _, err = process.communicate(timeout=20)

    assert process.returncode in (3, 130), err
    assert time.monotonic() - began < 15
    assert "Traceback" not in err
