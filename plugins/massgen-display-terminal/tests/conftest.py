from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from massgen_core.api import (
    AgentStateChanged,
    AnswerGiven,
    AnswerPresented,
    Event,
    Message,
    ModelAnswered,
    ModelRequested,
    ModelStreamed,
    PhaseEntered,
    Record,
    RunEnded,
    RunStarted,
    TurnEnded,
    TurnStarted,
    Usage,
    VoteCast,
    WinnerChosen,
)

QUESTION = "Which sorting algorithm is both stable and in place, and what does that cost?"
TEXTS = (
    "Insertion sort is stable and works in place: it moves an element left only past strictly larger ones, so equal ones keep their order, "
    "and it needs one spare cell. The price is time, O(n²) comparisons and moves in the worst case.",
    "Merge sort is stable, but the usual form needs O(n) extra memory. In-place variants (block merge sort, as in WikiSort) stay stable with "
    "O(1) memory and O(n log n) time; they cost code and a constant factor.\n\nFor short inputs insertion sort is enough.",
    "Bubble sort and insertion sort are both stable and in place. 日本語のテキスト and emoji 🙂 do not disturb the layout.",
)
REASONS = ("names the in-place variant and its price", "complete, and right about memory", "the only one that answers both halves")


class Story:
    """A run told step by step, with a clock of its own."""

    def __init__(self, names: Sequence[str], start: float = 1_000_000.0) -> None:
        self.names, self.now, self.records = tuple(names), start, list[Record]()

    def tell(self, *events: Event, after: float = 0.0) -> None:
        self.now += after
        for event in events:
            self.records.append(Record(len(self.records) + 1, self.now, event))

    def begin(self) -> Story:
        self.tell(RunStarted(run="20261120-0915-k7", question=QUESTION, agents=self.names, strategy="consensus", seed=7, version="0.1.0"))
        self.tell(PhaseEntered(phase="answering"))
        return self

    def ask(self, turn: int = 1) -> Story:
        for name in self.names:
            started = TurnStarted(agent=name, turn=turn, purpose="answer", messages=(Message.of("user", QUESTION),))
            self.tell(started, AgentStateChanged(agent=name, state="thinking"))
            self.tell(ModelRequested(agent=name, turn=turn, call=turn, backend="local", model="qwen2.5-coder-1.5b"))
        return self

    def stream(self, share: float = 1.0) -> Story:
        for place, name in enumerate(self.names):
            text = TEXTS[place % len(TEXTS)]
            for word in text[: int(len(text) * share)].split(" "):
                self.tell(ModelStreamed(agent=name, turn=1, call=1, text=word + " "), after=0.06)
        return self

    def answer(self) -> Story:
        for place, name in enumerate(self.names):
            text = TEXTS[place % len(TEXTS)]
            message, usage = Message.of("assistant", text), Usage(input=180 + 13 * place, output=90 + 17 * place)
            self.tell(ModelAnswered(agent=name, turn=1, call=1, message=message, stop="stop", usage=usage, model="qwen2.5-coder-1.5b"), after=0.4)
            self.tell(AnswerGiven(agent=name, number=1, content=text), TurnEnded(agent=name, turn=1))
            self.tell(AgentStateChanged(agent=name, state="answered"))
        return self

    def vote(self, count: int | None = None) -> Story:
        for place, name in enumerate(self.names[:count]):
            choice = self.names[1 % len(self.names)] if place % 4 != 1 else self.names[0]
            self.tell(VoteCast(voter=name, choice=choice, number=1, reason=REASONS[place % len(REASONS)]), after=0.7)
            self.tell(AgentStateChanged(agent=name, state="voted"))
        return self

    def present(self) -> Story:
        winner = self.names[1 % len(self.names)]
        votes = {name: sum(1 for r in self.records if isinstance(r.event, VoteCast) and r.event.choice == name) for name in self.names}
        self.tell(WinnerChosen(agent=winner, votes=votes, reason="2 of 3 votes"), PhaseEntered(phase="presenting"))
        self.tell(AgentStateChanged(agent=winner, state="presenting"))
        self.tell(TurnStarted(agent=winner, turn=2, purpose="present", messages=()))
        self.tell(ModelRequested(agent=winner, turn=2, call=2, backend="local", model="qwen2.5-coder-1.5b"))
        for word in TEXTS[1].split(" "):
            self.tell(ModelStreamed(agent=winner, turn=2, call=2, text=word + " "), after=0.06)
        return self

    def end(self) -> Story:
        winner = self.names[1 % len(self.names)]
        self.tell(AnswerPresented(agent=winner, content=TEXTS[1]))
        usage = Usage(input=1400, output=700, cost=0.0012)
        self.tell(RunEnded(status="answered", winner=winner, answer=TEXTS[1], seconds=23.4, usage=usage))
        return self


@pytest.fixture
def story() -> Callable[..., Story]:
    """Make a story of some agents."""
    return lambda *names: Story(names or ("anna", "ben", "carl"))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
