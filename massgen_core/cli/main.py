"""Reads the command line, and imports only what the named command needs."""

from __future__ import annotations

import argparse
import errno
import gc
import io
import os
import sys
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgen_core import __version__
from massgen_core.nearest import nearest
from massgen_core.terminal import clean_line

if TYPE_CHECKING:
    from massgen_core.plugins.manager import Plugins

__all__ = ["main"]

BUILT_IN = {
    "run": "let the agents answer a question",
    "resume": "go on with a run that stopped",
    "replay": "look at what happened in a run, event by event",
    "plugins": "list the installed plugins",
}
EPILOG = """\
exit codes:
  0    done; for a run: the question is answered
  1    something is wrong; the message says what to do
  2    the command line or the configuration makes no sense
  3    a run ended early, with an answer that is only a part
  4    no agent gave an answer
  130  stopped by a person, at once; massgen resume goes on

environment:
  MASSGEN_RUNS     folder of all runs
  MASSGEN_CONFIG   configuration file
  MASSGEN_PLUGINS  plugins that may be used: none, or a comma-separated list
"""


class _Help(argparse.RawDescriptionHelpFormatter):
    """Keeps the lines of descriptions, and breaks those that are wider than the terminal."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        whole = argparse.HelpFormatter._fill_text
        return "\n".join(line if len(line) <= width else whole(self, line, width, indent) for line in text.splitlines())


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code."""
    gc.set_threshold(100_000)  # what is imported is no garbage; to look through it every 700 objects takes a fifteenth of a short run
    arguments = list(sys.argv[1:] if argv is None else argv)
    for name in ("stdout", "stderr"):  # closed by whoever calls: what is said goes nowhere, and no file of a run gets the number that was theirs
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - as long as the process
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal that knows less than Unicode gets question marks, not a traceback in the middle of an answer.
        sys.stdout.reconfigure(errors="replace")
    try:
        code = _main(arguments)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of a pipe has enough; the interpreter must not complain when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno != errno.ENOSPC or error.filename is not None:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.stderr.write("massgen: the output cannot be written: no space is left where it goes; free some, or send it elsewhere\n")
        return 1


def _main(arguments: list[str]) -> int:
    parser, options = _top_parser()
    known, rest = options.parse_known_args(arguments)
    plugins = _plugins(known.no_plugins)
    names = {**BUILT_IN, **_summaries(plugins)}
    name = _named(rest, names)
    if name is not None and (named := [title for title in names if title not in BUILT_IN and (title == name or title.startswith(f"{name}."))]):
        names |= _own_summaries(named, plugins)
    command = _command(name, plugins) if name is not None else None
    chosen = _add_commands(parser, names, name)
    if name is None and not known.version:
        parser.print_help()
        return 0 if {"-h", "--help"} & set(rest) else 2
    if name is not None and command is None and not any(title.startswith(f"{name}.") for title in names):
        return _unknown(name, plugins, names)
    if command is not None and chosen is not None:
        command.configure(chosen)
        if name is not None and name not in BUILT_IN:
            _add_run_options(name, chosen, plugins)
    parsed, stray = parser.parse_known_args(arguments)
    if stray:
        (chosen or parser).error(_misplaced(stray[0], chosen or parser))
    return _run(command, parsed, plugins)


def _add_run_options(name: str, parser: argparse.ArgumentParser, plugins: Plugins) -> None:
    """Add the options of `massgen run` to a plugin's command that conducts runs."""
    from massgen_core.specs import CommandSpec  # noqa: PLC0415 - the command's plugin has imported it

    spec = plugins.get("command", name)
    if isinstance(spec, CommandSpec) and spec.takes_run_options:
        from massgen_core.cli.run import add_options  # noqa: PLC0415

        add_options(parser)


def _named(words: Sequence[str], names: Mapping[str, str]) -> str | None:
    """Return the command that the words begin with: one word, or two of a group such as `mcp list`, which is the command `mcp.list`."""
    if not words or words[0].startswith("-"):
        return None
    first = words[0]
    if first in names or len(words) < 2 or words[1].startswith("-"):
        return first
    is_group = any(title.startswith(f"{first}.") for title in names)
    return f"{first}.{words[1]}" if is_group else first


def _add_commands(parser: argparse.ArgumentParser, names: Mapping[str, str], wanted: str | None) -> argparse.ArgumentParser | None:
    """Add a parser for each command, in groups where names have two parts, and return the wanted one."""
    chosen = None
    tops = parser.add_subparsers(title="commands", metavar="COMMAND")
    groups: dict[str, Any] = {}
    for title, summary in names.items():
        group, separator, last = title.rpartition(".")
        if not separator:
            target = tops
        elif group in groups:
            target = groups[group]
        else:
            members = ", ".join(name.removeprefix(f"{group}.") for name in names if name.startswith(f"{group}."))
            target = groups[group] = tops.add_parser(group, help=members).add_subparsers(title="commands", metavar="COMMAND", required=True)
        sub = target.add_parser(last, help=summary, description=summary, formatter_class=_Help)
        if title == wanted:
            chosen = sub
    return chosen


def _top_parser() -> tuple[argparse.ArgumentParser, argparse.ArgumentParser]:
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument("--no-plugins", action="store_true", help="use no plugin at all")
    options.add_argument("--version", action="store_true", help=argparse.SUPPRESS)
    parser = argparse.ArgumentParser(
        prog="massgen",
        description="Several language-model agents answer one question, look at each other's answers, vote; the winner presents the result.",
        epilog=EPILOG,
        formatter_class=_Help,
    )
    parser.add_argument("--version", action="version", version=f"massgen-core {__version__}")
    parser.add_argument("--no-plugins", action="store_true", help="use no plugin at all")
    return parser, options


def _plugins(is_off: bool) -> Plugins:
    from massgen_core.plugins.manager import Plugins  # noqa: PLC0415 - not for `--version`

    return Plugins.discover(allow=() if is_off else None)


def _summaries(plugins: Plugins) -> dict[str, str]:
    """Return the plugins' commands with their distributions' summaries, which cost no import; a contested name once, since using it is the error."""
    summaries = {entry.name: entry.summary.replace("%", "%%") for entry in plugins.entries("command")}
    taken = {*BUILT_IN, *(name for name in summaries if "." not in name)}  # a group cannot have the name of a command
    return {name: summary for name, summary in summaries.items() if name not in BUILT_IN and name.rpartition(".")[0] not in taken}


def _own_summaries(names: Sequence[str], plugins: Plugins) -> dict[str, str]:
    """Return what commands say of themselves: that imports their hook modules, and no command; one that does not load says nothing."""
    from massgen_core.errors import MassGenError  # noqa: PLC0415
    from massgen_core.specs import CommandSpec  # noqa: PLC0415

    found = {}
    for name in names:
        with suppress(MassGenError):
            spec = plugins.get("command", name)
            if isinstance(spec, CommandSpec) and spec.summary:
                found[name] = clean_line(spec.summary).replace("%", "%%")
    return found


def _command(name: str, plugins: Plugins) -> Any:
    if name in BUILT_IN:
        return import_module(f"massgen_core.cli.{name}")
    if name not in plugins.names("command"):
        return None
    from massgen_core.cli.app import guarded  # noqa: PLC0415

    return guarded(lambda: plugins.factory("command", name))()


def _unknown(name: str, plugins: Plugins, names: Collection[str]) -> int:
    from massgen_core.cli.app import guarded  # noqa: PLC0415
    from massgen_core.errors import PluginMissing, UsageProblem  # noqa: PLC0415

    def refuse() -> None:
        try:
            for barred in [entry.name for entry in plugins.forbidden if entry.kind == "command" and entry.name.startswith(f"{name}.")][:1] or [name]:
                plugins.get("command", barred)  # one that is blocked, claimed twice or made for another kernel says so
        except PluginMissing:
            raise UsageProblem(_no_command(clean_line(name), names)) from None

    guarded(refuse)
    return 2


def _no_command(name: str, names: Collection[str]) -> str:
    from massgen_core.plugins.known import DISTRIBUTIONS  # noqa: PLC0415

    known = {title.removeprefix("command."): distribution for title, distribution in DISTRIBUTIONS.items() if title.startswith("command.")}
    spoken, group = name.replace(".", " "), name.partition(".")[0]
    for title, distribution in known.items():
        if title == name or title.startswith(f"{name}."):
            return f"`massgen {spoken}` comes with a plugin that is not installed; install it with: pip install {distribution}"
    if " " in name:
        return f'there is no command {name!r}; to ask a question, write: massgen run "QUESTION"'
    everything = {*names, *known, *(title.partition(".")[0] for title in (*names, *known))}
    if near := nearest(name, sorted(everything)):
        return f"there is no command {spoken!r}; did you mean: massgen {near.replace('.', ' ')}"
    is_group = any(title.startswith(f"{group}.") for title in names)
    return f"there is no command {spoken!r}; `massgen {f'{group} ' if is_group else ''}--help` lists what there is"


def _misplaced(word: str, parser: argparse.ArgumentParser) -> str:
    """Return what is wrong with an argument that nobody takes."""
    if not word.startswith("-"):
        return f"{word!r} is one argument too many; a text of several words goes in quotes"
    near = nearest(word.partition("=")[0], parser._option_string_actions)
    return f"there is no option {word}; {f'did you mean {near}?' if near else f'`{parser.prog} --help` lists what there is'}"


def _run(command: Any, parsed: argparse.Namespace, plugins: Plugins) -> int:
    from massgen_core.cli.app import ConsoleApp  # noqa: PLC0415

    return ConsoleApp(plugins).invoke(command, parsed)
