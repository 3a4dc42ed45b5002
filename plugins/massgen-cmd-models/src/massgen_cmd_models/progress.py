"""Progress of a download on standard error: one line that fills up on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Self

__all__ = ["Progress"]

STEPS = 10
BAR = 24


class Progress:
    """Takes a catalogue's reports.

    Args:
        line: Writes a line, cleaned, to standard error.
    """

    def __init__(self, line: Callable[[str], None]) -> None:
        self._line = line
        self._is_live = sys.stderr.isatty()
        self._last: tuple[str, int] = ("", -1)
        self._is_open = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end_line()

    def __call__(self, what: str, done: int, total: int) -> None:
        """Report what is done, bytes so far and bytes in all."""
        share = min(1.0, done / total) if total else 0.0
        if self._is_live:
            self._draw(what, share, done, total)
        elif (step := (what, int(share * STEPS))) != self._last:
            self._last = step
            self._line(f"{what}: {share:.0%} of {total / 1e6:,.0f} MB" if total else what)

    def _draw(self, what: str, share: float, done: int, total: int) -> None:
        if what != self._last[0]:
            self._end_line()
            self._last = (what, 0)
        figures = f" {share:4.0%}  {done / 1e6:,.0f} of {total / 1e6:,.0f} MB"
        bar = f"[{'#' * int(share * BAR):<{BAR}}]"
        columns = shutil.get_terminal_size().columns - 1
        # The words come from a plugin: nothing of them may move the cursor.
        words = "".join(letter for letter in what if letter.isprintable())
        if len(words) + len(bar) + len(figures) + 1 > columns:
            bar = ""
        shown = f"{words[: max(0, columns - len(figures) - len(bar) - 1)]} {bar}{figures}"
        sys.stderr.write(f"\r{shown[:columns]:<{columns}}")
        sys.stderr.flush()
        self._is_open = True

    def _end_line(self) -> None:
        if self._is_open:
            sys.stderr.write("\n")
            sys.stderr.flush()
        self._is_open = False
