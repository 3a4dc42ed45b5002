"""The options of the sink."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import attrs

__all__ = ["LEVELS", "LogLevel", "McpLogConfig"]

LogLevel: TypeAlias = Literal["debug", "info", "warning", "error", "off"]
LEVELS: tuple[str, ...] = ("debug", "info", "warning", "error", "off")


def _known_levels(instance: object, attribute: Any, value: Mapping[str, str]) -> None:
    for rule, level in value.items():
        if level not in LEVELS:
            raise ValueError(f"{rule}: {level!r} is no level; there are {', '.join(LEVELS)}")


@attrs.frozen(kw_only=True)
class McpLogConfig:
    """What is logged, and how much of it."""

    level: LogLevel = attrs.field(default="info", metadata={"help": "the least level that is written; debug adds payloads, progress and probes"})
    levels: Mapping[str, str] = attrs.field(
        factory=dict,
        validator=_known_levels,
        metadata={"help": "levels by rule, written `server/tool:operation`, each part a name, a pattern or left out"},
    )
    debug: bool = attrs.field(default=False, metadata={"help": "write everything with payloads, whatever the levels say"})
    payload_limit: int = attrs.field(
        default=32_768, validator=attrs.validators.ge(0), metadata={"help": "characters that are kept of a payload, of arguments and of a result"}
    )
    text: bool = attrs.field(default=True, metadata={"help": "write files for people beside the structured ones"})
    rotation: str = attrs.field(
        default="10 MB", metadata={"help": "size or age at which a file for people is begun anew, for instance 10 MB or 1 day"}
    )
    retention: int = attrs.field(
        default=5, validator=attrs.validators.ge(1), metadata={"help": "files for people that are kept of each kind, the present one beside them"}
    )
    compression: Literal["", "gz", "zip", "bz2", "xz"] = attrs.field(
        default="gz", metadata={"help": "how earlier files for people are compressed; empty: not"}
    )
