"""What the commands share: finding a log, choosing lines, tables."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence

from massgen_core.api import App, clean_line, columns
from massgen_mcp_log.filters import Filter
from massgen_mcp_log.lines import Line
from massgen_mcp_log.reading import Log

__all__ = ["add_choice", "add_filter", "add_run", "chosen", "opened", "size", "table", "tell", "wanted_by"]

_LEAST = 8  # characters that stay of a text


def add_run(parser: argparse.ArgumentParser) -> None:
    """Add the argument that names a run."""
    parser.add_argument("run", metavar="RUN", nargs="?", default="last", help="a run's id, the beginning of it, a folder, or 'last' (default)")


def add_choice(parser: argparse.ArgumentParser) -> None:
    """Add the argument that chooses lines."""
    parser.add_argument(
        "filter",
        metavar="FILTER",
        nargs="?",
        default="",
        help="which lines, right after RUN, for instance: 'server=github and ms>500 and category in (execution, error)'",
    )
    add_filter(parser, "the same, anywhere on the command line; both given: both must hold")


def add_filter(parser: argparse.ArgumentParser, text: str) -> None:
    """Add the option that chooses lines."""
    parser.add_argument("--filter", metavar="FILTER", dest="where", default="", help=text)


def wanted_by(arguments: argparse.Namespace) -> Filter:
    """Return the filter of a command line.

    Raises:
        FilterProblem: It makes no sense.
    """
    parts = [str(Filter(text)) for text in (getattr(arguments, "filter", ""), arguments.where) if text.strip()]
    return Filter(parts[0] if len(parts) == 1 else " and ".join(f"({part})" for part in parts))


def opened(app: App, name: str) -> Log:
    """Return the log of a run.

    Raises:
        MassGenError: There is none.
    """
    return Log(app.find_run(name))


def chosen(log: Log, wanted: Filter) -> Iterator[Line]:
    """Yield the lines that a filter chooses."""
    return filter(wanted, log) if wanted.node is not None else iter(log)


def tell(app: App, log: Log, wanted: Filter, count: int) -> None:
    """Say on standard error why there may be less than expected."""
    if log.damaged:
        app.err(f"massgen: {log.damaged} damaged line{'' if log.damaged == 1 else 's'} left out")
    if count:
        return
    total, seen = 0, set[str]()
    for line in log:
        total += 1
        seen.update(line)
    if not total:
        app.err(f"massgen: run {log.run.name} did nothing with MCP")
        return
    missing = [field for field in wanted.fields() if field not in seen]
    if missing:
        app.err(f"massgen: no line has a field {', '.join(map(repr, missing))}; there are {', '.join(sorted(seen))}")
    else:
        app.err(f"massgen: none of {total} lines is chosen by: {wanted}")


def size(count: float) -> str:
    """Return a number of bytes, short."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = (), spare: Sequence[str] = ()) -> Iterator[str]:
    """Yield lines of aligned columns; on a terminal they fit, anything else gets them whole.

    Args:
        heads: Titles.
        rows: Cells.
        right: Numbers of the columns that are aligned to the right; they are never cut.
        spare: Titles of columns that are left out where there is no room for all, in this order.
    """
    found = {column[0]: column for column in zip(heads, *rows, strict=True)}
    widths = {title: max(map(len, column)) for title, column in found.items()}
    figures = {heads[number] for number in right}
    room = columns() or sys.maxsize
    for title in spare:
        if _across(widths) > room:
            del found[title], widths[title]
    while _across(widths) > room and (widest := max(widths.keys() - figures, key=widths.__getitem__)) and widths[widest] > _LEAST:
        widths[widest] -= 1
    for line in zip(*found.values(), strict=True):
        cells = (
            f"{clean_line(cell, width):{'>' if title in figures else '<'}{width}}" for cell, (title, width) in zip(line, widths.items(), strict=True)
        )
        yield "  ".join(cells).rstrip()


def _across(widths: Mapping[str, int]) -> int:
    return sum(widths.values()) + 2 * len(widths) - 2
