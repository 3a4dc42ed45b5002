"""Settings of a sound configuration that name what is not there, contradict each other, or do nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from massgen_core.api import ConfigProblem, nearest

if TYPE_CHECKING:
    from massgen_core.config.load import Loaded

__all__ = ["effects"]

Effect: TypeAlias = tuple[Literal["error", "warning"], ConfigProblem]

_SERVER = re.compile(r"mcp__([A-Za-z0-9.-]+(?:_[A-Za-z0-9.-]+)*)__")
# Options of strategies that name an agent.
_AGENTS = {"judge": "judge", "single": "agent"}


def effects(loaded: Loaded) -> Iterator[Effect]:
    """Yield what a run would not do as the configuration reads."""
    yield from _strategy(loaded)
    yield from _permissions(loaded)
    yield from _limits(loaded)
    yield from _servers(loaded)


def _problem(loaded: Loaded, message: str, *path: str | int, near: str = "", allowed: tuple[str, ...] = ()) -> ConfigProblem:
    place = loaded.place.at(path)
    shown = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")
    is_file = place.line > 0
    return ConfigProblem(
        message, path=shown, source=place.source if is_file else "", line=place.line, column=place.column, nearest=near, allowed=allowed
    )


def _strategy(loaded: Loaded) -> Iterator[Effect]:
    config = loaded.config
    names = tuple(agent.name for agent in config.agents)
    option = _AGENTS.get(config.strategy.type, "")
    named = config.strategy.options.get(option, "") if option else ""
    if isinstance(named, str) and named and named not in names:
        near = nearest(named, names)
        meant = f"; did you mean {near!r}?" if near else ""
        message = f"no agent is named {named!r}{meant} (agents: {', '.join(names)})"
        yield "error", _problem(loaded, message, "strategy", option, near=near, allowed=names)
    if config.strategy.type == "single" and len(names) > 1:
        who = named or names[0]
        yield "warning", _problem(loaded, f"with the strategy single only {who!r} answers; the other agents do nothing", "strategy", "type")


def _permissions(loaded: Loaded) -> Iterator[Effect]:
    sections: list[tuple[tuple[str | int, ...], object]] = [(("permissions",), loaded.config.permissions)]
    sections += [(("agents", index, "permissions"), agent.permissions) for index, agent in enumerate(loaded.config.agents)]
    for path, section in sections:
        for weaker, stronger in (("allow", "deny"), ("allow", "ask"), ("ask", "deny")):
            stronger_patterns = getattr(section, stronger)
            for index, pattern in enumerate(getattr(section, weaker)):
                if pattern in stronger_patterns:
                    message = f"{pattern!r} is under `{stronger}`, too, and that is what counts"
                    yield "warning", _problem(loaded, message, *path, weaker, index)


def _limits(loaded: Loaded) -> Iterator[Effect]:
    whole = loaded.config.limits
    for name in ("seconds", "tokens", "money", "calls"):
        most = getattr(whole, name)
        if most == 0:
            yield "warning", _problem(loaded, f"no {name} at all: no agent can answer", "limits", name)
        for index, agent in enumerate(loaded.config.agents):
            own = getattr(agent.limits, name)
            if own is not None and most is not None and own > most:
                yield (
                    "warning",
                    _problem(loaded, f"more than the whole run may use ({most:g}); that limit comes first", "agents", index, "limits", name),
                )


def _servers(loaded: Loaded) -> Iterator[Effect]:
    """Yield what names a tool of an MCP server that nobody configures: it can never take effect."""
    config = loaded.config
    places: list[tuple[tuple[str | int, ...], Any]] = [((), config)]
    places += [(("agents", index), agent) for index, agent in enumerate(config.agents)]
    names: set[str] = set()
    for _, section in places:
        for toolset in section.toolsets:
            if toolset.type != "mcp" or toolset.options.get("imports"):
                return  # what it provides is not known without opening it
            names |= {*_names(toolset.options.get("servers")), *_names(toolset.options.get("mcp_servers"))}
    for path, section in places:
        for level in ("allow", "ask", "deny"):
            for index, pattern in enumerate(getattr(section.permissions, level)):
                yield from _known_server(loaded, pattern, names, (*path, "permissions", level, index))
        for number, toolset in enumerate(section.toolsets):
            for key in ("allowed_tools", "exclude_tools"):
                for index, pattern in enumerate(toolset.options.get(key) or ()):
                    yield from _known_server(loaded, pattern, names, (*path, "toolsets", number, key, index))


def _known_server(loaded: Loaded, pattern: str, names: set[str], path: tuple[str | int, ...]) -> Iterator[Effect]:
    match = _SERVER.match(pattern)
    if match is None or match[1] in names:
        return
    near = nearest(match[1], sorted(names))
    meant = f"; did you mean {near!r}?" if near else ""
    yield "warning", _problem(loaded, f"no MCP server is named {match[1]!r}{meant} (servers: {', '.join(sorted(names)) or 'none'})", *path)


def _names(servers: Any) -> Iterator[str]:
    if isinstance(servers, Mapping):
        yield from (str(name) for name in servers)
    elif isinstance(servers, list | tuple):
        yield from (server["name"] for server in servers if isinstance(server, Mapping) and isinstance(server.get("name"), str))
