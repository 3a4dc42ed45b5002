"""The options of `judge`."""

from __future__ import annotations

from typing import Any, Literal

import attrs

__all__ = ["REMINDERS", "JudgeConfig", "calls"]

REMINDERS = 3  # how often a turn without an answer is told so


def _help(text: str, **field: Any) -> Any:
    return attrs.field(metadata={"help": text}, **field)


@attrs.frozen(kw_only=True)
class JudgeConfig:
    """Who chooses, and what becomes of the chosen answer."""

    judge: str = _help("the agent that chooses; empty: drawn by lot. Where it fails, another one is drawn", default="")
    final: Literal["reuse", "present"] = _help(
        "the chosen answer is the result, or its author writes a final text with the others' insights", default="reuse"
    )


def calls(config: JudgeConfig, agents: int) -> tuple[int, int]:
    """Return how many model calls a run usually has, and at most: each of `agents` may be reminded, and the next one judges where one cannot."""
    patience = 1 + REMINDERS
    if agents == 1:
        return 1, patience
    is_written = config.final == "present"
    return agents + 1 + is_written, patience * (2 * agents + is_written)
