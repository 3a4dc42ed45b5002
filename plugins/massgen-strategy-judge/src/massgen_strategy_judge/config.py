"""The options of `judge`."""

from __future__ import annotations

from typing import Any, Literal

import attrs

__all__ = ["JudgeConfig"]


def _help(text: str, **field: Any) -> Any:
    return attrs.field(metadata={"help": text}, **field)


@attrs.frozen(kw_only=True)
class JudgeConfig:
    """Who chooses, and what becomes of the chosen answer."""

    judge: str = _help("the agent that chooses; empty: drawn by lot. Where it fails, another one is drawn", default="")
    final: Literal["reuse", "present"] = _help(
        "the chosen answer is the result, or its author writes a final text with the others' insights", default="reuse"
    )
