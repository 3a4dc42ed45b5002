"""Figures of operations: how often, how well, how fast, how much."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from math import ceil

import attrs

from massgen_mcp_log.calls import Call

__all__ = ["BY", "Figures", "figures_of", "percentile"]

BY = ("server", "tool", "agent", "method")


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile of sorted values: the least of them that `share` of all do not exceed; 0 where there are none."""
    return ordered[max(0, ceil(len(ordered) * share) - 1)] if ordered else 0.0


@attrs.define
class Figures:
    """Of the operations that share a server, a tool, or what they were put together by.

    Attributes:
        names: What they share.
        open: How many have not ended.
        first: Beginning of the first, seconds since the epoch.
        last: Beginning of the last.
    """

    names: tuple[str, ...]
    calls: int = 0
    errors: int = 0
    open: int = 0
    retries: int = 0
    bytes_out: int = 0
    bytes_in: int = 0
    first: float = 0.0
    last: float = 0.0
    times: array[float] = attrs.field(factory=lambda: array("d"), repr=False)

    def add(self, call: Call) -> None:
        """Count an operation."""
        self.first = min(self.first or call.start, call.start)
        self.last = max(self.last, call.start)
        self.calls += 1
        self.errors += call.is_error
        self.retries += call.retries
        self.bytes_out += call.bytes_out
        self.bytes_in += call.bytes_in
        if call.end is None:
            self.open += 1
        else:
            self.times.append(call.ms)

    def row(self) -> dict[str, float | int | str]:
        """Return the figures by name; times in milliseconds."""
        ordered = sorted(self.times)
        # Less than a minute says nothing about a minute.
        minutes = max(1.0, (self.last - self.first) / 60)
        return {
            "calls": self.calls,
            "per_minute": round(self.calls / minutes, 1),
            "errors": self.errors,
            "error_rate": round(self.errors / self.calls, 4) if self.calls else 0.0,
            "open": self.open,
            "retries": self.retries,
            "p50_ms": round(percentile(ordered, 0.5), 3),
            "p95_ms": round(percentile(ordered, 0.95), 3),
            "p99_ms": round(percentile(ordered, 0.99), 3),
            "max_ms": round(ordered[-1], 3) if ordered else 0.0,
            "bytes_out": self.bytes_out,
            "bytes_in": self.bytes_in,
        }


def figures_of(calls: Iterable[Call], by: Sequence[str] = ("server", "tool")) -> list[Figures]:
    """Return figures for each combination of what `by` names, in its order."""
    found: dict[tuple[str, ...], Figures] = {}
    for call in calls:
        names = tuple(call.name if name == "tool" else str(getattr(call, name)) for name in by)
        found.setdefault(names, Figures(names)).add(call)
    return [found[names] for names in sorted(found)]
