"""What a session needs of a screen, and the plainest one: lines, for terminals that can do no more."""

from __future__ import annotations

import enum
import os
import sys
import textwrap
from typing import Protocol

from massgen_cmd_config.questions import Question
from massgen_core.api import App, clean_line

__all__ = ["Front", "Lines", "Move"]

HINT = "Enter takes the answer in brackets; < goes back, ? explains, = shows the file so far, Ctrl-C leaves and keeps your answers."


class Move(enum.Enum):
    """What a person does instead of answering."""

    BACK = "<"
    HELP = "?"
    PREVIEW = "="


class Front(Protocol):
    """Where questions are asked."""

    def begin(self, target: str) -> None:
        """Say what is made, and how."""

    def ask(self, question: Question, proposal: str, place: str, draft: str = "") -> str | Move:
        """Ask once and return what was answered, unchecked.

        Args:
            question: The question.
            proposal: What pressing Enter answers.
            place: Where in the way it stands, for instance `3/12`.
            draft: What was answered before and refused, to be mended.

        Raises:
            EOFError: The input has ended.
            KeyboardInterrupt: Ctrl-C.
        """

    def note(self, question: Question, answer: str) -> None:
        """Say that a question is answered."""

    def say(self, text: str, kind: str = "") -> None:
        """Show a paragraph; `kind` is empty, `good`, `bad`, `faint` or `code`, which keeps its lines."""


class Lines:
    """Asks line by line, without any control sequence."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._listed = ""

    def begin(self, target: str) -> None:
        """Say what is made, and how."""
        self._app.err(f"{target}\n{HINT}")

    def ask(self, question: Question, proposal: str, place: str, draft: str = "") -> str | Move:
        """Ask for a line."""
        if self._listed != question.key:  # choices are listed once, not again after a mistake
            self._listed = question.key
            self._app.err(f"\n{question.text}{' Several are separated by commas.' if question.is_many else ''}")
            for name, said in question.choices.items():
                self.say(f"{name}{f': {clean_line(said, 200)}' if said else ''}")
        while True:
            sys.stderr.write(f"{question.key} [{clean_line(proposal, 200)}]: ")
            sys.stderr.flush()
            try:
                line = sys.stdin.readline()
            except UnicodeDecodeError:
                self._app.err("this is no text in UTF-8")
                continue
            if not line:
                raise EOFError
            answer = clean_line(line, 2000).strip()
            return next((move for move in Move if move.value == answer), answer or proposal)

    def note(self, question: Question, answer: str) -> None:
        """Say nothing: the answer stands on the line."""
        self._listed = ""

    def say(self, text: str, kind: str = "") -> None:
        """Show a paragraph."""
        for line in text.splitlines():
            for part in [line] if kind == "code" else textwrap.wrap(line, _width() - 3, subsequent_indent="  ") or [""]:
                self._app.err(f"  {part}".rstrip())


def _width() -> int:
    """Return the columns of the terminal, within reason."""
    try:
        return max(20, min(100, os.get_terminal_size(sys.stderr.fileno()).columns))
    except (OSError, ValueError):  # no terminal, or none any more
        return 80
