"""`massgen mcp call`: one tool, once."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from typing import Any

from massgen_core.api import App, Image, Text, UsageProblem, clean_line, nearest
from massgen_mcp_client.commands.found import choose
from massgen_mcp_client.commands.listing import add_server
from massgen_mcp_client.commands.session import Opened, section_of, using
from massgen_mcp_client.commands.text import as_json, parameters

__all__ = ["Call"]


class Call:
    """Calls a tool of a server and prints its result."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.description = "Call a tool of an MCP server and print its result. Exit code 1: the tool says that it failed."
        add_server(parser)
        parser.add_argument("tool", metavar="TOOL", help="the tool's name, as `massgen mcp tools` shows it")
        parser.add_argument("arguments", metavar="JSON", nargs="?", default="{}", help="its arguments, one JSON object; '-': from standard input")
        parser.add_argument("--json", action="store_true", help="print the result as the server sent it")

    def run(self, arguments: argparse.Namespace, app: App) -> int:
        given = _arguments(arguments.arguments)
        config = section_of(choose(arguments.server, arguments.config))

        async def call(opened: Opened) -> int:
            from massgen_mcp_client.results import to_parts  # noqa: PLC0415 - with the SDK

            (server,) = opened.servers
            if server.fault is not None:
                raise server.fault
            _check(server, arguments.tool)
            raw = await server.raw("tools/call", arguments.tool, given)
            result = to_parts(raw)
            if arguments.json:
                app.out(opened.context.redact(as_json(raw)))
            else:
                for part in result.content:
                    app.out(opened.context.redact(part.text if isinstance(part, Text) else _described(part)))
            return int(result.is_error)

        return using(app, [config], call)


def _arguments(text: str) -> Mapping[str, Any]:
    source = sys.stdin.read() if text == "-" else text
    try:
        found = json.loads(source)
    except ValueError as error:
        raise UsageProblem(f'the arguments are no JSON: {error}; write for instance \'{{"path": "notes.txt"}}\'') from None
    if not isinstance(found, dict):
        raise UsageProblem('the arguments of a tool are one JSON object, for instance \'{"path": "notes.txt"}\'')
    return found


def _check(server: Any, name: str) -> None:
    """Raise where a server has no such tool."""
    wires = {wire: model for model, wire in server.wire_names.items()}
    if name in wires or name in server.wire_names:
        return
    near = nearest(name, wires)
    hint = f"did you mean {near!r}?" if near else f"it has: {clean_line(', '.join(wires), 400)}" if wires else "it has none"
    schemas = {server.wire_names[tool.name]: tool.parameters for tool in server.tools}
    how = f" Its parameters: {parameters(schemas[near])}." if near else ""
    raise UsageProblem(f"MCP server {server.name!r} has no tool {clean_line(name, 100)!r}; {hint}{how}")


def _described(part: Any) -> str:
    kind = "image" if isinstance(part, Image) else "file"
    size = len(getattr(part, "data", b"") or b"")
    name = clean_line(str(getattr(part, "name", "") or getattr(part, "path", "") or ""), 100)
    return " ".join(word for word in (f"[{kind}", name, str(getattr(part, "media_type", "")), f"{size} bytes]") if word)
