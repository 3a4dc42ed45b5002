"""The options of the display `terminal`."""

from __future__ import annotations

import attrs

__all__ = ["TerminalConfig"]


@attrs.frozen(kw_only=True)
class TerminalConfig:
    """How a run looks on a terminal."""

    frames: int = attrs.field(default=8, metadata={"help": "redraws a second at most, 1 to 10; fewer when drawing is dear"})
    lines: int = attrs.field(default=16, metadata={"help": "lines of text shown of each agent at most; 0 gives each agent one line"})
    colors: bool = attrs.field(default=True, metadata={"help": "use the terminal's colours; the variable NO_COLOR turns them off too"})
    summary: bool = attrs.field(default=True, metadata={"help": "leave a summary when the run is over: who won, by which votes, time and tokens"})
