"""Gives each fact its place in the run, writes it down, and only then tells anyone."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from typing import Protocol

from massgen_core.events import Event, ModelStreamed, Record
from massgen_core.runtime.bus import Bus

__all__ = ["Emitter", "Keeps"]


class Keeps(Protocol):
    """What keeps records: the journal."""

    @property
    def waits(self) -> bool:
        """`durable` has something to wait for."""

    def append(self, records: Sequence[Record]) -> None:
        """Keep records."""

    async def durable(self) -> None:
        """Return when what is kept survives what was promised."""


class Emitter:
    """Journal first, then the bus.

    A fact is written and told at once; facts that are emitted inside of a `with emitter:` block are written and told together, at its end.

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
        self._batch: list[Record] = []
        self._depth = 0

    def new_span(self) -> str:
        """Return a fresh W3C span id."""
        return f"{self._ids.getrandbits(64):016x}"

    def emit(self, event: Event, *, span: str = "", parent: str = "") -> None:
        """Record a fact.

        Raises:
            MassGenError: The journal cannot be written.
        """
        if type(event) is not ModelStreamed:
            self._seq += 1
        self._batch.append(Record(self._seq, time.time(), event, span, parent, self.trace))
        if not self._depth:
            self._flush()

    def __enter__(self) -> None:
        self._depth += 1

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if not self._depth:
            self._flush()

    def _flush(self) -> None:
        self._depth += 1  # what listeners emit follows what they are being told
        try:
            while batch := self._batch:
                self._batch = []
                if self._journal is not None and (kept := [record for record in batch if type(record.event) is not ModelStreamed]):
                    self._journal.append(kept)
                self.bus.publish(batch)
        finally:
            self._depth -= 1

    @property
    def waits(self) -> bool:
        """`durable` has something to wait for."""
        return self._journal is not None and self._journal.waits

    async def durable(self) -> None:
        """Return when everything emitted so far survives what the journal's mode promises."""
        if self._journal is not None:
            await self._journal.durable()
