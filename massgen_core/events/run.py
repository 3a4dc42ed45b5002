"""Facts of a run as a whole."""

from __future__ import annotations

from typing import ClassVar, Literal, TypeAlias

import attrs

from massgen_core.events.base import Event
from massgen_core.messages import Message, Usage

__all__ = [
    "DecisionMade",
    "EventsDropped",
    "LimitReached",
    "MemoryRecalled",
    "NoticeGiven",
    "PhaseEntered",
    "PhaseLeft",
    "RunEnded",
    "RunResumed",
    "RunStarted",
    "RunStatus",
    "SinkFailed",
]

RunStatus: TypeAlias = Literal["answered", "partial", "failed", "cancelled"]


@attrs.frozen(kw_only=True)
class RunStarted(Event):
    """A run began. `seed` is the only randomness that a strategy may use."""

    type: ClassVar[str] = "run.started"
    run: str
    question: str
    agents: tuple[str, ...]
    strategy: str
    seed: int
    version: str
    history: tuple[Message, ...] = ()


@attrs.frozen(kw_only=True)
class RunResumed(Event):
    """A run went on after its process had ended; what was under way is done again, what was recorded is not."""

    type: ClassVar[str] = "run.resumed"
    version: str


@attrs.frozen(kw_only=True)
class RunEnded(Event):
    """A run ended.

    Attributes:
        status: `partial` when a limit, a fault or a person ended it and an answer exists all the same.
        winner: The agent whose answer it is; empty where there is none.
        answer: The final text.
        reason: Why it ended so, for a person.
        seconds: Wall time of this process's share of the run.
        usage: All model calls together.
    """

    type: ClassVar[str] = "run.ended"
    status: RunStatus
    winner: str = ""
    answer: str = ""
    reason: str = ""
    seconds: float = 0.0
    usage: Usage = Usage()


@attrs.frozen(kw_only=True)
class PhaseEntered(Event):
    """A strategy entered a phase."""

    type: ClassVar[str] = "phase.entered"
    phase: str


@attrs.frozen(kw_only=True)
class PhaseLeft(Event):
    """A strategy left a phase. `seconds` is filled in by the conductor."""

    type: ClassVar[str] = "phase.left"
    phase: str
    seconds: float = 0.0


@attrs.frozen(kw_only=True)
class DecisionMade(Event):
    """A strategy chose between ways to go on.

    Attributes:
        point: What was decided, for instance `tie` or `end_of_voting`.
        options: What could have been chosen.
        chosen: What was.
        reason: Why, for a person.
    """

    type: ClassVar[str] = "decision.made"
    point: str
    options: tuple[str, ...] = ()
    chosen: str
    reason: str = ""


@attrs.frozen(kw_only=True)
class LimitReached(Event):
    """A limit was hit.

    Attributes:
        what: `time`, `tokens`, `money` or `calls`; `person` when somebody asked the run to end.
        limit: Its value, in seconds, tokens, US dollars or calls.
        agent: Whose limit; empty for the run's.
    """

    type: ClassVar[str] = "limit.reached"
    what: Literal["time", "tokens", "money", "calls", "person"]
    limit: float = 0.0
    agent: str = ""


@attrs.frozen(kw_only=True)
class MemoryRecalled(Event):
    """Earlier turns of a conversation became context."""

    type: ClassVar[str] = "memory.recalled"
    source: str
    messages: int


@attrs.frozen(kw_only=True)
class NoticeGiven(Event):
    """Something that a person should know."""

    type: ClassVar[str] = "notice.given"
    level: Literal["info", "warning", "error"]
    text: str
    agent: str = ""


@attrs.frozen(kw_only=True)
class SinkFailed(Event):
    """A sink or display raised; `is_closed` when it is not called any more."""

    type: ClassVar[str] = "sink.failed"
    sink: str
    reason: str
    is_closed: bool = False


@attrs.frozen(kw_only=True)
class EventsDropped(Event):
    """A sink or display lost records."""

    type: ClassVar[str] = "events.dropped"
    sink: str
    count: int
