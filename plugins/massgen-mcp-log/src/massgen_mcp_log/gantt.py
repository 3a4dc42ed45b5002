"""Operations on a time line of characters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from massgen_core.api import clean_line
from massgen_mcp_log.calls import Call
from massgen_mcp_log.lanes import Lanes

__all__ = ["bars", "lanes_of", "seconds"]

_GOOD, _BAD, _OPEN = "█", "▒", "░"
LEGEND = f"{_GOOD} ended well   {_BAD} ended with an error   {_OPEN} not ended"


def seconds(value: float) -> str:
    """Return a time, short."""
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s" if value < 120 else f"{value / 60:.1f} min"


def _span(call: Call, zero: float, scale: float, width: int, last: float) -> tuple[int, int]:
    end = last if call.end is None else call.end
    start = min(width - 1, int((call.start - zero) * scale))
    return start, max(start + 1, min(width, round((end - zero) * scale)))


def _mark(call: Call) -> str:
    return _OPEN if call.end is None else _BAD if call.is_error else _GOOD


def _scale(calls: Sequence[Call], last: float, width: int) -> tuple[float, float]:
    zero = calls[0].start
    return zero, width / max(1e-6, max(last, *(call.end or call.start for call in calls)) - zero)


def lanes_of(calls: Sequence[Call], last: float, width: int) -> Iterator[str]:
    """Yield one row for each lane of each agent at each server: what overlaps stands one below the other.

    Args:
        calls: In the order of their beginning.
        last: Where operations that have not ended are drawn to, seconds since the epoch.
        width: Characters of a row.
    """
    groups: dict[tuple[str, str], list[Call]] = {}
    for call in calls:
        groups.setdefault((call.server, call.agent), []).append(call)
    if not groups:
        return
    titles = {key: f"{clean_line(key[0], 20)} · {clean_line(key[1], 16)}" if key[1] else clean_line(key[0], 20) for key in groups}
    side = max(map(len, titles.values()))
    room = max(20, width - side - 3)
    zero, scale = _scale(calls, last, room)
    for key in sorted(groups):
        lanes, rows = Lanes(), list[list[str]]()
        for call in groups[key]:
            end = last if call.end is None else call.end
            lane = lanes.place(int(call.start * 1e6), max(int(call.start * 1e6) + 1, int(end * 1e6)))
            while len(rows) <= lane:
                rows.append([" "] * room)
            start, stop = _span(call, zero, scale, room, last)
            for cell in range(start, stop):
                # Where calls share a cell, the worse one is seen.
                rows[lane][cell] = max(rows[lane][cell], _mark(call), key=" █░▒".index)
        for number, row in enumerate(rows):
            yield f"{titles[key] if number == 0 else '':<{side}} │{''.join(row).rstrip()}"
    yield f"{'':<{side}} └{'─' * room}"
    yield f"{'':<{side}}  0{seconds(room / scale):>{room - 1}}"


def bars(calls: Sequence[Call], last: float, width: int) -> Iterator[str]:
    """Yield one row for each operation, with its name, its time and its place on the time line."""
    if not calls:
        return
    names = [f"{clean_line(call.server, 20)}/{clean_line(call.name, 32)}{f' · {clean_line(call.agent, 12)}' if call.agent else ''}" for call in calls]
    side = max(map(len, names))
    room = max(20, width - side - 14)
    zero, scale = _scale(calls, last, room)
    for call, name in zip(calls, names, strict=True):
        start, stop = _span(call, zero, scale, room, last)
        spent = seconds(call.ms / 1000) if call.end is not None else "open"
        yield f"{name:<{side}} {spent:>9} │{' ' * start}{_mark(call) * (stop - start)}"
