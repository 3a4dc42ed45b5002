"""`massgen mcp timeline`: calls on a time line, in the terminal or as a file for Perfetto."""

from __future__ import annotations

import argparse
from pathlib import Path

from massgen_core.api import App, columns
from massgen_mcp_log.bundle import write
from massgen_mcp_log.calls import calls_of
from massgen_mcp_log.commands.common import add_choice, add_run, chosen, opened, tell, wanted_by
from massgen_mcp_log.gantt import LEGEND, bars, lanes_of
from massgen_mcp_log.lines import encode
from massgen_mcp_log.perfetto import POINTS, trace_events

__all__ = ["Timeline"]

_EACH = 40


class Timeline:
    """The command."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add arguments and options."""
        add_run(parser)
        add_choice(parser)
        parser.add_argument("--each", action="store_true", help=f"a row for each call; without it a row for each lane, where there are over {_EACH}")
        parser.add_argument("--lanes", action="store_true", help="a row for each lane of each agent at each server, however few calls there are")
        parser.add_argument("--perfetto", metavar="FILE", type=Path, help="write a trace that ui.perfetto.dev and chrome://tracing open")
        parser.add_argument("--force", action="store_true", help="replace the file if it exists")

    def run(self, arguments: argparse.Namespace, app: App) -> int:
        """Draw the time line and return the exit code."""
        wanted = wanted_by(arguments)
        log = opened(app, arguments.run)
        calls, last = calls_of(chosen(log, wanted))
        if arguments.perfetto is not None:
            points = [line for line in chosen(log, wanted) if line["event"] in POINTS]
            events = list(trace_events(calls, points, last))
            write(arguments.perfetto, encode({"displayTimeUnit": "ms", "traceEvents": events}), is_forced=arguments.force)
            app.out(f"{len(calls)} calls and {len(points)} marks are in {arguments.perfetto}; open it at ui.perfetto.dev or chrome://tracing")
            return 0
        is_each = arguments.each or (len(calls) <= _EACH and not arguments.lanes)
        for row in (bars if is_each else lanes_of)(calls, last, columns() or 120):
            app.out(row)
        if calls:
            app.out(LEGEND)
        tell(app, log, wanted, len(calls))
        return 0
