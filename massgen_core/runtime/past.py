"""What a journal says about a run that stopped: the strategy's state, and the turns that were open."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from massgen_core.coordination import Strategy
from massgen_core.events import (
    AgentLeft,
    AgentStateChanged,
    AnswerGiven,
    Event,
    Record,
    RunEnded,
    ToolCalled,
    TurnEnded,
    TurnFailed,
    TurnInterrupted,
    TurnStarted,
    VoteCast,
)

__all__ = ["STATES", "Past"]


@attrs.frozen(kw_only=True)
class Past:
    """A fold over recorded events.

    Attributes:
        state: The strategy's state after the last one.
        events: All of them.
        open_turns: Each open turn: how it began, its span, and what happened in it.
        ended: How the run ended, where it did.
    """

    state: Any
    events: tuple[Event, ...]
    open_turns: tuple[tuple[TurnStarted, str, tuple[Event, ...]], ...]
    ended: RunEnded | None = None

    @classmethod
    def of(cls, records: Sequence[Record], strategy: Strategy, state: Any) -> Past:
        """Fold `records`, starting with `state`."""
        turns: dict[tuple[str, int], tuple[TurnStarted, str, list[Event]]] = {}
        ended = None
        for record in records:
            event = record.event
            if isinstance(event, AgentStateChanged):
                continue
            state = strategy.apply(state, event)
            if isinstance(event, RunEnded):
                ended = event
            key = (getattr(event, "agent", ""), getattr(event, "turn", 0))
            if isinstance(event, TurnStarted):
                turns[key] = (event, record.span, [])
            elif isinstance(event, TurnEnded | TurnFailed | TurnInterrupted):
                turns.pop(key, None)
            elif key in turns:
                turns[key][2].append(event)
        return cls(
            state=state,
            events=tuple(record.event for record in records),
            open_turns=tuple((started, span, tuple(events)) for started, span, events in turns.values()),
            ended=ended,
        )


# The agent and the state that people should see after an event; others change nothing.
STATES: Mapping[type[Event], Callable[[Any], tuple[str, str]]] = {
    TurnStarted: lambda event: (event.agent, "presenting" if event.purpose == "present" else "thinking"),
    ToolCalled: lambda event: (event.agent, "using_tools"),
    AnswerGiven: lambda event: (event.agent, "answered"),
    VoteCast: lambda event: (event.voter, "voted"),
    AgentLeft: lambda event: (event.agent, "out"),
}
