"""A whole run, put together from its journal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs

from massgen_core.api import (
    AgentLeft,
    AnswerGiven,
    AnswerPresented,
    AnswerRejected,
    DecisionMade,
    Event,
    EventsDropped,
    Figures,
    LimitReached,
    MemoryRecalled,
    ModelAnswered,
    ModelFailed,
    ModelRequested,
    ModelRetried,
    NoticeGiven,
    PhaseLeft,
    Record,
    RunEnded,
    RunResumed,
    RunStarted,
    SinkFailed,
    ToolApproved,
    ToolJudged,
    ToolReturned,
    TurnEnded,
    TurnFailed,
    TurnInterrupted,
    TurnStarted,
    Usage,
    VoteCast,
    VoteRejected,
    VotesCleared,
    WinnerChosen,
    describe,
)

__all__ = ["Account", "Answer", "Member", "Step", "Vote", "account_of"]

_NOTABLE = (
    AgentLeft,
    AnswerRejected,
    DecisionMade,
    EventsDropped,
    LimitReached,
    MemoryRecalled,
    ModelRetried,
    NoticeGiven,
    RunResumed,
    SinkFailed,
    ToolApproved,
    ToolJudged,
    TurnFailed,
    VoteRejected,
    VotesCleared,
)


@attrs.define
class Answer:
    """An answer. `at` counts seconds from the run's beginning, here and below."""

    agent: str
    number: int
    at: float
    content: str


@attrs.define
class Vote:
    """A vote; `counts` is false when it was cleared or replaced later."""

    voter: str
    choice: str
    at: float
    reason: str
    counts: bool = True


@attrs.define
class Step:
    """Something worth knowing, in words. `agent` is empty where it concerns the whole run."""

    at: float
    agent: str
    text: str


@attrs.define
class Member:
    """An agent's part in the run.

    Attributes:
        seconds: Of its turns.
        partial: What it had said when a turn of it broke or was stopped.
    """

    name: str
    backend: str = ""
    model: str = ""
    turns: int = 0
    calls: int = 0
    tools: int = 0
    usage: Usage = Usage()
    seconds: float = 0.0
    left: str = ""
    partial: str = ""
    since: float | None = attrs.field(default=None, repr=False)


@attrs.define
class Account:
    """A whole run, in memory that grows with its answers and votes only."""

    started: RunStarted | None = None
    at: float = 0.0
    last: float = 0.0
    members: dict[str, Member] = attrs.field(factory=dict)
    answers: list[Answer] = attrs.field(factory=list)
    votes: list[Vote] = attrs.field(factory=list)
    steps: list[Step] = attrs.field(factory=list)
    phases: list[tuple[str, float]] = attrs.field(factory=list)
    winner: WinnerChosen | None = None
    presented: str = ""
    ended: RunEnded | None = None
    figures: Figures = attrs.field(factory=Figures, repr=False)

    @property
    def usage(self) -> Usage:
        return sum((member.usage for member in self.members.values()), Usage())

    def apply(self, record: Record) -> None:
        """Take the next record."""
        event = record.event
        if self.started is None:
            self.at = record.at
        self.last = record.at - self.at
        self.figures.take(event)
        handle = _HANDLERS.get(type(event))
        if handle:
            handle(self, event)
        if isinstance(event, _NOTABLE) and (text := describe(event, 2000)):
            self.steps.append(Step(self.last, str(getattr(event, "agent", "") or getattr(event, "voter", "")), text))

    def member(self, name: str) -> Member:
        return self.members.setdefault(name, Member(name))

    def _run_started(self, event: RunStarted) -> None:
        self.started = event
        for name in event.agents:
            self.member(name)

    def _run_resumed(self, event: RunResumed) -> None:
        self.ended = None
        for member in self.members.values():
            member.since = None

    def _turn_started(self, event: TurnStarted) -> None:
        member = self.member(event.agent)
        member.turns += 1
        member.since = self.last

    def _turn_over(self, event: TurnEnded | TurnFailed | TurnInterrupted) -> None:
        member = self.member(event.agent)
        if member.since is not None:
            member.seconds += self.last - member.since
            member.since = None
        if not isinstance(event, TurnEnded):
            member.partial = event.partial or member.partial

    def _requested(self, event: ModelRequested) -> None:
        member = self.member(event.agent)
        member.calls += 1
        member.backend, member.model = event.backend, event.model or member.model

    def _answered(self, event: ModelAnswered) -> None:
        member = self.member(event.agent)
        member.usage += event.usage
        member.model = event.model or member.model

    def _failed(self, event: ModelFailed) -> None:
        self.member(event.agent).usage += event.usage

    def _tool_returned(self, event: ToolReturned) -> None:
        self.member(event.agent).tools += 1

    def _left(self, event: AgentLeft) -> None:
        self.member(event.agent).left = event.reason

    def _answer(self, event: AnswerGiven) -> None:
        self.answers.append(Answer(event.agent, event.number, self.last, event.content))

    def _vote(self, event: VoteCast) -> None:
        for vote in self.votes:
            if vote.voter == event.voter:
                vote.counts = False
        self.votes.append(Vote(event.voter, event.choice, self.last, event.reason))

    def _cleared(self, event: VotesCleared) -> None:
        for vote in self.votes:
            vote.counts = False

    def _phase_left(self, event: PhaseLeft) -> None:
        self.phases.append((event.phase, event.seconds))

    def _winner(self, event: WinnerChosen) -> None:
        self.winner = event

    def _presented(self, event: AnswerPresented) -> None:
        self.presented = event.content

    def _ended(self, event: RunEnded) -> None:
        self.ended = event


_HANDLERS: Mapping[type[Event], Callable[[Account, Any], None]] = {
    RunStarted: Account._run_started,
    RunResumed: Account._run_resumed,
    TurnStarted: Account._turn_started,
    TurnEnded: Account._turn_over,
    TurnFailed: Account._turn_over,
    TurnInterrupted: Account._turn_over,
    ModelRequested: Account._requested,
    ModelAnswered: Account._answered,
    ModelFailed: Account._failed,
    ToolReturned: Account._tool_returned,
    AgentLeft: Account._left,
    AnswerGiven: Account._answer,
    VoteCast: Account._vote,
    VotesCleared: Account._cleared,
    PhaseLeft: Account._phase_left,
    WinnerChosen: Account._winner,
    AnswerPresented: Account._presented,
    RunEnded: Account._ended,
}


def account_of(records: Iterable[Record]) -> Account:
    """Put a run together."""
    account = Account()
    for record in records:
        account.apply(record)
    return account
