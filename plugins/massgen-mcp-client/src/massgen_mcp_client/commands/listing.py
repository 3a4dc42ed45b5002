"""`massgen mcp list` and `massgen mcp tools`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from massgen_core.api import App, clean_line
from massgen_mcp_client.commands.found import Found, choose, find, servers_file
from massgen_mcp_client.commands.session import Opened, section_of, using
from massgen_mcp_client.commands.text import as_json, parameters, table, target

__all__ = ["List", "Tools", "add_file", "add_server"]


def add_file(parser: argparse.ArgumentParser) -> None:
    """Add the option that names a file."""
    text = "look into this file only: a configuration, or a file of another host's servers (default: what a run would use here, and your servers)"
    parser.add_argument("-c", "--config", metavar="FILE", type=Path, help=text)


def add_server(parser: argparse.ArgumentParser, *, many: bool = False) -> None:
    """Add the argument that names a server, and the option that names a file."""
    text = "a configured server's name; or an address (https://...); or a command line in quotes ('uvx mcp-server-time')"
    if many:
        parser.add_argument("servers", metavar="SERVER", nargs="*", help=f"{text}; all configured ones where none is given")
    else:
        parser.add_argument("server", metavar="SERVER", help=text)
    add_file(parser)


class List:
    """Lists the configured servers with their state."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.description = "List the configured MCP servers. Each is started or reached, all at once, and asked for its tools."
        parser.add_argument("--offline", action="store_true", help="start and reach none: only say what is configured")
        parser.add_argument("--json", action="store_true", help="print JSON")
        add_file(parser)

    def run(self, arguments: argparse.Namespace, app: App) -> int:
        found = find(arguments.config)
        good = [one for one in found if one.config is not None]
        states: dict[str, dict[str, Any]] = {one.name: _stated(one) for one in found}
        if good and not arguments.offline:
            states.update(using(app, [section_of(one) for one in good], _states))
        if arguments.json:
            app.out(as_json([{"name": one.name, "where": one.where, "target": _target(one), **states[one.name]} for one in found]))
        elif not found:
            app.out(f"no MCP server is configured; add one: massgen mcp add time uvx mcp-server-time  (it is kept in {servers_file()})")
        else:
            _print(app, found, states)
        return 0


def _stated(one: Found) -> dict[str, Any]:
    if one.problem:
        return {"state": "wrong", "problem": one.problem}
    return {"state": "configured" if one.config is not None else "disabled"}


def _target(one: Found) -> str:
    return target(one.config) if one.config is not None else ""


async def _states(opened: Opened) -> dict[str, dict[str, Any]]:
    states: dict[str, dict[str, Any]] = {}
    for server in opened.servers:
        if server.fault is not None:
            states[server.name] = {"state": "failed", "kind": server.fault.kind, "problem": opened.context.redact(str(server.fault))}
        else:
            states[server.name] = {"state": "ready", "era": server.era, "tools": len(server.tools)}
    return states


def _print(app: App, found: Sequence[Found], states: dict[str, dict[str, Any]]) -> None:
    rows = []
    for one in found:
        state = states[one.name]
        tools = f"{state['tools']} tools" if "tools" in state else ""
        rows.append((clean_line(one.name, 40), state["state"], tools, state.get("era", ""), _target(one) or clean_line(one.where, 100)))
    for line in table(("NAME", "STATE", "TOOLS", "PROTOCOL", "SERVER"), rows):
        app.out(line)
    for one in found:
        if "problem" in states[one.name]:
            app.err(f"{one.name}: {states[one.name]['problem']}")
        for note in one.notes:
            app.err(note)


class Tools:
    """Shows what one server has."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.description = "Show the tools of one MCP server, as agents get them, and its resources and prompts."
        parser.add_argument("--accept", action="store_true", help="take definitions that changed since they were last seen as they are now")
        parser.add_argument("--json", action="store_true", help="print JSON, schemas included")
        add_server(parser)

    def run(self, arguments: argparse.Namespace, app: App) -> int:
        config = section_of(choose(arguments.server, arguments.config))
        if arguments.accept:
            config = attrs.evolve(config, pin="report")

        async def show(opened: Opened) -> int:
            (server,) = opened.servers
            if server.fault is not None:
                raise server.fault
            data = _described(server)
            if arguments.json:
                app.out(as_json(data))
            else:
                _show(app, data)
            for text in opened.notices:
                app.err(f"massgen: {text}")
            return 0

        return using(app, [config], show, is_fresh=True)


def _described(server: Any) -> dict[str, Any]:
    wires = server.wire_names
    tools = [
        {
            "name": tool.name,
            "wire": wires[tool.name],
            "description": tool.description,
            "parameters": dict(tool.parameters),
            "annotations": {key: value for key, value in attrs.asdict(tool.annotations).items() if value is not None} if tool.annotations else {},
        }
        for tool in server.tools
    ]
    resources = [{key: str(one.get(key, "")) for key in ("uri", "name", "description")} for one in server.resources]
    prompts = [{key: str(one.get(key, "")) for key in ("name", "description")} for one in server.prompts]
    return {"server": dict(server.about), "protocol": server.era, "tools": tools, "resources": resources, "prompts": prompts}


def _show(app: App, data: dict[str, Any]) -> None:
    about = data["server"]
    app.out(f"{clean_line(about.get('name', ''), 60)} {clean_line(about.get('version', ''), 40)}, protocol {data['protocol']}".strip())
    for tool in data["tools"]:
        app.out(f"{clean_line(tool['wire'], 100)}({parameters(tool['parameters'])})")
        if tool["description"].strip():
            app.out(f"    {clean_line(tool['description'].strip().splitlines()[0], 140)}")
    for title, key in (("resources", "uri"), ("prompts", "name")):
        if data[title]:
            app.out(f"{title}:")
            for one in data[title]:
                app.out(f"  {clean_line(one[key], 100)}  {clean_line(one['description'], 100)}".rstrip())
    if not data["tools"]:
        app.out("no tools")
