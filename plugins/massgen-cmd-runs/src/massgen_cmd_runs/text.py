"""Words for numbers, and tables."""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from massgen_core.api import Usage

__all__ = ["cells", "clock", "cost", "count", "dollars", "fitted", "folded", "table", "when"]

# Scripts without spaces between words: a line may break after each of their characters, and before none of their closing marks.
_WIDE = "\u1100-\u115f\u2e80-\u3000\u3003-\u3007\u3012-\ua4cf\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003fffd"
_CLOSING = "\u3001\u3002\u3009\u300b\u300d\u300f\u3011\uff01\uff09\uff0c\uff1a\uff1b\uff1f"
_PIECE = re.compile(rf"\s*(?:[{_WIDE}]|[^\s{_WIDE}{_CLOSING}]+|[{_CLOSING}])[{_CLOSING}]*")


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
    if not amount:
        return "$0"
    return f"${amount:.4f}" if amount < 1 else f"${amount:,.2f}"


def cells(text: str) -> int:
    """Return how many cells of a terminal a line takes."""
    return len(text) if text.isascii() else sum(map(_cell, text))


def _cell(char: str) -> int:
    if unicodedata.east_asian_width(char) in "WF":
        return 2
    return 0 if unicodedata.category(char) in {"Mn", "Me", "Cf"} else 1


def fitted(text: str, width: int) -> str:
    """Cut a line to so many cells of a terminal, with an ellipsis."""
    room = width
    for place, char in enumerate(text):
        room -= _cell(char)
        if room < (0 if place + 1 == len(text) else 1):
            return f"{text[:place]}…"
    return text


def folded(line: str, width: int, deeper: str = "") -> list[str]:
    """Break a line where it is wider than a terminal; 0 leaves it whole.

    Args:
        line: The line; spaces at its beginning are kept, and all its lines begin with them.
        width: Cells.
        deeper: What its further lines begin with besides.
    """
    if not width or cells(line) <= width:
        return [line]
    start = line[: len(line) - len(line.lstrip())]
    lines, current = [], ""
    for piece in _PIECE.findall(line):
        rest = piece
        if current.strip() and cells(current) + cells(rest) > width:
            lines.append(current)
            current, rest = start + deeper, rest.lstrip()
        while cells(current) + cells(rest) > width and (cut := _cut(rest, width - cells(current))):
            lines.append(current + rest[:cut])
            current, rest = start + deeper, rest[cut:]
        current += rest
    return [*lines, current]


def _cut(text: str, room: int) -> int:
    """Return how many characters of a word take so many cells; 0 where there is no room worth it."""
    for place, char in enumerate(text):
        room -= _cell(char)
        if room < 0:
            return place if place > 4 else 0
    return 0


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
    widths = {number: max(cells(line[number]) for line in lines) for number in used}
    for line in lines:
        parts = []
        for number in used:
            space = " " * (widths[number] - cells(line[number]))
            parts.append(space + line[number] if number in right else line[number] + space)
        yield "  ".join(parts).rstrip()
