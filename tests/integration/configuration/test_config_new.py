"""`massgen config new` on a real terminal: every question at three widths, back, help, preview, Ctrl-C, end of input, pasted text, no colour."""

from __future__ import annotations

import fcntl
import json
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
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyte
import pytest

from massgen_cmd_config.check import Check
from massgen_cmd_config.new import New
from massgen_core.api import read_document

Call = Callable[..., tuple[int, str, str]]
SERVER = Path(__file__).parents[3] / "plugins" / "massgen-mcp-stdio" / "tests" / "everything.py"
SECONDS = 120
# The terminal becomes the one that Ctrl-C comes from, and Ctrl-C interrupts also where the tests run in the background of a shell.
# Several commands can be run one after the other, since starting the program is most of the work.
BEGIN = """
import fcntl, json, os, signal, sys, termios
from massgen_core.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
before = termios.tcgetattr(0)
for number, arguments in enumerate(json.loads(sys.argv[1])):
    if "--wait" in arguments:
        input(f"[begin {number}]")
        arguments.remove("--wait")
    code = main(["config", "new", *arguments])
    assert termios.tcgetattr(0) == before, "the terminal's settings were changed"
    print(f"[end {number}: {code}]", flush=True)
sys.exit(code)
"""
# What each question is answered with by keys, the text that shows it, and the answer that this comes to.
KEYS = {
    "preset": ("Start from a preset?", "\r", "none"),
    "purpose": ("What is it for?", "\x1b[B\r", "coding"),
    "backends": ("Which providers?", "scripted\rlocal \r", "scripted"),
    "agents": ("How many agents?", "3\r", "3"),
    "model.scripted": ("Which model of scripted?", "\t-x\r", "default-x"),
    "strategy": ("How do they come to one answer?", "judge\r", "judge"),
    "tools": ("Which tools do agents get?", "mcp \r", "code, mcp"),
    "sandbox": ("Where do commands and servers run?", "none\r", "none"),
    "permission": ("May agents use these tools unasked?", "allow\r", "allow"),
    "server1": ("Which MCP server?", "files=npx -y files\r", "files=npx -y files"),
    "server2": ("Another MCP server?", "\r", "none"),
    "folder": ("Which folder may agents look into?", "data\r", "data"),
    "access": ("What may they do there?", "\x1b[B\r", "write"),
    "seconds": ("How many seconds may a run take?", "60\r", "60"),
    "money": ("How many US dollars may a run cost?", "\r", "none"),
    "display": ("How is a run shown?", "plain\r", "plain"),
}

ANSWERS = {key: answer for key, (_, _, answer) in KEYS.items()}


class Screen(pyte.Screen):
    """A screen that answers when it is asked where its cursor is, as terminals do."""

    def __init__(self, columns: int, reply: Callable[[bytes], Any]) -> None:
        super().__init__(columns, 24)
        self._reply = reply

    def write_process_input(self, data: str) -> None:
        self._reply(data.encode())


class Terminal:
    """The program on a pseudo-terminal of its own, and the person in front of it."""

    def __init__(self, folder: Path, columns: int, commands: Sequence[Sequence[str]], **variables: str) -> None:
        self.master, side = pty.openpty()
        left_out = ("MASSGEN_", "COLUMNS", "LINES", "NO_COLOR", "PROMPT_TOOLKIT")
        environment = {key: value for key, value in os.environ.items() if not key.startswith(left_out) and not key.endswith("_API_KEY")}
        environment |= {"XDG_CONFIG_HOME": str(folder / "home"), "XDG_STATE_HOME": str(folder / "home"), "TERM": "xterm-256color", "PYTHONUTF8": "1"}
        command = [sys.executable, "-c", BEGIN, json.dumps([list(one) for one in commands])]
        self.process = subprocess.Popen(
            command, stdin=side, stdout=side, stderr=side, cwd=folder, env=environment | variables, start_new_session=True
        )
        os.close(side)
        self.raw = b""
        self.is_open = True
        self.resize(columns)

    def resize(self, columns: int) -> None:
        """Begin a screen of another width."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.screen = Screen(columns, lambda data: os.write(self.master, data))
        self._stream = pyte.ByteStream(self.screen)

    @property
    def text(self) -> str:
        """All that came, without what moves and colours."""
        return re.sub(r"\x1b(?:\[[0-9;?]*[A-Za-z]|[()][A-Z0-9]|[=>])", "", self.raw.decode("utf-8", "replace")).replace("\r\n", "\n")

    def shows(self, text: str) -> bool:
        """Say whether a text stands on the screen, wherever its lines are broken."""
        rows = (self.screen.buffer[row] for row in range(self.screen.lines))
        letters = (row[column].data for row in rows for column in range(self.screen.columns))
        return "".join(text.split()) in "".join(letter for letter in letters if not letter.isspace())

    def until(self, text: str) -> None:
        """Read until a text stands on the screen."""
        limit = time.monotonic() + SECONDS
        while not self.shows(text):
            if not self.is_open or time.monotonic() > limit:
                pytest.fail(f"{text!r} is not on the screen:\n" + "\n".join(self.screen.display))
            self.read()

    def read(self) -> None:
        """Read what there is, after waiting for it a moment."""
        wait = 1.0
        while self.is_open and select.select([self.master], [], [], wait)[0]:
            try:
                data = os.read(self.master, 65536)
            except OSError:  # the other side is closed
                data = b""
            self.is_open, wait = bool(data), 0.0
            self.raw += data
            self._stream.feed(data)

    def send(self, text: str) -> None:
        os.write(self.master, text.encode())

    def answer(self, text: str, keys: str) -> None:
        """Wait for a question, and press keys."""
        self.until(text)
        self.send(keys)

    def ended(self) -> int:
        """Read to the end and return the exit code."""
        limit = time.monotonic() + SECONDS
        while self.is_open:
            assert time.monotonic() < limit, self.text
            self.read()
        assert not self.screen.cursor.hidden
        return self.process.wait(SECONDS)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)


Sit = Callable[..., Terminal]


@pytest.fixture
def sit_down(tmp_path: Path) -> Iterator[Sit]:
    """Begin the command at a terminal of some width."""
    (tmp_path / "data").mkdir()
    people: list[Terminal] = []

    def begin(*commands: Sequence[str], columns: int = 80, **variables: str) -> Terminal:
        people.append(Terminal(tmp_path, columns, commands, **variables))
        return people[-1]

    yield begin
    for person in people:
        person.close()


def given(before: str = "", **others: str) -> list[str]:
    """Return options that answer the questions before one, or all of them."""
    answers = {**ANSWERS, **others}
    keys = list(answers)[: list(answers).index(before)] if before else list(answers)
    return [word for key in keys for word in ("--set", f"{key}={answers[key]}")]


def again(text: str, words: str) -> list[str]:
    """Return the arguments of the command that a session ends with."""
    line = re.search(rf"{words}: massgen config new (.*)", text)
    assert line, text
    return shlex.split(line[1])


def test_questions_lead_to_a_file_that_runs(sit_down: Sit, call: Call, tmp_path: Path) -> None:
    """At any width each question is asked once and all of it can be read; the end names the command that does the same without asking."""
    widths = (80, 40, 200)
    person = sit_down(*([f"{columns}.yaml", "--no-try", "--wait"] for columns in widths))
    for turn, columns in enumerate(widths):
        person.until(f"[begin {turn}]")
        person.resize(columns)
        person.send("\n")
        for number, (question, keys, _) in enumerate(KEYS.values(), 1):
            person.until(f"{number}/")
            person.answer(question, keys)
        person.answer("Write this?", "\r")
        person.until(f"[end {turn}: 0]")
        file, *words = again(person.text.rpartition("Write this?")[2], "the same again")
        assert dict(word.split("=", 1) for word in words if "=" in word) == ANSWERS
        assert call(New(), "other.yaml", "--force", *words)[0] == 0
        assert (file, (tmp_path / "other.yaml").read_text()) == (f"{columns}.yaml", (tmp_path / file).read_text())

    assert person.ended() == 0
    assert re.search(r"\x1b\[[0-9;]*36[;m]", person.raw.decode())
    assert call(Check(), *(f"{columns}.yaml" for columns in widths))[0] == 0
    data = read_document(tmp_path / "40.yaml").data
    assert [agent["name"] for agent in data["agents"]] == ["scripted-1", "scripted-2", "scripted-3"]
    toolset = next(one for one in data["toolsets"] if one != "code" and one["type"] == "mcp")
    assert toolset["servers"] == {"files": {"command": "npx", "args": ["-y", "files"]}}


@pytest.mark.parametrize(
    ("stop", "code", "keys"),
    [("\x03", 130, list(KEYS)), ("\x04", 1, ["preset", "backends", "agents", "server1"])],
    ids=["interrupt at every question", "end of input at each kind of question"],
)
def test_who_leaves_loses_nothing(sit_down: Sit, tmp_path: Path, stop: str, code: int, keys: list[str]) -> None:
    """Nothing is written, the command fails, and a file of answers goes on at that question."""
    person = sit_down(*([f"{key}.yaml", "--no-try", *given(key)] for key in keys), ["end.yaml", "--no-try", *given()])
    for number, key in enumerate(keys):
        person.answer(KEYS[key][0], stop)
        person.until(f"[end {number}: {code}]")
        kept = tmp_path / f"{key}.answers.yaml"
        assert kept.exists() is (key != "preset")
        if kept.exists():
            assert kept.stat().st_mode & 0o777 == 0o600
            assert read_document(kept).data == dict(list(ANSWERS.items())[: list(KEYS).index(key)])
            assert again(person.text.rpartition(f"[end {number - 1}")[2], "go on with") == [f"{key}.yaml", "--answers", f"{key}.answers.yaml"]
    person.answer("Write this?", stop)
    person.until(f"[end {len(keys)}: {code}]")

    assert person.ended() == code
    assert [path for path in tmp_path.glob("*.yaml") if "answers" not in path.name] == []


def test_back_help_and_preview(sit_down: Sit, tmp_path: Path) -> None:
    """At menus, at lists and at lines; what is no answer is said, and can be mended; at the end any answer can be changed."""
    person = sit_down(["--no-try"])
    person.answer("Start from a preset?", "<")
    person.until("this is the first question")
    person.answer("Start from a preset?", "\x1b[B")
    person.until("ask before every tool")  # in full, though the line of the list is cut
    person.answer("Start from a preset?", "\x1b[A\r")
    person.answer("What is it for?", "research\r")
    person.answer("Which providers?", "?")
    person.until("Different providers make different mistakes")
    person.answer("Which providers?", " \r")
    person.until("an answer is needed; there are:")
    person.answer("Which providers?", "<")
    person.answer("What is it for?", "=")
    person.until('system: "You research.')
    person.answer("What is it for?", "writ\r")
    person.answer("Which providers?", "scripted\rlocal \r")
    person.answer("How many agents?", "?")
    person.until("Each costs as much as one agent alone")
    person.answer("How many agents?", "0\r")
    person.until("a whole number from 1 to 64")
    person.answer("\u276f0", "\x7f1\r")
    person.answer("Which model of scripted?", "=")
    person.until("name: scripted")
    person.answer("Which model of scripted?", "\x1b[D")
    person.answer("How many agents?", "\r")
    person.answer("Which model of scripted?", "\r")
    person.answer("How do they come", "nothing-like-this\r")
    person.answer("nothing-like-this  not there", "\x7f" * 20 + "\r")
    for question in ("Which tools do agents get?", "Which folder may agents", "How many seconds", "How many US dollars", "How is a run shown?"):
        person.answer(question, "\r")
    person.answer("Write this?", "<")
    person.answer("How is a run shown?", "\r")
    person.answer("Write this?", "change\r")
    person.answer("Which answer?", "seconds\r")
    person.answer("How many seconds", "none\r")
    person.answer("Write this?", "\r")

    assert person.ended() == 0, person.text
    data = read_document(tmp_path / "massgen.yaml").data
    assert (len(data["agents"]), data["strategy"], "limits" in data) == (1, "single", False)
    assert "You write." in data["agents"][0]["system"]


def test_answers_come_in_other_ways(sit_down: Sit, tmp_path: Path) -> None:
    """Pasted line by line, where one that is no answer ends that; from a file, which is gone on with. What others wrote meanwhile is left alone."""
    (tmp_path / "kept.yaml").write_text(json.dumps({key: answer for key, answer in ANSWERS.items() if key != "money"}))
    ahead = ["--print", "--no-try", *given("agents")]
    person = sit_down(["a.yaml", "--no-try"], ["b.yaml", "--no-try"], ahead, ["c.yaml", "--answers", "kept.yaml", "--no-try"], ["d.yaml", *given()])
    person.answer("Start from a preset?", "\x1b[200~" + "\r\n".join(ANSWERS.values()) + "\r\n\x1b[201~")
    person.answer("Write this?", "\r")
    person.until("[end 0: 0]")
    person.answer("Start from a preset?", "\x1b[200~none\nwriting\nscripted\nmany\x1b]0;title\x07\n5\n\x1b[201~")
    person.until("a whole number from 1 to 64")
    person.send("\x03")
    person.until("[end 1: 130]")
    person.answer("How many agents?", "2\r\rsingle\r")
    person.answer("Which tools do agents get?", "\x03")
    person.until("[end 2: 130]")
    person.answer("How many US dollars", "5\r")
    person.answer("Write this?", "\r")
    person.until("[end 3: 0]")
    person.until("Write this?")
    (tmp_path / "d.yaml").write_text("mine")
    person.send("\r")

    assert person.ended() == 1
    assert ((tmp_path / "d.yaml").read_text(), read_document(tmp_path / "d.answers.yaml").data) == ("mine", ANSWERS)
    assert len(read_document(tmp_path / "a.yaml").data["agents"]) == 3
    assert read_document(tmp_path / "b.answers.yaml").data == {"preset": "none", "purpose": "writing", "backends": "scripted"}
    assert read_document(tmp_path / "massgen.answers.yaml").data["strategy"] == "single"
    assert read_document(tmp_path / "c.yaml").data["limits"] == {"seconds": 60, "money": 5}


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=["no colour", "dumb"])
def test_terminals_without_colour(sit_down: Sit, tmp_path: Path, variables: dict[str, str]) -> None:
    """NO_COLOR leaves the menus without colours; where TERM is dumb all is lines, without any control sequence."""
    person = sit_down(["--no-try", *given("folder")], **variables)
    is_dumb = "TERM" in variables
    if is_dumb:
        for text, keys in (
            ("folder [none]:", "?\n"),
            ("A folder or file that is there", "=\n"),
            ("name: scripted-3", "<\n"),
            ("server2 [none]:", "\n"),
            ("folder [none]:", "nowhere\n"),
            ("does not exist", "data\n"),
            ("access [read]:", "write\n"),
            ("seconds [600]:", "60\n"),
            ("money [none]:", "\n"),
            ("display [auto]:", "plain\n"),
            ("end [write]:", "change\n"),
            ("which [", "agents\n"),
            ("agents [3]:", "2\n"),
            ("end [write]:", "\n"),
        ):
            person.answer(text, keys)
    else:
        for key in list(KEYS)[list(KEYS).index("folder") :]:
            person.answer(*KEYS[key][:2])
        person.answer("Write this?", "\r")

    assert person.ended() == 0, person.text
    assert ("\x1b" in person.raw.decode()) is not is_dumb
    assert re.findall(r"\x1b\[[0-9;]*(?:3[0-7]|9[0-7]|38;)[0-9;]*m", person.raw.decode()) == []
    assert len(read_document(tmp_path / "massgen.yaml").data["agents"]) == (2 if is_dumb else 3)


def test_servers_are_tried(sit_down: Sit, tmp_path: Path) -> None:
    """What works shows its tools; what does not can be named anew, kept or dropped."""
    person = sit_down(given("server1"))
    person.answer("Which MCP server?", "broken=no-such-program\r")
    person.until("broken does not work")
    person.answer("What now with broken?", "?")
    person.until("drop: do without it")
    person.answer("What now with broken?", "change\r")
    person.answer("Which MCP server?", f"\t\x15good={shlex.quote(sys.executable)} {shlex.quote(str(SERVER))}\r")
    person.until("good works: echo, nap")
    person.answer("Another MCP server?", "lost=no-such-program\r")
    person.answer("What now with lost?", "drop\r")
    person.answer("Another MCP server?", "kept=no-such-program\r")
    person.answer("What now with kept?", "keep\r")
    person.answer("Another MCP server?", "\r")
    person.until("Which folder may agents look into?")
    person.send("\x03")

    assert person.ended() == 130
    kept = read_document(tmp_path / "massgen.answers.yaml").data
    assert [kept[f"server{number}"].partition("=")[0] for number in (1, 2, 3)] == ["good", "kept", "none"]


def test_ctrl_c_while_a_server_is_tried(sit_down: Sit, tmp_path: Path) -> None:
    """It is no key then, but a signal; the server's name is kept."""
    person = sit_down(given("server1"))
    person.answer("Which MCP server?", f"slow={shlex.quote(sys.executable)} -m http.server 0\r")
    person.until("starting slow to see its tools")
    person.send("\x03")

    assert person.ended() == 130
    assert read_document(tmp_path / "massgen.answers.yaml").data["server1"].startswith("slow=")


def test_the_end_of_a_terminal_loses_nothing(sit_down: Sit, tmp_path: Path) -> None:
    """Where the terminal is closed, which ends the program with a signal, the answers are kept as well."""
    person = sit_down(given("agents"))
    person.until("How many agents?")
    os.close(person.master)
    person.master = os.open(os.devnull, os.O_RDWR)

    assert person.process.wait(SECONDS) != 0
    assert read_document(tmp_path / "massgen.answers.yaml").data["backends"] == "scripted"
