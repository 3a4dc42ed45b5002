"""Tells sinks and displays what happened, and lets none of them slow or harm the run."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from massgen_core.events import Event, EventsDropped, Record, SinkFailed

__all__ = ["Bus"]

# A sink that takes longer than this is called from a thread of its own from then on.
SLOW_SECONDS = 0.05
FAILURES = 3
QUEUE = 10_000
DRAIN_SECONDS = 2.0


class _Writes(Protocol):
    def write(self, records: Sequence[Record]) -> None: ...


class Bus:
    """Hands each record to every listener, in order.

    A listener is called in the event loop's thread as long as it is quick. One that was slow gets a thread and a bounded queue; what does not fit is
    counted. One that raised `FAILURES` times in a row is not called again. Both are reported as events.

    Args:
        report: Puts a fact into the journal.
    """

    def __init__(self, report: Callable[[Event], None]) -> None:
        self._report = report
        self._lanes: list[_Lane] = []

    def add(self, name: str, listener: _Writes, earlier: Sequence[Record] = ()) -> None:
        """Add a listener under the name by which it is reported, and tell it what happened earlier in a run that is resumed."""
        self._lanes.append(_Lane(name, listener))
        if earlier:
            self._lanes[-1].offer(earlier)

    def publish(self, records: Sequence[Record]) -> None:
        """Tell everybody."""
        for lane in self._lanes:
            lane.offer(records)
        for lane in self._lanes:
            while lane.reports:
                self._report(lane.reports.popleft())

    def close(self) -> None:
        """Wait, within bounds, until slow listeners have taken what they were given."""
        deadline = time.monotonic() + DRAIN_SECONDS
        for lane in self._lanes:
            lane.close(deadline)

    def losses(self) -> list[Event]:
        """Return what is still to be reported, after `close`."""
        return [report for lane in self._lanes for report in lane.reports]


class _Lane:
    """One listener."""

    def __init__(self, name: str, listener: _Writes) -> None:
        self.name, self._listener = name, listener
        self.reports: deque[Event] = deque()
        self._failures = 0
        self._is_closed = False
        self._dropped = 0
        self._queue: deque[Record] = deque()
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_ending = False

    def offer(self, records: Sequence[Record]) -> None:
        if self._is_closed:
            return
        if self._thread is not None:
            self._enqueue(records)
            return
        began = time.perf_counter()
        self._call(records)
        if time.perf_counter() - began > SLOW_SECONDS and not self._is_closed:
            self._thread = threading.Thread(target=self._serve, name=f"massgen-sink-{self.name}", daemon=True)
            self._thread.start()

    def _call(self, records: Sequence[Record]) -> None:
        try:
            self._listener.write(records)
            self._failures = 0
        except Exception as error:  # whatever a plugin raised must not reach the run
            self._failures += 1
            self._is_closed = self._failures >= FAILURES
            self.reports.append(SinkFailed(sink=self.name, reason=f"{type(error).__name__}: {error}", is_closed=self._is_closed))

    def _enqueue(self, records: Sequence[Record]) -> None:
        with self._wake:
            if len(self._queue) + len(records) > QUEUE:
                self._dropped += len(records)
                return
            if self._dropped:
                self._count_losses()
            self._queue.extend(records)
            self._wake.notify()

    def _count_losses(self) -> None:
        self.reports.append(EventsDropped(sink=self.name, count=self._dropped))
        self._dropped = 0

    def _serve(self) -> None:
        while True:
            with self._wake:
                while not self._queue and not self._is_ending:
                    self._wake.wait()
                if not self._queue or self._is_closed:
                    return
                batch = tuple(self._queue)
                self._queue.clear()
            self._call(batch)

    def close(self, deadline: float) -> None:
        if self._thread is not None:
            with self._wake:
                self._is_ending = True
                self._wake.notify()
            self._thread.join(max(0.0, deadline - time.monotonic()))
            with self._wake:
                self._dropped += len(self._queue)
                self._queue.clear()
        if self._dropped:
            self._count_losses()
        self._is_closed = True
