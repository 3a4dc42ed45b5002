"""From options to servers: every way in which a server can be written comes to one `ServerConfig`, and every mistake is named."""

from __future__ import annotations

import difflib
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from massgen_core.api import ConfigProblem, ConfigProblems, clean_line, structure
from massgen_mcp_client.config import McpConfig, McpOptions, ServerConfig, looks_secret, shown
from massgen_mcp_client.foreign import Entry, named, read_import, translated
from massgen_mcp_client.security import refusals, server_name_refusal

__all__ = ["read_servers"]

_TRANSPORTS = {
    **dict.fromkeys(("stdio", "local", "command", "subprocess"), "stdio"),
    **dict.fromkeys(("http", "https", "streamablehttp", "remote"), "http"),
    **dict.fromkeys(("sse", "httpsse"), "sse"),
}
_OWN = frozenset(field.name for field in attrs.fields(ServerConfig)) - {"name", "transport", "options"}
_SHORT = {"keepalive": "keepalive_seconds", "cache_ttl": "cache_seconds", "transport": "type"}
# Enough for the nearest key to be named; a transport's class knows its own.
_OF_TRANSPORTS = ("command", "args", "env", "cwd", "executor", "url", "headers", "auth", "type")
_SECURITY = {"allow_private_ips": "allow_private", "allowed_hostnames": "allowed_hosts"}
_LINE = re.compile(
    r"""\s*(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*=\s*(?:'(?P<single>[^']*)'|"(?P<double>(?:[^"\\]|\\.)*)"|(?P<plain>[^\s#'"](?:(?!\s#).)*)?)\s*(?:#.*)?"""
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


def read_servers(options: McpOptions, environment: Mapping[str, str] | None = None) -> McpConfig:
    """Return what the toolset's options come to.

    Args:
        options: The options.
        environment: Where files of other hosts look variables up; the process's own if None.

    Raises:
        ConfigProblems: Every mistake; key paths begin at the toolset's section, and mistakes in other files have their places there.
    """
    reader = _Reader(options, os.environ if environment is None else environment)
    entries = [
        *(Entry(name=name, data=data, path=path) for name, data, path in named(options.servers, "servers")),
        *(Entry(name=name, data=data, path=path, host="massgen") for name, data, path in named(options.mcp_servers, "mcp_servers")),
    ]
    for index, one in enumerate(options.imports):
        try:
            entries += read_import(one, reader.notes)
        except ConfigProblems as error:
            reader.problems += [problem if problem.source else ConfigProblem(problem.message, path=f"imports[{index}]") for problem in error.problems]
    servers = [server for entry in entries if (server := reader.server(entry)) is not None]
    if reader.problems:
        raise ConfigProblems(reader.problems)
    return McpConfig(
        servers=tuple(servers),
        search_above=options.search_above,
        resources=options.resources,
        prompts=options.prompts,
        notes=tuple(dict.fromkeys(reader.notes)),
    )


class _Part(str):
    """A part of a text that came from the environment."""

    template: str


class _Reader:
    """Makes servers of sections; mistakes are collected in `problems`, what a person should know in `notes`."""

    def __init__(self, options: McpOptions, environment: Mapping[str, str]) -> None:
        self.options, self.environment = options, environment
        self.problems: list[ConfigProblem] = []
        self.notes: list[str] = []
        self.names: dict[str, Entry] = {}

    def server(self, entry: Entry) -> ServerConfig | None:
        """Return a section's server; None for one that is disabled or wrong."""
        before = len(self.problems)
        if not isinstance(entry.data, Mapping):
            self.problems.append(entry.problem("a server is a mapping with `command` or `url`"))
            return None
        data = dict(entry.data) if entry.host is None else translated(entry, self.environment, self.problems, self.notes)
        data = _merged(self.options.defaults, {_SHORT.get(key, key): value for key, value in data.items()})
        if not self.enabled(entry, data):
            return None
        name = self.name(entry)
        transport = self.transport(entry, data)
        self.command(entry, data)
        self.env_file(entry, data)
        self.switches(data)
        self.security(entry, data)
        own = {key: value for key, value in data.items() if key in _OWN}
        options = {key: value for key, value in data.items() if key not in _OWN}
        self.unknown(entry, options, transport)
        own["exclude_tools"] = [*self.options.exclude_tools, *_list(own.get("exclude_tools"))]
        if own.get("allowed_tools") is None and self.options.allowed_tools is not None:
            own["allowed_tools"] = list(self.options.allowed_tools)
        server = self.structured(entry, {**own, "name": name, "transport": transport, "options": options})
        if server is None or len(self.problems) > before:
            return None
        for refusal in refusals(server):
            self.problems.append(entry.problem(str(refusal), refusal.key))
        for text in _list(server.options.get("args")):
            if "$" in (said := str(getattr(text, "template", ""))) and looks_secret(said):
                message = f"{shown(said)!r} is put on its command line, where other users of this machine can read it; put it into env"
                self.notes.append(f"MCP server {name!r}: {message}")
        return _opened(server)

    def structured(self, entry: Entry, data: Mapping[str, Any]) -> ServerConfig | None:
        try:
            return structure(ServerConfig, data, path=entry.path, document=entry.document)
        except ConfigProblems as error:
            self.problems += error.problems
            return None

    def enabled(self, entry: Entry, data: dict[str, Any]) -> bool:
        for key, meaning in (("enabled", True), ("disabled", False)):
            value = data.pop(key, meaning)
            if not isinstance(value, bool):
                self.problems.append(entry.problem(f"`{key}` must be true or false", key))
            elif value is not meaning:
                return False
        return True

    def name(self, entry: Entry) -> str:
        name = entry.name
        if not isinstance(name, str):
            self.problems.append(entry.problem("`name` is missing: the first half of the names of the server's tools"))
            return ""
        if entry.document is not None and server_name_refusal(name):
            made = re.sub(r"[^A-Za-z0-9.-]+|_{2,}", "-", name)[:64].strip("._-")
            self.notes.append(f"MCP server {clean_line(name, 60)!r} of {entry.document.source} is called {made!r} here")
            name = made
        if why := server_name_refusal(name):
            self.problems.append(entry.problem(why))
        elif (first := self.names.setdefault(name, entry)) is not entry:
            where = f" of {first.document.source}" if first.document else ""
            message = f"there is a server {name!r} already, under {first.path}{where}; rename or remove one"
            self.problems.append(entry.problem(message))
        return name

    def transport(self, entry: Entry, data: dict[str, Any]) -> str:
        given = data.pop("type", None)
        data.pop("name", None)
        if given is None:
            kinds = [transport for key, transport in (("command", "stdio"), ("url", "http")) if data.get(key) is not None]
            if len(kinds) == 1:
                return kinds[0]
            both = "both `command` and `url` are there" if kinds else "neither `command` nor `url` is there"
            self.problems.append(entry.problem(f"{both}; a server has one of them, or `type` names its transport"))
            return ""
        if not isinstance(given, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}", given):
            self.problems.append(entry.problem("`type` must be the name of a transport: stdio, http, sse, or another one that is installed", "type"))
            return ""
        folded = re.sub(r"[-_. ]", "", given).lower()
        if folded in ("ws", "websocket"):
            self.problems.append(entry.problem("WebSocket is no transport of the protocol any more; ask for the server's http address", "type"))
        return _TRANSPORTS.get(folded, given)

    def command(self, entry: Entry, data: dict[str, Any]) -> None:
        """Take apart a command that was written together with its arguments."""
        command = data.get("command")
        if isinstance(command, (list, tuple)) and command and all(isinstance(part, str) for part in command):
            data["command"], data["args"] = command[0], [*command[1:], *_list(data.get("args"))]
        elif isinstance(command, str) and " " in command.strip() and "args" not in data and not re.search(r"[/\\]", command.split()[0]):
            try:
                data["command"], *data["args"] = _taken_apart(command)
            except ValueError as error:
                self.problems.append(entry.problem(f"the command cannot be taken apart ({error}); write its arguments into args", "command"))
                return
        for key in ("args", "env", "headers", "env_file", "cwd"):
            if key in data and data[key] is None:
                del data[key]
        for key in ("env", "headers"):
            if isinstance(data.get(key), Mapping) and entry.host is not None:
                data[key] = {name: _text(value) for name, value in data[key].items() if value is not None}

    def env_file(self, entry: Entry, data: dict[str, Any]) -> None:
        given = data.pop("env_file", None)
        if given is None:
            return
        if not isinstance(given, str):
            self.problems.append(entry.problem("`env_file` must be the path of one file", "env_file"))
            return
        try:
            text = Path(os.path.expanduser(given)).read_text(encoding="utf-8-sig")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
            self.problems.append(entry.problem(f"the file {clean_line(given)} cannot be read: {reason}", "env_file"))
            return
        variables: dict[str, str] = {}
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            match = _LINE.fullmatch(line)
            if match is None:
                message = f"line {number} of {clean_line(given)} is no NAME=VALUE; put a value with quotes or `#` in quotes"
                self.problems.append(entry.problem(message, "env_file"))
                continue
            variables[match["name"]] = _unquoted(match)
        data["env"] = {**variables, **(data.get("env") or {})}

    def switches(self, data: dict[str, Any]) -> None:
        """Read `false` for what can be switched off."""
        for key, off in (("breaker", {"failures": 0}), ("retry", {"attempts": 1}), ("keepalive_seconds", 0), ("cache_seconds", 0)):
            if data.get(key) is False:
                data[key] = off

    def security(self, entry: Entry, data: dict[str, Any]) -> None:
        """Read the levels and keys of existing configurations."""
        given = data.get("security")
        if isinstance(given, str):
            given = {"level": given}
        if not isinstance(given, Mapping):
            return
        section = {_SECURITY.get(key, key): value for key, value in given.items() if key != "resolve_dns"}
        if section.get("level") == "high":
            self.notes.append(f"MCP server {clean_line(str(entry.name), 60)!r}: security.level `high` means strict")
            section["level"] = "strict"
        env = section.get("env")
        if isinstance(env, Mapping):
            is_list = env.get("mode") == "allowlist"
            names = {"allowed_vars": "allowed", "denied_vars": "denied"}
            env = {names.get(key, key): value for key, value in env.items() if key not in ("level", "mode")}
            section["env"] = {**env, "denied": ["*"]} if is_list else env
        data["security"] = section

    def unknown(self, entry: Entry, options: dict[str, Any], transport: str) -> None:
        """Name keys that were probably meant to be ours; the transport's own class names all others, but what another host knows is left out."""
        is_foreign = bool(entry.host) and entry.host != "massgen" and transport in _TRANSPORTS.values()
        for key in list(options):
            if key == "timeout":
                message = "`timeout` does not say what it limits, nor its unit; write connect_seconds, call_idle_seconds or call_total_seconds"
                self.problems.append(entry.problem(message, key))
            elif key not in _OF_TRANSPORTS:
                folded = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key).lower()
                near = difflib.get_close_matches(folded, [*_OWN, *_OF_TRANSPORTS, "enabled", "env_file"], n=1, cutoff=0.85)
                if near:
                    self.problems.append(entry.problem(f"unknown key {clean_line(key, 60)!r}; did you mean `{near[0]}`?", key))
                elif is_foreign:
                    del options[key]
                    self.notes.append(f"MCP server {clean_line(str(entry.name), 60)!r}: `{clean_line(key, 60)}` is not known here and was left out")


def _opened(server: ServerConfig) -> ServerConfig:
    """Return a server whose transport is told what its section allows."""
    if server.transport not in ("http", "sse"):
        return server
    allowed = {"allow_localhost": server.security.allow_localhost, "allow_private": server.security.allow_private}
    return attrs.evolve(server, options={**{key: True for key, value in allowed.items() if value}, **server.options})


def _merged(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    merged = {_SHORT.get(key, key): value for key, value in lower.items()}
    for key, value in upper.items():
        below = merged.get(key)
        merged[key] = {**below, **value} if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


def _taken_apart(command: str) -> list[str]:
    """Return the words of a command line, each with the references that it was written with."""
    words, written = shlex.split(str(command)), shlex.split(getattr(command, "template", str(command)))
    parts: list[str] = []
    for index, word in enumerate(words):
        part = _Part(word)
        # A value with blanks in it moves the words after it; then none of them is shown.
        part.template = written[index] if len(written) == len(words) else "…"
        parts.append(part)
    return parts


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else () if value is None else (value,)


def _text(value: Any) -> Any:
    """Return a value of other hosts' environments as the text that they pass on."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (int, float)) else value


def _unquoted(match: re.Match[str]) -> str:
    if match["double"] is not None:
        return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), match["double"])
    return match["single"] if match["single"] is not None else (match["plain"] or "").rstrip()
