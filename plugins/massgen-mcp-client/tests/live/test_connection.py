"""Connections: made, kept, lost, made again, and closed from anywhere."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from massgen_core.api import NoticeGiven
from massgen_mcp_client.calls import Caller, Request
from massgen_mcp_client.client import open_servers
from massgen_mcp_client.config import McpConfig, RetryConfig, ServerConfig
from massgen_mcp_client.events import (
    CallReturned,
    ConnectionClosed,
    ConnectionLost,
    ConnectionNegotiated,
    ConnectionOpened,
    ConnectionRetried,
    ConnectionStateChanged,
    ErrorRaised,
)
from massgen_mcp_client.faults import McpFault
from massgen_mcp_client.memory import Memory
from massgen_mcp_client.server import Server
from massgen_testkit import Leaks

pytestmark = pytest.mark.anyio

QUICK = RetryConfig(seconds=0.01, jitter=0, max_seconds=0.02)
Section = Callable[..., ServerConfig]


@asynccontextmanager
async def served(context: Any, *sections: ServerConfig, seconds: float = 30) -> AsyncIterator[tuple[Server, ...]]:
    with anyio.fail_after(seconds):
        async with context:
            yield tuple(await open_servers(McpConfig(servers=sections), context))


async def ask(server: Server, context: Any, tool: str = "act", **arguments: Any) -> dict[str, Any]:
    annotations = server.inventory.tools[tool].tool.annotations if tool in server.inventory.tools else None
    wanted = Request(method="tools/call", name=tool, arguments=arguments, annotations=annotations, caller=Caller(context=context, call="c1"))
    return await server.request(wanted)


@pytest.mark.parametrize("protocol", ["auto", "legacy"])
async def test_a_server_is_opened_asked_and_closed(context: Any, section: Section, records: Any, leaks: Leaks, protocol: str) -> None:
    """The whole life of a connection, and nothing is left of it."""
    before = leaks.held()
    async with served(context, section(program="plain", protocol=protocol)) as (server,):
        result = await ask(server, context)

        assert server.fault is None
        assert (server.era, sorted(server.inventory.tools)) == ("2025-11-25", ["act", "again", "read"])
        assert "pid" in result["content"][0]["text"]
    await leaks.none_since(before)

    assert [event.new for event in records.of(ConnectionStateChanged)] == ["connecting", "ready", "closing", "closed"]
    (opened,), (agreed,), (closed,) = records.of(ConnectionOpened), records.of(ConnectionNegotiated), records.of(ConnectionClosed)
    assert opened.pid > 0
    assert (agreed.mode, agreed.name, agreed.version, agreed.capabilities) == ("legacy", "peer", "1.2", ("tools",))
    assert (closed.reason, closed.calls) == ("the run ended", 1)


@pytest.mark.parametrize("era", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
async def test_every_era_with_a_handshake_is_spoken(context: Any, section: Section, era: str) -> None:
    """A server that knows one revision only is used in that one; tools are listed and called."""
    async with served(context, section(program=f"of-{era}")) as (server,):
        result = await ask(server, context)

        assert server.fault is None
        assert server.era == era
        assert "pid" in result["content"][0]["text"]


async def test_an_era_that_nobody_knows_is_named(context: Any, section: Section) -> None:
    """A server that answers with a revision of its own invention is left out, and the fault says which."""
    async with served(context, section(program="of-1999-01-01", retry=RetryConfig(attempts=1))) as (server,):
        assert server.fault is not None
        assert "1999-01-01" in str(server.fault)


async def test_a_server_that_dies_on_the_probe_is_greeted_in_the_old_way_from_then_on(
    context: Any, section: Section, records: Any, memory: Memory, tmp_path: Path
) -> None:
    """Some servers end when they are asked for their era; the next start does not ask them again."""
    config = section(program="dies_on_probe")
    async with served(context, config) as (server,):
        assert (server.fault, server.era) == (None, "2025-11-25")
    assert len(records.of(ConnectionOpened)) == 2
    assert "greeted in the old way" in records.of(ConnectionRetried)[0].reason
    assert memory.era(config) == "legacy"

    async with served(context, config) as (server,):
        assert server.fault is None
    assert len(records.of(ConnectionOpened)) == 3


async def test_an_era_that_is_no_more_is_found_out_again(context: Any, section: Section, memory: Memory, transports: Any) -> None:
    """A remembered era is tried first, and forgotten where the server does not take it any more."""
    from mcp.server import MCPServer  # noqa: PLC0415

    transports.servers["moved"] = MCPServer("moved")
    config = section("moved")
    memory.keep_era(config, "legacy")
    async with served(context, config) as (server,):
        assert (server.fault, server.era) == (None, "2025-11-25")
    memory.keep_era(config, "")
    async with served(context, config) as (server,):
        assert server.era == "2026-07-28"
    assert memory.era(config) == "modern"


@pytest.mark.parametrize(
    ("program", "text"),
    [
        ("exits", "exited with code 2"),
        ("needs_credentials", "give it its credentials in `env`"),
    ],
)
async def test_a_server_that_cannot_start_says_why(context: Any, section: Section, records: Any, program: str, text: str) -> None:
    """The exit code, what it wrote, and what helps; a person is told once, and the run goes on."""
    async with served(context, section(program=program)) as (server,):
        fault = server.fault

    assert fault is not None
    assert text in str(fault)
    assert (fault.kind, fault.is_retryable) == ("connect", False)
    assert fault.exit_code in (1, 2)
    (notice,) = records.of(NoticeGiven)
    assert notice.level == "warning"
    assert text in notice.text


async def test_a_command_that_is_not_there_is_named(context: Any, section: Section) -> None:
    """The message says what is missing and what to do."""
    config = ServerConfig(name="gone", transport="pipe", options={"command": "/no/such/program"})
    async with served(context, config) as (server,):
        assert server.fault is not None
        assert "there is no /no/such/program" in str(server.fault)


async def test_a_mute_server_costs_the_connect_time_and_no_more(context: Any, section: Section, leaks: Leaks) -> None:
    """A server that never says anything is given up in time, with its process."""
    before = leaks.held()
    began = time.monotonic()
    async with served(context, section(program="mute", connect_seconds=0.5)) as (server,):
        assert server.fault is not None
        assert (server.fault.kind, "connect_seconds" in str(server.fault)) == ("timeout", True)
        assert time.monotonic() - began < 3
    await leaks.none_since(before)


async def test_twenty_servers_are_opened_at_once(context: Any, transports: Any, section: Section) -> None:
    """Opening many takes as long as the slowest, whatever the order."""
    from mcp.server import MCPServer  # noqa: PLC0415

    async def slow() -> None:
        await anyio.sleep(0.3)

    for number in range(20):
        transports.servers[f"s{number}"] = MCPServer(f"s{number}")
        transports.before[f"s{number}"] = slow
    began = time.monotonic()
    async with served(context, *(section(f"s{number}") for number in range(20))) as servers:
        assert [server.fault for server in servers] == [None] * 20
        assert time.monotonic() - began < 3


async def test_close_from_anywhere_at_any_time(context: Any, section: Section, transports: Any, leaks: Leaks) -> None:
    """Twice, from other tasks, during connect, before it was ever wanted: it never hangs and leaves nothing."""
    from mcp.server import MCPServer  # noqa: PLC0415

    reached = anyio.Event()

    async def stuck() -> None:
        reached.set()
        await anyio.sleep_forever()

    transports.servers |= {"good": MCPServer("good"), "stuck": MCPServer("stuck")}
    transports.before["stuck"] = stuck
    before = leaks.held()
    with anyio.fail_after(20):
        async with context:
            (good,) = await open_servers(McpConfig(servers=(section("good"),)), context)
            async with anyio.create_task_group() as tasks:
                for _ in range(3):
                    tasks.start_soon(good.close)
            assert good.connection.state == "closed"
            with pytest.raises(McpFault, match="is closed"):
                await good.connection.ready()

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(open_servers, McpConfig(servers=(section("stuck"),)), context)
                await reached.wait()
                (server,) = [made for made in context._shared["mcp", "all"] if made.config.name == "stuck"]
                began = time.monotonic()
                await server.close()
                assert time.monotonic() - began < 1
            assert server.connection.state == "closed"

            lazy = Server(section("good", name="never"), context, good._memory)
            await lazy.close()
    assert transports.open_now == 0
    await leaks.none_since(before)


async def test_close_in_a_cancelled_scope_still_closes(context: Any, section: Section, transports: Any, leaks: Leaks) -> None:
    """Cancelling whoever closes does not leave a process behind."""
    before = leaks.held()
    async with served(context, section(program="plain")) as (server,):
        with anyio.CancelScope() as scope:
            scope.cancel()
            await server.close()

        assert server.connection.state == "closed"
    await leaks.none_since(before)


@pytest.mark.parametrize("moment", [0.0, 0.001, 0.01, 0.03, 0.06, 0.1, 0.2])
async def test_cancelling_while_it_opens_leaves_nothing(context: Any, section: Section, leaks: Leaks, moment: float) -> None:
    """Whenever the run is cancelled, the server's process ends."""
    before = leaks.held()
    with anyio.fail_after(20):
        async with context:
            with anyio.move_on_after(moment):
                await open_servers(McpConfig(servers=(section(program="plain"),)), context)
    await leaks.none_since(before)


async def test_a_server_that_ignores_its_end_does_not_hold_anybody(context: Any, section: Section, leaks: Leaks) -> None:
    """Closing takes the time that the transport gives it, and then the process is gone."""
    before = leaks.held()
    async with served(context, section(program="stubborn")) as (server,):
        began = time.monotonic()
        await server.close()

        assert time.monotonic() - began < 3
    await leaks.none_since(before)


async def test_many_stubborn_servers_are_closed_at_once(context: Any, section: Section, leaks: Leaks) -> None:
    """Closing takes as long as the slowest, not as long as all together."""
    before = leaks.held()
    async with served(context, *(section(program="stubborn", name=f"s{number}") for number in range(5))) as servers:
        assert [server.fault for server in servers] == [None] * 5
        began = time.monotonic()
    assert time.monotonic() - began < 4
    await leaks.none_since(before)


async def test_a_broken_server_is_not_waited_for_again(context: Any, section: Section, transports: Any) -> None:
    """The next agent with the same section learns at once that it is broken."""
    config = McpConfig(servers=(section(program="mute", connect_seconds=0.3),))
    with anyio.fail_after(20):
        async with context:
            await open_servers(config, context)
            made = len(transports.wires)
            began = time.monotonic()
            (server,) = await open_servers(config, context.of("b"))
            assert server.fault is not None
            assert (len(transports.wires), time.monotonic() - began < 0.2) == (made, True)


async def test_kill_in_the_middle_of_a_call(context: Any, section: Section, records: Any, until: Any) -> None:
    """A typed error with exit code and what the server wrote, within 100 ms; then the server is started again."""
    async with served(context, section(program="plain", retry=QUICK)) as (server,):
        pid = records.of(ConnectionOpened)[0].pid
        outcome: list[tuple[float, McpFault]] = []
        killed = 0.0

        async def call() -> None:
            with pytest.raises(McpFault) as caught:
                await ask(server, context, do="hang")
            outcome.append((time.monotonic() - killed, caught.value))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            await until(lambda: server.connection.session is not None and server.connection.session.tap.waiting)
            killed = time.monotonic()
            os.kill(pid, signal.SIGKILL)
        ((seconds, fault),) = outcome
        again = await ask(server, context)

    assert seconds < 0.1
    assert (fault.kind, fault.exit_code, "killed by signal 9" in str(fault)) == ("lost", -9, True)
    assert "pid" in again["content"][0]["text"]
    (lost,) = records.of(ConnectionLost)
    assert (lost.exit_code, lost.pid) == (-9, pid)
    assert [event.text.splitlines()[0] for event in records.of(NoticeGiven)] == [
        "MCP server 'plain' is gone: killed by signal 9",
        "MCP server 'plain' is back",
    ]
    assert records.of(CallReturned)[0].outcome == "lost"


async def test_a_dying_server_says_its_last_words(context: Any, section: Section, records: Any) -> None:
    """What it wrote to its standard error is in the fault and in the event, without commands for a terminal."""
    async with served(context, section(program="plain", retry=QUICK)) as (server,):
        with pytest.raises(McpFault, match=r"exited with code 3; it wrote:\n  out of cheese"):
            await ask(server, context, do="exit")
    fault = next(event for event in records.of(ErrorRaised) if event.tool == "act")
    assert (fault.exit_code, fault.stderr.strip()) == (3, "out of cheese")


async def test_a_restart_waits_longer_each_time(context: Any, section: Section, records: Any, tmp_path: Path) -> None:
    """A server that comes back and falls again is given more and more time."""
    config = section(program="flaps", retry=RetryConfig(attempts=5, seconds=0.05, jitter=0), protocol="legacy")
    os.environ["PEER_COUNT"] = str(tmp_path / "count")
    try:
        (tmp_path / "count").write_text("initialize initialize\n")
        async with served(context, config) as (server,):
            (tmp_path / "count").write_text("")
            with pytest.raises(McpFault):
                await ask(server, context, do="die")
            assert "pid" in (await ask(server, context))["content"][0]["text"]
    finally:
        del os.environ["PEER_COUNT"]
    assert [round(event.delay, 3) for event in records.of(ConnectionRetried)] == [0.05, 0.1, 0.2]


async def test_lazy_servers_wait_until_they_are_needed(context: Any, section: Section, transports: Any, memory: Memory) -> None:
    """With a list from an earlier run a lazy server is opened by its first call."""
    config = section(program="plain", lazy=True)
    async with served(context, config):
        assert len(transports.wires) == 1
    async with served(context, config) as (server,):
        assert (len(transports.wires), sorted(server.inventory.tools)) == (1, ["act", "again", "read"])
        await ask(server, context)
        assert len(transports.wires) == 2


async def test_the_cut_of_a_link_without_a_process(context: Any, section: Section, transports: Any, records: Any, until: Any) -> None:
    """A link that just ends gives the callers a typed error and is made again."""
    from mcp.server import MCPServer  # noqa: PLC0415

    app = MCPServer("app")

    @app.tool()
    async def wait() -> str:
        await anyio.sleep_forever()
        return ""

    transports.servers["app"] = app
    async with served(context, section("app", retry=QUICK)) as (server,):
        faults: list[McpFault] = []

        async def call() -> None:
            with pytest.raises(McpFault) as caught:
                await ask(server, context, "wait")
            faults.append(caught.value)

        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(call)
            await until(lambda: server.connection.session is not None and server.connection.session.tap.waiting >= 3)
            transports.wires[0].cut()
        assert [fault.kind for fault in faults] == ["lost"] * 3
        session = await server.connection.ready()
        assert session.generation == 2
    assert records.of(ConnectionLost)[0].pending == 3
