"""Tools that the client itself offers beside those of servers: resources, prompts, and what became of servers that could not be opened."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

import anyio
import attrs

from massgen_core.api import Text, Tool, ToolAnnotations, ToolResult, ToolUse, clean, clean_line
from massgen_mcp_client.calls import Caller, Request
from massgen_mcp_client.config import McpConfig
from massgen_mcp_client.results import of_prompt, of_resource
from massgen_mcp_client.server import Server

__all__ = ["Offer", "offers"]

READ, PROMPT, STATUS = "mcp_read_resource", "mcp_get_prompt", "mcp_server_status"
LISTED = 200
_READS = ToolAnnotations(read_only=True, destructive=False, idempotent=True)


@attrs.frozen(kw_only=True)
class Offer:
    """A tool of the client's own."""

    tool: Tool
    call: Callable[[ToolUse, Caller], Awaitable[ToolResult]]


def offers(config: McpConfig, servers: Sequence[Server]) -> Mapping[str, Offer]:
    """Return what is of use at the moment, by name."""
    with_resources = {one.config.name: one for one in servers if any(one.inventory.entries.get(what) for what in ("resources", "resource_templates"))}
    with_prompts = {one.config.name: one for one in servers if one.inventory.entries.get("prompts")}
    missing = {one.config.name: one for one in servers if one.fault is not None and not one.inventory.is_known}
    found: list[Offer] = []
    if config.resources and with_resources:
        found.append(_resources(with_resources))
    if config.prompts and with_prompts:
        found.append(_prompts(with_prompts))
    if missing:
        found.append(_status(missing))
    return {offer.tool.name: offer for offer in found}


def _server(names: Sequence[str]) -> dict[str, Any]:
    return {"type": "string", "enum": list(names), "description": "the server's name"}


def _schema(properties: Mapping[str, Any], required: Sequence[str]) -> dict[str, Any]:
    return {"type": "object", "properties": dict(properties), "required": list(required), "additionalProperties": False}


# Resources


def _resources(servers: Mapping[str, Server]) -> Offer:
    uri = {"type": "string", "description": "the resource's address; leave it out to list what there is"}
    tool = Tool(
        name=READ,
        description=f"Read a resource of an MCP server, or list its resources. Servers with resources: {', '.join(servers)}.",
        parameters=_schema({"server": _server(tuple(servers)), "uri": uri}, ["server"]),
        annotations=_READS,
        source="mcp",
    )
    return Offer(tool=tool, call=partial(_read, servers))


async def _read(servers: Mapping[str, Server], use: ToolUse, caller: Caller) -> ToolResult:
    server = servers.get(str(use.arguments.get("server", "")))
    if server is None:
        return _said(use, f"`server` must be one of: {', '.join(servers)}", is_error=True)
    uri = use.arguments.get("uri")
    if not isinstance(uri, str) or not uri:
        return _said(use, _list_resources(server))
    return of_resource(await server.request(Request(method="resources/read", name=uri, caller=caller)), use.call.id)


def _list_resources(server: Server) -> str:
    entries = server.inventory.entries
    lines = [_line(item, "uri") for item in entries.get("resources", ())[:LISTED]]
    templates = [_line(item, "uriTemplate") for item in entries.get("resource_templates", ())[:LISTED]]
    if templates:
        lines += ["Addresses with {parts} to fill in:", *templates]
    left = max(0, len(entries.get("resources", ())) - LISTED)
    return "\n".join([*lines, *([f"and {left} more"] if left else [])]) or "There are no resources."


def _line(item: Mapping[str, Any], key: str) -> str:
    about = [clean_line(str(item[part]), 200) for part in ("title", "name", "description", "mimeType") if item.get(part)]
    return f"{clean_line(str(item.get(key, '?')), 500)}: {', '.join(dict.fromkeys(about))}"


# Prompts


def _prompts(servers: Mapping[str, Server]) -> Offer:
    properties = {
        "server": _server(tuple(servers)),
        "name": {"type": "string", "description": "the prompt's name; leave it out to list what there is"},
        "arguments": {"type": "object", "description": "the prompt's arguments", "additionalProperties": {"type": "string"}},
    }
    tool = Tool(
        name=PROMPT,
        description=f"Fetch a prepared prompt of an MCP server, or list its prompts. Servers with prompts: {', '.join(servers)}.",
        parameters=_schema(properties, ["server"]),
        annotations=_READS,
        source="mcp",
    )
    return Offer(tool=tool, call=partial(_prompt, servers))


async def _prompt(servers: Mapping[str, Server], use: ToolUse, caller: Caller) -> ToolResult:
    server = servers.get(str(use.arguments.get("server", "")))
    if server is None:
        return _said(use, f"`server` must be one of: {', '.join(servers)}", is_error=True)
    name, arguments = use.arguments.get("name"), use.arguments.get("arguments") or {}
    if not isinstance(name, str) or not name:
        return _said(use, "\n".join(_prompt_line(item) for item in server.inventory.entries.get("prompts", ())[:LISTED]))
    if not isinstance(arguments, Mapping):
        return _said(use, "`arguments` must be an object", is_error=True)
    return of_prompt(await server.request(Request(method="prompts/get", name=name, arguments=arguments, caller=caller)), use.call.id)


def _prompt_line(item: Mapping[str, Any]) -> str:
    given = item.get("arguments")
    arguments = [
        f"{clean_line(str(one.get('name')), 60)}{'' if one.get('required') else '?'}"
        for one in (given if isinstance(given, list) else ())
        if isinstance(one, Mapping)
    ]
    return f"{clean_line(str(item.get('name')), 100)}({', '.join(arguments)}): {clean_line(str(item.get('description') or ''), 200)}"


# Servers that could not be opened


def _status(servers: Mapping[str, Server]) -> Offer:
    reasons = "; ".join(clean_line(str(server.fault), 200) for server in servers.values())
    tool = Tool(
        name=STATUS,
        description=f"Tools of these MCP servers are missing: {', '.join(servers)} ({reasons}). Call this to try them again, or go on without them.",
        parameters=_schema({}, []),
        annotations=_READS,
        source="mcp",
    )
    return Offer(tool=tool, call=partial(_try, servers))


async def _try(servers: Mapping[str, Server], use: ToolUse, _: Caller) -> ToolResult:
    async with anyio.create_task_group() as tasks:
        for server in servers.values():
            tasks.start_soon(partial(server.opened, again=True))
    lines = [
        f"{name}: {clean(str(server.fault)) if server.fault else f'it is there, with {len(server.inventory.tools)} tools'}"
        for name, server in servers.items()
    ]
    return _said(use, "\n".join(lines), is_error=all(server.fault for server in servers.values()))


def _said(use: ToolUse, text: str, *, is_error: bool = False) -> ToolResult:
    return ToolResult(call=use.call.id, content=(Text(text=text),), is_error=is_error)
