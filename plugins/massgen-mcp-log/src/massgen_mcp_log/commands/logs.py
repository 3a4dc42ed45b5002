"""`massgen mcp logs`: shows, filters and follows a log; changes levels while the run is going on."""

from __future__ import annotations

import argparse
import textwrap
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from massgen_core.api import App, UsageProblem, clean_line, columns
from massgen_mcp_log.commands.common import add_choice, add_run, chosen, opened, tell, wanted_by
from massgen_mcp_log.levels import CONTROL, change_levels
from massgen_mcp_log.lines import Line, encode
from massgen_mcp_log.people import clock, said

__all__ = ["Logs"]

_WAIT_SECONDS = 0.2


class Logs:
    """The command.

    Args:
        wait: Called while nothing new is there to follow.
    """

    def __init__(self, wait: Callable[[], None] = lambda: time.sleep(_WAIT_SECONDS)) -> None:
        self._wait = wait

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add arguments and options."""
        add_run(parser)
        add_choice(parser)
        parser.add_argument("--follow", "-f", action="store_true", help="go on showing what comes until the run is over")
        parser.add_argument("--json", action="store_true", help="print lines as they are written, one JSON object each")
        parser.add_argument("--last", "-n", metavar="N", type=int, help="only the last N lines that are chosen")
        parser.add_argument("--stderr", metavar="SERVER", help="print what this server wrote to its standard error")
        parser.add_argument(
            "--set-level",
            metavar="RULE=LEVEL",
            action="append",
            default=[],
            help="change what the run logs from now on, for instance github=debug or '*:discovery=off'; level default takes a rule away; repeatable",
        )

    def run(self, arguments: argparse.Namespace, app: App) -> int:
        """Show the log and return the exit code."""
        if arguments.set_level:
            return self._set_levels(arguments, app)
        if arguments.stderr:
            return _stderr(arguments, app)
        wanted = wanted_by(arguments)
        log = opened(app, arguments.run)
        if arguments.last is not None and arguments.last < 1:
            raise UsageProblem("--last takes a number from 1")
        count = 0
        if arguments.follow:
            run = app.find_run(arguments.run)
            lines: Iterable[Line] = filter(wanted, log.follow(lambda: app.is_live(run), self._wait))
        else:
            lines = chosen(log, wanted)
        if arguments.last is not None and not arguments.follow:
            lines = deque(lines, maxlen=arguments.last)
        for text in _as_json(lines) if arguments.json else _as_table(lines):
            app.out(text)
            count += 1
        if not arguments.follow:
            tell(app, log, wanted, count)
        return 0

    def _set_levels(self, arguments: argparse.Namespace, app: App) -> int:
        changes = {}
        for change in arguments.set_level:
            rule, separator, level = change.rpartition("=")
            if not separator or not rule:
                raise UsageProblem(f"--set-level {change!r}: write RULE=LEVEL, for instance github=debug")
            changes[rule] = level
        run = app.find_run(arguments.run)
        control = opened(app, arguments.run).folder / CONTROL
        rules = change_levels(control, changes)
        for rule, level in rules.items():
            app.out(f"{rule}={level}")
        if not app.is_live(run):
            app.err(f"massgen: nothing works on run {run.name} now; the rules hold when it is resumed")
        return 0


def _stderr(arguments: argparse.Namespace, app: App) -> int:
    from massgen_mcp_log.archive import Sealed  # noqa: PLC0415 - a library of its own, for archives only
    from massgen_mcp_log.files import SERVERS, server_name  # noqa: PLC0415 - for this option only

    folder = opened(app, arguments.run).folder / SERVERS
    plain = folder / f"{server_name(arguments.stderr)}.stderr.log"
    sealed = plain.with_name(f"{plain.name}.zst")
    if not plain.is_file() and not sealed.is_file():
        others = sorted({path.name.partition(".stderr.log")[0] for path in folder.glob("*.stderr.log*")}) if folder.is_dir() else []
        raise UsageProblem(f"nothing is kept of the standard error of {arguments.stderr!r}; there is something of: {', '.join(others) or 'nobody'}")
    for raw in Sealed(sealed) if sealed.is_file() else ():
        app.out(raw.decode("utf-8", "replace"))
    if plain.is_file():
        with plain.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                app.out(line.rstrip("\n"))
    return 0


def _as_json(lines: Iterable[Line]) -> Iterator[str]:
    return (encode(line).decode() for line in lines)


def _as_table(lines: Iterable[Line]) -> Iterator[str]:
    room = columns()
    for number, line in enumerate(lines):
        if number == 0:
            yield from _folded(f"{'SEQ':>6}  {'TIME':<12}  {'LEVEL':<7}  {'EVENT':<24}  {'SERVER':<14}  {'AGENT':<8}  WHAT", room)
        event = clean_line(str(line["event"]).removeprefix("mcp."), 40)
        server, agent = clean_line(str(line.get("server", "")), 24), clean_line(str(line.get("agent", "")), 16)
        rest = said({name: value for name, value in line.items() if name != "agent"})
        level = clean_line(str(line["level"]), 7)
        yield from _folded(f"{line['seq']:>6}  {clock(float(line['at']))}  {level:<7}  {event:<24}  {server:<14}  {agent:<8}  {rest}", room)


def _folded(text: str, room: int) -> list[str]:
    """Break a row where it is wider than the terminal; what follows stands below its time."""
    return textwrap.wrap(text, room, subsequent_indent=" " * 8, break_on_hyphens=False) if room else [text.rstrip()]
