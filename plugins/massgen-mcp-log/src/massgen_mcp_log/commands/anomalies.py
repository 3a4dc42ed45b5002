"""`massgen mcp anomalies`: what looks wrong, and what to do about it."""

from __future__ import annotations

import argparse
import json

import attrs

from massgen_core.api import App, clean_line
from massgen_mcp_log.anomalies import KINDS, anomalies_of
from massgen_mcp_log.commands.common import add_choice, add_run, chosen, opened, tell, wanted_by
from massgen_mcp_log.people import clock

__all__ = ["Anomalies"]


class Anomalies:
    """The command."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add arguments and options."""
        add_run(parser)
        add_choice(parser)
        parser.add_argument("--kind", metavar="KIND", action="append", choices=tuple(KINDS), help=f"only these: {', '.join(KINDS)}; repeatable")
        parser.add_argument("--slow", metavar="MS", type=float, default=0.0, help="what is slow; default: five times the median of the same tool")
        parser.add_argument("--json", action="store_true", help="print a JSON array")
        parser.add_argument("--fail", action="store_true", help="exit code 1 if there is anything, for scripts")

    def run(self, arguments: argparse.Namespace, app: App) -> int:
        """Print what looks wrong and return the exit code."""
        wanted = wanted_by(arguments)
        log = opened(app, arguments.run)
        is_live = app.is_live(log.run)
        found = anomalies_of(chosen(log, wanted), slow_ms=arguments.slow, is_live=is_live)
        found = [each for each in found if not arguments.kind or each.kind in arguments.kind]
        if arguments.json:
            app.out(json.dumps([attrs.asdict(each) for each in found], indent=2))
        else:
            for each in found:
                who = "/".join(clean_line(name, 40) for name in (each.server, each.tool) if name)
                agent = f" for {clean_line(each.agent, 30)}" if each.agent else ""
                app.out(f"{clock(each.at)}  #{each.seq}  {each.kind:<12}  {who}{agent}: {clean_line(each.text, 300)}")
            for kind in dict.fromkeys(each.kind for each in found):
                app.out(f"{kind}: {KINDS[kind]}; {next(each.advice for each in found if each.kind == kind)}")
            if not found:
                app.out("nothing looks wrong")
                tell(app, log, wanted, next((1 for _ in chosen(log, wanted)), 0))
        return 1 if found and arguments.fail else 0
