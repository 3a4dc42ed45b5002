"""`massgen config new`: by questions on a real terminal, by options without one; nothing is lost and nothing overwritten."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shlex
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from massgen_cmd_config.check import Check
from massgen_cmd_config.new import New
from massgen_core.api import read_document

Call = Callable[..., tuple[int, str, str]]
ANSWERS = {
    "purpose": "coding",
    "backends": "scripted",
    "agents": "2",
    "models": "default",
    "strategy": "consensus",
    "servers": "files=npx -y files",
    "tools": "ask",
    "seconds": "60",
    "money": "none",
    "display": "plain",
}
SECONDS = 60
# The terminal becomes the one that Ctrl-C comes from, and Ctrl-C interrupts also where the tests run in the background of a shell.
BEGIN = """
import fcntl, signal, sys, termios
from massgen_core.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
sys.exit(main())
"""


class Terminal:
    """The program on a pseudo-terminal of its own."""

    def __init__(self, folder: Path, columns: int, *arguments: str) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        environment = {**os.environ, "XDG_CONFIG_HOME": str(folder), "NO_COLOR": "1", "COLUMNS": str(columns)}
        environment.pop("MASSGEN_CONFIG", None)
        command = [sys.executable, "-c", BEGIN, "config", "new", *arguments]
        self.process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, cwd=folder, env=environment, start_new_session=True)
        os.close(slave)
        self.text, self.seen = "", 0

    def until(self, text: str) -> None:
        """Read until a text has come behind the one that was waited for before."""
        limit = time.monotonic() + SECONDS
        while (found := self.text.find(text, self.seen)) < 0:
            assert time.monotonic() < limit, self.text
            assert self.read(), self.text
        self.seen = found + len(text)

    def read(self) -> bool:
        if select.select([self.master], [], [], 1.0)[0]:
            try:
                piece = os.read(self.master, 65536)
            except OSError:  # the other side is closed
                return False
            self.text += piece.decode(errors="replace")
            return bool(piece)
        return True

    def send(self, text: str) -> None:
        os.write(self.master, text.encode())

    def ended(self, stop: str = "") -> int:
        """Read to the end and return the exit code.

        Args:
            stop: Is sent, and sent again after a while: between showing its prompt and waiting for a key, `input` with readline holds an interrupt
                back until the next one; no person is that fast.
        """
        self.send(stop)
        limit, patience = time.monotonic() + SECONDS, time.monotonic() + 5
        while self.read():
            assert time.monotonic() < limit, self.text
            if stop and time.monotonic() > patience:
                self.send(stop)
                patience += 5
        return self.process.wait(SECONDS)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)


@contextmanager
def terminal(folder: Path, *arguments: str, columns: int = 80) -> Iterator[Terminal]:
    with closing(Terminal(folder, columns, *arguments)) as made:
        yield made


def again(text: str, words: str) -> list[str]:
    """Return the arguments of the command that a session ends with."""
    line = re.search(rf"{words}: massgen config new (.*)", text.replace("\r\n", "\n"))
    assert line, text
    return shlex.split(line[1])


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_questions_lead_to_a_file_that_runs(call: Call, tmp_path: Path, columns: int) -> None:
    """Each question is asked once; the end names the command that does the same without asking."""
    with terminal(tmp_path, columns=columns) as shown:
        for key, answer in ANSWERS.items():
            shown.until(f"{key} [")
            shown.until("]: ")
            shown.send(f"{answer}\n")
        code = shown.ended()

    assert code == 0, shown.text
    assert "\x1b" not in shown.text
    made = (tmp_path / "massgen.yaml").read_text()
    assert call(Check(), "massgen.yaml")[0] == 0
    file, *words = again(shown.text, "the same again")
    assert call(New(), "other.yaml", *words)[0] == 0
    assert (file, (tmp_path / "other.yaml").read_text()) == ("massgen.yaml", made)
    data = read_document(tmp_path / "massgen.yaml").data
    assert [agent["name"] for agent in data["agents"]] == ["scripted-1", "scripted-2"]
    assert data["permissions"] == {"ask": ["mcp__*"]}
    assert data["toolsets"][0]["servers"] == {"files": {"command": "npx", "args": ["-y", "files"]}}


@pytest.mark.once
@pytest.mark.parametrize("key", list(ANSWERS))
@pytest.mark.parametrize("stop", ["\x03", "\x04"], ids=["interrupt", "end of input"])
def test_who_leaves_loses_nothing(tmp_path: Path, key: str, stop: str) -> None:
    """At every question, Ctrl-C and the end of input write nothing, fail, and name the command that goes on with the answers so far."""
    before = dict(list(ANSWERS.items())[: list(ANSWERS).index(key)])
    with terminal(tmp_path) as shown:
        for asked, answer in before.items():
            shown.until(f"{asked} [")
            shown.until("]: ")
            shown.send(f"{answer}\n")
        shown.until(f"{key} [")
        shown.until("]: ")
        code = shown.ended(stop)

    assert code == 130
    assert list(tmp_path.iterdir()) == []
    words = again(shown.text, "go on with")
    assert words == ["massgen.yaml", *(word for asked, answer in before.items() for word in ("--set", f"{asked}={answer}"))]


def test_back_help_and_preview(tmp_path: Path) -> None:
    """At any question; what is no answer is said, and asked again."""
    with terminal(tmp_path) as shown:
        for said, answer in (
            ("purpose [", "<"),
            ("purpose [", "research"),
            ("backends [", "?"),
            ("Different providers make different mistakes", "nobody"),
            ("nobody is no answer; there are:", "<"),
            ("purpose [", "="),
            ("  version: 1", "writing"),
            ("backends [", "scripted"),
            ("agents [", "0"),
            ("a whole number from 1 to 64", "1"),
            ("models [", ""),
            ("strategy [single]", ""),
            ("servers [", "nonsense"),
            ("write NAME=COMMAND, or none", "none"),
            ("seconds [", "none"),
            ("money [", ""),
            ("display [", ""),
        ):
            shown.until(said)
            if "[" not in said:
                shown.until("]: ")
            shown.send(f"{answer}\n")
        code = shown.ended()

    assert code == 0, shown.text
    data = read_document(tmp_path / "massgen.yaml").data
    assert data["strategy"] == {"type": "single"}
    assert "You write." in data["agents"][0]["system"]
    assert "limits" not in data


def test_answers_can_be_pasted(tmp_path: Path) -> None:
    """All at once, before they are asked for."""
    with terminal(tmp_path) as shown:
        shown.send("".join(f"{answer}\n" for answer in ANSWERS.values()))
        assert shown.ended() == 0, shown.text

    assert (tmp_path / "massgen.yaml").exists()


def test_without_a_terminal_nothing_is_asked(call: Call, tmp_path: Path) -> None:
    """It names the question and the option, and fails; --yes takes the defaults and says each."""
    code, out, err = call(New(), "a.yaml")
    assert (code, out) == (2, "")
    assert "--set purpose=ANSWER" in err
    code, _, err = call(New(), "a.yaml", "--yes", "--set", "backends=scripted")

    assert code == 0
    assert "agents: 2\n" in err
    assert call(Check(), "a.yaml")[0] == 0


def test_no_file_is_overwritten_unasked(call: Call, tmp_path: Path) -> None:
    """--force replaces it after a copy."""
    path = tmp_path / "massgen.yaml"
    path.write_text("mine")
    assert call(New(), "--yes", "--set", "backends=scripted")[0] == 2
    assert path.read_text() == "mine"

    assert call(New(), "--yes", "--set", "backends=scripted", "--force")[0] == 0
    assert (tmp_path / "massgen.yaml.bak").read_text() == "mine"


def test_answers_come_from_a_file_too(call: Call, tmp_path: Path) -> None:
    """Options go before it; an answer that is none is refused with what there is."""
    (tmp_path / "answers.yaml").write_text("backends: [scripted]\nagents: 3\n")
    assert call(New(), "a.yaml", "--answers", "answers.yaml", "--set", "agents=4", "--yes")[0] == 0
    assert len(read_document(tmp_path / "a.yaml").data["agents"]) == 4

    code, _, err = call(New(), "b.yaml", "--set", "purpose=nothing", "--yes")
    assert (code, "there are: question, coding" in err) == (2, True)


def test_a_preset_becomes_a_file(call: Call, tmp_path: Path) -> None:
    """As it is; and nothing is written where only printing is asked for."""
    code, out, _ = call(New(), "a.yaml", "--preset", "default", "--print")
    assert (code, "version: 1" in out, (tmp_path / "a.yaml").exists()) == (0, True, False)
    assert call(New(), "a.yaml", "--preset", "default")[0] == 0
    assert call(Check(), "a.yaml")[0] == 0
