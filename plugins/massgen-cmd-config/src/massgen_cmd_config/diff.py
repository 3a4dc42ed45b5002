"""`massgen config diff`: what two configurations say differently, whatever their order, format and style."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from massgen_cmd_config.keys import masked, secrets
from massgen_core.api import App, ConfigProblem, ConfigProblems, Document, PluginProblem, load_config, read_document

if TYPE_CHECKING:
    from massgen_core.plugins.manager import Plugins

__all__ = ["Diff", "Difference", "differences"]

_Path: TypeAlias = tuple[str | int, ...]
_DEFAULT = "default"


@attrs.frozen(kw_only=True)
class Side:
    """One of the two.

    Attributes:
        source: What it is called.
        document: Plain data.
        origins: By key path, where a value comes from.
        hidden: Texts that must not be shown.
    """

    source: str
    document: Mapping[str, Any] = attrs.field(repr=False)
    origins: Mapping[str, str]
    hidden: tuple[str, ...] = attrs.field(default=(), repr=False)


@attrs.frozen(kw_only=True)
class Value:
    """A value of one side, and where it comes from."""

    value: Any
    origin: str


@attrs.frozen(kw_only=True)
class Difference:
    """A key path, and its value in each of the two; None where one does not have it."""

    path: str
    first: Value | None
    second: Value | None


class Diff:
    """The command."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add arguments and options."""
        parser.add_argument("first", type=Path, metavar="A", help="a configuration of any format that is read")
        parser.add_argument("second", type=Path, metavar="B", help="another one")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def run(self, arguments: argparse.Namespace, app: App) -> int:
        """Print the differences, and return 0 where there are none, else 1."""
        sides = _resolved(app.plugins, arguments.first), _resolved(app.plugins, arguments.second)
        if None in sides:
            app.err("massgen: one of the two cannot be run here, so what is written is compared, without defaults; see: massgen config check")
            sides = _written(app.plugins, arguments.first), _written(app.plugins, arguments.second)
        first, second = sides
        assert first is not None
        assert second is not None
        found = list(differences(first, second))
        if arguments.json:
            app.out(json.dumps([_plain(one, first.hidden + second.hidden) for one in found], ensure_ascii=False, indent=2))
        else:
            for one in found:
                app.out(one.path)
                for side, value in ((first, one.first), (second, one.second)):
                    app.out(f"  {side.source}: not there" if value is None else _line(side, value))
            app.err(f"{len(found)} difference{'' if len(found) == 1 else 's'}" if found else "they say the same")
        return 1 if found else 0


def _resolved(plugins: Plugins, path: Path) -> Side | None:
    """Return a file with the defaults of everything; None where it cannot be run here."""
    try:
        found = load_config(plugins, file=path)
    except (ConfigProblems, PluginProblem):
        return None
    return Side(source=str(path), document=found.document, origins=found.origins, hidden=_hidden(Document.of(found.document, "")))


def _written(plugins: Plugins, path: Path) -> Side:
    document = read_document(path)
    try:
        document, _ = document.migrated(plugins, list[ConfigProblem]())
    except PluginProblem as error:
        raise ConfigProblems([ConfigProblem(str(error), source=str(path))]) from error
    origins = {_shown(where): str(place) for where, (place, _) in document.places().items()}
    return Side(source=str(path), document=document.data, origins=origins, hidden=_hidden(document))


def _hidden(document: Document) -> tuple[str, ...]:
    return tuple(leak.text for leak in secrets(document))


def differences(first: Side, second: Side) -> Iterator[Difference]:
    """Yield where two configurations differ. Agents are compared by their names, other items of lists by their numbers.

    What only one of the two has is not told where it is a default: options of a plugin that the other one does not use.
    """
    ours, theirs = dict(_flat(first)), dict(_flat(second))
    for key in [*ours, *(key for key in theirs if key not in ours)]:
        (path, one), (other_path, other) = ours.get(key, ("", None)), theirs.get(key, ("", None))
        alone = one or other if one is None or other is None else None
        if alone.origin != _DEFAULT if alone else one is not None and other is not None and not _same(one.value, other.value):
            yield Difference(path=path or other_path, first=one, second=other)
    names, other_names = _names(first), _names(second)
    if names != other_names and sorted(names) == sorted(other_names):
        yield Difference(
            path="agents (order)",
            first=Value(value=names, origin=first.origins.get("agents[0].name", "")),
            second=Value(value=other_names, origin=second.origins.get("agents[0].name", "")),
        )


def _same(one: Any, other: Any) -> bool:
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _flat(side: Side) -> Iterator[tuple[_Path, tuple[str, Value]]]:
    """Yield for each value the path by which it is compared, and the path that it has."""
    names = _names(side)
    for path, value in _leaves(side.document):
        key = path
        if path[0] == "agents" and len(path) > 1 and isinstance(path[1], int) and len(set(names)) == len(side.document["agents"]):
            key = (path[0], names[path[1]], *path[2:])
        shown = _shown(path)
        yield key, (shown, Value(value=value, origin=side.origins.get(shown, "")))


def _names(side: Side) -> list[str]:
    agents = side.document.get("agents")
    return [agent["name"] for agent in agents if isinstance(agent, dict) and isinstance(agent.get("name"), str)] if isinstance(agents, list) else []


def _leaves(data: Any, path: _Path = ()) -> Iterator[tuple[_Path, Any]]:
    """Yield the path and value of every scalar and every empty list or mapping."""
    if isinstance(data, Mapping | list | tuple) and data:
        for step, value in data.items() if isinstance(data, Mapping) else enumerate(data):
            yield from _leaves(value, (*path, step))
    elif path:
        yield path, data


def _shown(path: _Path) -> str:
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif step.replace("-", "_").isidentifier() and step.isascii():
            text += f".{step}" if text else step
        else:
            text += f"[{json.dumps(step)}]"
    return text


def _line(side: Side, value: Value) -> str:
    origin = value.origin or side.source
    shown = f"{side.source} ({origin})" if not origin.startswith(side.source) else origin
    return f"  {shown}: {masked(json.dumps(value.value, ensure_ascii=False), side.hidden)}"


def _plain(difference: Difference, hidden: tuple[str, ...]) -> dict[str, Any]:
    made: dict[str, Any] = {"path": difference.path}
    for name, one in (("a", difference.first), ("b", difference.second)):
        if one is not None:
            value = masked(one.value, hidden) if isinstance(one.value, str) else one.value
            made[name] = {"value": value, "origin": one.origin}
    return made
