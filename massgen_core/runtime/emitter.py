"""Gives each fact its place in the run, writes it down, and only then tells anyone."""

from __future__ import annotations

import random
import time
from typing import Protocol

from massgen_core.events import Event, ModelStreamed, Record
from massgen_core.runtime.bus import Bus

__all__ = ["Emitter", "Keeps"]


class Keeps(Protocol):
    """What keeps records: the journal."""

    @property
    def waits(self) -> bool:
        """`durable` has something to wait for."""

    def append(self, record: Record) -> None:
        """Keep a record."""

    async def durable(self) -> None:
        """Return when what is kept survives what was promised."""


class Emitter:
    """Journal first, then the bus.

    Args:
        journal: Where facts are kept; None keeps none.
        run: The run's id, from which trace and span ids are drawn.
        last: The number of the last record that the journal holds.
        trace: The trace id of a run that is resumed.
    """

    def __init__(self, journal: Keeps | None, run: str, *, last: int = 0, trace: str = "") -> None:
        self._journal, self._seq = journal, last
        self._ids = random.Random(f"{run}:{last}")  # noqa: S311 - ids must be unique, not secret
        self.trace = trace or f"{self._ids.getrandbits(128):032x}"
        self.bus = Bus(self.emit)

    def new_span(self) -> str:
        """Return a fresh W3C span id."""
        return f"{self._ids.getrandbits(64):016x}"

    def emit(self, event: Event, *, span: str = "", parent: str = "") -> None:
        """Record a fact.

        Raises:
            MassGenError: The journal cannot be written.
        """
        if type(event) is ModelStreamed:
            self.bus.publish(Record(self._seq, time.time(), event, span, parent, self.trace))
            return
        self._seq += 1
        record = Record(self._seq, time.time(), event, span, parent, self.trace)
        if self._journal is not None:
            self._journal.append(record)
        self.bus.publish(record)

    @property
    def waits(self) -> bool:
        """`durable` has something to wait for."""
        return self._journal is not None and self._journal.waits

    async def durable(self) -> None:
        """Return when everything emitted so far survives what the journal's mode promises."""
        if self._journal is not None:
            await self._journal.durable()
