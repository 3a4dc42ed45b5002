"""What a preset needs: plugins, keys and programs, and what of that is missing here."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from massgen_core.api import App, BackendSpec, ConfigProblem, Context, MassGenError, PluginProblem, config_rows

if TYPE_CHECKING:
    from massgen_core.plugins.manager import Plugins

__all__ = ["Need", "needs", "with_keys"]

# Where the programs come from that start servers.
_INSTALL: Mapping[str, str] = {
    **dict.fromkeys(("uv", "uvx"), "pip install uv"),
    **dict.fromkeys(("node", "npx"), "install Node.js"),
    "bunx": "install Bun",
    "docker": "install Docker",
}


@attrs.frozen(kw_only=True)
class Need:
    """One thing that is needed.

    Attributes:
        what: `plugin`, `key` or `program`.
        name: `KIND.NAME` of a plugin; the names of a key, any of which will do, joined by ` or `; a program's name.
        missing: What to do, where it is not here; else empty.
    """

    what: str
    name: str
    missing: str = ""


def needs(document: Mapping[str, Any], plugins: Plugins) -> tuple[Need, ...]:
    """Return what a configuration needs; keys are looked for in the environment only."""
    found: dict[tuple[str, str], Need] = {}
    for kind, name, options in _uses(document, plugins):
        missing = ""
        try:
            spec = plugins.get(kind, name)
        except PluginProblem as error:
            missing, spec = str(error), None
        found.setdefault((kind, name), Need(what="plugin", name=f"{kind}.{name}", missing=missing))
        keys = tuple(spec.keys) if isinstance(spec, BackendSpec) and "key" not in options and "preset" not in options else ()
        if keys:
            names = " or ".join(key.removeprefix("env:") for key in keys)
            is_set = any(os.environ.get(key.removeprefix("env:")) for key in keys)
            found.setdefault(("key", names), Need(what="key", name=names, missing="" if is_set else f"massgen auth set {keys[0]}"))
        for program in _programs(options):
            missing = "" if shutil.which(program) else _INSTALL.get(program, f"install {program}")
            found.setdefault(("program", program), Need(what="program", name=program, missing=missing))
    return tuple(found.values())


async def with_keys(app: App, every: Sequence[Sequence[Need]]) -> list[list[Need]]:
    """Return needs anew: keys that a store holds are not missing."""
    known: dict[str, bool] = {}
    async with app.context() as context:
        return [[_looked_up(need, context, known) for need in one] for one in every]


def _looked_up(need: Need, context: Context, known: dict[str, bool]) -> Need:
    if need.what != "key" or not need.missing:
        return need
    if need.name not in known:
        known[need.name] = any(_holds(context, name) for name in need.name.split(" or "))
    return attrs.evolve(need, missing="") if known[need.name] else need


def _holds(context: Context, name: str) -> bool:
    try:
        context.secret(name)
    except MassGenError:
        return False
    return True


def _uses(document: Mapping[str, Any], plugins: Plugins) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield kind, name and options of each plugin that a document names, those inside of tools included."""
    named = {"strategy": "consensus", **document}  # what is used without being named
    for row in config_rows(plugins):
        if row.kind:
            for section in _at(named, row.path.replace("[]", "").split(".")):
                yield from _use(row.kind, section)


def _use(kind: str, section: Any) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    options = section if isinstance(section, Mapping) else {"type": section}
    if not isinstance(options.get("type"), str):
        raise ConfigProblem(f"something else stands where a name of kind {kind} is expected, or a mapping with `type`")
    yield kind, options["type"], options
    if options.get("executor"):
        yield from _use("executor", options["executor"])
    servers = options.get("servers") if kind == "toolset" else None
    for server in servers.values() if isinstance(servers, Mapping) else ():
        if isinstance(server, Mapping):
            yield from _use("transport", {"type": "stdio" if "command" in server else "http", **server})


def _at(data: Any, path: Sequence[str]) -> Iterator[Any]:
    """Yield the values at a path, through all items of lists."""
    if isinstance(data, list | tuple):
        for item in data:
            yield from _at(item, path)
    elif not path:
        if data is not None:
            yield data
    elif isinstance(data, Mapping) and path[0] in data:
        yield from _at(data[path[0]], path[1:])


def _programs(options: Mapping[str, Any]) -> Iterator[str]:
    command = options.get("command")
    if isinstance(command, str) and "executor" not in options:
        yield command
