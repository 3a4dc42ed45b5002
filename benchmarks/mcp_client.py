"""What the MCP client costs, beside the SDK's own client and fastmcp's, in one run of interleaved rounds.

Usage: python benchmarks/mcp_client.py [--calls N] [--rounds N] [--fastmcp PYTHON]

Each client is a process of its own that calls an echo tool of the SDK's server over stdio; CPU is that of the client's process alone.
`--fastmcp` names an interpreter with fastmcp installed. Connecting is measured with 20 small servers that take up to two seconds to get ready.
Ratios hold on a busy machine, milliseconds on a quiet one.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

ECHO = """
from mcp.server import MCPServer

server = MCPServer("echo", log_level="CRITICAL")


@server.tool(structured_output=False)
async def echo(text: str) -> str:
    return text


server.run("stdio")
"""
# A server of the standard library, so that starting twenty of them measures the client.
SLOW = """
import json, sys, time

time.sleep(float(sys.argv[1]))
for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message:
        continue
    if message["method"] == "initialize":
        info = {"name": "slow", "version": "1"}
        answer = {"result": {"protocolVersion": message["params"]["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": info}}
    elif message["method"] == "tools/list":
        answer = {"result": {"tools": [{"name": "echo", "inputSchema": {"type": "object"}}]}}
    else:
        answer = {"error": {"code": -32601, "message": "Method not found"}}
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], **answer}), flush=True)
"""
TEXT = {"text": "x" * 200}
WARM = 50
BLOCK = 50
SERVERS = 20
SLOWEST = 2.0

Call = Callable[[], Awaitable[Any]]


async def measure(call: Call, calls: int) -> dict[str, float]:
    """Return CPU and wall milliseconds of a call, and those of CPU with what happens once in a process, such as a full collection of garbage."""
    for _ in range(WARM):
        await call()
    walls: list[float] = []
    blocks: list[float] = []
    for _ in range(max(1, calls // BLOCK)):
        cpu = time.process_time()
        for _ in range(BLOCK):
            began = time.perf_counter()
            await call()
            walls.append(time.perf_counter() - began)
        blocks.append((time.process_time() - cpu) / BLOCK * 1000)
    return {"cpu": statistics.median(blocks), "all": statistics.mean(blocks), "wall": statistics.median(walls) * 1000}


def section(name: str, *args: str) -> Any:
    from massgen_mcp_client.config import SecurityConfig, ServerConfig  # noqa: PLC0415

    options = {"command": sys.executable, "args": args}
    return ServerConfig(name=name, transport="stdio", options=options, security=SecurityConfig(level="permissive"), cache_seconds=0)


def program() -> Any:
    from massgen_core.cli.app import ConsoleApp  # noqa: PLC0415
    from massgen_core.plugins.manager import Plugins  # noqa: PLC0415

    return ConsoleApp(Plugins.discover())


async def ours(server: str, calls: int) -> dict[str, float]:
    from massgen_mcp_client.library import opened  # noqa: PLC0415

    sessions: list[Any] = []  # a run keeps no events in memory either

    def tell(event: Any) -> None:
        if event.type == "mcp.connection.opened":
            sessions.append(event)

    async with program().context(tell) as context, opened([section("echo", server)], context) as (one,):
        if one.fault is not None:
            raise one.fault
        found = await measure(lambda: one.raw("tools/call", "echo", TEXT), calls)
    return {**found, "sessions": len(sessions)}


async def sdk(server: str, calls: int) -> dict[str, float]:
    from mcp import Client, StdioServerParameters  # noqa: PLC0415

    async with Client(StdioServerParameters(command=sys.executable, args=[server])) as client:
        return await measure(lambda: client.call_tool("echo", TEXT), calls)


async def fastmcp(server: str, calls: int) -> dict[str, float]:
    from fastmcp import Client  # noqa: PLC0415
    from fastmcp.client.transports import StdioTransport  # noqa: PLC0415

    async with Client(StdioTransport(command=os.environ["ECHO_PYTHON"], args=[server])) as client:
        return await measure(lambda: client.call_tool("echo", TEXT), calls)


async def connecting(server: str, count: int) -> dict[str, float]:
    """Return the seconds that it takes to open servers, the slowest of which needs `SLOWEST` seconds."""
    from massgen_mcp_client.library import opened  # noqa: PLC0415
    from massgen_mcp_client.memory import Memory  # noqa: PLC0415

    sections = [section(f"s{index}", "-S", "-E", server, str(SLOWEST * (count - index) / count)) for index in range(count)]
    with tempfile.TemporaryDirectory() as folder:
        memory = Memory(Path(folder), Path(folder))
        async with program().context() as context:
            import massgen_mcp_client.server  # noqa: F401, PLC0415 - importing the SDK is not connecting

            began = time.perf_counter()
            async with opened(sections, context, memory) as servers:
                seconds = time.perf_counter() - began
                faults = [str(one.fault) for one in servers if one.fault is not None]
    if faults:
        raise SystemExit(faults[0])
    return {"seconds": seconds}


WORKERS: dict[str, Callable[[str, int], Awaitable[dict[str, float]]]] = {"ours": ours, "sdk": sdk, "fastmcp": fastmcp, "connecting": connecting}


def worker(name: str, server: Path, number: int, python: str = sys.executable) -> dict[str, float]:
    """Measure in a process of its own."""
    env = {**os.environ, "ECHO_PYTHON": sys.executable, "XDG_CACHE_HOME": str(server.parent), "XDG_STATE_HOME": str(server.parent)}
    command = [python, __file__, "--worker", name, "--server", str(server), "--number", str(number)]
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, timeout=300, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def calls(folder: Path, arguments: argparse.Namespace) -> None:
    server = folder / "echo.py"
    server.write_text(ECHO, encoding="utf-8")
    pythons = {"sdk": sys.executable, "ours": sys.executable, **({"fastmcp": arguments.fastmcp} if arguments.fastmcp else {})}
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in pythons}
    for _ in range(arguments.rounds):
        for name, python in pythons.items():
            rounds[name].append(worker(name, server, arguments.calls, python))
    print(f"{arguments.rounds} rounds of {arguments.calls} calls over stdio; the median block of {BLOCK} calls in the best round")
    # What else the machine does only adds to CPU time.
    cpu = {name: min(one["cpu"] for one in found) for name, found in rounds.items()}
    for name, found in rounds.items():
        wall, mean = min(one["wall"] for one in found), min(one["all"] for one in found)
        words = f"{cpu[name]:.3f} ms CPU a call ({cpu[name] / cpu['sdk']:.2f} of the SDK's; {mean:.3f} ms with what happens once)"
        print(f"  {name:8} {words}, {wall:.2f} ms wall")
    print(f"  above the SDK's client: {cpu['ours'] - cpu['sdk']:+.3f} ms CPU a call (target: at most +0.100)")
    if "fastmcp" in cpu:
        print(f"  of fastmcp's client: {cpu['ours'] / cpu['fastmcp']:.2f} (target: below 1)")
    print(f"  connections for {arguments.calls + WARM} calls: {max(one['sessions'] for one in rounds['ours']):.0f} (target: 1)")


def connections(folder: Path, arguments: argparse.Namespace) -> None:
    server = folder / "slow.py"
    server.write_text(SLOW, encoding="utf-8")
    one = statistics.median(worker("connecting", server, 1)["seconds"] for _ in range(arguments.rounds))
    many = statistics.median(worker("connecting", server, SERVERS)["seconds"] for _ in range(arguments.rounds))
    print(f"connecting {SERVERS} servers: {many:.2f} s, the slowest of them alone: {one:.2f} s, ratio {many / one:.2f} (target: at most 1.3)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--fastmcp", metavar="PYTHON", default="")
    parser.add_argument("--worker", choices=sorted(WORKERS), help=argparse.SUPPRESS)
    parser.add_argument("--server", help=argparse.SUPPRESS)
    parser.add_argument("--number", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        import anyio  # noqa: PLC0415

        print(json.dumps(anyio.run(WORKERS[arguments.worker], arguments.server, arguments.number)))
        return
    with tempfile.TemporaryDirectory() as folder:
        calls(Path(folder), arguments)
        connections(Path(folder), arguments)


if __name__ == "__main__":
    main()
