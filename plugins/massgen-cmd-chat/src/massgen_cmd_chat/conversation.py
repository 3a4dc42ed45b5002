"""A conversation as it is kept: a file beside the runs, one line a turn."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from massgen_core.api import MassGenError, Message, UsageProblem

__all__ = ["Conversation", "Turn"]

_SUFFIX = ".chat.jsonl"


@attrs.frozen(kw_only=True)
class Turn:
    """A question and what came of it. `run` is the id of the run that answered it."""

    run: str
    question: str
    answer: str
    status: str
    at: float = 0.0


@attrs.define
class Conversation:
    """Turns, and the file that keeps them; a conversation without turns has no file yet."""

    path: Path
    turns: list[Turn] = attrs.field(factory=list)

    @classmethod
    def begin(cls, runs: Path) -> Conversation:
        """Return an empty conversation."""
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
        return cls(runs / f"{stamp}-{os.getpid()}{_SUFFIX}")

    @classmethod
    def find(cls, runs: Path, name: str) -> Conversation:
        """Return a kept conversation by the beginning of its name, or the last one for `last`.

        Raises:
            UsageProblem: There is none, or several.
            MassGenError: It cannot be read.
        """
        known = sorted(runs.glob(f"*{_SUFFIX}"), key=lambda path: (path.stat().st_mtime_ns, path.name))
        if not known:
            raise UsageProblem(f"there is no conversation in {runs} yet; begin one with: massgen chat")
        found = known[-1:] if name == "last" else [path for path in known if path.name.startswith(name)]
        if len(found) != 1:
            names = ", ".join(path.name.removesuffix(_SUFFIX) for path in (found or known)[-5:])
            raise UsageProblem(f"{'several conversations begin' if found else 'no conversation begins'} with {name!r}; there are: {names}")
        return cls(found[0], _read(found[0]))

    @property
    def name(self) -> str:
        return self.path.name.removesuffix(_SUFFIX)

    def context(self, most: int) -> tuple[Message, ...]:
        """Return the last turns that were answered as messages, at most `most` of them."""
        answered = [turn for turn in self.turns if turn.answer]
        said = (message for turn in answered[-most:] for message in (Message.of("user", turn.question), Message.of("assistant", turn.answer)))
        return tuple(said) if most else ()

    def add(self, turn: Turn) -> None:
        """Keep a turn.

        Raises:
            MassGenError: The file cannot be written.
        """
        self.turns.append(turn)
        line = json.dumps(attrs.asdict(turn), ensure_ascii=True) + "\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.write(descriptor, line.encode())
            finally:
                os.close(descriptor)
        except OSError as error:
            raise MassGenError(f"the conversation cannot be kept in {self.path}: {error.strerror}") from error


def _read(path: Path) -> list[Turn]:
    turns = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    except (OSError, UnicodeDecodeError) as error:
        raise MassGenError(f"the conversation {path} cannot be read: {error}") from error
    for number, line in enumerate(lines, start=1):
        # A last line without its end was being written when the process died.
        if not line.endswith("\n"):
            break
        try:
            turns.append(_turn(json.loads(line)))
        except (ValueError, TypeError, KeyError) as error:
            raise MassGenError(f"{path}:{number} is no turn of a conversation; take the line out to go on") from error
    return turns


def _turn(data: Mapping[str, Any]) -> Turn:
    return Turn(**{name: str(data[name]) for name in ("run", "question", "answer", "status")}, at=float(data["at"]))
