"""Draw a recorded run as a terminal shows it: `python scripts/picture.py RUN_FOLDER [docs/pictures/run.svg]`.

The picture is the live view while the winner presents. What streamed is not in a journal; it is put in again from the whole answer.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from massgen_core.events import AnswerPresented, ModelAnswered, ModelStreamed, Record
from massgen_core.runtime.journal import read
from massgen_display_terminal.board import Board
from massgen_display_terminal.view import frame

THEME = TerminalTheme(
    (0x16, 0x1B, 0x22),
    (0xD8, 0xDE, 0xE6),
    [(72, 79, 88), (255, 123, 114), (99, 190, 123), (222, 184, 92), (110, 168, 254), (200, 140, 235), (86, 196, 205), (177, 186, 196)],
    [(110, 118, 129), (255, 161, 152), (126, 211, 147), (240, 208, 128), (150, 194, 255), (220, 170, 250), (120, 218, 226), (240, 246, 252)],
)
# What rich exports, without a font from elsewhere and without a window's frame.
FORMAT = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {terminal_height}" role="img">
<style>
.{unique_id}-matrix {{ font: {char_height}px ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }}
{styles}
</style>
<defs>
{lines}
</defs>
<rect width="100%" height="100%" rx="10" fill="#161b22"/>
<g transform="translate({terminal_x}, 0)" class="{unique_id}-matrix">{backgrounds}{matrix}</g>
</svg>
"""


def scene(records: Iterator[Record], share: float) -> tuple[Board, float]:
    """Return the board, and the time, when this share of the final answer has streamed; those of the run's end where nothing was presented."""
    board, now = Board(), 0.0
    last: ModelAnswered | None = None
    for record in records:
        now = record.at
        if isinstance(record.event, AnswerPresented) and last is not None:
            text = record.event.content[: max(1, round(len(record.event.content) * share))]
            board.apply(Record(0, now, ModelStreamed(agent=last.agent, turn=last.turn, call=last.call, text=text)))
            break
        last = record.event if isinstance(record.event, ModelAnswered) else last
        board.apply(record)
    return board, now


def svg(lines: Sequence[Text], width: int) -> str:
    """Return lines as a picture."""
    console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True, markup=False, highlight=False, emoji=False)
    for line in (Text(), *lines, Text()):
        console.print(line, no_wrap=True, overflow="crop")
    return console.export_svg(theme=THEME, code_format=FORMAT, unique_id="run", font_aspect_ratio=0.6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="the folder of a run that was presented, or its journal")
    parser.add_argument("target", type=Path, nargs="?", default=Path("docs/pictures/run.svg"), help="where to (default: docs/pictures/run.svg)")
    parser.add_argument("--width", type=int, default=92, help="columns")
    parser.add_argument("--height", type=int, default=26, help="lines at most")
    parser.add_argument("--lines", type=int, default=4, help="lines of each agent's text at most")
    parser.add_argument("--share", type=float, default=0.8, help="how much of the final answer has streamed")
    arguments = parser.parse_args()
    board, now = scene(read(arguments.run), arguments.share)
    lines = frame(board, width=arguments.width, height=arguments.height, now=now, most=arguments.lines)
    arguments.target.parent.mkdir(parents=True, exist_ok=True)
    arguments.target.write_text(svg(lines, arguments.width), encoding="utf-8")
    print(f"wrote {arguments.target}")


if __name__ == "__main__":
    main()
