"""What a call costs on each transport beside the MCP SDK's own: prints CPU milliseconds of this process for one call, and differences.

Usage: python benchmarks/mcp_transports.py [CALLS]. Needs massgen-mcp-stdio, massgen-mcp-http and massgen-mcp-memory. Rounds of both sides
alternate, so that a busy machine burdens both; the median of the rounds counts.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Any

import anyio
from mcp import Client, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

from massgen_mcp_http.config import HttpConfig
from massgen_mcp_http.streamable import open_http
from massgen_mcp_memory.config import MemoryConfig
from massgen_mcp_memory.transport import open_memory
from massgen_mcp_stdio.config import StdioConfig
from massgen_mcp_stdio.transport import open_stdio
from massgen_testkit import PlainContext

ROUNDS = 5
TARGET = 0.10
SERVER = """
import sys
from mcp.server import MCPServer
server = MCPServer("echo", log_level="CRITICAL")
@server.tool(structured_output=False)
async def echo(text: str) -> str:
    return text
if __name__ == "__main__":
    server.run(transport="stdio") if len(sys.argv) == 1 else server.run(transport="streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
"""


@asynccontextmanager
async def streams(link: AbstractAsyncContextManager[Any]) -> AsyncIterator[tuple[Any, Any]]:
    """Give a link the form of the SDK's transports."""
    async with link as opened:
        yield opened.read, opened.write


async def cost(transport: Any, calls: int, mode: str) -> float:
    """Return the CPU milliseconds of one call, connecting not counted."""
    async with Client(transport, mode=mode) as client:
        for _ in range(20):
            await client.call_tool("echo", {"text": "hi"})
        started = time.process_time()
        for _ in range(calls):
            await client.call_tool("echo", {"text": "hi"})
        return (time.process_time() - started) * 1000 / calls


async def large(transport: Any, megabytes: int) -> float:
    """Return the CPU seconds of one call whose answer is large."""
    async with Client(transport) as client:
        await client.call_tool("echo", {"text": "hi"})
        started = time.process_time()
        await client.call_tool("echo", {"text": "x" * megabytes * 1_000_000})
        return time.process_time() - started


async def compare(name: str, ours: Callable[[], Any], theirs: Callable[[], Any], calls: int) -> bool:
    """Print both sides for both eras; return whether ours is within the target."""
    is_met = True
    for mode in ("auto", "legacy"):
        figures: dict[str, list[float]] = {"ours": [], "the SDK's": []}
        for _ in range(ROUNDS):
            figures["the SDK's"].append(await cost(theirs(), calls, mode))
            figures["ours"].append(await cost(ours(), calls, mode))
        mine, other = median(figures["ours"]), median(figures["the SDK's"])
        is_met = is_met and mine - other <= TARGET
        print(f"{name:8} {mode:7} ours {mine:6.3f} ms  the SDK's {other:6.3f} ms  difference {mine - other:+6.3f} ms  ratio {mine / other:4.2f}")
    return is_met


async def main(calls: int, folder: Path) -> int:
    program = folder / "server.py"
    program.write_text(SERVER, encoding="utf-8")
    context = PlainContext(folder=folder)
    namespace: dict[str, Any] = {"__name__": "server"}
    exec(SERVER, namespace)  # the same server as an object
    stdio = StdioConfig(command=sys.executable, args=(str(program),))
    wide = StdioConfig(command=sys.executable, args=(str(program),), max_message=64 << 20)
    parameters = StdioServerParameters(command=sys.executable, args=[str(program)])
    print(f"CPU of this process for one call; {ROUNDS} rounds of {calls} calls each, load {os.getloadavg()[0]:.1f}")
    results = [await compare("stdio", lambda: streams(open_stdio(stdio, context)), lambda: stdio_client(parameters), calls)]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen([sys.executable, str(program), str(port)])  # noqa: ASYNC220
    try:
        for _ in range(400):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                await anyio.sleep(0.05)
        url = f"http://127.0.0.1:{port}/mcp"
        http = HttpConfig(url=url, allow_localhost=True)
        results.append(await compare("http", lambda: streams(open_http(http, context)), lambda: streamable_http_client(url), calls // 4))
    finally:
        server.kill()
        server.wait()
    memory = MemoryConfig(server=namespace["server"])
    for mode in ("auto", "legacy"):
        figures = [await cost(streams(open_memory(memory, context)), calls, mode) for _ in range(ROUNDS)]
        print(f"memory   {mode:7} ours {median(figures):6.3f} ms, both ends counted")
    for megabytes in (5, 20):
        mine = await large(streams(open_stdio(wide, context)), megabytes)
        theirs = await large(stdio_client(parameters), megabytes)
        print(f"one answer of {megabytes} MB over stdio: ours {mine:.2f} s of CPU, the SDK's {theirs:.2f} s")
    print(f"target: at most {TARGET:.2f} ms above the SDK's: {'met' if all(results) else 'MISSED'}")
    return 0 if all(results) else 1


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        sys.exit(anyio.run(main, int(sys.argv[1]) if len(sys.argv) > 1 else 200, Path(place)))
