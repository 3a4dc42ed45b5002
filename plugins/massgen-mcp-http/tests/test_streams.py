"""Streams of streamable HTTP that break, and the server's own messages."""

from __future__ import annotations

import json
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


PROGRESS = {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progress": 1, "progressToken": 1}}


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
async def test_messages_that_come_together_are_taken_one_by_one(serving: Serving, speaking: Speaking, kind: str) -> None:
    """An array of messages is what its messages are; the request gets the answer that bears its number, and junk among them costs itself alone."""

    async def handler(request: Any, answer: Any) -> Any:
        number = request.message["id"]
        together = [
            PROGRESS,
            {"jsonrpc": "2.0", "id": 99, "result": {"n": 99}},
            {"hello": 1},
            {"jsonrpc": "2.0", "id": number, "result": {"n": number}},
        ]
        if "event" not in kind:
            return await answer.plain(200, json.dumps(together).encode())
        await answer.begin_stream()
        await answer.event(together)
        return "close"

    with anyio.fail_after(10):
        async with serving(handler) as peer, speaking(peer.url) as speaker:
            first = await speaker.ask("x")
            second = await speaker.ask("y")

    assert (first.result, second.result) == ({"n": 1}, {"n": 2})
    assert [item.message.method for item in speaker.others if hasattr(getattr(item, "message", None), "method")] == ["notifications/progress"] * 2
    assert ["hello" in str(item) for item in speaker.others if isinstance(item, Exception)] == [True]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ([PROGRESS], "does not answer"),
        (PROGRESS, "does not answer"),
        ([], "no message"),
        ([[{"jsonrpc": "2.0", "id": 1, "result": {}}]], "no message"),
        ([PROGRESS] * 1001, "no message"),
    ],
)
async def test_a_body_without_an_answer_is_an_error_of_its_request(serving: Serving, speaking: Speaking, body: Any, words: str) -> None:
    """Nobody waits for an answer that a whole body did not hold; arrays of nothing, of arrays and of thousands are refused."""

    async def handler(request: Any, answer: Any) -> Any:
        return await answer.plain(200, json.dumps(body).encode())

    with anyio.fail_after(10):
        async with serving(handler) as peer, speaking(peer.url) as speaker:
            refused = await speaker.ask("x")

    assert words in refused.error.message


async def test_messages_that_come_together_obey_the_limit_of_one(serving: Serving, speaking: Speaking) -> None:
    """An array as a whole is no longer than a message may be."""

    async def handler(request: Any, answer: Any) -> Any:
        return await answer.plain(200, json.dumps([{"jsonrpc": "2.0", "id": 1, "result": {"a": "x" * 10_000}}] * 20).encode())

    with anyio.fail_after(10):
        async with serving(handler) as peer, speaking(peer.url, max_message=100_000) as speaker:
            refused = await speaker.ask("x")

    assert "max_message" in refused.error.message


async def test_an_error_in_an_array_is_told_in_the_words_of_the_server(serving: Serving, speaking: Speaking) -> None:
    """A refusal by status may have its error in an array, too."""

    async def handler(request: Any, answer: Any) -> Any:
        error = {"jsonrpc": "2.0", "id": request.message["id"], "error": {"code": -32602, "message": "out of cheese"}}
        return await answer.plain(400, json.dumps([error]).encode())

    with anyio.fail_after(10):
        async with serving(handler) as peer, speaking(peer.url) as speaker:
            refused = await speaker.ask("x")

    assert (refused.error.code, refused.error.message) == (-32602, "out of cheese")
