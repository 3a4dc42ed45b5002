"""`massgen config explain`: what a key takes, what it is by default, who reads it, and what it is here."""

from __future__ import annotations

import argparse
import difflib
import json
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import attrs

from massgen_cmd_config.keys import masked
from massgen_cmd_config.options import add_options, loaded
from massgen_core.api import App, ConfigProblems, UsageProblem, config_rows

if TYPE_CHECKING:
    from massgen_core.config.load import Loaded
    from massgen_core.config.schema import Row
    from massgen_core.plugins.manager import Plugins

__all__ = ["Explain"]

_INDEX = re.compile(r"\[[0-9]*\]|\.[0-9]+(?=\.|\Z)")
_EXAMPLES = {"text": "TEXT", "a whole number": "1", "a number": "1.0", "true or false": "true", "a mapping": "{}", "a path": "FILE"}


@attrs.frozen
class _Found:
    """Rows that a path leads to, the first its own; `before` is what stands before the rows' paths in a configuration."""

    rows: Sequence[Row]
    before: str = ""
    plugin: str = ""


class Explain:
    """The command."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add arguments and options."""
        parser.add_argument(
            "path", nargs="?", default="", metavar="PATH", help="a key such as agents[0].sampling.top_p, or KIND.NAME[.OPTION] of a plugin"
        )
        add_options(parser)

    def run(self, arguments: argparse.Namespace, app: App) -> int:
        """Explain a key and those below it."""
        try:
            here: Loaded | None = loaded(arguments, app.plugins, only_reads=True)
        except ConfigProblems:
            here = None  # a configuration that cannot be used can still be explained
        found = _find(arguments.path, app.plugins, here)
        for line in _account(arguments.path, found, here):
            app.out(line)
        return 0


def _find(path: str, plugins: Plugins, here: Loaded | None) -> _Found:
    pattern = _INDEX.sub("[]", path.strip())
    top = config_rows(plugins)
    if not pattern:
        return _Found([row for row in top if "." not in row.path])
    if rows := _below(top, pattern):
        return _Found(rows)
    owner = next((row for row in reversed(top) if row.kind and _starts(pattern, row.path)), None)
    if owner is not None:
        inside = _option(pattern, owner)
        name = _used(path, here)
        for candidate in ([name] if name else []) or plugins.names(owner.kind):
            if rows := _below(config_rows(plugins, owner.kind, candidate), inside):
                return _Found(rows, before=f"{owner.path}{'[]' if owner.type.startswith('a list') else ''}", plugin=f"{owner.kind} {candidate}")
    kind, _, rest = pattern.partition(".")
    name, _, option = rest.partition(".")
    if kind in plugins.kinds and name:
        plugins.entry(kind, name)  # its own message says what is installed
        every = config_rows(plugins, kind, name)
        named = _below(every, option) if option else every
        if named or not option:
            return _Found(named, plugin=f"{kind} {name}")
    raise _unknown(path, pattern, plugins, top)


def _unknown(path: str, pattern: str, plugins: Plugins, top: Sequence[Row]) -> UsageProblem:
    known = [row.path for row in top] + [f"{entry.kind}.{entry.name}" for entry in plugins.entries()]
    near = difflib.get_close_matches(pattern, known, n=3, cutoff=0.5)
    last = pattern.rpartition(".")[2]
    near += [one for one in known if one.rpartition(".")[2] == last and one not in near]
    meant = f"; did you mean {' or '.join(near[:3])}?" if near else ";"
    return UsageProblem(f"there is no key {path!r}{meant} every key is listed by: massgen config explain")


def _starts(pattern: str, path: str) -> bool:
    return pattern.startswith((f"{path}.", f"{path}[]."))


def _option(pattern: str, owner: Row) -> str:
    return pattern.removeprefix(owner.path).removeprefix("[]").removeprefix(".")


def _below(rows: Sequence[Row], pattern: str) -> list[Row]:
    first = [row for row in rows if row.path == pattern.removesuffix("[]")]
    return [*first, *(row for row in rows if row.path.startswith((f"{first[0].path}.", f"{first[0].path}[].")))] if first else []


def _used(path: str, here: Loaded | None) -> str:
    """Return the plugin that the configuration here names above a key."""
    if here is None:
        return ""
    data: object = here.document
    found = ""
    for step in re.findall(r"[A-Za-z_][\w-]*|[0-9]+", path):
        if isinstance(data, dict):
            data = data.get(step)
        elif isinstance(data, list):
            data = data[int(step)] if step.isdigit() and int(step) < len(data) else None
        if isinstance(data, dict) and isinstance(data.get("type"), str):
            found = data["type"]
    return found


def _account(path: str, found: _Found, here: Loaded | None) -> Iterator[str]:
    if found.plugin:
        yield f"options of the {found.plugin}"
    if path and found.rows and not (found.plugin and path.count(".") == 1 and not found.before):
        row = found.rows[0]
        yield f"{found.before + '.' if found.before else ''}{row.path}"
        yield f"  {row.help or 'no description'}"
        yield f"  takes:    {row.type}"
        yield f"  default:  {'none, it must be given' if row.is_required else row.default or 'as below'}"
        if row.kind:
            yield f"  plugins:  massgen plugins {row.kind} lists those that are installed"
        yield f"  example:  {_example(row)}"
        for known, origin in (here.origins if here else {}).items():
            if known == path:
                yield f"  here:     {_value(here, path)}, from {origin}"
        rest = found.rows[1:]
    else:
        rest = found.rows
        if found.plugin and not rest:
            yield "  none"
    width = max((len(row.path) for row in rest), default=0)
    for row in rest:
        default = "required" if row.is_required else f"default {row.default}" if row.default else ""
        yield f"  {row.path:{width}}  {row.help} ({'; '.join(part for part in (row.type, default) if part)})"


def _example(row: Row) -> str:
    key = row.path.rpartition(".")[2].removesuffix("[]")
    if row.default not in ("", "null", '""', "[]", "{}"):
        return f"{key}: {row.default}"
    words = row.type.removesuffix(" or null")
    if words.startswith("one of "):
        return f"{key}: {words.removeprefix('one of ').split(', ')[0]}"
    if words.startswith("a list of"):
        return f"{key}: []"
    return f"{key}: {_EXAMPLES.get(words, _EXAMPLES['a mapping'] if words.startswith('a mapping') else 'NAME')}"


def _value(here: Loaded | None, path: str) -> str:
    data: object = here.document if here else None
    for step in re.findall(r"\[([0-9]+)\]|([A-Za-z_][\w-]*)", path):
        if isinstance(data, list) and step[0]:
            data = data[int(step[0])]
        elif isinstance(data, dict):
            data = data.get(step[1])
    name = path.rpartition(".")[2]
    return masked(f"{name}: {json.dumps(data, ensure_ascii=False)}", ()).removeprefix(f"{name}: ")
