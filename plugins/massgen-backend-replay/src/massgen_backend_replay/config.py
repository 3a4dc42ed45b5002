"""The options of the replaying backend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import attrs

__all__ = ["ReplayConfig"]


@attrs.frozen(kw_only=True)
class ReplayConfig:
    """Which backend to record, and where."""

    backend: Mapping[str, Any] = attrs.field(
        factory=dict, metadata={"help": "the backend behind this one: its `type` and its own options; not opened in mode replay"}
    )
    mode: Literal["record", "replay", "auto"] = attrs.field(
        default="auto", metadata={"help": "record: always call the backend; replay: never; auto: only for what is not recorded"}
    )
    file: str = attrs.field(default="cassette.jsonl", metadata={"help": "the recording; relative to the current folder"})
    speed: float = attrs.field(default=0.0, metadata={"help": "0: play back at once; 1: with the recorded pauses; 2: twice as fast"})
    patience: float = attrs.field(
        default=30.0, metadata={"help": "seconds that a call whose recording was cut off waits, as it did then, before it times out"}
    )
