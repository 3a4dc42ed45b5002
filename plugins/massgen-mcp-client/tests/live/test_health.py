"""Silent servers are asked, twice, and never in the middle of a call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from mcp.server import MCPServer

from massgen_mcp_client import health
from massgen_mcp_client.calls import Caller, Request
from massgen_mcp_client.client import open_servers
from massgen_mcp_client.config import McpConfig, RetryConfig, ServerConfig
from massgen_mcp_client.events import ConnectionLost, ConnectionOpened, ConnectionProbed
from massgen_mcp_client.faults import McpFault
from massgen_mcp_client.server import Server

pytestmark = pytest.mark.anyio

QUICK = RetryConfig(seconds=0.01, jitter=0, max_seconds=0.02)
Section = Callable[..., ServerConfig]


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "PROBE_SECONDS", 0.15)


@asynccontextmanager
async def served(context: Any, section: ServerConfig) -> AsyncIterator[Server]:
    with anyio.fail_after(30):
        async with context:
            (server,) = await open_servers(McpConfig(servers=(section,)), context)
            assert server.fault is None
            yield server


async def ask(server: Server, context: Any, **arguments: Any) -> None:
    await server.request(Request(method="tools/call", name="act", arguments=arguments, caller=Caller(context=context, call="c1")))


@pytest.mark.parametrize(("protocol", "method"), [("legacy", "ping"), ("2026-07-28", "server/discover")])
async def test_a_silent_server_that_lives_is_left_alone(
    context: Any, section: Section, records: Any, transports: Any, until: Any, protocol: str, method: str
) -> None:
    """It is asked now and then, in the way of its era."""
    transports.servers["app"] = MCPServer("app")
    async with served(context, section("app", protocol=protocol, keepalive_seconds=0.05)):
        await until(lambda: len(records.of(ConnectionProbed)) >= 3)
    assert {(event.method, event.is_alive, event.attempt) for event in records.of(ConnectionProbed)} == {(method, True, 1)}
    assert len(records.of(ConnectionOpened)) == 1


async def test_two_questions_without_an_answer_are_the_end(context: Any, section: Section, records: Any, until: Any) -> None:
    """One lost answer is chance; after two the server is started again."""
    async with served(context, section(program="deaf", keepalive_seconds=0.1, retry=QUICK)):
        await until(lambda: len(records.of(ConnectionOpened)) >= 2)
    probes = [(event.attempt, event.is_alive) for event in records.of(ConnectionProbed)]
    assert probes[:2] == [(1, False), (2, False)]
    assert "did not answer 2 health checks" in records.of(ConnectionLost)[0].reason


async def test_a_call_under_way_is_never_killed(context: Any, section: Section, records: Any) -> None:
    """A server that is busy with a call may be silent for as long as the call may take."""
    async with served(context, section(program="deaf", keepalive_seconds=0.05)) as server:
        await ask(server, context, do="slow", steps=2, pause=0.5)
    assert len(records.of(ConnectionOpened)) == 1


async def test_a_call_without_an_answer_makes_one_ask(context: Any, section: Section, records: Any, until: Any) -> None:
    """Where nothing at all came, the server itself is in doubt, and given up if it is dead."""
    async with served(context, section(program="deaf", keepalive_seconds=0, call_idle_seconds=0.2, retry=QUICK)) as server:
        with pytest.raises(McpFault, match="call_idle_seconds"):
            await ask(server, context, do="hang")
        await until(lambda: len(records.of(ConnectionOpened)) >= 2)
        await ask(server, context)
