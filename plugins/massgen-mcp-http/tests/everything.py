"""A server of the MCP SDK, of both eras, over HTTP; run as a program: `streamable-http` or `sse`, and a port."""

from __future__ import annotations

import sys

import anyio
from mcp.server import MCPServer
from mcp.server.mcpserver import Context

server = MCPServer("everything", log_level="CRITICAL")


@server.tool()
async def echo(text: str) -> str:
    return text


@server.tool()
async def nap(seconds: float, context: Context) -> str:
    for _ in range(int(seconds * 10)):
        await anyio.sleep(0.1)
        await context.report_progress(1, 2)
    return "rested"


if __name__ == "__main__":
    server.run(transport=sys.argv[1], host="127.0.0.1", port=int(sys.argv[2]))  # type: ignore[call-overload]
