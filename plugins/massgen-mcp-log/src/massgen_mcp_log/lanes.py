"""Puts operations that overlap beside each other, so that none hides another."""

from __future__ import annotations

from heapq import heappop, heappush

__all__ = ["Lanes"]


class Lanes:
    """Gives each of a row of intervals, in the order of their starts, the lowest lane that is free."""

    def __init__(self) -> None:
        self._busy: list[tuple[int, int]] = []
        self._free: list[int] = []
        self._count = 0

    def place(self, start: int, end: int) -> int:
        """Return a lane in which nothing overlaps `start` to `end`; what ends where this begins does not overlap."""
        while self._busy and self._busy[0][0] <= start:
            heappush(self._free, heappop(self._busy)[1])
        if self._free:
            lane = heappop(self._free)
        else:
            lane = self._count
            self._count += 1
        heappush(self._busy, (end, lane))
        return lane
