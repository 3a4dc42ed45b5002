"""A server of the MCP SDK, of both eras; run as a program."""

from __future__ import annotations

import anyio
from mcp.server import MCPServer

server = MCPServer("everything", log_level="CRITICAL")


@server.tool()
async def echo(text: str) -> str:
    return text


@server.tool()
async def nap(seconds: float) -> str:
    await anyio.sleep(seconds)
    return "rested"


if __name__ == "__main__":
    server.run(transport="stdio")
