"""What is known of a run, in bounded memory: records in, a board out."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Literal

import attrs

from massgen_core.api import (
    AgentLeft,
    AgentStateChanged,
    AnswerGiven,
    Event,
    EventsDropped,
    Figures,
    LimitReached,
    ModelAnswered,
    ModelFailed,
    ModelRequested,
    ModelRetried,
    ModelStreamed,
    NoticeGiven,
    PhaseEntered,
    Record,
    RunEnded,
    RunResumed,
    RunStarted,
    SinkFailed,
    ToolApproved,
    ToolCalled,
    ToolJudged,
    ToolReturned,
    TurnEnded,
    TurnFailed,
    TurnInterrupted,
    TurnStarted,
    Usage,
    VoteCast,
    VotesCleared,
    WinnerChosen,
    clean_line,
    describe,
)

__all__ = ["AgentRow", "Board", "Vote"]

TAIL = 4000
_ESCAPE = re.compile(r'\\(?:u([0-9a-fA-F]{4})|(["\\/bfnrt]))')
_OPENING = re.compile(r'\s*\{\s*"[^"]{0,80}"\s*:\s*"?')
_BETWEEN = re.compile(r'"\s*,\s*"[^"]{1,80}"\s*:\s*"?')
_LETTERS = {"n": "\n", "t": "\t", "r": "\n", "b": "", "f": "\n"}
_NOTICES = (SinkFailed, EventsDropped, LimitReached, ModelRetried, ToolApproved, ToolJudged)


@attrs.define
class Vote:
    """A vote that counts."""

    voter: str
    choice: str
    reason: str


@attrs.define
class AgentRow:
    """What is known of an agent.

    Attributes:
        place: From 0, in the order of the configuration.
        spent: Seconds of its ended turns.
        since: When its turn under way began; None between turns.
        text: The end of what streams, or the beginning of its last answer.
        shows: What `text` is.
    """

    name: str
    place: int = 0
    state: str = "waiting"
    purpose: str = ""
    note: str = ""
    model: str = ""
    usage: Usage = Usage()
    calls: int = 0
    answers: int = 0
    answer: str = ""
    spent: float = 0.0
    since: float | None = None
    text: str = ""
    shows: Literal["nothing", "text", "reasoning", "arguments", "answer"] = "nothing"

    def seconds(self, now: float) -> float:
        return self.spent + (max(0.0, now - self.since) if self.since is not None else 0.0)

    def stream(self, kind: Literal["text", "reasoning", "arguments"], piece: str) -> None:
        """Add what streamed; another kind begins anew."""
        before = self.text if self.shows == kind else ""
        self.text, self.shows = (before + piece)[-TAIL:], kind

    def spoken(self, characters: int) -> str:
        """Return the part of the text that a view of so many characters needs: of a stream the end, of an answer the beginning."""
        if self.shows == "answer":
            return self.text[:characters]
        if self.shows != "arguments":
            return self.text[-characters:]
        # What a model writes into a call's arguments is JSON, and its end is still to come.
        opening = _OPENING.match(self.text)
        body = self.text[opening.end() if opening else 0 :].removesuffix("}").removesuffix('"')
        body = _ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else _LETTERS.get(found[2], found[2]), _BETWEEN.sub(" · ", body))
        return body[-characters:].encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class Board:
    """A run as it stands.

    Attributes:
        agents: By name, in the order of the configuration.
        votes: By voter, in the order in which they were cast.
        notices: What a person should know, the newest last.
    """

    def __init__(self) -> None:
        self.run = ""
        self.question = ""
        self.phase = ""
        self.began: float | None = None
        self.agents: dict[str, AgentRow] = {}
        self.votes: dict[str, Vote] = {}
        self.notices: deque[str] = deque(maxlen=4)
        self.winner: WinnerChosen | None = None
        self.ended: RunEnded | None = None
        self.figures = Figures()

    @property
    def usage(self) -> Usage:
        return sum((row.usage for row in self.agents.values()), Usage())

    def apply(self, record: Record) -> None:
        """Take the next record; what the board does not show is ignored."""
        event = record.event
        if self.began is None:
            self.began = record.at
        self.figures.take(event)
        handle = _HANDLERS.get(type(event))
        if handle:
            handle(self, event, record.at)
        elif isinstance(event, _NOTICES) and (text := describe(event)):
            self.notices.append(text)

    def row(self, agent: str) -> AgentRow:
        """Return an agent's row; one that nobody announced is added."""
        row = self.agents.get(agent)
        if row is None:
            row = self.agents[agent] = AgentRow(clean_line(agent, 40), len(self.agents))
        return row

    def _run_started(self, event: RunStarted, at: float) -> None:
        self.run, self.question = event.run, clean_line(event.question, 400)
        for agent in event.agents:
            self.row(agent)

    def _run_resumed(self, event: RunResumed, at: float) -> None:
        # What was under way when the process ended is not under way any more.
        for row in self.agents.values():
            row.since = None
        self.began, self.ended = at, None

    def _phase_entered(self, event: PhaseEntered, at: float) -> None:
        self.phase = clean_line(event.phase, 30)

    def _state_changed(self, event: AgentStateChanged, at: float) -> None:
        row = self.row(event.agent)
        if row.state != "out":
            row.state, row.note = event.state, ""

    def _left(self, event: AgentLeft, at: float) -> None:
        row = self.row(event.agent)
        row.state, row.note = "out", clean_line(event.reason)

    def _turn_started(self, event: TurnStarted, at: float) -> None:
        row = self.row(event.agent)
        row.since, row.purpose = at, event.purpose

    def _turn_over(self, event: TurnEnded | TurnFailed | TurnInterrupted, at: float) -> None:
        row = self.row(event.agent)
        row.spent, row.since = row.seconds(at), None
        if isinstance(event, TurnInterrupted) and row.state != "out":
            # Nobody says what an agent does whose turn was not needed any more.
            row.state, row.note = "answered" if row.answers else "waiting", ""
        if isinstance(event, TurnFailed):
            row.note = clean_line(f"{event.fault}: {event.reason}")
            self.notices.append(describe(event))

    def _requested(self, event: ModelRequested, at: float) -> None:
        row = self.row(event.agent)
        row.calls += 1
        row.model = clean_line(event.model or row.model or event.backend, 60)
        if row.shows != "answer":
            row.text, row.shows = "", "nothing"

    def _streamed(self, event: ModelStreamed, at: float) -> None:
        row = self.row(event.agent)
        if event.reasoning:
            row.stream("reasoning", event.reasoning)
        if event.text:
            row.stream("text", event.text)
        if event.arguments:
            row.stream("arguments", event.arguments)

    def _answered(self, event: ModelAnswered, at: float) -> None:
        row = self.row(event.agent)
        row.usage += event.usage
        row.model = clean_line(event.model or row.model, 60)

    def _failed(self, event: ModelFailed, at: float) -> None:
        self.row(event.agent).usage += event.usage

    def _tool_called(self, event: ToolCalled, at: float) -> None:
        self.row(event.agent).note = clean_line(event.tool, 64)

    def _tool_returned(self, event: ToolReturned, at: float) -> None:
        self.row(event.agent).note = ""

    def _answer_given(self, event: AnswerGiven, at: float) -> None:
        row = self.row(event.agent)
        row.answers, row.answer = event.number, event.content[:TAIL]
        row.text, row.shows = row.answer, "answer"

    def _vote_cast(self, event: VoteCast, at: float) -> None:
        self.votes.pop(event.voter, None)
        self.votes[event.voter] = Vote(clean_line(event.voter, 40), clean_line(event.choice, 40), clean_line(event.reason, 300))
        row = self.row(event.voter)
        if row.answer:
            # The vote has a line of its own, with real names; what streamed named the answer by the label that the model knows.
            row.text, row.shows = row.answer, "answer"

    def _votes_cleared(self, event: VotesCleared, at: float) -> None:
        self.votes.clear()
        if event.count:
            self.notices.append(describe(event))

    def _winner_chosen(self, event: WinnerChosen, at: float) -> None:
        self.winner = event

    def _notice(self, event: NoticeGiven, at: float) -> None:
        self.notices.append(describe(event))

    def _run_ended(self, event: RunEnded, at: float) -> None:
        self.ended = event
        for row in self.agents.values():
            row.spent, row.since = row.seconds(at), None


_HANDLERS: Mapping[type[Event], Callable[[Board, Any, float], None]] = {
    RunStarted: Board._run_started,
    RunResumed: Board._run_resumed,
    RunEnded: Board._run_ended,
    PhaseEntered: Board._phase_entered,
    AgentStateChanged: Board._state_changed,
    AgentLeft: Board._left,
    TurnStarted: Board._turn_started,
    TurnEnded: Board._turn_over,
    TurnFailed: Board._turn_over,
    TurnInterrupted: Board._turn_over,
    ModelRequested: Board._requested,
    ModelStreamed: Board._streamed,
    ModelAnswered: Board._answered,
    ModelFailed: Board._failed,
    ToolCalled: Board._tool_called,
    ToolReturned: Board._tool_returned,
    AnswerGiven: Board._answer_given,
    VoteCast: Board._vote_cast,
    VotesCleared: Board._votes_cleared,
    WinnerChosen: Board._winner_chosen,
    NoticeGiven: Board._notice,
}
