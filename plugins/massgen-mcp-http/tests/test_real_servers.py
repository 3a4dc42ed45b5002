"""The protocol's own example server over HTTP, from its registry."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client

from massgen_core.api import Link
from massgen_mcp_http.config import HttpConfig
from massgen_mcp_http.legacy import open_sse
from massgen_mcp_http.streamable import open_http
from massgen_testkit import Leaks, PlainContext

from .conftest import free_port

pytestmark = [pytest.mark.anyio, pytest.mark.once]


@pytest.fixture
def everything(real_servers: Any) -> Path:
    """Return the program of the example server."""
    return Path(real_servers.node("@modelcontextprotocol/server-everything").args[0])


@contextmanager
def served(program: Path, transport: str) -> Iterator[int]:
    """Run the server and return its port."""
    port = free_port()
    process = subprocess.Popen(
        ["node", str(program), transport], env={**os.environ, "PORT": str(port)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert process.poll() is None, "the server ended"
                time.sleep(0.05)
        yield port
    finally:
        process.kill()
        process.wait()


@asynccontextmanager
async def speaking(link: Link, mode: str) -> AsyncIterator[Client]:
    @asynccontextmanager
    async def streams() -> AsyncIterator[tuple[Any, Any]]:
        yield link.read, link.write

    async with Client(streams(), mode=mode) as client:
        yield client


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize(("transport", "path", "opener"), [("streamableHttp", "/mcp", open_http), ("sse", "/sse", open_sse)], ids=["http", "sse"])
async def test_the_example_server(everything: Path, context: PlainContext, leaks: Leaks, transport: str, path: str, opener: Any, mode: str) -> None:
    """It is listed and called twenty times, and nothing is left of the link."""
    with served(everything, transport) as port:
        before = leaks.held()
        with anyio.fail_after(60):
            async with (
                opener(HttpConfig(url=f"http://127.0.0.1:{port}{path}", allow_localhost=True), context) as link,
                speaking(link, mode) as client,
            ):
                tools = {tool.name for tool in (await client.list_tools()).tools}
                texts = [(await client.call_tool("echo", {"message": str(n)})).content[0].text for n in range(20)]
        await leaks.none_since(before)

    assert "echo" in tools
    assert texts == [f"Echo: {n}" for n in range(20)]
