"""The small public face for commands, tests and programs: servers without a run.

async with app.context(emit) as context, opened(sections, context) as servers:
    for server in servers:
        print(server.name, [tool.name for tool in server.tools])
        print(await server.call("echo", {"text": "hello"}))
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import attrs

from massgen_core.api import Context, Tool, ToolResult
from massgen_mcp_client.client import open_servers
from massgen_mcp_client.config import McpConfig, ServerConfig

if TYPE_CHECKING:
    from massgen_mcp_client.faults import McpFault
    from massgen_mcp_client.memory import Memory
    from massgen_mcp_client.server import Server

__all__ = ["OpenServer", "opened"]


@attrs.frozen(eq=False)
class OpenServer:
    """A server that is used without a run.

    Attributes:
        inner: The server as the toolset knows it.
    """

    inner: Server
    _context: Context

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self.inner.config.name

    @property
    def fault(self) -> McpFault | None:
        """Why it is of no use; None where it is ready."""
        return self.inner.fault

    @property
    def era(self) -> str:
        """The protocol revision that was agreed on; empty where none was."""
        return self.inner.era

    @property
    def tools(self) -> Sequence[Tool]:
        """Its tools as agents know them; names begin with `mcp__<server>__`."""
        return tuple(one.tool for one in self.inner.inventory.tools.values())

    @property
    def wire_names(self) -> Mapping[str, str]:
        """Its tools' names on the wire, by their names for models."""
        return {one.tool.name: one.wire for one in self.inner.inventory.tools.values()}

    @property
    def resources(self) -> Sequence[Mapping[str, Any]]:
        """Its resources, as it sent them."""
        return self.inner.inventory.entries.get("resources", ())

    @property
    def prompts(self) -> Sequence[Mapping[str, Any]]:
        """Its prompts, as it sent them."""
        return self.inner.inventory.entries.get("prompts", ())

    @property
    def about(self) -> Mapping[str, str]:
        """What it says of itself: `name`, `version`, `instructions`; untrusted."""
        session = self.inner.connection.session
        if session is None:
            return {}
        server = session.client.server_info
        found = {"name": server.name if server else "", "version": server.version if server else ""}
        return {**found, "instructions": session.client.instructions or ""}

    async def raw(self, method: str, name: str, arguments: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Make a request and return the result as the server sent it.

        Args:
            method: `tools/call`, `resources/read` or `prompts/get`.
            name: The tool's name, on the wire or for models; the resource's address; the prompt's name.
            arguments: Its arguments.

        Raises:
            McpFault: It failed.
        """
        from massgen_mcp_client.calls import Caller, Request  # noqa: PLC0415 - the SDK's

        tools = self.inner.inventory.tools
        found = tools.get(name) or next((one for one in tools.values() if one.tool.name == name), None)
        wire = found.wire if found is not None and method == "tools/call" else name
        annotations = found.tool.annotations if found is not None else None
        caller = Caller(context=self._context, trace=self._context.trace)
        return await self.inner.request(Request(method=method, name=wire, arguments=arguments or {}, annotations=annotations, caller=caller))

    async def call(self, tool: str, arguments: Mapping[str, Any] | None = None) -> ToolResult:
        """Call a tool and return its result; a tool that says that it failed is a result too.

        Raises:
            McpFault: The call failed.
        """
        from massgen_mcp_client.results import to_parts  # noqa: PLC0415 - with calls only

        return to_parts(await self.raw("tools/call", tool, arguments))


@asynccontextmanager
async def opened(servers: Sequence[ServerConfig] | McpConfig, context: Context, memory: Memory | None = None) -> AsyncIterator[Sequence[OpenServer]]:
    """Yield servers, opened in parallel; those that could not be opened say why. They are closed at the end of the block.

    Args:
        servers: Their sections; `massgen_mcp_client.servers.read_servers` makes them of plain data.
        context: An open context, for instance of `App.context`.
        memory: What is remembered between runs; the user's own folders if None.
    """
    config = servers if isinstance(servers, McpConfig) else McpConfig(servers=tuple(servers))
    made = await open_servers(config, context, memory)
    try:
        yield tuple(OpenServer(server, context) for server in made)
    finally:
        for server in made:
            server.connection.stop("done")
        for server in made:
            await server.close()
