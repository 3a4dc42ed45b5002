from __future__ import annotations

import argparse
import os
import pty
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from massgen_cmd_chat.chat import Chat, _typed
from massgen_cmd_chat.conversation import Conversation, Turn
from massgen_core.api import MassGenError, UsageProblem
from massgen_core.cli.app import ConsoleApp
from massgen_core.cli.run import add_options

Talk = Callable[..., tuple[int, str, str]]


def test_each_line_of_a_pipe_is_a_question(chat: Talk) -> None:
    """Earlier questions and answers are context; answers alone go to standard output."""
    code, out, err = chat("one\n\n  two \n")

    assert (code, err) == (0, "")
    assert out == "one! after []\n\ntwo! after ['one', 'one! after []']\n\n"


def test_every_question_is_a_run_and_the_conversation_names_it(chat: Talk, app: ConsoleApp) -> None:
    """The file of a conversation holds each question, its answer and the run's id."""
    chat("one\ntwo\n")
    talk = Conversation.find(app.runs, "last")

    assert [turn.question for turn in talk.turns] == ["one", "two"]
    assert [app.find_run(turn.run).name for turn in talk.turns] == [turn.run for turn in talk.turns]
    assert talk.path.stat().st_mode & 0o777 == 0o600


def test_the_last_conversation_goes_on(chat: Talk, app: ConsoleApp) -> None:
    """--continue takes up what was said, in the same file."""
    chat("one\n")
    _, out, _ = chat("two\n", "--continue")

    assert out == "two! after ['one', 'one! after []']\n\n"
    assert len(list(app.runs.glob("*.chat.jsonl"))) == 1


def test_a_conversation_goes_on_by_name(chat: Talk, app: ConsoleApp) -> None:
    """The beginning of a name is enough where it is unambiguous."""
    for name in ("a1", "a2", "b1"):
        Conversation(app.runs / f"{name}.chat.jsonl").add(Turn(run="r", question=name, answer="x", status="answered"))

    assert "after ['b1', 'x']" in chat("hi\n", "--continue", "b")[1]
    assert chat("hi\n", "--continue", "a")[::2] == (2, "massgen: several conversations begin with 'a'; there are: a1, a2\n")
    assert "no conversation begins with 'z'" in chat("hi\n", "--continue", "z")[2]


def test_without_a_conversation_nothing_can_go_on(chat: Talk, app: ConsoleApp) -> None:
    """The message says how to begin one."""
    assert chat("hi\n", "--continue")[::2] == (2, f"massgen: there is no conversation in {app.runs} yet; begin one with: massgen chat\n")


@pytest.mark.parametrize(("turns", "expected"), [("0", "[]"), ("1", "['b', 'y']"), ("2", "['a', 'x', 'b', 'y']"), ("9", "['a', 'x', 'b', 'y']")])
def test_context_can_be_limited(chat: Talk, app: ConsoleApp, turns: str, expected: str) -> None:
    """--turns says how many earlier turns the agents are shown; turns without an answer are none."""
    talk = Conversation(app.runs / "c.chat.jsonl")
    for question, answer in (("a", "x"), ("failed", ""), ("b", "y")):
        talk.add(Turn(run="r", question=question, answer=answer, status="answered"))

    assert f"after {expected}" in chat("hi\n", "--continue", "--turns", turns)[1]


def test_a_question_that_fails_does_not_end_the_conversation(chat: Talk) -> None:
    """The reasons are shown, the next question is asked without the failed one, and the exit code remembers."""
    code, out, err = chat("fail\ntwo\n")

    assert code == 4
    assert out == "two! after []\n\n"
    assert err == "massgen: failed: nobody answered\n  ann: no\n"


def test_commands(chat: Talk) -> None:
    """A slash and one word is a command, whatever else begins with a slash is a question."""
    _, out, err = chat("/history\none\n/history\n/what\n/help\n/new\ntwo\n/etc/hosts is what?\n/quit\nthree\n")

    assert [line.partition("!")[0] for line in out.splitlines() if line] == ["one", "two", "/etc/hosts is what?"]
    assert "two! after []" in out
    assert "nothing was said yet" in err
    assert "? one\n  one! after []\n  massgen show 20" in err
    assert "there is no command /what; /help lists them" in err
    assert "/history   what was said" in err


def test_mistakes_are_explained(chat: Talk) -> None:
    """Options without sense and plugins that are not there end it before a question is asked."""
    assert chat("one\n", "--turns", "-1")[0] == 2
    code, out, err = chat("one\n", "--strategy", "nope")

    assert (code, out) == (2, "")
    assert "no installed plugin provides strategy 'nope'" in err


def test_a_torn_last_turn_is_left_out(tmp_path: Path) -> None:
    """A turn that was being written when the process died is none; damage before the end is named by its line."""
    talk = Conversation(tmp_path / "c.chat.jsonl")
    talk.add(Turn(run="r", question="q", answer="a", status="answered", at=1.5))
    with talk.path.open("a") as file:
        file.write('{"run": "r2", "ques')

    assert Conversation.find(tmp_path, "last").turns == talk.turns

    talk.path.write_text("{}\n")
    with pytest.raises(MassGenError, match=r"chat\.jsonl:1 is no turn"):
        Conversation.find(tmp_path, "c")


def test_a_conversation_that_cannot_be_kept_says_so(tmp_path: Path) -> None:
    """The file is named."""
    (tmp_path / "file").touch()

    with pytest.raises(MassGenError, match="cannot be kept in"):
        Conversation(tmp_path / "file" / "c.chat.jsonl").add(Turn(run="r", question="q", answer="a", status="answered"))
    with pytest.raises(UsageProblem):
        Conversation.find(tmp_path, "last")


class Keys:
    """A standard input that a person interrupts."""

    def __init__(self, *strokes: str | type[BaseException]) -> None:
        self._strokes = iter(strokes)

    def readline(self) -> str:
        stroke = next(self._strokes)
        if isinstance(stroke, str):
            return stroke
        raise stroke


@pytest.mark.parametrize(
    ("strokes", "questions"),
    [
        (("one\n", KeyboardInterrupt, KeyboardInterrupt), ["one"]),
        ((KeyboardInterrupt, "one\n", KeyboardInterrupt, "two\n", ""), ["one", "two"]),
        (("\n", "  \n", ""), []),
    ],
)
def test_ctrl_c_twice_leaves_the_prompt(
    app: ConsoleApp, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], strokes: tuple[str, ...], questions: list[str]
) -> None:
    """Once only clears the line; the end of input leaves."""
    monkeypatch.setattr(sys, "stdin", Keys(*strokes))

    assert list(_typed(app, Conversation.begin(app.runs))) == questions
    assert capsys.readouterr().out == ""


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A person's terminal as standard input; standard output is a file."""
    person, side = pty.openpty()
    with os.fdopen(side) as into:
        monkeypatch.setattr(sys, "stdin", into)
        yield person
    os.close(person)


def test_a_terminal_is_greeted_and_prompted(app: ConsoleApp, terminal: int, capsys: pytest.CaptureFixture[str]) -> None:
    """On a terminal there is a greeting and a prompt, both on standard error, and the exit code is 0 whatever was asked."""
    parser = argparse.ArgumentParser()
    command = Chat()
    command.configure(parser)
    add_options(parser)
    os.write(terminal, b"fail\none\n\x04")
    code = app.invoke(command, parser.parse_args(["--agent", "ann=echo", "--strategy", "solo", "--quiet"]))
    captured = capsys.readouterr()

    assert code == 0
    assert captured.out == "one! after []\n\n"
    assert captured.err.startswith("Ask anything; /help lists the commands, Ctrl-D leaves.\n? massgen: failed")
    assert captured.err.endswith("? ? \n")


def test_an_empty_pipe_is_an_empty_conversation(chat: Talk, app: ConsoleApp) -> None:
    """It leaves no file."""
    assert chat("") == (0, "", "")
    assert not app.runs.exists()
