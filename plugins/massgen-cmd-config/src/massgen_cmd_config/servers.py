"""MCP servers as a person types them, and whether they work."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qsl

import attrs

from massgen_cmd_config.facts import Facts
from massgen_cmd_config.keys import is_secret, secrets
from massgen_core.api import App, Command, Document, MassGenError, clean_line

__all__ = ["MOST_SERVERS", "REFER_INSTEAD", "Server", "sandboxed", "server", "server_refusal", "tools_of"]

MOST_SERVERS = 20
REFER_INSTEAD = "a secret does not belong into a file; put it into a variable, and write env:VARIABLE in its place, or ${VARIABLE} within a text"
_CHECKER = "mcp.tools"
_NAME = re.compile(r"[a-z0-9][a-zA-Z0-9.-]*(?:_[a-zA-Z0-9.-]+)*")
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*=.*", re.DOTALL)
_ADDRESS = re.compile(r"https?://\S+")
_AROUND = re.compile(r"^(?:mcp-server-|server-mcp-|mcp-|server-)|(?:-mcp-server|-mcp|-server)$")
_ENDING = re.compile(r"\.(?:py|m?js|ts|sh|exe|cmd|bat)$")
_LAUNCHERS = frozenset({"npx", "uvx", "uv", "python", "python3", "node", "docker", "bunx", "pipx", "run", "tool", "-m", "deno", "env"})


@attrs.frozen(kw_only=True)
class Server:
    """A server.

    Attributes:
        name: The first half of its tools' names; empty for no server.
        section: What a configuration holds of it.
    """

    name: str = ""
    section: Mapping[str, Any] = attrs.field(factory=dict, repr=False)


def server(text: str) -> Server:
    """Return the server that `[NAME=][VARIABLE=value ...]COMMAND [ARGUMENT ...]`, or `[NAME=]ADDRESS`, stands for; one without a name for `none`.

    Raises:
        ValueError: It stands for none; the message says what is wrong.
    """
    text = text.strip()
    if text == "none":
        return Server()
    name, separator, rest = text.partition("=")
    if not separator or not _NAME.fullmatch(name):
        name, rest = "", text
    if _ADDRESS.fullmatch(rest.strip()):
        address = rest.strip()
        return Server(name=name or _host_name(address), section={"type": "http", "url": address})
    words = shlex.split(rest)
    variables: dict[str, str] = {}
    while words and _VARIABLE.fullmatch(words[0]):
        key, _, value = words.pop(0).partition("=")
        variables[key] = value
    if not words or not words[0]:
        raise ValueError("a command or an address is needed, for instance: uvx mcp-server-time; or none")
    section: dict[str, Any] = {"command": words[0]}
    section |= {"args": words[1:]} if words[1:] else {}
    section |= {"env": variables} if variables else {}
    return Server(name=name or _command_name(words), section=section)


def _host_name(address: str) -> str:
    host = re.split(r"[/:@?#]", address.partition("://")[2])[0]
    parts = [part for part in host.split(".") if part not in ("www", "mcp", "api")]
    return _fitting(parts[-2] if len(parts) > 1 else parts[0] if parts else "")


def _command_name(words: Sequence[str]) -> str:
    """Return the name that a command line suggests: of the first word that says more than how it is started."""
    for word in words:
        bare = _ENDING.sub("", re.split(r"[/\\]", word)[-1].partition("@")[0])
        if bare and not word.startswith("-") and bare not in _LAUNCHERS:
            return _fitting(_AROUND.sub("", bare) or bare)
    return _fitting(words[0])


def _fitting(text: str) -> str:
    return re.sub(r"[^a-z0-9.-]+", "-", text.lower()).strip("-.")[:40].strip("-.") or "server"


def sandboxed(section: Mapping[str, Any], sandbox: str) -> dict[str, Any]:
    """Return a server's section with the sandbox that its process runs in; an address has no process."""
    return {**section, "executor": {"type": sandbox}} if "command" in section and sandbox not in ("", "none") else dict(section)


def trusted(facts: Facts, name: str, section: Mapping[str, Any]) -> dict[str, Any]:
    """Return a section that lets its own command be run: what a person types here, they may run."""
    if "command" not in section or not facts.refuses("toolset", "mcp", {"servers": {name: section}}):
        return dict(section)
    allowed = {**section, "security": {"allowed_executables": [section["command"]]}}
    return dict(section) if facts.refuses("toolset", "mcp", {"servers": {name: allowed}}) else allowed


def server_refusal(facts: Facts, answer: str, names: Sequence[str] = ()) -> str:
    """Return what is wrong with an answer; empty where nothing is.

    Args:
        facts: What is installed.
        answer: The answer.
        names: Those of the servers before it.
    """
    try:
        made = server(answer)
    except ValueError as error:
        return f"{clean_line(answer, 80)!r} is no server: {error}"
    if not made.name:
        return ""
    if made.name in names:
        return f"there is a server named {made.name!r} already; name this one, for instance {made.name}2=..."
    if any(is_secret(name, value) for name, value in _named(made.section)):
        return REFER_INSTEAD
    servers = {made.name: trusted(facts, made.name, made.section)}
    for leak in secrets(Document.of({"servers": servers}, "")):
        if leak.severity:
            return REFER_INSTEAD
    return facts.refuses("toolset", "mcp", {"servers": servers})


def _named(section: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the names and values in an address, and in a command's arguments: `--token VALUE` or `--token=VALUE`."""
    yield from parse_qsl(section.get("url", "").partition("?")[2])
    words = section.get("args", [])
    for word, following in zip_longest(words, words[1:], fillvalue=""):
        name, separator, value = word.partition("=")
        if name.startswith("-"):
            yield name, value if separator else following


class _Heard:
    """The program, with its ears open: what a command would print is kept."""

    def __init__(self, app: App) -> None:
        self._app, self.lines = app, list[str]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._app, name)

    def out(self, text: str) -> None:
        self.lines.append(text)

    def err(self, text: str) -> None:
        """Say nothing: what matters is raised."""


def tools_of(app: App, one: Server) -> tuple[str, ...] | None:
    """Start or reach a server and return the names of its tools; None where nothing that is installed can do that.

    Raises:
        MassGenError: It does not work; the message says why.
    """
    if _CHECKER not in app.plugins.names("command"):
        return None
    command = cast(Command, app.plugins.factory("command", _CHECKER)())
    parser = argparse.ArgumentParser()
    command.configure(parser)
    heard = _Heard(app)
    with tempfile.TemporaryDirectory(prefix="massgen-") as folder:
        file = Path(folder) / "servers.yaml"
        toolset = {"type": "mcp", "servers": {one.name: dict(one.section)}}
        file.write_text(json.dumps({"version": 1, "agents": [], "toolsets": [toolset]}, ensure_ascii=False), encoding="utf-8")
        command.run(parser.parse_args([one.name, "--config", str(file), "--json"]), cast(App, heard))
    try:
        return tuple(clean_line(str(tool["name"]), 60) for tool in json.loads("\n".join(heard.lines))["tools"])
    except (ValueError, KeyError, TypeError) as error:
        raise MassGenError(f"what it said of its tools cannot be read: {clean_line(str(error), 100)}") from error
