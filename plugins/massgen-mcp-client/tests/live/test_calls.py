"""Calls: bounded in time, made again where that is safe, permitted by the breaker, and told from beginning to end."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from massgen_core.api import McpCall, NoticeGiven
from massgen_mcp_client.calls import Caller, Request
from massgen_mcp_client.client import open_servers
from massgen_mcp_client.config import BreakerConfig, McpConfig, RetryConfig, ServerConfig
from massgen_mcp_client.events import (
    BreakerChanged,
    CallCalled,
    CallCancelled,
    CallProgressed,
    CallRetried,
    CallReturned,
    ConnectionFramed,
    ConnectionOpened,
    ErrorRaised,
    PerformanceMeasured,
)
from massgen_mcp_client.faults import McpFault
from massgen_mcp_client.server import Server

pytestmark = pytest.mark.anyio

QUICK = RetryConfig(seconds=0.01, jitter=0, max_seconds=0.02)
Section = Callable[..., ServerConfig]
SPAN, TRACE = "00f067aa0ba902b7", "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture(autouse=True)
def _counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEER_COUNT", str(tmp_path / "count"))


@asynccontextmanager
async def served(context: Any, section: ServerConfig) -> AsyncIterator[Server]:
    with anyio.fail_after(30):
        async with context:
            (server,) = await open_servers(McpConfig(servers=(section,)), context)
            assert server.fault is None
            yield server


async def ask(server: Server, context: Any, tool: str = "act", **arguments: Any) -> dict[str, Any]:
    annotations = server.inventory.tools[tool].tool.annotations
    caller = Caller(context=context, call="c1", span=SPAN, trace=TRACE)
    return await server.request(Request(method="tools/call", name=tool, arguments=arguments, annotations=annotations, caller=caller))


def said(result: dict[str, Any]) -> Any:
    return json.loads(result["content"][0]["text"])


async def test_progress_moves_the_idle_limit_and_not_the_total(context: Any, section: Section, records: Any) -> None:
    """A call that tells how far it is may take longer than a silent one, up to the total."""
    async with served(context, section(program="plain", call_idle_seconds=0.4, call_total_seconds=2.0)) as server:
        await ask(server, context, do="slow", steps=5, pause=0.2, progress=True)
        with pytest.raises(McpFault, match=r"after 0\.4 s without a result or progress \(call_idle_seconds\)"):
            await ask(server, context, do="slow", steps=5, pause=0.2)
        began = time.monotonic()
        with pytest.raises(McpFault, match=r"after 2 s without a result \(call_total_seconds\)"):
            await ask(server, context, do="slow", steps=100, pause=0.1, progress=True)
        assert time.monotonic() - began < 2.5
        assert "pid" in said(await ask(server, context))
    assert [event.progress for event in records.of(CallProgressed)][:5] == [1, 2, 3, 4, 5]
    assert [event.outcome for event in records.of(CallReturned)] == ["ok", "timed_out", "timed_out", "ok"]
    assert len(records.of(ConnectionOpened)) == 1


async def test_a_cancelled_call_is_cancelled_at_the_server(context: Any, section: Section, records: Any) -> None:
    """The server is told which request was given up, and the connection lives."""
    async with served(context, section(program="plain")) as server:
        with anyio.move_on_after(0.2) as scope:
            await ask(server, context, do="hang")
        assert scope.cancelled_caught
        assert len(said(await ask(server, context, do="cancelled"))) == 1
        assert server.connection.session is not None
        assert server.connection.session.tap.waiting == 0
    assert [event.outcome for event in records.of(CallReturned)] == ["cancelled", "ok"]
    assert len(records.of(CallCancelled)) == 1


@pytest.mark.parametrize(
    ("tool", "trust", "is_repeated"),
    [("act", True, False), ("read", True, True), ("again", True, True), ("read", False, False)],
)
async def test_only_what_is_safe_is_repeated(context: Any, section: Section, records: Any, tool: str, trust: bool, is_repeated: bool) -> None:
    """A call that was on its way when the server died is made again where the server says that it may be, and is trusted."""
    async with served(context, section(program="plain", retry=QUICK, trust=trust)) as server:
        if is_repeated:
            assert said(await ask(server, context, tool, do="die_once"))["number"] == 2
        else:
            with pytest.raises(McpFault, match="killed by signal 9"):
                await ask(server, context, tool, do="die_once")
    assert len(records.of(CallRetried)) == int(is_repeated)
    assert records.of(CallReturned)[0].attempts == 1 + int(is_repeated)
    assert records.of(PerformanceMeasured)[-1].retries == int(is_repeated)


async def test_what_was_never_sent_is_repeated(context: Any, section: Section, records: Any) -> None:
    """A call that finds the server gone waits for the next one, whatever the tool."""
    async with served(context, section(program="plain", retry=QUICK)) as server:
        with pytest.raises(McpFault):
            await ask(server, context, do="die")
        assert "pid" in said(await ask(server, context))


async def test_a_forgotten_session_is_made_anew_and_the_call_again(context: Any, section: Section, records: Any) -> None:
    """A server that does not know the session has not carried out the call: it is safe to repeat."""
    async with served(context, section(program="plain", retry=QUICK)) as server:
        assert said(await ask(server, context, do="forgotten"))["number"] == 2
    assert len(records.of(ConnectionOpened)) == 2
    assert records.of(NoticeGiven) == []


async def test_a_tool_that_fails_and_one_that_is_refused(context: Any, section: Section, records: Any) -> None:
    """Both are answers of a server that lives: neither opens the breaker, and no text commands a terminal."""
    async with served(context, section(program="plain", breaker=BreakerConfig(failures=1))) as server:
        assert (await ask(server, context, do="fail"))["isError"] is True
        with pytest.raises(McpFault, match="was refused: no such argument") as caught:
            await ask(server, context, do="error")
        assert (caught.value.kind, caught.value.code) == ("protocol", -32602)
        assert "pid" in said(await ask(server, context))
    assert records.of(BreakerChanged) == []
    assert [event.outcome for event in records.of(CallReturned)] == ["tool_error", "error", "ok"]


async def test_the_breaker(context: Any, section: Section, records: Any) -> None:
    """After so many failures in a row the server is left alone, then one call tries, and a success ends it."""
    breaker = BreakerConfig(failures=2, seconds=0.3)
    async with served(context, section(program="plain", retry=RetryConfig(attempts=1, seconds=0.01), breaker=breaker)) as server:
        for _ in range(2):
            with pytest.raises(McpFault, match="signal 9"):
                await ask(server, context, do="die")
        with pytest.raises(McpFault, match="failed 2 times in a row and is left alone for") as caught:
            await ask(server, context)
        assert caught.value.kind == "refused"
        await anyio.sleep(0.35)
        assert "pid" in said(await ask(server, context))
    assert [(event.old, event.new) for event in records.of(BreakerChanged)] == [("closed", "open"), ("open", "half_open"), ("half_open", "closed")]
    assert [event.outcome for event in records.of(CallReturned)] == ["lost", "lost", "refused", "ok"]


async def test_the_breaker_covers_connects(context: Any, section: Section, records: Any, transports: Any) -> None:
    """A server that cannot be opened any more is not tried at every call."""
    once = RetryConfig(attempts=1)
    async with served(context, section(program="plain", retry=once, breaker=BreakerConfig(failures=2))) as server:
        server.config.options["args"][1] = "exits"
        for _ in range(4):
            with pytest.raises(McpFault):
                await ask(server, context, do="die")
        assert server.breaker.state == "open"
    assert len(transports.wires) <= 3


async def test_results_that_are_off_the_protocol_are_shown_all_the_same(context: Any, section: Section, records: Any) -> None:
    """Content of a kind that nobody knows does not cost the result; the fault is told."""
    async with served(context, section(program="plain")) as server:
        result = await ask(server, context, do="strange")
    assert result["content"] == [{"type": "hologram", "data": 1}]
    assert "not what was promised" in records.of(ErrorRaised)[0].message


@pytest.mark.parametrize("do", ["wrong_id", "junk"])
async def test_strays_and_junk_do_no_harm(context: Any, section: Section, records: Any, do: str) -> None:
    """Answers that nobody waits for, and lines that are no messages, are passed over."""
    async with served(context, section(program="plain")) as server:
        assert "pid" in said(await ask(server, context, do=do))
        assert "pid" in said(await ask(server, context))
    assert len([event for event in records.of(ErrorRaised) if event.kind == "frame"]) == (4 if do == "junk" else 0)


async def test_trace_ids_reach_the_server_and_the_journal(context: Any, section: Section, records: Any) -> None:
    """One id follows a call from the agent's decision into the server; spans are nested."""
    async with served(context, section(program="plain")) as server:
        meta = said(await ask(server, context, do="meta"))
    called = next(record for record in records.all if isinstance(record.event, CallCalled))
    returned = next(record for record in records.all if isinstance(record.event, CallReturned))

    assert meta["traceparent"] == f"00-{TRACE}-{called.span}-01"
    assert (called.parent, returned.span, returned.event.operation) == (SPAN, called.span, called.event.operation)
    assert called.event.call == "c1"
    assert called.event.agent == "a"


async def test_debug_shows_the_wire_and_nothing_else_does(context: Any, section: Section, records: Any) -> None:
    """Payloads are in the journal only where they were asked for, and without secrets."""
    context.secrets = {"env:TOKEN": "squeamish-ossifrage"}
    context.secret("env:TOKEN")
    async with served(context, section(program="plain")) as server:
        await ask(server, context, text="squeamish-ossifrage")
    assert records.of(ConnectionFramed) == []
    assert all(not event.arguments for event in records.of(CallCalled))

    async with served(context, section(program="plain", name="loud", log_level="debug")) as server:
        await ask(server, context, text="squeamish-ossifrage")
    frames = records.of(ConnectionFramed)
    assert {event.direction for event in frames} == {"in", "out"}
    assert any('"method":"tools/call"' in event.payload and "***" in event.payload for event in frames)
    assert records.of(CallCalled)[-1].arguments == '{"text":"***"}'
    assert "squeamish" not in repr(records.all)


async def test_middlewares_around_mcp_see_and_change_calls(context: Any, section: Section) -> None:
    """A plugin can look at a request, change it, answer it itself."""
    seen: list[McpCall] = []

    async def middleware(call: McpCall, following: Callable[[McpCall], Awaitable[Any]]) -> Any:
        seen.append(call)
        if call.arguments.get("do") == "answer":
            return {"content": [], "isError": False}
        return {**await following(call), "seen": True}

    context.middlewares = {"mcp": [middleware]}
    async with served(context, section(program="plain")) as server:
        assert (await ask(server, context))["seen"] is True
        assert await ask(server, context, do="answer") == {"content": [], "isError": False}
    assert [(call.server, call.method, call.name, call.agent) for call in seen] == [("plain", "tools/call", "act", "a")] * 2


async def test_calls_at_once_share_a_connection(context: Any, section: Section, records: Any) -> None:
    """A hundred calls at once, each with its own answer."""
    async with served(context, section(program="plain")) as server:
        numbers: list[int] = []

        async def one() -> None:
            numbers.append(said(await ask(server, context))["number"])

        async with anyio.create_task_group() as tasks:
            for _ in range(100):
                tasks.start_soon(one)
    assert len(numbers) == 100
    assert len(records.of(ConnectionOpened)) == 1
