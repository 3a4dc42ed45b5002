"""Writes views to a terminal, one over the other, and leaves no setting of the terminal changed, whenever the process ends."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TextIO

from rich.cells import cell_len
from rich.color import ColorSystem
from rich.console import Console
from rich.text import Text

__all__ = ["Screen", "is_capable"]

# A terminal that knows synchronized output shows whole frames only; the others ignore it. The cursor is hidden within a frame, never between two.
_BEGIN, _END = "\x1b[?2026h\x1b[?25l", "\x1b[?25h\x1b[?2026l"
_PLAIN_GLYPHS = str.maketrans("●○◆✓★✗■│━→·…", "*o#+*xx|=>-~")


def is_capable(stream: TextIO) -> bool:
    """Return whether a stream is a terminal on which the cursor can be moved."""
    return stream.isatty() and os.environ.get("TERM", "") not in {"", "dumb", "unknown"}


class Screen:
    """A region at the end of a terminal's output that is drawn again and again.

    Args:
        stream: The terminal.
        colors: Use colours; `NO_COLOR` turns them off too.
    """

    def __init__(self, stream: TextIO, *, colors: bool = True) -> None:
        self._stream = stream
        self._has_colors = colors and not os.environ.get("NO_COLOR")
        self._console = Console(color_system=None, legacy_windows=False, markup=False, highlight=False, emoji=False)
        self._widths: list[int] = []

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows as they are now."""
        try:
            columns, rows = os.get_terminal_size(self._stream.fileno())
        except (OSError, ValueError):
            columns, rows = 0, 0
        # A pseudo-terminal whose size nobody set has none.
        return columns or 80, rows or 24

    def compose(self, lines: Sequence[Text]) -> str:
        """Return what draws these lines in place of the last ones; the cursor ends at the start of the line below them."""
        parts = [_BEGIN, self._rewind()]
        self._widths = []
        for line in lines:
            parts += (self._styled(line), "\x1b[K\n")
            self._widths.append(cell_len(line.plain))
        return "".join((*parts, "\x1b[J", _END))

    def erase(self) -> str:
        """Return what takes the region away; the next one begins where it was."""
        text = f"{self._rewind()}\x1b[J"
        self._widths = []
        return text

    def permanent(self, lines: Sequence[Text]) -> str:
        """Return what draws lines in place of the region, to stay."""
        return self.erase() + "".join(f"{self._styled(line)}\n" for line in lines)

    def write(self, text: str) -> None:
        """Write to the terminal; this waits while the terminal is stopped."""
        encoding = self._stream.encoding or "utf-8"
        try:
            text.encode(encoding)
        except UnicodeEncodeError:
            text = text.translate(_PLAIN_GLYPHS).encode(encoding, "replace").decode(encoding)
        self._stream.write(text)
        self._stream.flush()

    def _rewind(self) -> str:
        """Return what moves the cursor to the region's first line, which is further up where a narrower terminal has wrapped its lines."""
        columns, rows = self.size
        up = sum(max(1, -(-width // columns)) for width in self._widths)
        return f"\r\x1b[{min(up, rows - 1)}A" if up else "\r"

    def _styled(self, line: Text) -> str:
        pieces = []
        for segment in line.render(self._console):
            style = segment.style
            if style and not self._has_colors:
                style = style.without_color
            pieces.append(style.render(segment.text, color_system=ColorSystem.STANDARD) if style else segment.text)
        return "".join(pieces)
