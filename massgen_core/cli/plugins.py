"""`massgen plugins`: what is installed, who brought it, whether it works, and what its options are."""

from __future__ import annotations

import argparse
import json
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from massgen_core.errors import PluginConflict, PluginProblem, UsageProblem
from massgen_core.plugins import advice
from massgen_core.plugins.index import GROUP, RESERVED, Entry, parse
from massgen_core.plugins.known import STARTERS
from massgen_core.terminal import clean_line, columns

if TYPE_CHECKING:
    from massgen_core.contracts import App
    from massgen_core.plugins.manager import Plugins

__all__ = ["configure", "run"]

_SUMMARY = 40  # cells that a summary is worth having


def configure(parser: argparse.ArgumentParser) -> None:
    """Add arguments and options."""
    parser.add_argument("action", nargs="?", choices=("list", "show"), default="list", help="what to do (default: list)")
    parser.add_argument("plugin", nargs="?", metavar="KIND.NAME", help="the plugin to show, for instance backend.local")
    parser.add_argument("--load", action="store_true", help="import every plugin and report each that fails; exit code 1 if one does")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace, app: App) -> int:
    """List, check or show plugins and return the exit code.

    Raises:
        PluginProblem: The plugin to show is missing, blocked, claimed twice, broken or made for another kernel.
        UsageProblem: The arguments make no sense together.
    """
    if arguments.action == "show":
        halves = parse(arguments.plugin or "")
        if halves is None or arguments.load:
            raise UsageProblem("say which plugin, as in: massgen plugins show backend.local; `massgen plugins` lists them")
        return _show(app, app.plugins.entry(*halves), as_json=arguments.json)
    if arguments.plugin:
        raise UsageProblem(f"`massgen plugins list` takes no name; did you mean: massgen plugins show {arguments.plugin}")
    problems = _check(app.plugins) if arguments.load else _conflicts(app.plugins)
    if arguments.json:
        app.out(json.dumps(_report(app.plugins, problems), indent=2))
    else:
        _print(app, problems, is_loaded=arguments.load)
    return int(arguments.load and bool(problems))


def _conflicts(plugins: Plugins) -> dict[Entry, str]:
    problems = {}
    for entry in plugins.entries():
        try:
            plugins.entry(entry.kind, entry.name)
        except PluginConflict as problem:
            problems[entry] = str(problem)
    return problems


def _check(plugins: Plugins) -> dict[Entry, str]:
    problems = {}
    for entry in plugins.entries():
        try:
            plugins.check(entry)
        except PluginProblem as problem:
            problems[entry] = str(problem)
    return problems


def _report(plugins: Plugins, problems: Mapping[Entry, str]) -> dict[str, Any]:
    return {
        "plugins": [{**entry._asdict(), "problem": problems.get(entry)} for entry in plugins.entries()],
        "blocked": [{**entry._asdict(), "problem": str(advice.blocked(entry, reason))} for entry, reason in plugins.forbidden.items()],
        "foreign": [{**entry._asdict(), "problem": str(advice.foreign([entry]))} for entry in plugins.index.foreign],
        "problems": list(plugins.index.problems),
    }


def _print(app: App, problems: Mapping[Entry, str], *, is_loaded: bool) -> None:
    plugins = app.plugins
    entries = plugins.entries()
    if entries:
        _list(app, entries)
    elif not plugins.forbidden:
        app.out(f"no plugin is installed; to begin: pip install {' '.join(STARTERS)}")
    if plugins.forbidden:
        app.out(f"not to be used: {', '.join(entry.title for entry in plugins.forbidden)}")
        app.out(f"for instance, {advice.blocked(*next(iter(plugins.forbidden.items())))}")
    for problem in dict.fromkeys((*problems.values(), *(str(advice.foreign([entry])) for entry in plugins.index.foreign), *plugins.index.problems)):
        app.out(f"problem: {problem}")
    if is_loaded:
        app.out(f"{len(entries) - len(problems)} of {len(entries)} plugins work")


def _list(app: App, entries: Sequence[Entry]) -> None:
    """Print whole lines into a pipe, and on a terminal one for each plugin: the summary says more than version and distribution, which `show` has."""
    width = columns()
    heads, rows = ("KIND", "NAME", "DISTRIBUTION", "VERSION", "SUMMARY"), [(*entry[:2], *entry[3:6]) for entry in entries]
    places = [*range(5)]
    for dispensable in (3, 2):
        if width and sum(max(len(row[column]) for row in rows) + 2 for column in places[:-1]) + _SUMMARY > width:
            places.remove(dispensable)
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in places]
    for row in (heads, *rows):
        line = "  ".join(f"{row[column]:{wide}}" for column, wide in zip(places, widths, strict=True)).rstrip()
        app.out(f"{line[: width - 1]}…" if 0 < width < len(line) else line)


def _show(app: App, entry: Entry, *, as_json: bool) -> int:
    facts, config = _facts(app.plugins, entry)
    problem, rows = "", list[dict[str, str]]()
    try:
        rows = _options(config)
    except TypeError as error:
        problem = clean_line(str(error), 500)
    if as_json:
        app.out(json.dumps({**facts, "options": rows, **({"problem": problem} if problem else {})}, indent=2))
        return 0
    _table(app, (), [(f"{label}:", value) for label, value in facts.items() if value])
    app.out("options:" if rows else f"options: cannot be told: {problem}" if problem else "options: none")
    if rows:
        _table(app, ("  NAME", "TYPE", "DEFAULT", "HELP"), [("  " + row["name"], row["type"], row["default"], row["help"]) for row in rows])
    return 0


def _options(config: type | None) -> list[dict[str, str]]:
    from massgen_core.config.schema import describe  # noqa: PLC0415  only this action needs it

    rows = () if config is None else describe(config)
    return [
        {
            "name": clean_line(row.path),
            "type": clean_line(row.type, 200),
            "default": "required" if row.is_required else clean_line(row.default),
            "help": clean_line(row.help, 500),
        }
        for row in rows
    ]


def _facts(plugins: Plugins, entry: Entry) -> tuple[dict[str, str], type | None]:
    """Return what is to be said about a plugin, and its config class."""
    import attrs  # noqa: PLC0415  only this action needs what follows

    from massgen_core.api import API_VERSION  # noqa: PLC0415

    spec = None if entry.kind in RESERVED else plugins.get(entry.kind, entry.name)
    provided = plugins.load(entry)
    facts = {
        "kind": entry.kind,
        "name": entry.name,
        "contract": f"{GROUP} (this kernel speaks {'.'.join(map(str, API_VERSION))})",
        "distribution": entry.distribution,
        "version": entry.version,
        "summary": entry.summary,
        "module": entry.value,
        "file": provided.module.__file__ or "",
    }
    if spec is None:
        plugins.check(entry)
        return {**facts, "kinds": ", ".join(provided.kinds), "events": ", ".join(provided.events)}, None
    for field in attrs.fields(type(spec)):
        if field.name not in ("name", "config"):
            facts[field.name] = _said(getattr(spec, field.name)) or facts.get(field.name, "")
    return facts, spec.config


def _said(value: object) -> str:
    """Say a value of a spec in words; empty where there is nothing to say."""
    import attrs  # noqa: PLC0415  only one action needs what follows

    from massgen_core.plugins.rules import show  # noqa: PLC0415

    if isinstance(value, str):
        return clean_line(value)
    if value is True:
        return "yes"
    if value is None or value is False or (type(value) in (dict, frozenset, tuple) and not value):
        return ""
    if type(value) is dict and all(type(part) is str for pair in value.items() for part in pair):
        return clean_line(", ".join(f"{key} ({text})" if text else key for key, text in value.items()), 1000)
    cls = type(value)
    flags = {field.name: getattr(value, field.name) for field in attrs.fields(cls)} if attrs.has(cls) else {}
    if flags and all(type(flag) is bool for flag in flags.values()):
        return ", ".join(name.replace("_", " ") for name, flag in flags.items() if flag) or "none"
    return show(value, 1000)


def _table(app: App, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print aligned columns; on a terminal the last one is folded where it does not fit."""
    lines = [*([heads] if heads else []), *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    start = sum(widths[:-1]) + 2 * (len(widths) - 1)
    room = columns() - start
    for cells in lines:
        line = "  ".join(f"{cell:{width}}" for cell, width in zip(cells[:-1], widths, strict=False))
        parts = textwrap.wrap(cells[-1], room, break_long_words=False, break_on_hyphens=False) if room >= _SUMMARY // 2 else []
        for part in parts or [cells[-1]]:
            app.out(f"{line}  {part}".rstrip())
            line = " " * (start - 2)
