"""What an event is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import attrs

__all__ = [
    "Event",
    "Record",
    "UnknownEvent",
]


@attrs.frozen(kw_only=True)
class Event:
    """A fact. Subclasses set `type`, the name on disk."""

    type: ClassVar[str] = ""


@attrs.define
class Record:
    """An event with its place in the run: what the journal holds and what sinks and displays receive. Treat it as frozen.

    Attributes:
        seq: Place in the run's total order, from 1; streamed text, which the journal does not keep, repeats the last number.
        at: Seconds since the epoch.
        event: The fact.
        span: W3C span id (16 hex digits) of the operation; empty for the run itself.
        parent: Span id of the operation around it.
        trace: W3C trace id (32 hex digits), the same in the whole run.
    """

    seq: int
    at: float
    event: Event
    span: str = ""
    parent: str = ""
    trace: str = ""


@attrs.frozen(kw_only=True)
class UnknownEvent(Event):
    """An event of a plugin that is not installed, kept as it was read."""

    type: ClassVar[str] = "unknown"
    name: str
    data: Mapping[str, Any]
