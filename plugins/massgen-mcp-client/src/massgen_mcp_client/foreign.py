"""Reads the files in which other hosts keep their MCP servers, and writes their keys as we do."""

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
from massgen_mcp_client.hosts import APPROVALS, HOSTS, IDLE, NAMES, TIMES, Host

__all__ = ["Entry", "read_import", "translated"]


_INPUT = re.compile(r"\$\{input:([^}]{1,200})\}")
_SECRET = re.compile(r"\$\{\{ {0,3}(?:secrets|inputs)\.([A-Za-z_][A-Za-z0-9_]{0,99}) {0,3}\}\}")
_BRACE = re.compile(r"(?<!\$)\{env:([A-Za-z_][A-Za-z0-9_]{0,99})\}")
# What these hosts put in place of a file's or a command's text.
_OUTSIDE = {"opencode": re.compile(r"\{file:"), "crush": re.compile(r"\$\("), "": re.compile(r"\$\{file:")}
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
    host, wheres = _found(document, file, wanted.host)
    entries: dict[Any, Entry] = {}
    for where in wheres:
        for name, data, path in named(_at(document.data, where), _path(where)):
            if not wanted.only or (isinstance(name, str) and any(fnmatchcase(name, pattern) for pattern in wanted.only)):
                # Within one list a name that comes twice is a mistake; a later place comes before an earlier one.
                key = name if len(wheres) > 1 and isinstance(name, str) else path
                entries[key] = Entry(name=name, data=data, path=path, document=document, host=host)
    if not entries:
        notes.append(f"{wanted.path} holds no MCP servers" + (" that `only` names" if wanted.only else ""))
    return tuple(entries.values())


def named(servers: Any, path: str) -> Iterator[tuple[Any, Any, str]]:
    """Yield name, section and key path of each server of a mapping by name, or of a list of sections with `name`."""
    if isinstance(servers, Mapping):
        for name, data in servers.items():
            yield name, data, f"{path}{_step(name)}"
    else:
        for index, data in enumerate(servers):
            yield (data.get("name") if isinstance(data, Mapping) else None), data, f"{path}[{index}]"


def _found(document: Document, file: Path, host: str) -> tuple[str, tuple[tuple[str, ...], ...]]:
    """Return whose file it is, and where its servers stand: what comes later there counts more."""
    posix = file.absolute().as_posix()
    if not host:
        host = next((name for name, one in HOSTS.items() if any(fnmatchcase(posix, pattern) for pattern in one.files)), "")
    if host and (wheres := _places(document.data, host)):
        return host, wheres
    for name in ("", "vscode", "mcp-agent", "goose", "zed", "codex" if file.suffix == ".toml" else "massgen", "opencode", "amp"):
        if _at(document.data, HOSTS[name].where) is not None:
            return host or name, (HOSTS[name].where,)
    keys = "mcpServers, servers, mcp_servers, mcp.servers, mcp, extensions or context_servers"
    raise ConfigProblems([document.problem(f"no MCP servers were found; they stand under {keys}")])


def _places(data: Any, host: str) -> tuple[tuple[str, ...], ...]:
    one = HOSTS[host]
    if one.later and isinstance(found := _at(data, one.later), Mapping) and all(isinstance(section, Mapping) for section in found.values()):
        return (one.later,)
    # That host keeps, beside a person's servers, those of each folder that was worked in.
    also = [("projects", str(Path.cwd()), "mcpServers")] if host == "claude" else []
    return tuple(where for where in (one.where, *also) if _at(data, where) is not None)


def _path(where: Sequence[str]) -> str:
    return "".join(map(_step, where)).removeprefix(".")


def _step(name: str) -> str:
    return f".{name}" if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", name) else f'["{name}"]'


def _at(data: Any, where: Sequence[str]) -> Any:
    for key in where:
        data = data.get(key) if isinstance(data, Mapping) else None
    return data if isinstance(data, (Mapping, list)) else None


# Translating


def translated(entry: Entry, environment: Mapping[str, str], problems: list[ConfigProblem], notes: list[str]) -> dict[str, Any]:
    """Return a section of another host with our keys, times in seconds, and references to variables replaced."""
    data = _renamed(entry, problems, notes)
    if entry.host == "gemini" and "type" not in data and "url" in entry.data:
        data["type"] = "sse"  # what that host means by it
    _credentials(data)
    _login(data)
    if "settings" in entry.data and "command" not in data and "url" not in data:  # zed
        notes.append(f"{_of(entry)}: its program belongs to an extension of its host and was left out; write its `command`")
        return {"enabled": False}
    if entry.document is None:
        return data
    variables = {**_variables(entry.host or ""), **environment}
    outside = _OUTSIDE.get(entry.host or "", _OUTSIDE[""])
    host, shown = HOSTS[entry.host or ""], {}
    for key, value in data.items():
        if _holds(value, outside):
            message = "what files and commands hold is not read into options; put the text into an environment variable and write ${NAME}"
            problems.append(entry.problem(message, key))
        else:
            shown[str(key)] = entry.document.expanded(_written(value, host), variables, problems, f"{entry.path}.{key}")
    return shown


def _renamed(entry: Entry, problems: list[ConfigProblem], notes: list[str]) -> dict[str, Any]:
    """Return a section with our keys; those that say nothing here are left out."""
    data: dict[str, Any] = {}
    for key, value in _flat(entry.data).items():
        if key in TIMES or key == "timeout":
            data.update(_time(entry, key, value, problems=problems, notes=notes))
        elif key in APPROVALS or (key == "tools" and isinstance(value, Mapping)):
            if value:
                notes.append(f"{_of(entry)}: `{key}` is not taken over; name tools that need no approval under permissions.allow")
        elif key == "headersHelper":
            notes.append(f"{_of(entry)}: the program of `{key}` is not run; write the headers it makes under `headers`")
        elif key in NAMES and NAMES[key] in entry.data:
            problems.append(entry.problem(f"`{key}` and `{NAMES[key]}` mean the same; remove one", key))
        elif key not in IDLE:
            data[NAMES.get(key, key)] = value
    return data


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
    what, second = TIMES.get(key, ("call", host.second))
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
        plain = [str(name.get("name") if isinstance(name, Mapping) else name) for name in names]
        data["env"] = {**{name: f"env:{name}" for name in plain}, **(data.get("env") or {})}
    headers = dict(data.get("headers") or {}) if isinstance(data.get("headers"), Mapping) else {}
    if isinstance(bearer := data.pop("bearer_token_env_var", None), str):
        headers["Authorization"] = f"Bearer ${{{bearer}}}"
    if isinstance(by_name := data.pop("env_http_headers", None), Mapping):
        headers.update({str(name): f"env:{variable}" for name, variable in by_name.items()})
    if headers:
        data["headers"] = headers


def _login(data: dict[str, Any]) -> None:
    """Write what other hosts know of a login as our `auth`; in place."""
    given = data.pop("oauth", None)
    if client := data.pop("oauthClientId", None):  # copilot
        given = {"client_id": client}
    if isinstance(data.get("auth"), Mapping) and {"CLIENT_ID", "clientId"} & data["auth"].keys():
        given = data.pop("auth")
    scopes = data.pop("scopes", None)
    if given is None or given is False or (isinstance(given, Mapping) and given.get("enabled") is False):
        if scopes and "auth" not in data:
            data["auth"] = {"type": "oauth", "scope": _words(scopes)}
        return
    section = {re.sub(r"(?<=[a-z])(?=[A-Z])", "_", str(key)).lower(): value for key, value in given.items()} if isinstance(given, Mapping) else {}
    found = {key: section.get(key) for key in ("client_id", "client_secret")}
    found |= {"port": section.get("callback_port"), "scope": _words(section.get("scope") or section.get("scopes") or scopes)}
    kept = {key: value for key, value in found.items() if value}
    data.setdefault("auth", {"type": "oauth", **kept} if kept else "oauth")


def _words(scopes: Any) -> Any:
    return " ".join(map(str, scopes)) if isinstance(scopes, list) else scopes


def _variables(host: str) -> dict[str, str]:
    """Return what hosts put in place of names that are no environment variables."""
    folder, home = str(Path.cwd()), str(Path.home())
    names = {"workspaceFolder": folder, "workspaceFolderBasename": Path(folder).name, "userHome": home, "pathSeparator": os.sep}
    return {**names, "cwd": WORKSPACE} if host == "massgen" else names


def _written(data: Any, host: Host) -> Any:
    """Return data whose texts write references as the kernel does: a lone dollar sign is itself, an input is a variable of its name."""
    if isinstance(data, str):
        text = _NAMED.sub(r"${\g<name>}", data) if host.dollar else data
        text = _INPUT.sub(lambda found: f"${{{re.sub(r'[^A-Za-z0-9]+', '_', found[1]).strip('_').upper()}}}", text)
        text = _LONE.sub("$$", _SECRET.sub(r"${\1}", text.replace("${/}", os.sep)))
        return _BRACE.sub(r"${\1}", text) if host.brace else text
    if isinstance(data, Mapping):
        return {str(key): _written(value, host) for key, value in data.items()}
    return [_written(value, host) for value in data] if isinstance(data, list) else data


def _holds(data: Any, pattern: re.Pattern[str]) -> bool:
    if isinstance(data, str):
        return pattern.search(data) is not None
    values = data.values() if isinstance(data, Mapping) else data if isinstance(data, list) else ()
    return any(_holds(value, pattern) for value in values)


def _of(entry: Entry) -> str:
    return f"MCP server {clean_line(str(entry.name), 60)!r}"
