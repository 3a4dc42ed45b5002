"""An agent's MCP servers and the lists of their tools, as a toolset of today."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from massgen_core.api import ConfigProblem

__all__ = ["eased", "placed", "toolset", "warnings"]

CWD = "${cwd}"
# Servers that were modules of MassGen 0.1 itself.
_OWN = ("massgen.", "massgen/")
_OUT = re.compile(r"(?:^|[/\\=])\.\.(?:[/\\]|$)")


def toolset(backend: Mapping[str, Any], *, has_own_tools: bool) -> dict[str, Any] | None:
    """Return the toolset that a backend's section asks for, or None where it has no servers.

    Args:
        backend: The section.
        has_own_tools: The lists name tools of the backend's own, too; those of servers begin with `mcp__`.
    """
    servers = backend.get("mcp_servers")
    if not servers:
        return None
    made: dict[str, Any] = {"type": "mcp", "mcp_servers": eased(placed(servers, "{workspace}"))}
    for key in ("allowed_tools", "exclude_tools"):
        names = backend.get(key)
        if has_own_tools and isinstance(names, list):
            names = [name for name in names if not isinstance(name, str) or name.startswith("mcp__") or (key == "exclude_tools" and name.islower())]
        if names:
            made[key] = names
    return made


def eased(servers: Any) -> Any:
    """Return servers as they are, but for those whose arguments lead out of a folder and that set no level: their arguments were not looked at."""
    if isinstance(servers, Mapping):
        return _kept(servers, {name: _eased(server) for name, server in servers.items()})
    if isinstance(servers, list):
        items = [_eased(server) for server in servers]
        return items if any(new is not old for new, old in zip(items, servers, strict=True)) else servers
    return servers


def _eased(server: Any) -> Any:
    if not _leads_out(server):
        return server
    return {**server, "security": {**(server.get("security") or {}), "level": "moderate"}}


def _leads_out(server: Any) -> bool:
    arguments, security = (server.get("args"), server.get("security")) if isinstance(server, Mapping) else (None, None)
    if security is not None and (not isinstance(security, Mapping) or "level" in security):
        return False
    return isinstance(arguments, list) and any(isinstance(text, str) and _OUT.search(text) for text in arguments)


def _kept(old: Mapping[str, Any], new: dict[str, Any]) -> Mapping[str, Any]:
    return new if any(new[key] is not old[key] for key in old) else old


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
        if _leads_out(server):
            found.append(ConfigProblem("an argument leads out of a folder with `..`; the server gets security.level: moderate for it", path=place))
    return found
