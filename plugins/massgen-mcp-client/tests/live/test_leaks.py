"""Eight thousand calls leave nothing: no task, no descriptor, no process, no memory that grows."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from mcp.server import MCPServer

from massgen_mcp_client.calls import Caller, Request
from massgen_mcp_client.client import open_servers
from massgen_mcp_client.config import McpConfig, ServerConfig
from massgen_mcp_client.faults import McpFault
from massgen_mcp_client.server import Server
from massgen_testkit import Leaks

pytestmark = [pytest.mark.anyio, pytest.mark.once]

CALLS = 8000
MEGABYTES = 4.0


class Forgetful:
    """Takes records and keeps none, so that only the client's own memory is measured."""

    def emit(self, *_: Any, **__: Any) -> None:
        """Forget it."""


def resident() -> float:
    """Return the memory of this process in megabytes."""
    gc.collect()
    with open("/proc/self/statm", encoding="ascii") as stream:
        return int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


async def spend(server: Server, context: Any, calls: int) -> None:
    """Make calls, every kind of them, eight at a time."""
    caller = Caller(context=context, call="c1")

    async def some(first: int) -> None:
        for number in range(first, calls, 8):
            if number % 50 == 0:
                with anyio.move_on_after(0.001):
                    await server.request(Request(method="tools/call", name="wait", caller=caller))
            elif number % 51 == 0:
                with pytest.raises(McpFault):
                    await server.request(Request(method="resources/read", name="no://thing", caller=caller))
            else:
                result = await server.request(Request(method="tools/call", name="echo", arguments={"text": "x" * 100}, caller=caller))
                assert not result["isError"]

    async with anyio.create_task_group() as tasks:
        for first in range(8):
            tasks.start_soon(some, first)


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="the system does not tell a process's memory")
@pytest.mark.parametrize("protocol", ["legacy", "2026-07-28"])
async def test_calls_leave_nothing(context: Any, section: Callable[..., ServerConfig], leaks: Leaks, protocol: str) -> None:
    """Cancelled, failed and successful ones."""
    app = MCPServer("app")

    @app.tool()
    async def echo(text: str) -> str:
        return text

    @app.tool()
    async def wait() -> str:
        await anyio.sleep_forever()
        return ""

    context.transports.servers["app"] = app
    context.records = Forgetful()
    with anyio.fail_after(240):
        async with context:
            (server,) = await open_servers(McpConfig(servers=(section("app", protocol=protocol),)), context)
            await spend(server, context, 1000)
            held, memory = leaks.held(), resident()
            await spend(server, context, CALLS)
            await leaks.none_since(held)
            assert resident() - memory < MEGABYTES
            session = server.connection.session
            assert session is not None
            assert (session.tap.waiting, session.operations) == (1 if protocol != "legacy" else 0, set())


async def test_a_hundred_connections_leave_nothing(context: Any, section: Callable[..., ServerConfig], leaks: Leaks) -> None:
    """Connect and close, again and again: processes, descriptors and tasks are as before."""
    with anyio.fail_after(120):
        async with context:
            (server,) = await open_servers(McpConfig(servers=(section(program="plain", shared=False),)), context)
            await server.close()
            held = leaks.held()
            for number in range(100):
                (server,) = await open_servers(McpConfig(servers=(section(program="plain", name=f"s{number}", protocol="legacy"),)), context)
                assert server.fault is None
                await server.close()
            await leaks.none_since(held)
