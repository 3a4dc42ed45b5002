"""A deterministic event loop: virtual time, a seeded order of what is ready, no sockets, no threads.

One seed is one schedule, and it can be replayed. When nothing is ready the clock jumps to the next timer, so a simulated hour costs nothing.
Code that hands work to a thread cannot be simulated.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import anyio

__all__ = ["Deadlock", "SimulatedLoop", "simulate"]

T = TypeVar("T")
STEPS = 1_000_000


class Deadlock(RuntimeError):
    """Everything waits and no timer is set, or the steps of a run do not end."""


class SimulatedLoop(asyncio.BaseEventLoop):
    """An event loop for one simulated run.

    Args:
        seed: Orders the callbacks that are ready at the same time.
        steps: How many callbacks may run before the run counts as endless.
    """

    def __init__(self, seed: int = 0, steps: int = STEPS) -> None:
        super().__init__()
        self._virtual_now = 0.0
        self._order = random.Random(seed)  # noqa: S311 - a schedule is no secret
        self._steps_left = steps

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._virtual_now

    def call_soon_threadsafe(self, callback: Callable[..., object], *args: Any, context: Any = None) -> asyncio.Handle:  # type: ignore[override]
        """Schedule a callback; there are no other threads."""
        return self.call_soon(callback, *args, context=context)

    def _process_events(self, event_list: object) -> None:
        """There is no selector."""

    def _write_to_self(self) -> None:
        """There is nobody to wake."""

    def _run_once(self) -> None:
        timers: list[Any] = self._scheduled  # type: ignore[attr-defined]
        ready: Any = self._ready  # type: ignore[attr-defined]
        while timers and timers[0].cancelled():
            heapq.heappop(timers)._scheduled = False
        if not ready and timers:
            self._virtual_now = max(self._virtual_now, timers[0].when())
        while timers and timers[0].when() <= self._virtual_now:
            timer = heapq.heappop(timers)
            timer._scheduled = False
            if not timer.cancelled():
                ready.append(timer)
        if not ready:
            if self._stopping:  # type: ignore[attr-defined]
                return
            raise Deadlock("every task waits, and no timer is set")
        batch = list(ready)
        ready.clear()
        self._order.shuffle(batch)
        for handle in batch:
            self._steps_left -= 1
            if self._steps_left < 0:
                raise Deadlock("the run does not come to an end")
            if not handle.cancelled():
                handle._run()


def simulate(function: Callable[[], Awaitable[T]], *, seed: int = 0, steps: int = STEPS) -> T:
    """Run an async function to its end in virtual time and return its result.

    Raises:
        Deadlock: It would wait for ever, or does not end.
    """
    return anyio.run(function, backend="asyncio", backend_options={"loop_factory": lambda: SimulatedLoop(seed, steps)})
