"""Where servers are configured: the configuration that a run would use here, and the user's own file of servers."""

from __future__ import annotations

import glob
import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from massgen_core.api import ConfigProblem, ConfigProblems, Document, UsageProblem, clean_line, config_files, may_start, read_document, structure
from massgen_mcp_client.config import McpOptions, ServerConfig
from massgen_mcp_client.foreign import named, read_import

__all__ = ["Found", "choose", "find", "servers_file"]

_REMEDY = "read it, and if you trust it: massgen config trust"


@attrs.frozen(kw_only=True)
class Found:
    """A server that is configured somewhere.

    Attributes:
        name: Its name.
        where: File and key path.
        config: Its section; None where it is disabled or wrong.
        problem: What is wrong with the section.
        notes: What a person should know about how it was read.
    """

    name: str
    where: str
    config: ServerConfig | None = None
    problem: str = ""
    notes: tuple[str, ...] = ()


def servers_file(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the path of the user's own file of servers, whether it exists or not."""
    return _home(environment) / "mcp.json"


def find(file: Path | None = None, environment: Mapping[str, str] = os.environ) -> tuple[Found, ...]:
    """Return every server that is configured; the first of a name wins.

    Args:
        file: The only file to look into: a configuration, or a file of another host's servers. If None: MASSGEN_CONFIG, or else the user's and the
            project's configuration; and the user's file of servers.
        environment: Where variables are looked up.

    Raises:
        ConfigProblems: A file cannot be read.
    """
    found: dict[str, Found] = {}
    for path in [file] if file is not None else _files(environment):
        for one in _servers(path, environment, is_named=file is not None):
            found.setdefault(one.name, one)
    return tuple(found.values())


def choose(name: str, file: Path | None = None, environment: Mapping[str, str] = os.environ) -> Found:
    """Return one server: by its name, by an address (`https://...`), or by a command line (`uvx mcp-server-time`).

    Raises:
        UsageProblem: There is none of the name.
        ConfigProblems: A file cannot be read.
    """
    if "/" in name or " " in name.strip():
        return _stated(name.strip())
    servers = find(file, environment)
    for one in servers:
        if one.name == name:
            return one
    known = f"configured here: {', '.join(one.name for one in servers)}" if servers else "none is configured here"
    raise UsageProblem(f"there is no MCP server {clean_line(name, 60)!r}; {known}; add one with: massgen mcp add {clean_line(name, 60)} COMMAND...")


def _stated(text: str) -> Found:
    """Return a server that a person typed: what they may run themselves, they may run here."""
    if "://" in text:
        data: dict[str, Any] = {"url": text, "security": {"level": "permissive", "allow_localhost": True, "allow_private": True}}
    else:
        try:
            command, *args = shlex.split(text)
        except ValueError as error:
            raise UsageProblem(f"the command line cannot be taken apart: {error}") from None
        data = {"command": command, "args": args, "security": {"level": "permissive", "allowed_executables": [command]}}
    return _read("it", "the command line", {"servers": {"it": data}}, "", None)


def _home(environment: Mapping[str, str]) -> Path:
    given = environment.get("XDG_CONFIG_HOME", "")
    return (Path(given) if given.startswith("/") else Path(environment.get("HOME") or Path.home()) / ".config") / "massgen"


def _files(environment: Mapping[str, str]) -> Iterator[Path]:
    yield from config_files(environment)
    if servers_file(environment).is_file():
        yield servers_file(environment)


def _servers(path: Path, environment: Mapping[str, str], *, is_named: bool) -> Iterator[Found]:
    document = read_document(path, comments=True, includes=True)
    if not isinstance(document.data, Mapping):
        raise ConfigProblems([document.problem("a configuration is a mapping")])
    if not (is_named or may_start(path, environment, document)):
        for name, where in _stated_in(document):
            yield Found(name=name, where=where, problem=f"{path} is not trusted, so none of its servers is started; {_REMEDY}")
        return
    yield from _of_document(document, path, environment)


def _stated_in(document: Document) -> Iterator[tuple[str, str]]:
    """Yield what a configuration calls servers, and where; nothing is expanded, and no other file is read."""
    for key, section in _sections(document.data):
        for part in ("servers", "mcp_servers"):
            for name, _, path in named(section.get(part) or {}, f"{key}.{part}"):
                yield (name if isinstance(name, str) else f"{path} has no name"), f"{document.source}: {path}"
        for number, given in enumerate(_list(section.get("imports"))):
            shown = given.get("path", "?") if isinstance(given, Mapping) else given
            yield clean_line(str(shown), 80), f"{document.source}: {key}.imports[{number}]"


def _of_document(document: Document, path: Path, environment: Mapping[str, str]) -> Iterator[Found]:
    if not {"agents", "toolsets", "version"} & document.data.keys():
        yield from _imported({"path": str(path)}, {}, str(path), environment)
        return
    for key, section in _sections(document.data):
        yield from _of_section(document, key, section, environment)


def _sections(data: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    agents = data.get("agents")
    lists = [("toolsets", data.get("toolsets"))]
    lists += [(f"agents[{index}].toolsets", one.get("toolsets")) for index, one in enumerate(_list(agents)) if isinstance(one, Mapping)]
    for path, toolsets in lists:
        for index, section in enumerate(_list(toolsets)):
            if isinstance(section, Mapping) and section.get("type") == "mcp":
                yield f"{path}[{index}]", section


def _of_section(document: Document, key: str, section: Mapping[str, Any], environment: Mapping[str, str]) -> Iterator[Found]:
    problems: list[ConfigProblem] = []
    common = {name: value for name, value in section.items() if name not in ("type", "servers", "mcp_servers", "imports")}
    common = {name: document.expanded(value, environment, problems, f"{key}.{name}") for name, value in common.items()}
    for part in ("servers", "mcp_servers"):
        for name, data, path in named(section.get(part) or {}, f"{key}.{part}"):
            own: list[ConfigProblem] = []
            expanded = document.expanded(data, environment, own, path)
            title = name if isinstance(name, str) else f"{path} has no name"
            where = f"{document.source}: {path}"
            if own or problems:
                yield Found(name=title, where=where, problem=str(ConfigProblems([*problems, *own])))
            elif isinstance(name, str):
                yield _read(name, where, {**common, part: {name: expanded}}, key, document)
            else:
                yield Found(name=title, where=where, problem="`name` is missing")
    for given in _list(section.get("imports")):
        yield from _imported(given, common, document.source, environment)


def _imported(given: Any, common: Mapping[str, Any], source: str, environment: Mapping[str, str]) -> Iterator[Found]:
    data = {"path": given} if isinstance(given, str) else dict(given)
    try:
        options = structure(McpOptions, {"imports": [{**data, "only": ["no-server-has-this-name"]}]})
        wanted = attrs.evolve(options.imports[0], only=tuple(data.get("only") or ()))  # type: ignore[misc]
        entries = read_import(wanted, [])
    except ConfigProblems as error:
        yield Found(name=clean_line(str(data.get("path", "?")), 80), where=source, problem=str(error))
        return
    for entry in entries:
        where = f"{data['path']}: {entry.path}"
        yield _read(str(entry.name), where, {**common, "imports": [{**data, "only": [glob.escape(str(entry.name))]}]}, "", None)


def _read(name: str, where: str, section: Mapping[str, Any], path: str, document: Document | None) -> Found:
    try:
        config = structure(McpOptions, section, path=path, document=document).config
    except ConfigProblems as error:
        # What is said of the key path of a file of one's own making helps nobody.
        return Found(name=name, where=where, problem=re.sub(r"(?m)^imports(\[0\])?: ", "", str(error)))
    for server in config.servers:
        return Found(name=server.name, where=where, config=server, notes=config.notes)
    return Found(name=name, where=where, notes=config.notes)


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()
