"""The options of the scripted backend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

__all__ = ["ScriptedConfig"]


@attrs.frozen(kw_only=True)
class ScriptedConfig:
    """What to play. Without any option the backend answers, votes and presents by itself."""

    file: str = attrs.field(default="", metadata={"help": "a script, YAML or JSON; relative to the current folder"})
    script: Mapping[str, Any] = attrs.field(factory=dict, metadata={"help": "the same as `file`, written inline"})
    steps: tuple[Any, ...] = attrs.field(default=(), metadata={"help": "the steps of whoever uses this backend, for short"})
    seed: int = attrs.field(default=0, metadata={"help": "of votes without a script, and of `chance`"})
    delay: float = attrs.field(default=0.0, metadata={"help": "seconds before each answer, where a step names none"})
    chunk: int = attrs.field(default=0, metadata={"help": "characters in a piece of streamed text; 0: three pieces"})
