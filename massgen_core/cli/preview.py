"""`massgen run --dry-run`: what a run would be, told from its configuration alone; nothing is started, asked or written."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Container, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from massgen_core.config.load import Loaded, load
from massgen_core.errors import ConfigUntrusted, PluginBroken
from massgen_core.specs import StrategySpec

if TYPE_CHECKING:
    from massgen_core.cli.app import ConsoleApp

__all__ = ["calls", "preview"]

_ENDS = re.compile(r"[.\[]|\Z")
_LIMITS = ("seconds", "tokens", "money", "calls")


def preview(arguments: argparse.Namespace, app: ConsoleApp) -> int:
    """Print what a run with these options would be."""
    options = {
        "file": arguments.config,
        "preset": arguments.preset,
        "backend": arguments.backend,
        "agents": arguments.agent,
        "sets": arguments.sets,
        "strategy": arguments.strategy,
    }
    try:
        loaded = load(app.plugins, is_trusted=arguments.trust, **options)
    except ConfigUntrusted as error:
        app.err(f"massgen: a run would not begin yet: {error}")
        loaded = load(app.plugins, is_trusted=True, **options)  # nothing is started
    for warning in loaded.warnings:
        app.err(f"massgen: {warning}")
    made = account(loaded)
    if arguments.json:
        sys.stdout.write(json.dumps(made, ensure_ascii=False) + "\n")
        return 0
    for line in _lines(made):
        app.out(line)
    app.err("this was a dry run: nothing was started, and nothing was written; massgen config test tries what would be used")
    return 0


def account(loaded: Loaded) -> dict[str, Any]:
    """Return what a run would be, as plain data; of the options of plugins only the names, since a value may be a secret."""
    document = loaded.document
    limits = {name: document["limits"][name] for name in _LIMITS}
    used = partial(_used, loaded, _given(loaded))
    shared = [used(section, f"toolsets[{number}]") for number, section in enumerate(document["toolsets"])]
    return {
        "agents": [
            {
                "name": agent["name"],
                "backend": agent["backend"]["type"],
                "model": agent["model"],
                "origin": _origin(loaded, f"agents[{index}].backend.type"),
                "toolsets": [
                    *shared,
                    *(used(section, f"agents[{index}].toolsets[{number}]") for number, section in enumerate(agent["toolsets"])),
                ],
                "workspace": agent["workspace"],
                "context_paths": [*document["context_paths"], *agent["context_paths"]],
                "limits": {name: value for name, value in agent["limits"].items() if value is not None},
            }
            for index, agent in enumerate(document["agents"])
        ],
        "strategy": used(document["strategy"], "strategy"),
        **{
            kind: [used(section, f"{kind}[{number}]") for number, section in enumerate(document[kind] or ())]
            for kind in ("middlewares", "classifiers", "sinks")
        },
        "permissions": {name: list(patterns) for name, patterns in document["permissions"].items() if patterns},
        "limits": {name: {"value": value, "origin": _origin(loaded, f"limits.{name}")} for name, value in limits.items()},
        "calls": calls(loaded),
    }


def calls(loaded: Loaded) -> dict[str, int | None]:
    """Return how many model calls a run usually has, and at most; None where the strategy does not know.

    Rounds of tools come on top, except where the limit of calls is what counts.
    """
    name, options = loaded.config.strategy.type, loaded.config.strategy
    spec = loaded.plugins.get("strategy", name)
    usual: int | None = None
    most: int | None = None
    if isinstance(spec, StrategySpec) and spec.calls:
        from massgen_core.config.structure import plugin_options  # noqa: PLC0415 - for strategies that know

        config = plugin_options(loaded.plugins, "strategy", options, path="strategy")
        count = loaded.plugins.resolve(spec.calls, kind="strategy", name=name)
        try:
            usual, most = count(config, len(loaded.config.agents))
        except Exception as error:  # whatever a plugin does
            raise PluginBroken(f"strategy {name!r} could not count its calls: {type(error).__name__}: {error}", kind="strategy", name=name) from error
    limit = loaded.config.limits.calls
    if limit is not None:
        usual, most = None if usual is None else min(usual, limit), limit if most is None else min(most, limit)
    return {"usual": usual, "most": most, "limit": limit}


def _given(loaded: Loaded) -> frozenset[str]:
    """Return the key paths of all that somebody set, and of all that it lies in."""
    return frozenset(at[: end.start()] for at, origin in loaded.origins.items() if origin != "default" for end in _ENDS.finditer(at))


def _used(loaded: Loaded, given: Container[str], section: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return a plugin that is used, with the options that somebody set, and the names in those that hold several things."""
    options = {key: list(value) if isinstance(value, Mapping) else [] for key, value in section.items() if key != "type" and f"{path}.{key}" in given}
    return {"type": section["type"], "origin": _origin(loaded, f"{path}.type"), "options": options}


def _origin(loaded: Loaded, path: str) -> str:
    return loaded.origins.get(path, "default")


def _lines(made: Mapping[str, Any]) -> Iterator[str]:
    yield "agents"
    for agent in made["agents"]:
        model = f" {agent['model']}" if agent["model"] else ""
        yield f"  {agent['name']}: {agent['backend']}{model}  ({agent['origin']})"
        for toolset in agent["toolsets"]:
            yield f"    tools: {_said(toolset)}"
        if agent["workspace"]:
            yield f"    works in: {agent['workspace']}"
        for granted in agent["context_paths"]:
            yield f"    may {granted['permission']}: {granted['path']}"
        for name, value in agent["limits"].items():
            yield f"    limit: {value} {name}"
    yield f"strategy: {_said(made['strategy'])}"
    for kind in ("middlewares", "classifiers", "sinks"):
        for one in made[kind]:
            yield f"{kind}: {_said(one)}"
    for level, patterns in made["permissions"].items():
        yield f"permissions: {level} {', '.join(patterns)}"
    for name, limit in made["limits"].items():
        value = "none" if limit["value"] is None else limit["value"]
        yield f"limits.{name}: {value}  ({limit['origin']})"
    yield f"model calls: {_counted(made['calls'], has_tools=any(agent['toolsets'] for agent in made['agents']))}"


def _said(used: Mapping[str, Any]) -> str:
    options = "; ".join(f"{key}: {', '.join(names)}" if names else key for key, names in used["options"].items())
    shown = f" [{options}]" if options else ""
    return f"{used['type']}{shown}  ({used['origin']})"


def _counted(counted: Mapping[str, int | None], *, has_tools: bool) -> str:
    usual, most, limit = counted["usual"], counted["most"], counted["limit"]
    if most is None:
        return "this strategy does not say how many; limits.calls bounds them"
    begin = f"about {usual}, " if usual is not None else ""
    if most == limit:
        return f"{begin}at most {most}, which limits.calls says"
    return f"{begin}at most {most}{'; each round of tool calls adds one' if has_tools else ''}"
