"""What a scripted agent can do in a turn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import attrs

from massgen_core.api import Purpose

__all__ = ["Break", "Call", "Choose", "Give", "Hang", "Move", "Say", "Script", "Work"]


@attrs.frozen
class Give:
    """Hand over an answer, through `new_answer` where the turn has a tool; the default text holds the agent's mark and is new each time."""

    content: str = ""


@attrs.frozen
class Choose:
    """Choose the candidate whose text holds this agent's mark, through the tool with an enumeration."""

    mark: str


@attrs.frozen
class Say:
    """Write plain text."""

    text: str


@attrs.frozen
class Call:
    """Call tools: names with arguments as JSON text, or any text."""

    calls: tuple[tuple[str, str], ...]
    text: str = ""


@attrs.frozen
class Work:
    """Use a tool of the agent's own; then the model is called again."""


@attrs.frozen
class Break:
    """Fail."""

    fault: str = "Overloaded"
    reason: str = "the server is busy"
    partial: str = ""


@attrs.frozen
class Hang:
    """Never respond. When nobody else can move, the agent's time limit is reached."""


Move: TypeAlias = Give | Choose | Say | Call | Work | Break | Hang


@attrs.frozen
class Script:
    """How an agent behaves.

    Attributes:
        mark: A word that its answers hold, by which others find them; it takes the name's place wherever order matters.
        favourite: The mark of whom it chooses when its moves are used up.
        moves: What it does, one after the other, by the turn's purpose; then it behaves well.
        repeats: It makes its moves over and over instead.
    """

    mark: str
    favourite: str = ""
    moves: Mapping[str, tuple[Move, ...]] = attrs.field(factory=dict)
    repeats: bool = False

    def move(self, purpose: Purpose, place: int) -> Move:
        """Return the move number `place` in turns of a purpose."""
        moves = self.moves.get(purpose, ())
        if moves and self.repeats:
            return moves[place % len(moves)]
        if place < len(moves):
            return moves[place]
        if purpose == "answer":
            return Give()
        return Say(text=f"final text of [{self.mark}.]") if purpose == "present" else Choose(mark=self.favourite or self.mark)
