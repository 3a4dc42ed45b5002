"""The toolset `mcp`: what servers have, as tools of one agent."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from massgen_core.api import Check, Context, NoticeGiven, Text, Tool, ToolCall, ToolResult, ToolUse, clean_line
from massgen_mcp_client.config import McpConfig, McpOptions
from massgen_mcp_client.names import NameCollision, merge

if TYPE_CHECKING:
    from massgen_mcp_client.inventory import ServerTool
    from massgen_mcp_client.search import Index
    from massgen_mcp_client.server import Server

__all__ = ["McpToolset", "open_mcp"]


@asynccontextmanager
async def open_mcp(options: McpOptions, context: Context) -> AsyncIterator[McpToolset]:
    """Open the servers of a section and yield their tools.

    Raises:
        NameCollision: Two tools would have one name.
    """
    config = options.config
    for note in config.notes:
        context.emit(NoticeGiven(level="info", text=note, agent=context.agent))
    if not config.servers:
        yield McpToolset(config, (), context)
        return
    from massgen_mcp_client.client import open_servers  # noqa: PLC0415 - with servers only

    toolset = McpToolset(config, await open_servers(config, context), context)
    toolset.look()
    yield toolset


class McpToolset:
    """The tools of one agent's servers.

    Args:
        config: The section.
        servers: Open, or on their way.
        context: Of the agent.
    """

    def __init__(self, config: McpConfig, servers: Sequence[Server], context: Context) -> None:
        self._config, self._servers, self._context = config, servers, context
        self._seen: tuple[Any, ...] = ()
        self._tools: tuple[Tool, ...] = ()
        self._by_name: dict[str, tuple[Server, ServerTool]] = {}
        self._own: Mapping[str, Any] = {}
        self._index: Index | None = None

    def look(self) -> None:
        """Look at the tools once.

        Raises:
            NameCollision: Two of them would have one name.
        """
        if self._servers:
            self._build()

    async def check(self) -> Sequence[Check]:
        """Start or reach every server, those that would be started at their first call too, and say what each has."""
        async with anyio.create_task_group() as tasks:
            for server in self._servers:
                tasks.start_soon(server.opened)
        return [self._checked(server) for server in self._servers]

    def _checked(self, server: Server) -> Check:
        what = f"MCP server {server.config.name}"
        if (fault := server.fault) is not None:
            from massgen_mcp_client.commands.remedies import of_fault  # noqa: PLC0415 - for a broken server only

            remedy = next(iter(of_fault(fault, server.config)), f"massgen mcp doctor {server.config.name} says more")
            return Check(what=what, state="failed", text=server.redact(str(fault)), remedy=remedy)
        return Check(what=what, text=f"it lists {len(server.inventory.tools)} tool{'' if len(server.inventory.tools) == 1 else 's'}")

    def tools(self) -> Sequence[Tool]:
        """The tools as they are now; a server that changes its list changes them from the next model call on."""
        seen = tuple((server.inventory.version, server.fault) for server in self._servers)
        if seen != self._seen:
            self._seen = seen
            try:
                self._build()
            except NameCollision as error:
                self._context.emit(NoticeGiven(level="warning", text=f"{error}; the tools stay as they were", agent=self._context.agent))
        return self._tools

    def _build(self) -> None:
        from massgen_mcp_client.offers import offers  # noqa: PLC0415 - with servers only

        by_name: dict[str, tuple[Server, ServerTool]] = {}
        merge({one.tool.name: (server.config.name, one.wire) for one in server.inventory.tools.values()} for server in self._servers)
        for server in self._servers:
            by_name.update((one.tool.name, (server, one)) for one in server.inventory.tools.values())
        self._by_name = by_name
        self._own = offers(self._config, self._servers)
        offered = tuple(offer.tool for offer in self._own.values())
        every = tuple(one.tool for _, one in by_name.values())
        self._index = None
        if len(every) > self._config.search_above:
            from massgen_mcp_client.search import CALL, SEARCH, Index  # noqa: PLC0415 - with very many tools only

            self._index = Index(every)
            self._tools = (SEARCH, CALL, *offered)
        else:
            self._tools = (*every, *offered)

    def meant(self, tool: Tool, call: ToolCall) -> tuple[Tool, ToolCall]:
        """Return the tool that a call of `mcp_call_tool` is about, so that permissions are those of that tool.

        Raises:
            ValueError: There is no such tool.
        """
        if self._index is None:
            return tool, call
        from massgen_mcp_client.search import CALL, SEARCH, unwrapped  # noqa: PLC0415 - with very many tools only

        if tool.name != CALL.name:
            return tool, call
        call = unwrapped(call)
        found = self._by_name.get(call.name)
        if found is None:
            raise ValueError(f"there is no tool {clean_line(call.name, 100)!r}; find one with {SEARCH.name}")
        return found[1].tool, call

    async def call(self, use: ToolUse) -> ToolResult:
        """Call a tool; whatever fails is a result that says so."""
        await anyio.lowlevel.checkpoint()
        name = use.tool.name
        if self._index is not None and name == "mcp_search_tools":
            return self._search(self._index, use)
        if name not in self._by_name and name not in self._own:
            text = f"there is no tool {name!r}; call one of those that are offered now"
            return ToolResult(call=use.call.id, content=(Text(text=text),), is_error=True)
        from massgen_mcp_client.calls import Caller, Request  # noqa: PLC0415 - with servers only
        from massgen_mcp_client.faults import McpFault  # noqa: PLC0415
        from massgen_mcp_client.results import to_parts  # noqa: PLC0415

        caller = Caller(context=self._context, call=use.call.id, span=use.span, trace=use.trace)
        redact = self._context.redact
        try:
            if name in self._own:
                result: ToolResult = await self._own[name].call(use, caller)
                return result
            server, tool = self._by_name[name]
            redact = server.redact
            request = Request(method="tools/call", name=tool.wire, arguments=use.arguments, annotations=tool.tool.annotations, caller=caller)
            return self._limited(server, to_parts(await server.request(request), use.call.id), use)
        except McpFault as fault:
            return ToolResult(call=use.call.id, content=(Text(text=redact(str(fault))),), is_error=True)

    def _search(self, index: Index, use: ToolUse) -> ToolResult:
        from massgen_mcp_client.search import MAX_RESULTS, shown  # noqa: PLC0415 - with very many tools only

        query, limit = use.arguments.get("query"), use.arguments.get("limit", 5)
        if not isinstance(query, str) or not query.strip():
            return ToolResult(call=use.call.id, content=(Text(text="`query` must say what the tool should do"),), is_error=True)
        count = min(max(limit, 1), MAX_RESULTS) if isinstance(limit, int) else 5
        return ToolResult(call=use.call.id, content=(Text(text=shown(index.search(query, count), total=len(index))),))

    def _limited(self, server: Server, result: ToolResult, use: ToolUse) -> ToolResult:
        limit = server.config.max_output
        if limit is None or len(result.text) <= limit:
            return result
        from massgen_mcp_client.results import limited  # noqa: PLC0415 - for long results only

        path = stored(self._context.folder, f"{use.agent}-{use.turn}-{use.call.id}-{use.span}", result.text)
        return limited(result, limit, str(path))


def stored(folder: Path, name: str, text: str) -> Path:
    """Write a text beside the run and return where it is."""
    outputs = folder / "outputs"
    outputs.mkdir(exist_ok=True, parents=True)
    path = outputs / f"mcp-{re.sub(r'[^A-Za-z0-9_.-]', '_', name)[:150]}.txt"
    path.write_text(text, encoding="utf-8", errors="replace")
    return path
