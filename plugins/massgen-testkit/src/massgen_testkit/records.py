"""A sink that keeps everything."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TypeVar

from massgen_core.api import Event, Record

E = TypeVar("E", bound=Event)


class Records:
    """Keeps records and finds events among them.

    Attributes:
        all: Every record, in order.
    """

    def __init__(self) -> None:
        self.all: list[Record] = []

    def write(self, records: Sequence[Record]) -> None:
        """Take a batch, as a sink does."""
        self.all.extend(records)

    def emit(self, *events: Event, span: str = "", parent: str = "") -> None:
        """Take events, as a context does."""
        for event in events:
            self.all.append(Record(seq=len(self.all) + 1, at=time.time(), event=event, span=span, parent=parent))

    @property
    def events(self) -> list[Event]:
        """The events, in order."""
        return [record.event for record in self.all]

    @property
    def types(self) -> list[str]:
        """The events' names, in order."""
        return [event.type for event in self.events]

    def of(self, cls: type[E]) -> list[E]:
        """Return the events of a class, in order."""
        return [event for event in self.events if isinstance(event, cls)]
