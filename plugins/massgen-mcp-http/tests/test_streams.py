"""Streams of streamable HTTP that break, and the server's own messages."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeAlias

import anyio
import anyio.abc
import pytest

pytestmark = pytest.mark.anyio
Serving: TypeAlias = Callable[[Any], AbstractAsyncContextManager[Any]]
Speaking: TypeAlias = Callable[..., AbstractAsyncContextManager[Any]]
MODERN = "2026-07-28"


async def answering(request: Any, answer: Any) -> None:
    """Answer every request, in a session."""
    await answer.result(request, mcp_session_id="s1") if "id" in request.message else await answer.plain(202)


async def test_an_answer_is_taken_up_again(serving: Serving, speaking: Speaking) -> None:
    """In a session, an answer whose stream broke goes on from the last event; what came before is not repeated."""

    async def handler(request: Any, answer: Any) -> Any:
        if request.method == "GET":
            if request.headers.get("last-event-id") != "e1":
                return await answer.plain(405)
            await answer.begin_stream()
            await answer.event({"jsonrpc": "2.0", "id": 2, "result": {"n": 2}}, id="e2")
            return "close"
        if request.message.get("method") != "long":
            return await answering(request, answer)
        await answer.begin_stream()
        await answer.event(None, id="e0", retry="10")
        await answer.event({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progress": 1, "progressToken": 1}}, id="e1")
        return "close"

    with anyio.fail_after(10):
        async with serving(handler) as peer, speaking(peer.url) as speaker:
            await speaker.ask("initialize")
            long = await speaker.ask("long")

    assert long.result == {"n": 2}
    assert [item.message.method for item in speaker.others] == ["notifications/progress"]


async def test_the_stateless_era_takes_nothing_up_again(serving: Serving, speaking: Speaking) -> None:
    """A stream that breaks in the stateless era is an error at once."""

    async def handler(request: Any, answer: Any) -> str:
        await answer.begin_stream()
        await answer.event(None, id="e1", retry="10")
        return "close"

    with anyio.fail_after(10):
        async with serving(handler) as peer, speaking(peer.url) as speaker:
            broken = await speaker.ask("x", version=MODERN)
            assert len(peer.requests) == 1

    assert broken.error.code == -32000


async def test_the_servers_own_messages_arrive(serving: Serving, speaking: Speaking) -> None:
    """After the handshake a stream is kept open for them, from the last event on when it breaks."""
    gets: list[str] = []

    async def handler(request: Any, answer: Any) -> Any:
        if request.method != "GET":
            return await answering(request, answer)
        gets.append(request.headers.get("last-event-id", ""))
        await answer.begin_stream()
        await answer.event({"jsonrpc": "2.0", "method": f"notifications/n{len(gets)}", "params": {}}, id=f"e{len(gets)}", retry="10")
        return "close"

    with anyio.fail_after(10):
        async with serving(handler) as peer, speaking(peer.url) as speaker:
            await speaker.ask("initialize")
            await speaker.send("notifications/initialized", notification=True)
            received = [(await speaker.link.read.receive()).message.method for _ in range(3)]

    assert received == ["notifications/n1", "notifications/n2", "notifications/n3"]
    assert gets[:3] == ["", "e1", "e2"]


@pytest.mark.parametrize("era", ["2025-11-25", "2026-07-28"])
@pytest.mark.parametrize("events", [0, 1])
async def test_a_connection_reset_in_a_stream(serving: Serving, speaking: Speaking, era: str, events: int) -> None:
    """A connection that the server's machine resets, before or in an event, fails its own request; the next one is served."""

    async def handler(request: Any, answer: Any) -> Any:
        if request.message["method"] != "bad":
            await answer.result(request)
            return None
        await answer.begin_stream()
        for _ in range(events):
            await answer.event({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "one"}})
        await answer.raw(b'data: {"jsonrpc": "2.0", "id"')
        # Closed so, the kernel sends a reset instead of an end.
        raw = answer.stream.extra(anyio.abc.SocketAttribute.raw_socket)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return "close"

    with anyio.fail_after(20):
        async with serving(handler) as peer, speaking(peer.url) as speaker:
            broken = await speaker.ask("bad", version=era)
            assert (await speaker.ask("good", version=era)).result == {}

    assert "broke" in broken.error.message or "before it was complete" in broken.error.message
