from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# The pseudo-terminal is made the process's own, so that Ctrl-C reaches it; it interrupts also where the tests run in the background of a shell.
MAIN = """
import fcntl, signal, sys, termios
from massgen_core.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
sys.exit(main(sys.argv[1:]))
"""
SEQUENCE = re.compile(r"\x1b\[\??[0-9;]*[A-Za-z]")
AGENTS = ("--agent", "ann=scripted", "--agent", "bob=scripted", "--agent", "cas=scripted")


class Person:
    """Somebody at a terminal in which `massgen` runs: types, reads, presses Ctrl-C."""

    def __init__(self, home: Path, columns: int, *arguments: str) -> None:
        self._terminal, side = pty.openpty()
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.before = termios.tcgetattr(side)
        self._side = side
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("MASSGEN_", "COLUMNS", "NO_COLOR"))}
        environment |= {"HOME": str(home), "XDG_STATE_HOME": str(home), "TERM": "xterm-256color", "PYTHONUTF8": "1", "INPUTRC": "/dev/null"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", MAIN, *arguments], stdin=side, stdout=side, stderr=side, env=environment, start_new_session=True
        )
        self.seen = ""
        self._place = 0

    def type(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def wait_for(self, text: str, seconds: float = 30.0) -> str:
        """Read until a text comes, from where the last one was found; return what came before it."""
        deadline = time.monotonic() + seconds
        while (found := self.seen.find(text, self._place)) < 0:
            ready, _, _ = select.select([self._terminal], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                pytest.fail(f"{text!r} did not come within {seconds:g} s after\n{self.seen[self._place :]}")
            try:
                data = os.read(self._terminal, 65536)
            except OSError:
                pytest.fail(f"massgen ended, and {text!r} did not come after\n{self.seen[self._place :]}")
            self.seen += data.decode("utf-8", "replace")
        before, self._place = self.seen[self._place : found], found + len(text)
        return before

    def interrupt(self, text: str) -> None:
        """Press Ctrl-C at a prompt until a text answers it.

        Between showing its prompt and waiting for a key, `input` with readline holds an interrupt back until the next one; no person is that fast.
        """
        for _ in range(6):
            self.type("\x03")
            deadline = time.monotonic() + 5.0
            while (left := deadline - time.monotonic()) > 0 and self.seen.find(text, self._place) < 0:
                if select.select([self._terminal], [], [], left)[0]:
                    self.seen += os.read(self._terminal, 65536).decode("utf-8", "replace")
            if self.seen.find(text, self._place) >= 0:
                break
        self.wait_for(text)

    def end(self, seconds: float = 30.0) -> int:
        """Wait for the end and return the exit code."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None or select.select([self._terminal], [], [], 0.0)[0]:
            ready, _, _ = select.select([self._terminal], [], [], 0.05)
            if ready:
                self.seen += os.read(self._terminal, 65536).decode("utf-8", "replace")
            if time.monotonic() > deadline:
                pytest.fail(f"massgen did not end after\n{self.seen[self._place :]}")
        assert termios.tcgetattr(self._side) == self.before, "the terminal's settings were changed"
        assert self.seen.count("\x1b[?25l") == self.seen.count("\x1b[?25h"), "the cursor is hidden"
        return self.process.returncode

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        os.close(self._side)
        os.close(self._terminal)


@pytest.fixture
def sit_down(tmp_path: Path) -> Iterator[Callable[..., Person]]:
    """Begin a program at a terminal of some width."""
    people: list[Person] = []

    def begin(columns: int, *arguments: str) -> Person:
        people.append(Person(tmp_path, columns, *arguments))
        return people[-1]

    yield begin
    for person in people:
        person.close()


def slow(tmp_path: Path, seconds: float) -> str:
    """A configuration whose second agent takes its time."""
    path = tmp_path / "slow.yaml"
    ann, bob = "{name: ann, backend: {type: scripted, steps: [{answer: Paris}]}}", f"{{name: bob, backend: {{type: scripted, delay: {seconds}}}}}"
    path.write_text(f"version: 1\nagents: [{ann}, {bob}]\n")
    return str(path)


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_a_run_is_watched(sit_down: Callable[..., Person], columns: int) -> None:
    """The live view names agents, states and votes; at the end the summary and the answer stand on the screen."""
    person = sit_down(columns, "run", "Where is the Louvre?", *AGENTS, "--set", "seed=1")
    code = person.end()
    text = SEQUENCE.sub("", person.seen)
    summary = text[text.rindex("★") :]

    assert code == 0
    assert re.match(r"★ (ann|bob|cas) wins", summary)
    assert re.search(r"ann +→ +(ann|bob|cas)", summary)
    assert re.search(r"Scripted presentation of (ann|bob|cas) of: Where is the Louvre\?", summary)


def test_ctrl_c_ends_a_run_with_what_there_is(sit_down: Callable[..., Person], tmp_path: Path) -> None:
    """Once ends gracefully: what was answered so far is the answer, and the exit code says that it is a part."""
    person = sit_down(80, "run", "Where is the Louvre?", "--config", slow(tmp_path, 60))
    person.wait_for("answered")
    person.type("\x03")

    assert person.end() == 3
    assert "Paris" in SEQUENCE.sub("", person.seen[person.seen.rindex("■") :])


def test_a_resumed_run_is_shown_with_its_beginning(sit_down: Callable[..., Person], tmp_path: Path) -> None:
    """After `kill -9` the view of the resumed run shows what was answered before."""
    killed = sit_down(80, "run", "Where is the Louvre?", "--config", slow(tmp_path, 60))
    killed.wait_for("answered")
    killed.process.kill()
    killed.process.wait(10)
    person = sit_down(80, "resume", "last")
    person.wait_for("Where is the Louvre?")
    person.wait_for("answered")
    person.wait_for("Paris")
    person.type("\x03")

    assert person.end() == 3


def test_a_conversation(sit_down: Callable[..., Person]) -> None:
    """Questions are asked one after the other, with line editing and a live view; Ctrl-D leaves."""
    person = sit_down(80, "chat", *AGENTS)
    person.wait_for("Ctrl-D leaves.")
    person.wait_for("? ")
    person.type("Where is the Louvra\x7fe?\n")
    person.wait_for("of: Where is the Louvre?\r\n")
    person.wait_for("? ")
    person.type("And the Prado?\n")
    person.wait_for("of: And the Prado?\r\n")
    person.wait_for("? ")
    person.type("/history\n")
    person.wait_for("? Where is the Louvre?")
    person.wait_for("massgen show ")
    person.wait_for("? And the Prado?")
    person.wait_for("massgen show ")
    person.wait_for("? ")
    person.type("\x04")

    assert person.end() == 0


def test_ctrl_c_in_a_conversation(sit_down: Callable[..., Person], tmp_path: Path) -> None:
    """Ctrl-C ends the run under way and the conversation goes on; at the prompt it leaves when it is pressed twice."""
    person = sit_down(80, "chat", "--config", slow(tmp_path, 60))
    person.wait_for("? ")
    person.type("Where is the Louvre?\n")
    person.wait_for("answered")
    person.type("\x03")
    person.wait_for("Paris\r\n")
    person.wait_for("massgen: partial")
    person.wait_for("? ")
    person.interrupt("Ctrl-C once more leaves")
    person.wait_for("? ")
    person.interrupt("\r\n")

    assert person.end() == 0


def test_help_names_the_options_of_a_run(sit_down: Callable[..., Person]) -> None:
    """A command that conducts runs has the options by which runs are configured."""
    person = sit_down(80, "chat", "--help")

    assert person.end() == 0
    assert "--agent NAME=BACKEND[:MODEL]" in person.seen
