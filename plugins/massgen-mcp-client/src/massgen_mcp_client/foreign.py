"""Files in which other hosts keep their MCP servers: whose they are, where the servers stand, and how each key is written here."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import attrs

from massgen_core.api import ConfigProblem, ConfigProblems, Document, clean_line, read_document
from massgen_mcp_client.config import WORKSPACE, ImportConfig

__all__ = ["HOSTS", "Entry", "Host", "read_import", "translated"]


@attrs.frozen(kw_only=True)
class Host:
    """How a host writes its servers.

    Attributes:
        where: The key path of the mapping of servers.
        files: Globs of the paths of its files.
        second: What one unit of its `timeout` is in seconds; 0 where it has no such key.
        dollar: It reads `$NAME`, too.
    """

    where: tuple[str, ...] = ("mcpServers",)
    files: tuple[str, ...] = ()
    second: float = 0.0
    dollar: bool = False


HOSTS: Mapping[str, Host] = {
    "claude": Host(files=("*/.mcp.json", "*/.claude.json", "*/.claude/*.json", "*/claude_desktop_config.json"), second=0.001),
    "cline": Host(files=("*/cline_mcp_settings.json",), second=1.0),
    "codex": Host(where=("mcp_servers",), files=("*/.codex/*.toml",)),
    "continue": Host(files=("*/.continue/*",)),
    "copilot": Host(files=("*/.copilot/*.json",), second=0.001),
    "cursor": Host(files=("*/.cursor/mcp.json",)),
    "fastmcp": Host(second=0.001),
    "gemini": Host(files=("*/.gemini/settings.json",), second=0.001, dollar=True),
    "goose": Host(where=("extensions",), files=("*/goose/config.yaml",), second=1.0),
    "librechat": Host(files=("*/librechat.yaml",), second=0.001),
    "massgen": Host(where=("mcp_servers",), second=1.0),
    "mcp-agent": Host(where=("mcp", "servers"), files=("*/mcp_agent.config.yaml",), second=1.0),
    "opencode": Host(where=("mcp",), files=("*/opencode.json", "*/opencode.jsonc"), second=0.001),
    "roo": Host(files=("*/.roo/mcp.json", "*roo-cline*/mcp_settings.json"), second=1.0),
    "vscode": Host(where=("servers",), files=("*/.vscode/mcp.json",)),
    "windsurf": Host(files=("*/.codeium/*/mcp_config.json",)),
    "zed": Host(where=("context_servers",), files=("*/zed/settings.json", "*/.zed/settings.json")),
    # Any other file: the unit of its time-outs is not known.
    "": Host(),
}

_NAMES = {
    **dict.fromkeys(("httpUrl", "serverUrl", "uri"), "url"),
    **dict.fromkeys(("environment", "envs"), "env"),
    **dict.fromkeys(("allowedTools", "includeTools", "enabledTools", "enabled_tools", "available_tools", "tools"), "allowed_tools"),
    **dict.fromkeys(("excludeTools", "disabledTools", "disabled_tools"), "exclude_tools"),
    "cmd": "command",
    "envFile": "env_file",
    "http_headers": "headers",
    "workingDirectory": "cwd",
    "transport": "type",
}
# Times that say their unit, or have the same one in every host that has them: what they limit, and one unit in seconds.
_TIMES = {
    **dict.fromkeys(("startup_timeout_sec", "connect_timeout_seconds"), ("connect", 1.0)),
    **dict.fromkeys(("startup_timeout_ms", "initTimeout", "connectionTimeout"), ("connect", 0.001)),
    **dict.fromkeys(("tool_timeout_sec", "read_timeout_seconds", "call_timeout_seconds"), ("call", 1.0)),
    **dict.fromkeys(("timeoutMs", "timeout_ms"), ("call", 0.001)),
}
# What only looks, or only its own host can use.
_IDLE = frozenset(
    {
        *("description", "gallery", "version", "iconPath", "chatMenu", "source", "bundled", "display_name", "registry", "dev", "startup", "sandbox"),
        *("requiresOAuth", "serverInstructions", "required", "settings", "alwaysLoad", "discovery_cache", "headersHelper", "http_timeout_seconds"),
        *("http_read_timeout", "sse_read_timeout", "terminate_on_close", "extensionName", "faviconUrl", "defer_loading", "authProviderType"),
    }
)
_APPROVALS = ("alwaysAllow", "autoApprove", "trust", "default_tools_approval_mode")
_INPUT = re.compile(r"\$\{input:([^}]{1,200})\}")
_LONE = re.compile(r"\$(?!\{)")
_NAMED = re.compile(r"\$(?P<name>[A-Za-z_][A-Za-z0-9_]*)")


@attrs.frozen(kw_only=True)
class Entry:
    """One server as it is written somewhere.

    Attributes:
        name: Its name, or None where it has none.
        data: Its section.
        path: The section's key path.
        document: The file; None for the toolset's own options.
        host: Whose way of writing it is; None for our own.
    """

    name: Any
    data: Any
    path: str
    document: Document | None = None
    host: str | None = None

    def problem(self, message: str, key: str = "") -> ConfigProblem:
        """Return a mistake at a key of the section."""
        path = f"{self.path}{'' if not key or key.startswith('[') else '.'}{key}"
        return self.document.problem(message, path) if self.document else ConfigProblem(message, path=path)


# Reading


def read_import(given: str | ImportConfig, notes: list[str]) -> tuple[Entry, ...]:
    """Return the servers in a file of another host.

    Raises:
        ConfigProblems: It cannot be read, or holds no servers.
    """
    wanted = ImportConfig(path=given) if isinstance(given, str) else given
    if wanted.host not in HOSTS:
        known = ", ".join(name for name in HOSTS if name)
        raise ConfigProblems([ConfigProblem(f"{clean_line(wanted.host, 40)!r} is no host that is known (known: {known})")])
    file = Path(os.path.expanduser(wanted.path))
    if file.exists() and not file.is_file():  # a pipe or a device may never end
        raise ConfigProblems([ConfigProblem("it is no file", source=wanted.path)])
    document = read_document(file, name=wanted.path, comments=True)
    host, where = _found(document, file, wanted.host)
    servers: Any = document.data
    for key in where:
        servers = servers[key]
    entries = []
    for name, data, path in named(servers, ".".join(where)):
        if not wanted.only or (isinstance(name, str) and any(fnmatchcase(name, pattern) for pattern in wanted.only)):
            entries.append(Entry(name=name, data=data, path=path, document=document, host=host))
    if not entries:
        notes.append(f"{wanted.path} holds no MCP servers" + (" that `only` names" if wanted.only else ""))
    return tuple(entries)


def named(servers: Any, path: str) -> Iterator[tuple[Any, Any, str]]:
    """Yield name, section and key path of each server of a mapping by name, or of a list of sections with `name`."""
    if isinstance(servers, Mapping):
        for name, data in servers.items():
            yield name, data, f"{path}.{name}" if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", name) else f'{path}["{name}"]'
    else:
        for index, data in enumerate(servers):
            yield (data.get("name") if isinstance(data, Mapping) else None), data, f"{path}[{index}]"


def _found(document: Document, file: Path, host: str) -> tuple[str, tuple[str, ...]]:
    """Return whose file it is, and where its servers stand."""
    posix = file.absolute().as_posix()
    if not host:
        host = next((name for name, one in HOSTS.items() if any(fnmatchcase(posix, pattern) for pattern in one.files)), "")
    if host and _at(document.data, HOSTS[host].where) is not None:
        return host, HOSTS[host].where
    for name in ("", "vscode", "mcp-agent", "goose", "zed", "codex" if file.suffix == ".toml" else "massgen", "opencode"):
        if _at(document.data, HOSTS[name].where) is not None:
            return host or name, HOSTS[name].where
    keys = "mcpServers, servers, mcp_servers, mcp.servers, mcp, extensions or context_servers"
    raise ConfigProblems([document.problem(f"no MCP servers were found; they stand under {keys}")])


def _at(data: Any, where: Sequence[str]) -> Any:
    for key in where:
        data = data.get(key) if isinstance(data, Mapping) else None
    return data if isinstance(data, (Mapping, list)) else None


# Translating


def translated(entry: Entry, environment: Mapping[str, str], problems: list[ConfigProblem], notes: list[str]) -> dict[str, Any]:
    """Return a section of another host with our keys, times in seconds, and references to variables replaced."""
    host = HOSTS[entry.host or ""]
    data: dict[str, Any] = {}
    for key, value in _flat(entry.data).items():
        if key in _TIMES or key == "timeout":
            data.update(_time(entry, key, value, problems=problems, notes=notes))
        elif key in _APPROVALS:
            if value:
                notes.append(f"{_of(entry)}: `{key}` is not taken over; name tools that need no approval under permissions.allow")
        elif key in _NAMES and _NAMES[key] in entry.data:
            problems.append(entry.problem(f"`{key}` and `{_NAMES[key]}` mean the same; remove one", key))
        elif key not in _IDLE:
            data[_NAMES.get(key, key)] = value
    if entry.host == "gemini" and "type" not in data and "url" in entry.data:
        data["type"] = "sse"  # what that host means by it
    _credentials(data)
    if entry.document is None:
        return data
    variables = {**_variables(entry.host or ""), **environment}
    written = _written(data, dollar=host.dollar)
    return {str(key): entry.document.expanded(value, variables, problems, f"{entry.path}.{key}") for key, value in written.items()}


def _flat(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return a section without the mappings in which some hosts put a part of it."""
    flat = dict(data)
    command, inner, request = flat.get("command"), flat.get("config"), flat.pop("requestOptions", None)
    if isinstance(command, Mapping):  # zed
        flat["command"] = command.get("path")
        flat.update({key: command[key] for key in ("args", "env") if key in command})
    if isinstance(inner, Mapping) and "type" in inner:  # goose
        flat = {**inner, **{key: value for key, value in flat.items() if key != "config"}}
    if isinstance(request, Mapping):  # continue
        flat.update({key: request[key] for key in ("headers",) if key in request})
    if isinstance(flat.get("transport"), Mapping):
        flat = {**flat.pop("transport"), **flat}
    return flat


def _time(entry: Entry, key: str, value: Any, *, problems: list[ConfigProblem], notes: list[str]) -> dict[str, float]:
    host = HOSTS[entry.host or ""]
    if key == "timeout" and isinstance(value, Mapping):  # opencode
        parts = (("startup", "connect"), ("request", "call"))
        return {name: time for part, what in parts for name, time in _seconds(what, value.get(part), host.second).items()}
    what, second = _TIMES.get(key, ("call", host.second))
    if not second:
        message = "the unit of `timeout` is not known; say whose file it is: imports: [{path: ..., host: ...}], or remove the key"
        problems.append(entry.problem(message, key))
        return {}
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
        problems.append(entry.problem(f"`{key}` must be a number, at least 0", key))
        return {}
    if entry.host == "claude" and value < 1000:
        notes.append(f"{_of(entry)}: `{key}` of {value} ms is not taken over; its own host ignores less than 1000")
        return {}
    return _seconds(what, value, second)


def _seconds(what: str, value: Any, second: float) -> dict[str, float]:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        return {}
    seconds = round(value * second, 3)
    return {"connect_seconds": seconds} if what == "connect" else {"call_idle_seconds": seconds, "call_total_seconds": seconds}


def _credentials(data: dict[str, Any]) -> None:
    """Write the names of variables that hold credentials as references; in place."""
    names = data.pop("env_keys", None) or data.pop("env_vars", None) or ()
    if names and isinstance(names, list):
        data["env"] = {**{str(name): f"env:{name}" for name in names}, **(data.get("env") or {})}
    headers = dict(data.get("headers") or {}) if isinstance(data.get("headers"), Mapping) else {}
    if isinstance(bearer := data.pop("bearer_token_env_var", None), str):
        headers["Authorization"] = f"Bearer ${{{bearer}}}"
    if isinstance(by_name := data.pop("env_http_headers", None), Mapping):
        headers.update({str(name): f"env:{variable}" for name, variable in by_name.items()})
    if headers:
        data["headers"] = headers


def _variables(host: str) -> dict[str, str]:
    """Return what hosts put in place of names that are no environment variables."""
    folder, home = str(Path.cwd()), str(Path.home())
    names = {"workspaceFolder": folder, "workspaceFolderBasename": Path(folder).name, "userHome": home, "pathSeparator": os.sep, "/": os.sep}
    return {**names, "cwd": WORKSPACE} if host == "massgen" else names


def _written(data: Any, *, dollar: bool) -> Any:
    """Return data whose texts write references as the kernel does: a lone dollar sign is itself, an input is a variable of its name."""
    if isinstance(data, str):
        text = _NAMED.sub(r"${\g<name>}", data) if dollar else data
        text = _INPUT.sub(lambda found: f"${{{re.sub(r'[^A-Za-z0-9]+', '_', found[1]).strip('_').upper()}}}", text)
        return _LONE.sub("$$", text)
    if isinstance(data, Mapping):
        return {str(key): _written(value, dollar=dollar) for key, value in data.items()}
    return [_written(value, dollar=dollar) for value in data] if isinstance(data, list) else data


def _of(entry: Entry) -> str:
    return f"MCP server {clean_line(str(entry.name), 60)!r}"
