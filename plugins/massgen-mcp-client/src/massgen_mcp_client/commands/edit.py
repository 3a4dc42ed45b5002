"""`massgen mcp add` and `massgen mcp remove`: the user's own file of servers, in the form that most hosts read."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from massgen_core.api import App, ConfigProblems, UsageProblem, clean_line, structure
from massgen_mcp_client.commands.found import servers_file
from massgen_mcp_client.config import McpOptions, looks_secret
from massgen_mcp_client.security import server_name_refusal

__all__ = ["Add", "Remove"]

KEY = "mcpServers"


class Add:
    """Writes a server into the user's file."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.description = (
            "Add an MCP server to your own file of servers. Options go before the name: what follows the command belongs to the command.\n"
            "Runs use the file where a configuration imports it: toolsets: [{type: mcp, imports: [FILE]}]"
        )
        parser.add_argument("--env", metavar="NAME=VALUE", action="append", default=[], help="a variable; for secrets NAME=env:NAME; repeatable")
        parser.add_argument("--header", metavar="NAME=VALUE", action="append", default=[], help="a header of HTTP; repeatable")
        parser.add_argument("--auth", metavar="HOW", help="of HTTP: oauth, or a token's reference such as env:TOKEN")
        parser.add_argument("--type", metavar="TRANSPORT", help="stdio, http or sse; told by the command or address where it is not given")
        parser.add_argument(
            "--set", metavar="KEY=VALUE", action="append", default=[], dest="sets", help="any other key of a section; JSON; repeatable"
        )
        parser.add_argument("--replace", action="store_true", help="replace a server of this name")
        parser.add_argument("name", metavar="NAME", help="the server's name: the first half of its tools' names")
        parser.add_argument("command", metavar="COMMAND_OR_ADDRESS", help="the program, or an address (https://...)")
        parser.add_argument("args", metavar="ARG", nargs=argparse.REMAINDER, help="the program's arguments")

    def run(self, arguments: argparse.Namespace, app: App) -> int:
        if why := server_name_refusal(arguments.name):
            raise UsageProblem(why)
        section = _section(arguments)
        file = servers_file()
        document = _document(file)
        servers = document.setdefault(KEY, {})
        if arguments.name in servers and not arguments.replace:
            raise UsageProblem(f"there is a server {arguments.name!r} already in {file}; --replace replaces it")
        try:
            structure(McpOptions, {"imports": []})
            structure(McpOptions, {"servers": {arguments.name: section}}, path="the command line")
        except ConfigProblems as error:
            raise UsageProblem(str(error)) from None
        servers[arguments.name] = section
        _write(file, document)
        for name, value in {**section.get("env", {}), **section.get("headers", {})}.items():
            if looks_secret(name) and value and ":" not in value and "$" not in value:
                app.err(f"massgen: {name} is kept in {file} as it is; a reference keeps it out of files: {name}=env:{name}")
        app.out(f"added {arguments.name} to {file}; try it: massgen mcp doctor {arguments.name}")
        return 0


class Remove:
    """Takes a server out of the user's file."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.description = "Remove an MCP server from your own file of servers. Configurations are yours to edit: nothing else is changed."
        parser.add_argument("name", metavar="NAME", help="the server's name")

    def run(self, arguments: argparse.Namespace, app: App) -> int:
        file = servers_file()
        document = _document(file)
        servers = document.get(KEY, {})
        if arguments.name not in servers:
            from massgen_mcp_client.commands.found import find  # noqa: PLC0415 - where somebody looks for it

            elsewhere = next((one.where for one in find() if one.name == arguments.name), "")
            known = f"it stands in {elsewhere}; remove it there" if elsewhere else f"there are: {', '.join(servers) or 'none'}"
            raise UsageProblem(f"there is no server {clean_line(arguments.name, 60)!r} in {file}; {known}")
        del servers[arguments.name]
        _write(file, document)
        app.out(f"removed {arguments.name} from {file}")
        return 0


def _section(arguments: argparse.Namespace) -> dict[str, Any]:
    is_address = "://" in arguments.command
    section: dict[str, Any] = {"url": arguments.command} if is_address else {"command": arguments.command}
    if arguments.type:
        section["type"] = arguments.type
    args = [*arguments.args]
    if args[:1] == ["--"]:
        del args[0]
    if is_address and args:
        raise UsageProblem("an address takes no arguments; options go before the name")
    if args:
        section["args"] = args
    for key, pairs in (("env", arguments.env), ("headers", arguments.header)):
        if pairs:
            section[key] = dict(_pair(pair) for pair in pairs)
    if arguments.auth:
        section["auth"] = arguments.auth
    for key, value in map(_pair, arguments.sets):
        try:
            section[key] = json.loads(value)
        except ValueError:
            section[key] = value
    return section


def _pair(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise UsageProblem(f"{clean_line(text.partition('=')[0], 60)!r} is not of the form NAME=VALUE")
    return name, value


def _document(file: Path) -> dict[str, Any]:
    """Return the file's content, an empty one where there is none.

    Raises:
        UsageProblem: It holds what would be lost by writing it again: comments, or no servers at all.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8"), object_pairs_hook=_once)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UsageProblem(f"{file} cannot be changed without losing something ({error}); edit it by hand") from None
    if not isinstance(found, dict) or not isinstance(found.get(KEY, {}), dict):
        raise UsageProblem(f"{file} has no mapping {KEY!r}; edit it by hand")
    return found


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a key stands in it twice")
    return made


def _write(file: Path, document: dict[str, Any]) -> None:
    """Replace the file as a whole; only its owner can read it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    target = file.resolve()  # a link stays a link
    descriptor, draft = tempfile.mkstemp(prefix=".mcp-", dir=target.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
        os.replace(draft, target)
    except OSError as error:
        Path(draft).unlink(missing_ok=True)
        raise UsageProblem(f"{file} cannot be written: {error.strerror}") from None
