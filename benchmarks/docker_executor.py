"""What containers cost: a command, a start, eight starts, a flood of output, an MCP call; each beside what it is measured against.

Usage: python benchmarks/docker_executor.py [ROUNDS]. Needs massgen-exec-docker, massgen-mcp-stdio, an engine with the image massgen-base, and the
program docker. Sides alternate within each round, so that a busy machine burdens all; medians count, and so do ratios, never the milliseconds.
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
import anyio.to_thread
from mcp import Client

from massgen_core.api import ExecCommand, Limits
from massgen_exec_docker.config import DockerConfig
from massgen_exec_docker.engine import connect
from massgen_exec_docker.opening import opened_executor
from massgen_mcp_stdio.config import StdioConfig
from massgen_mcp_stdio.transport import open_stdio
from massgen_testkit import PlainContext
from massgen_testkit.sandboxes.ends import FLOOD, peak_memory

FLOODED = 500_000_000
CALLS = 100
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


def show(title: str, found: dict[str, list[float]]) -> None:
    """Print medians and bests, with their ratios to the first."""
    first = next(iter(found.values()))
    for name, times in found.items():
        ratios = f"{median(times) / median(first):6.2f} x   best {min(times):7.1f} ms {min(times) / min(first):6.2f} x"
        print(f"{title:18} {name:26} {median(times):8.1f} ms {ratios}")


async def commands(context: PlainContext, rounds: int) -> None:
    """Compare the smallest command with a plain process and with the SDK's own way."""
    engine = connect()
    box = engine.client.containers.run("massgen-base", ["sleep", "600"], detach=True, auto_remove=True, network_mode="none", init=True)
    found: dict[str, list[float]] = {"subprocess": [], "docker executor": [], "SDK exec_run": []}
    try:
        async with opened_executor(DockerConfig(), context) as executor:
            ways: tuple[Callable[[], Awaitable[Any]], ...] = (
                lambda: anyio.run_process(["true"], stdin=subprocess.DEVNULL),
                lambda: executor.run(ExecCommand(argv=("true",))),
                lambda: anyio.to_thread.run_sync(box.exec_run, ["true"]),
            )
            for number in range(rounds + 2):
                for way, times in zip(ways, found.values(), strict=True):
                    spent = await timed(way)
                    if number > 1:  # the first ones start the container
                        times.append(spent)
    finally:
        engine.remove(box.id)
        engine.client.close()
    show("command: true", found)


async def starts(context: PlainContext, rounds: int) -> None:
    """Compare a hardened container for one command with an ordinary one, and eight at once with eight in turn."""
    plain = ["docker", "run", "--rm", "massgen-base", "true"]
    found: dict[str, list[float]] = {"docker run, not hardened": [], "first command, hardened": [], "and removed": []}
    for _ in range(rounds):
        found["docker run, not hardened"].append(await timed(lambda: anyio.run_process(plain, stdin=subprocess.DEVNULL)))
        started = time.perf_counter()
        async with opened_executor(DockerConfig(), context) as executor:
            found["first command, hardened"].append(await timed(lambda run=executor.run: run(ExecCommand(argv=("true",)))))  # type: ignore[misc]
        found["and removed"].append((time.perf_counter() - started) * 1000)
    show("start", found)

    async def one() -> None:
        async with opened_executor(DockerConfig(), context) as executor:
            await executor.run(ExecCommand(argv=("true",)))

    async def eight() -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(one)

    async def in_turn() -> None:
        for _ in range(8):
            await one()

    show("eight containers", {"in turn": [await timed(in_turn)], "at once": [await timed(eight)]})


async def flood(context: PlainContext) -> None:
    """Let a command write more than anybody wants."""
    async with opened_executor(DockerConfig(), context) as executor:
        await executor.run(ExecCommand(argv=("true",)))
        before, started = peak_memory(reset=True), time.perf_counter()
        result = await executor.run(ExecCommand(argv=("python3", "-c", FLOOD, str(FLOODED), "1"), limits=Limits(output=1_000_000, seconds=300)))
        seconds, grown = time.perf_counter() - started, peak_memory() - before
    print(f"{result.dropped + len(result.stdout):,} bytes of output in {seconds:.1f} s: {grown / 1e6:.1f} MB of memory here")


@asynccontextmanager
async def server(context: PlainContext, program: Path, executor: dict[str, Any] | None) -> AsyncIterator[Client]:
    """Start a server, in a container or not."""

    @asynccontextmanager
    async def streams() -> AsyncIterator[tuple[Any, Any]]:
        async with open_stdio(StdioConfig(command=sys.executable, args=(str(program),), executor=executor), context) as link:
            yield link.read, link.write

    async with Client(streams()) as client:
        yield client


async def calls(context: PlainContext, folder: Path, rounds: int) -> None:
    """Compare a tool call of a server in a container with one without."""
    program = folder / "server" / "echo.py"
    program.parent.mkdir()
    program.write_text(SERVER, encoding="utf-8")
    own = [sys.prefix, *([] if sys.base_prefix == "/usr" else [sys.base_prefix]), str(program.parent)]
    found: dict[str, list[float]] = {"stdio": [], "stdio in a container": []}
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(server(context, program, box)) for box in (None, {"type": "docker", "read": own})]
        for _ in range(rounds):
            for client, times in zip(clients, found.values(), strict=True):

                async def several(client: Client = client) -> None:
                    for _ in range(CALLS):
                        await client.call_tool("echo", {"text": "x"})

                times.append(await timed(several) / CALLS)
    show("MCP call", found)
    plain, inside = (median(times) for times in found.values())
    print(f"MCP call: {inside - plain:+.2f} ms")


async def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    with tempfile.TemporaryDirectory() as folder:
        context = PlainContext(folder=Path(folder), workspace=Path(folder) / "workspace")
        async with context:
            await commands(context, rounds)
            await starts(context, max(3, rounds // 3))
            await flood(context)
            await calls(context, Path(folder), max(3, rounds // 3))


if __name__ == "__main__":
    anyio.run(main)
