"""What the strategy remembers."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from massgen_core import api

__all__ = ["Member", "State"]


@attrs.frozen(kw_only=True)
class Member:
    """An agent: how many turns it had, how many samples it gave, and its turn as it stands."""

    turns: int = 0
    samples: int = 0
    is_open: bool = False
    heard: api.TurnResponded | None = None
    reminders: int = 0
    text: str = ""
    left: str = ""
    is_out: bool = False


@attrs.frozen(kw_only=True)
class State:
    """A run. `groups` holds the samples that are the same, in the order in which they came; `done` the types of events that came."""

    task: api.Task
    members: Mapping[str, Member]
    groups: Mapping[str, tuple[api.AnswerGiven, ...]] = attrs.field(factory=dict)
    done: frozenset[type[api.Event]] = frozenset()
    limit: str = ""
