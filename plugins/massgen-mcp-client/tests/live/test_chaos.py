"""Everything at once, by lot: calls, cancellations, kills, deaths, changes, resets; nothing hangs, nothing is left, and the journal adds up."""

from __future__ import annotations

import contextlib
import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import anyio
import pytest

from massgen_mcp_client.calls import Caller, Request
from massgen_mcp_client.client import open_servers
from massgen_mcp_client.config import BreakerConfig, McpConfig, RetryConfig, ServerConfig
from massgen_mcp_client.events import CallCalled, CallReturned, ConnectionClosed, ConnectionStateChanged
from massgen_mcp_client.faults import McpFault
from massgen_mcp_client.server import Server
from massgen_testkit import Leaks

pytestmark = pytest.mark.anyio

STEPS = 60
AT_ONCE = 6
ACTS = ["echo"] * 6 + ["hang", "die", "exit", "error", "fail", "junk", "wrong_id", "change", "strange", "slow"]


async def act(server: Server, context: Any, lot: random.Random, outcomes: Counter[str]) -> None:
    """Make one call, and perhaps give it up."""
    do = lot.choice(ACTS)
    arguments = {"do": do, "steps": 2, "pause": 0.01, "progress": True}
    tool = lot.choice(["act", "read"])
    annotations = server.inventory.tools[tool].tool.annotations if tool in server.inventory.tools else None
    wanted = Request(method="tools/call", name=tool, arguments=arguments, annotations=annotations, caller=Caller(context=context, call="c"))
    patience = lot.choice([0.005, 0.05, 0.2]) if do == "hang" or lot.random() < 0.2 else 20.0
    with anyio.move_on_after(patience) as scope:
        try:
            result = await server.request(wanted)
            outcomes["result"] += 1
            assert "content" in result
        except McpFault as fault:
            outcomes[fault.kind] += 1
    if scope.cancelled_caught:
        outcomes["given up"] += 1
        assert patience < 20, f"{do} did not end"


async def disturb(server: Server, lot: random.Random, wires: list[Any]) -> None:
    """Kill the process, forget the session, or let it be."""
    choice = lot.random()
    session = server.connection.session
    if choice < 0.06 and wires and wires[-1].process is not None and wires[-1].process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(wires[-1].process.pid, signal.SIGKILL)
    elif choice < 0.1 and session is not None:
        server.connection.reset(session, "by lot")
    await anyio.sleep(lot.random() * 0.01)


@pytest.mark.parametrize("seed", range(8))
async def test_by_lot(context: Any, section: Callable[..., ServerConfig], records: Any, leaks: Leaks, seed: int) -> None:
    """Six workers, one disturber, and an end in the middle of it."""
    lot = random.Random(seed)
    outcomes: Counter[str] = Counter()
    config = section(
        program=lot.choice(["plain", "changing"]),
        protocol=lot.choice(["auto", "legacy"]),
        trust=lot.random() < 0.5,
        keepalive_seconds=lot.choice([0.02, 60.0]),
        retry=RetryConfig(attempts=lot.choice([1, 3]), seconds=0.005, jitter=1.0, max_seconds=0.02),
        breaker=BreakerConfig(failures=lot.choice([0, 4]), seconds=0.02),
    )
    before = leaks.held()
    with anyio.fail_after(60):
        async with context:
            (server,) = await open_servers(McpConfig(servers=(config,)), context)
            limiter = anyio.CapacityLimiter(AT_ONCE)

            async def work() -> None:
                async with limiter:
                    await act(server, context, lot, outcomes)

            async with anyio.create_task_group() as tasks:
                for step in range(STEPS):
                    tasks.start_soon(work)
                    await disturb(server, lot, context.transports.wires)
                    if step == STEPS - 1 and lot.random() < 0.5:
                        tasks.start_soon(server.close)
        assert server.connection.state == "closed"
    await leaks.none_since(before, within=5)

    assert sum(outcomes.values()) == STEPS
    assert context.transports.open_now == 0
    assert Counter(event.operation for event in records.of(CallCalled)) == Counter(event.operation for event in records.of(CallReturned))
    states = [(event.old, event.new) for event in records.of(ConnectionStateChanged)]
    assert states[0][0] == "idle"
    assert all(first[1] == second[0] for first, second in pairwise(states))
    assert states[-1][1] == "closed"
    assert len(records.of(ConnectionClosed)) == 1
