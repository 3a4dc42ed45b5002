"""Facts of answers and votes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import attrs

from massgen_core.events.base import Event

__all__ = [
    "AnswerGiven",
    "AnswerPresented",
    "AnswerRejected",
    "VoteCast",
    "VoteRejected",
    "VotesCleared",
    "WinnerChosen",
]


@attrs.frozen(kw_only=True)
class AnswerGiven(Event):
    """An agent's answer counts. `number` is 1 for its first one; `label` is `<agent>.<number>`."""

    type: ClassVar[str] = "answer.given"
    agent: str
    number: int
    content: str

    @property
    def label(self) -> str:
        """The answer's name for people: `<agent>.<number>`."""
        return f"{self.agent}.{self.number}"


@attrs.frozen(kw_only=True)
class AnswerRejected(Event):
    """An answer does not count; the model is told why."""

    type: ClassVar[str] = "answer.rejected"
    agent: str
    reason: str
    content: str = ""


@attrs.frozen(kw_only=True)
class VoteCast(Event):
    """A vote counts. `voter` and `choice` are agents' real names; `shown_as` is the label that the voter saw."""

    type: ClassVar[str] = "vote.cast"
    voter: str
    choice: str
    number: int
    reason: str = ""
    shown_as: str = ""


@attrs.frozen(kw_only=True)
class VoteRejected(Event):
    """A vote does not count; the model is told why."""

    type: ClassVar[str] = "vote.rejected"
    voter: str
    reason: str


@attrs.frozen(kw_only=True)
class VotesCleared(Event):
    """All votes so far no longer count."""

    type: ClassVar[str] = "votes.cleared"
    reason: str
    count: int


@attrs.frozen(kw_only=True)
class WinnerChosen(Event):
    """An agent won. `votes` counts by agent; `reason` names the rule, ties included."""

    type: ClassVar[str] = "winner.chosen"
    agent: str
    votes: Mapping[str, int]
    reason: str


@attrs.frozen(kw_only=True)
class AnswerPresented(Event):
    """The final text."""

    type: ClassVar[str] = "answer.presented"
    agent: str
    content: str
