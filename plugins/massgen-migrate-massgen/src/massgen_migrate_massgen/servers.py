"""An agent's MCP servers and the lists of their tools, as a toolset of today."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from massgen_core.api import ConfigProblem

__all__ = ["placed", "toolset", "warnings"]

CWD = "${cwd}"
# Servers that were modules of MassGen 0.1 itself.
_OWN = ("massgen.", "massgen/")


def toolset(backend: Mapping[str, Any], *, has_own_tools: bool) -> dict[str, Any] | None:
    """Return the toolset that a backend's section asks for, or None where it has no servers.

    Args:
        backend: The section.
        has_own_tools: The lists name tools of the backend's own, too; those of servers begin with `mcp__`.
    """
    servers = backend.get("mcp_servers")
    if not servers:
        return None
    folder = backend.get("cwd")
    made: dict[str, Any] = {"type": "mcp", "mcp_servers": placed(servers, folder if isinstance(folder, str) and folder else "{workspace}")}
    for key in ("allowed_tools", "exclude_tools"):
        names = backend.get(key)
        if has_own_tools and isinstance(names, list):
            names = [name for name in names if not isinstance(name, str) or name.startswith("mcp__") or (key == "exclude_tools" and name.islower())]
        if names:
            made[key] = names
    return made


def placed(data: Any, folder: str) -> Any:
    """Return plain data with the agent's folder in place of `${cwd}`; what does not hold it stays the same object."""
    if isinstance(data, str):
        return data.replace(CWD, folder) if CWD in data else data
    if isinstance(data, Mapping):
        made = {key: placed(value, folder) for key, value in data.items()}
        return made if any(made[key] is not data[key] for key in data) else data
    if isinstance(data, list):
        items = [placed(item, folder) for item in data]
        return items if any(new is not old for new, old in zip(items, data, strict=True)) else data
    return data


def warnings(servers: Any, path: str) -> list[ConfigProblem]:
    """Return what a person should know of the servers: those that came with MassGen 0.1 do not come with today's."""
    if isinstance(servers, Mapping):
        pairs = [(f"{path}.{name}" if str(name).isidentifier() else path, server) for name, server in servers.items()]
    elif isinstance(servers, list):
        pairs = [(f"{path}[{index}]", server) for index, server in enumerate(servers)]
    else:
        pairs = []
    found = []
    for place, server in pairs:
        arguments = server.get("args") if isinstance(server, Mapping) else None
        texts = [text for text in arguments if isinstance(text, str)] if isinstance(arguments, list) else []
        if any(text.startswith(_OWN) for text in texts):
            found.append(ConfigProblem("this server is a part of MassGen 0.1 itself, and starts only where that is installed", path=place))
    return found
