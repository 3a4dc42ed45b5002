"""What sandboxes cost beside a plain process: prints milliseconds a command, ratios, memory for a flood of output, and what an MCP call costs more.

Usage: python benchmarks/executors.py [ROUNDS]. Needs massgen-exec-local and massgen-mcp-stdio. Sides alternate within each round, so that a busy
machine burdens all; medians count, and so do ratios, never the milliseconds.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Any

import anyio
from mcp import Client

from massgen_core.api import ExecCommand, Limits
from massgen_mcp_stdio.config import StdioConfig
from massgen_mcp_stdio.transport import open_stdio
from massgen_testkit import PlainContext
from massgen_testkit.sandboxes.ends import FLOOD, peak_memory

WALLS = ("bubblewrap", "landlock", "none")
FLOODED = 500_000_000
CALLS = 200
SERVER = """
from mcp.server import MCPServer
server = MCPServer("echo", log_level="CRITICAL")
@server.tool(structured_output=False)
async def echo(text: str) -> str:
    return text
server.run(transport="stdio")
"""


async def timed(work: Callable[[], Awaitable[Any]]) -> float:
    """Return how many milliseconds a piece of work takes."""
    started = time.perf_counter()
    await work()
    return (time.perf_counter() - started) * 1000


async def commands(context: PlainContext, rounds: int) -> None:
    """Compare the smallest command, and Python's start, behind each wall."""
    executors = {wall: await context.open("executor", "local", {"sandbox": wall}) for wall in WALLS}
    executors["cold"] = await context.open("executor", "local", {"sandbox": "bubblewrap", "warm": False})
    for argv in (("true",), ("/usr/bin/python3", "-c", "pass")):
        found: dict[str, list[float]] = {name: [] for name in ("subprocess", *executors)}
        for _ in range(rounds):
            found["subprocess"].append(await timed(lambda argv=argv: anyio.run_process(argv, stdin=subprocess.DEVNULL)))  # type: ignore[misc]
            for wall, executor in executors.items():
                found[wall].append(await timed(lambda run=executor.run, argv=argv: run(ExecCommand(argv=argv))))  # type: ignore[misc]
        plain = median(found["subprocess"])
        for name, times in found.items():
            print(f"{' '.join(argv):26} {name:11} {median(times):7.1f} ms   {median(times) / plain:5.1f} x subprocess")


async def flood(context: PlainContext) -> None:
    """Let a command write more than anybody wants."""
    executor = await context.open("executor", "local", {"sandbox": "bubblewrap"})
    before, started = peak_memory(reset=True), time.perf_counter()
    result = await executor.run(ExecCommand(argv=("python3", "-c", FLOOD, str(FLOODED), "1"), limits=Limits(output=1_000_000, seconds=300)))
    seconds, grown = time.perf_counter() - started, peak_memory() - before
    print(f"{result.dropped + len(result.stdout):,} bytes of output in {seconds:.1f} s: {grown / 1e6:.1f} MB of memory here")


@asynccontextmanager
async def server(context: PlainContext, program: Path, executor: dict[str, Any] | None) -> AsyncIterator[Client]:
    """Start a server, in a sandbox or not."""

    @asynccontextmanager
    async def streams() -> AsyncIterator[tuple[Any, Any]]:
        async with open_stdio(StdioConfig(command=sys.executable, args=(str(program),), executor=executor), context) as link:
            yield link.read, link.write

    async with Client(streams()) as client:
        yield client


async def calls(context: PlainContext, folder: Path, rounds: int) -> None:
    """Compare a tool call of a server in a sandbox with one without."""
    program = folder / "server" / "echo.py"
    program.parent.mkdir()
    program.write_text(SERVER, encoding="utf-8")
    boxed = {"type": "local", "sandbox": "bubblewrap", "read": [sys.prefix, str(program.parent)]}
    found: dict[str, list[float]] = {"plain": [], "boxed": []}
    async with AsyncExitStack() as stack:
        clients = {
            "plain": await stack.enter_async_context(server(context, program, None)),
            "boxed": await stack.enter_async_context(server(context, program, boxed)),
        }
        for _ in range(rounds):
            for name, client in clients.items():

                async def several(client: Client = client) -> None:
                    for _ in range(CALLS):
                        await client.call_tool("echo", {"text": "x"})

                found[name].append(await timed(several) / CALLS)
    plain, inside = median(found["plain"]), median(found["boxed"])
    print(f"MCP call                   stdio {plain:.2f} ms, in a sandbox {inside:.2f} ms: {inside - plain:+.2f} ms")


async def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    with tempfile.TemporaryDirectory() as folder:
        context = PlainContext(folder=Path(folder), workspace=Path(folder) / "workspace")
        async with context:
            await commands(context, rounds)
            await flood(context)
            await calls(context, Path(folder), max(3, rounds // 3))


if __name__ == "__main__":
    anyio.run(main)
