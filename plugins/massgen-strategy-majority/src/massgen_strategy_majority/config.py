"""The options of `majority`."""

from __future__ import annotations

from typing import Any, Literal

import attrs
from attrs import validators

__all__ = ["REMINDERS", "MajorityConfig", "calls"]

REMINDERS = 3  # how often a turn without an answer is told so


def _help(text: str, **field: Any) -> Any:
    return attrs.field(metadata={"help": text}, **field)


@attrs.frozen(kw_only=True)
class MajorityConfig:
    """How many samples, and when two of them are the same."""

    samples: int = _help("how many answers are drawn, spread over the agents", default=5, validator=validators.ge(1))
    compare: Literal["last_line", "number", "text"] = _help(
        "what two answers must share to be the same: the last line, the last number, or the whole text; case and punctuation do not count",
        default="last_line",
    )
    early_stop: bool = _help("end as soon as the samples that are missing cannot change the winner", default=True)


def calls(config: MajorityConfig, agents: int) -> tuple[int, int]:
    """Return how many model calls a run usually has, and at most: whoever gives no sample leaves, and others draw it."""
    return config.samples, (config.samples + agents - 1) * (1 + REMINDERS)
