"""`massgen chat`: a conversation on a terminal, or a line a question from a pipe."""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Iterator
from contextlib import suppress

from massgen_cmd_chat.conversation import Conversation, Turn
from massgen_core.api import App, Outcome, UsageProblem, clean_line

__all__ = ["Chat"]

_PROMPT = "? "
_COMMAND = re.compile(r"/[a-z]+")
_HELP = """\
Each line is a question; earlier questions and answers are its context.
  /history   what was said, and by which runs it was answered
  /new       begin a new conversation
  /quit      leave; Ctrl-D does the same
Ctrl-C ends the run under way with what there is; twice, at once. At the prompt twice leaves."""
_EXIT_CODES = {"answered": 0, "partial": 3, "failed": 4, "cancelled": 130}


class Chat:
    """The command."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add options."""
        parser.add_argument(
            "--continue", nargs="?", const="last", metavar="CHAT", dest="resumed", help="go on with the last conversation, or with the one named"
        )
        parser.add_argument("--turns", type=int, default=10, metavar="N", help="earlier turns that become context (default: 10)")

    def run(self, arguments: argparse.Namespace, app: App) -> int:
        """Ask until there is no more question, and return the exit code."""
        if arguments.turns < 0:
            raise UsageProblem("--turns takes a number from 0")
        self._talk = Conversation.find(app.runs, arguments.resumed) if arguments.resumed else Conversation.begin(app.runs)
        is_terminal = sys.stdin is not None and sys.stdin.isatty()
        if is_terminal:
            app.err(self._greeting())
        code = 0
        for line in _typed(app, self._talk) if is_terminal else _piped():
            if _COMMAND.fullmatch(line):
                if line == "/quit":
                    break
                self._obey(line, app)
                continue
            outcome = app.run(arguments, line, self._talk.context(arguments.turns))
            self._talk.add(Turn(run=outcome.run, question=line, answer=outcome.answer, status=outcome.status, at=time.time()))
            _tell(outcome, app)
            code = max(code, _EXIT_CODES[outcome.status])
        return 0 if is_terminal else code

    def _greeting(self) -> str:
        turns = len(self._talk.turns)
        if not turns:
            return "Ask anything; /help lists the commands, Ctrl-D leaves."
        return f"Conversation {self._talk.name}, {turns} turn{'' if turns == 1 else 's'} so far; /history shows them, Ctrl-D leaves."

    def _obey(self, line: str, app: App) -> None:
        if line == "/help":
            app.err(_HELP)
        elif line == "/new":
            self._talk = Conversation.begin(app.runs)
            app.err("A new conversation; the last one can be continued with: massgen chat --continue")
        elif line == "/history":
            for turn in self._talk.turns:
                app.err(f"? {clean_line(turn.question, 500)}")
                app.err(f"  {clean_line(turn.answer, 500) or turn.status}")
                app.err(f"  massgen show {turn.run}")
            if not self._talk.turns:
                app.err("nothing was said yet")
        else:
            app.err(f"there is no command {line}; /help lists them")


def _tell(outcome: Outcome, app: App) -> None:
    """Answers go to standard output, everything else to standard error."""
    if outcome.answer:
        app.out(outcome.answer)
        app.out("")
        sys.stdout.flush()
    if outcome.status != "answered":
        app.err(f"massgen: {outcome.status}: {outcome.reason}" if outcome.reason else f"massgen: {outcome.status}")
        for agent, reason in outcome.reasons.items():
            app.err(f"  {agent}: {reason}")


def _piped() -> Iterator[str]:
    for line in sys.stdin or ():
        if line.strip():
            yield line.strip()


def _typed(app: App, talk: Conversation) -> Iterator[str]:
    """Yield what a person types, until the end of input or Ctrl-C twice."""
    with suppress(ImportError):
        import readline  # noqa: PLC0415 - it takes over the terminal

        for turn in talk.turns:
            readline.add_history(clean_line(turn.question, 2000))
    is_warned = False
    while True:
        try:
            line = _ask().strip()
        except EOFError:
            app.err("")
            return
        except KeyboardInterrupt:
            app.err("" if is_warned else "\nCtrl-C once more leaves")
            if is_warned:
                return
            is_warned = True
            continue
        is_warned = False
        if line:
            yield line


def _ask() -> str:
    """Read a line with editing; where standard output is no terminal the prompt goes to standard error."""
    if sys.stdout.isatty():
        return input(_PROMPT)
    sys.stderr.write(_PROMPT)
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line
