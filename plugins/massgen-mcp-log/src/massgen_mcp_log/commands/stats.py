"""`massgen mcp stats`: how often, how well, how fast, how much."""

from __future__ import annotations

import argparse
import json

from massgen_core.api import App, clean_line
from massgen_mcp_log.calls import calls_of
from massgen_mcp_log.commands.common import add_choice, add_run, chosen, opened, size, table, tell, wanted_by
from massgen_mcp_log.figures import BY, Figures, figures_of

__all__ = ["Stats"]

# What a narrow terminal does without; JSON and a pipe have it.
_SPARE = ("A MIN", "IN", "OUT", "OPEN", "RETRIES", "MAX", "P95")


class Stats:
    """The command."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add arguments and options."""
        add_run(parser)
        add_choice(parser)
        parser.add_argument(
            "--by", metavar="NAME", action="append", choices=BY, help=f"put together by {', '.join(BY)}; repeatable; default: server, tool"
        )
        parser.add_argument("--json", action="store_true", help="print a JSON array")

    def run(self, arguments: argparse.Namespace, app: App) -> int:
        """Print the figures and return the exit code."""
        by = tuple(dict.fromkeys(arguments.by or ("server", "tool")))
        wanted = wanted_by(arguments)
        log = opened(app, arguments.run)
        calls, _ = calls_of(chosen(log, wanted))
        figures = figures_of(calls, by)
        if arguments.json:
            app.out(json.dumps([{**dict(zip(by, each.names, strict=True)), **each.row()} for each in figures], indent=2))
            return 0
        if figures:
            heads = (*(name.upper() for name in by), "CALLS", "A MIN", "ERRORS", "OPEN", "RETRIES", "P50", "P95", "P99", "MAX", "OUT", "IN")
            for row in table(heads, map(_cells, figures), right=range(len(by), len(heads)), spare=_SPARE):
                app.out(row)
        tell(app, log, wanted, len(calls))
        return 0


def _cells(figures: Figures) -> tuple[str, ...]:
    row = figures.row()
    errors = f"{row['errors']} ({float(row['error_rate']):.0%})" if row["errors"] else "0"
    times = (f"{float(row[name]):,.1f} ms" for name in ("p50_ms", "p95_ms", "p99_ms", "max_ms"))
    counts = (str(row["calls"]), f"{float(row['per_minute']):g}", errors, str(row["open"]), str(row["retries"]))
    return (*(clean_line(name, 40) for name in figures.names), *counts, *times, size(float(row["bytes_out"])), size(float(row["bytes_in"])))
