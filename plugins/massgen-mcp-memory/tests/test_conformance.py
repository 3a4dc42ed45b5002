"""The transport against the suite of its kind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import anyio
from mcp.server import MCPServer

from massgen_testkit import TransportSuite


class TestMemory(TransportSuite):
    name = "memory"
    options: ClassVar[Mapping[str, Any]] = {"server": "adder"}
    example = ("echo", {"text": "hi"})
    large = ("echo", {"text": "x" * 1_000_000})
    slow = ("nap", {"seconds": 20})
    unsupported: ClassVar[Mapping[str, str]] = {"loss": "a server object cannot crash without the process that it lives in"}

    @asynccontextmanager
    async def server(self) -> AsyncIterator[Mapping[str, Any]]:
        server = MCPServer("echo", log_level="CRITICAL")

        @server.tool()
        async def echo(text: str) -> str:
            return text

        @server.tool()
        async def nap(seconds: float) -> str:
            await anyio.sleep(seconds)
            return "rested"

        yield {"server": server}
