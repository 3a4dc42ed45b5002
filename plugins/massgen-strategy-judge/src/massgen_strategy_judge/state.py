"""What the strategy remembers, and what events change about an agent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from massgen_core import api

__all__ = ["Member", "State", "changed_by"]


@attrs.frozen(kw_only=True)
class Member:
    """An agent, its answer, and its latest turn; `is_settled` when that turn has brought what it was for."""

    turns: int = 0
    purpose: api.Purpose = "answer"
    is_open: bool = False
    heard: api.TurnResponded | None = None
    is_settled: bool = False
    reminders: int = 0
    text: str = ""
    answer: str = ""
    left: str = ""
    is_out: bool = False


@attrs.frozen(kw_only=True)
class State:
    """A run. Members are in the order of their lots; `done` holds phases that were entered, as `+name`, and left, as `-name`, and types of events."""

    task: api.Task
    members: Mapping[str, Member]
    done: frozenset[str] = frozenset()
    vote: api.VoteCast | None = None
    final: str = ""
    limit: str = ""


def changed_by(member: Member, event: api.Event) -> dict[str, Any] | None:
    """Return what an event changes about its agent."""
    match event:
        case api.TurnStarted():
            return {"turns": event.turn, "purpose": event.purpose, "is_open": True, "is_settled": False, "reminders": 0, "text": ""}
        case api.TurnResponded():
            return {"heard": event, "text": event.text.strip() or member.text}
        case api.TurnReplied():
            return {"heard": None, "reminders": member.reminders + 1}
        case api.TurnEnded():
            return {"heard": None, "is_open": False}
        case api.TurnInterrupted():
            return {"heard": None, "is_open": False, "text": event.partial.strip() or member.text}
        case api.TurnFailed():
            left = member.left or f"{event.fault}: {event.reason}"
            return {"heard": None, "is_open": False, "text": event.partial.strip() or member.text, "left": left}
        case api.LimitReached():
            return {"left": member.left or f"it reached its limit of {event.what} ({event.limit:g})"}
        case api.AgentLeft():
            return {"left": member.left or event.reason, "is_out": True}
        case api.AnswerGiven():
            return {"answer": event.content, "is_settled": True}
        case api.VoteCast() | api.AnswerPresented():
            return {"is_settled": True}
    return None
