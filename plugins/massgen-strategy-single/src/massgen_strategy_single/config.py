"""The options of `single`."""

from __future__ import annotations

import attrs

__all__ = ["REMINDERS", "SingleConfig", "calls"]

REMINDERS = 3  # how often a turn without an answer is told so


@attrs.frozen(kw_only=True)
class SingleConfig:
    """Who answers."""

    agent: str = attrs.field(default="", metadata={"help": "the agent that answers; empty: the first of the configuration"})


def calls(config: SingleConfig, agents: int) -> tuple[int, int]:
    """Return how many model calls a run usually has, and at most: the one agent may be reminded."""
    return 1, 1 + REMINDERS
