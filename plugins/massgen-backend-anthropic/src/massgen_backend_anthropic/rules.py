"""What each generation of Claude models takes, as it was documented on 2026-11-20."""

from __future__ import annotations

import re
from typing import Literal

import attrs

__all__ = ["BINDING", "BUDGETS", "Rules", "rules_of"]

_VERSION = re.compile(r"claude-(?:(?P<family>[a-z]+)-)?(?P<major>\d+)(?:[-.](?P<minor>\d{1,2}))?(?!\d)")
BINDING = "thinking-binding-controls-2026-08-01"  # the beta that lets stale thoughts be dropped
BUDGETS = {"minimal": 1024, "low": 4096, "medium": 10_000, "high": 20_000, "max": 32_000}


@attrs.frozen(kw_only=True)
class Rules:
    """What a model takes.

    Attributes:
        style: How it is told to think: with an effort, or with a budget of tokens.
        off: The type that turns thinking off; empty where it always thinks.
        thinks: It thinks where nothing is said.
        binds: Its thoughts hold for the conversation, tools and instructions that they came from.
        most: Tokens of one answer, at most.
    """

    style: Literal["adaptive", "enabled"] = "enabled"
    off: Literal["disabled", "between_tools", ""] = "disabled"
    thinks: bool = False
    binds: bool = False
    most: int = 8192


def rules_of(model: str) -> Rules:
    """Return what a model takes, by its name; names of other makers are taken for old models."""
    found = _VERSION.search(model)
    family = found["family"] or "" if found else ""
    version = (int(found["major"]), int(found["minor"] or 0)) if found else (0, 0)
    if "mythos" in model or family == "fable":
        return Rules(style="adaptive", off="", thinks=True, binds=version >= (5, 1), most=128_000)
    if version >= (5, 5):
        off: Literal["disabled", "between_tools", ""] = "between_tools" if family == "sonnet" else "disabled" if family == "haiku" else ""
        return Rules(style="adaptive", off=off, thinks=True, binds=True, most=128_000)
    if version >= (5, 0):
        return Rules(style="adaptive", thinks=True, most=128_000)
    if version >= (4, 6):
        return Rules(style="adaptive", most=64_000 if family == "sonnet" else 128_000)
    if version >= (3, 7):
        return Rules(most=32_000 if family == "opus" and version < (4, 5) else 64_000)
    return Rules(most=4096 if (0, 0) < version < (3, 5) else 8192)
