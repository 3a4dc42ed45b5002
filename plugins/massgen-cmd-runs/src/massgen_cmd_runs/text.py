"""Words for numbers, and tables."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from massgen_core.api import Usage

__all__ = ["clock", "cost", "count", "dollars", "fitted", "table", "when"]


def when(at: float) -> str:
    """Return local date and time; empty where it is not known."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at)) if at else ""


def clock(seconds: float | None) -> str:
    """Return a duration, short."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    return f"{whole // 60} m {whole % 60:02} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60:02} m"


def count(number: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def cost(usage: Usage) -> str:
    """Return US dollars; `unknown` where tokens have no known price, `at least` before a sum of which a part has none."""
    if usage.cost is None:
        return "cost unknown" if usage.total else ""
    return f"{'at least ' if usage.unpriced else ''}{dollars(usage.cost)}"


def dollars(amount: float | None) -> str:
    """Return US dollars; empty where they are not known."""
    if amount is None:
        return ""
    return f"${amount:.4f}" if amount < 1 else f"${amount:,.2f}"


def fitted(text: str, width: int) -> str:
    """Cut a line to so many cells of a terminal, with an ellipsis."""
    room = width
    for place, char in enumerate(text):
        room -= 2 if unicodedata.east_asian_width(char) in "WF" else 1
        if room < (0 if place + 1 == len(text) else 1):
            return f"{text[:place]}…"
    return text


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> Iterator[str]:
    """Yield lines of aligned columns; columns that hold nothing are left out.

    Args:
        heads: Titles.
        rows: Cells.
        right: Numbers of the columns that are aligned to the right.
    """
    lines = list(rows)
    used = [number for number in range(len(heads)) if any(line[number] for line in lines)]
    lines.insert(0, heads)
    widths = {number: max(len(line[number]) for line in lines) for number in used}
    for line in lines:
        cells = (line[number].rjust(widths[number]) if number in right else line[number].ljust(widths[number]) for number in used)
        yield "  ".join(cells).rstrip()
