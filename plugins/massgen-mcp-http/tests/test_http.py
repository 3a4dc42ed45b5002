"""Streamable HTTP with good and bad servers."""

from __future__ import annotations

import gc
import json
import ssl
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeAlias

import anyio
import anyio.lowlevel
import pytest

from massgen_core.api import SecretMissing
from massgen_mcp_http.network import tls
from massgen_testkit import Leaks, PlainContext

pytestmark = pytest.mark.anyio
Serving: TypeAlias = Callable[[Any], AbstractAsyncContextManager[Any]]
Speaking: TypeAlias = Callable[..., AbstractAsyncContextManager[Any]]
MODERN = "2026-07-28"


async def answering(request: Any, answer: Any) -> None:
    """Answer every request, in a session."""
    if request.method == "POST" and "id" in request.message:
        await answer.result(request, request.message.get("params"), mcp_session_id="s1")
    else:
        await answer.plain(405 if request.method == "GET" else 202)


async def test_a_session_has_its_headers_and_its_end(serving: Serving, speaking: Speaking, leaks: Leaks) -> None:
    """The session's id and the protocol's version go with each request, and DELETE ends the session; one connection serves all."""
    before = leaks.held()
    with anyio.fail_after(10):
        async with serving(answering) as peer:
            async with speaking(peer.url) as speaker:
                await speaker.ask("initialize", a=1)
                await speaker.send("notifications/initialized", version="2025-06-18", notification=True)
                for n in range(5):
                    assert (await speaker.ask("tools/call", version="2025-06-18", n=n)).result == {"n": n}
            posts = [request for request in peer.requests if request.method == "POST"]
            seen = [(request.headers.get("mcp-session-id"), request.headers.get("mcp-protocol-version")) for request in posts]
            last = peer.requests[-1]
            connections = peer.connections
    await leaks.none_since(before)

    assert seen == [(None, None)] + [("s1", "2025-06-18")] * 6
    assert (last.method, last.headers["mcp-session-id"]) == ("DELETE", "s1")
    assert connections <= 2, "the stream of the server's own messages has one, all else another"
    assert posts[0].headers["accept"] == "application/json, text/event-stream"


async def test_the_stateless_era_has_no_session(serving: Serving, speaking: Speaking) -> None:
    """Headers of a message go with it, a cancellation is the end of the connection, and nothing is deleted."""
    gone = anyio.Event()

    async def handler(request: Any, answer: Any) -> Any:
        if request.message["method"] != "slow":
            await answer.result(request)
            return None
        await answer.begin_stream()
        try:
            while True:
                await answer.raw(b": alive\n\n")
                await anyio.sleep(0.01)
        finally:
            gone.set()

    with anyio.fail_after(10):
        async with serving(handler) as peer:
            async with speaking(peer.url) as speaker:
                await speaker.ask("tools/list", version=MODERN)
                number = await speaker.send("slow", version=MODERN)
                while len(peer.requests) < 2:  # noqa: ASYNC110 - the server of the tests tells nobody
                    await anyio.sleep(0.01)
                await speaker.send("notifications/cancelled", notification=True, requestId=number)
                await gone.wait()
            requests = peer.requests

    assert [request.method for request in requests] == ["POST", "POST"]
    assert {request.headers["mcp-protocol-version"] for request in requests} == {MODERN}


@pytest.mark.parametrize(
    ("status", "headers", "code", "words", "data"),
    [
        (401, {}, -32603, "credentials", {"status": 401}),
        (403, {}, -32603, "do not allow", {"status": 403}),
        (404, {}, -32601, "nothing at /mcp", {"status": 404}),
        (429, {"retry_after": "7"}, -32603, "try again in 7 s", {"status": 429, "retry_after": 7.0}),
        (429, {"retry_after": "soon"}, -32603, "try again later", {"status": 429}),
        (500, {}, -32603, "the server failed", {"status": 500}),
        (503, {"retry_after": "Fri, 01 Jan 2100 00:00:00 GMT"}, -32603, "HTTP 503", {"status": 503, "retry_after": 86400.0}),
        (302, {"location": "/elsewhere"}, -32600, "redirects to /elsewhere", {"status": 302}),
        (307, {"location": "http://127.0.0.2/mcp?token=x"}, -32600, "redirects to http://127.0.0.2/mcp,", {"status": 307}),
    ],
)
async def test_a_refusal_is_an_error_of_its_request(
    serving: Serving, speaking: Speaking, status: int, headers: dict[str, str], code: int, words: str, data: dict[str, Any]
) -> None:
    """Each status is told with what it means and what to do; the next request is served."""

    async def handler(request: Any, answer: Any) -> None:
        if request.message["method"] == "bad":
            await answer.plain(status, b"<h1>no</h1>", "text/html", **headers)
        else:
            await answer.result(request)

    with anyio.fail_after(10):
        async with serving(handler) as peer, speaking(peer.url) as speaker:
            refused = await speaker.ask("bad")
            report = speaker.link.report()
            assert (await speaker.ask("good")).result == {}
            assert speaker.link.report().reason == ""

    assert (refused.error.code, refused.error.data) == (code, data)
    assert words in refused.error.message
    assert (report.is_open, report.status) == (True, status)
    assert words in report.reason


async def test_the_servers_own_words_come_first(serving: Serving, speaking: Speaking) -> None:
    """An error of JSON-RPC in an answer that is no success is passed on."""

    async def handler(request: Any, answer: Any) -> None:
        await answer.plain(
            400, json.dumps({"jsonrpc": "2.0", "id": None, "error": {"code": -32022, "message": "no", "data": {"supported": []}}}).encode()
        )

    with anyio.fail_after(10):
        async with serving(handler) as peer, speaking(peer.url) as speaker:
            refused = await speaker.ask("server/discover")

    assert (refused.error.code, refused.error.message, refused.error.data) == (-32022, "no", {"supported": []})


async def test_a_forgotten_session_is_told(serving: Serving, speaking: Speaking) -> None:
    """404 in a session means that the server forgot it: the code is the one of a terminated session."""
    forgotten = False

    async def handler(request: Any, answer: Any) -> None:
        if forgotten:
            await answer.plain(404)
        else:
            await answering(request, answer)

    with anyio.fail_after(10):
        async with serving(handler) as peer, speaking(peer.url) as speaker:
            await speaker.ask("initialize")
            forgotten = True
            refused = await speaker.ask("tools/call")
            forgotten = False
            assert (await speaker.ask("initialize")).result == {}

    assert refused.error.code == -32600
    assert "Session terminated" in refused.error.message


async def test_redirects_are_followed_within_the_server_and_within_bounds(serving: Serving, speaking: Speaking) -> None:
    """307 to the same server is followed; a loop ends after five; another host is followed where that is allowed, without credentials."""

    async def handler(request: Any, answer: Any) -> None:
        if request.path == "/mcp":
            await answer.plain(307, location="/moved")
        elif request.path == "/loop":
            await answer.plain(308, location="/loop")
        elif request.path == "/away":
            await answer.plain(307, location=other.url.replace("/mcp", "/moved"))
        else:
            await answer.result(request, {"authorization": request.headers.get("authorization"), "x-key": request.headers.get("x-key")})

    headers = {"Authorization": "Bearer t0ken", "X-Key": "k"}
    with anyio.fail_after(10):
        async with serving(handler) as peer, serving(handler) as other:
            async with speaking(peer.url, headers=headers) as speaker:
                same = await speaker.ask("x")
            async with speaking(peer.url.replace("/mcp", "/loop")) as speaker:
                loop = await speaker.ask("x")
                loops = len([request for request in peer.requests if request.path == "/loop"])
            async with speaking(peer.url.replace("/mcp", "/away"), headers=headers) as speaker:
                refused = await speaker.ask("x")
            async with speaking(peer.url.replace("/mcp", "/away"), headers=headers, redirect_hosts=("127.0.0.1",)) as speaker:
                away = await speaker.ask("x")

    assert same.result == {"authorization": "Bearer t0ken", "x-key": "k"}
    assert "redirects to /loop" in loop.error.message
    assert loops == 6
    assert "redirect_hosts" in refused.error.message
    assert away.result == {"authorization": None, "x-key": None}


async def test_addresses_are_checked_when_they_are_connected_to(serving: Serving, speaking: Speaking, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that leads to this machine or into a private network is refused after it is resolved, also after a redirect."""

    async def handler(request: Any, answer: Any) -> None:
        await answer.plain(307, location="http://169.254.169.254/latest/meta-data")

    async def rebinding(host: str, port: int, **options: Any) -> list[Any]:
        return [(2, 1, 6, "", ("10.0.0.7", port)), (2, 1, 6, "", ("127.0.0.1", port))]

    with anyio.fail_after(10):
        async with serving(handler) as peer:
            async with speaking(peer.url, allow_localhost=False) as speaker:
                here = await speaker.ask("x")
            assert peer.connections == 0
            async with speaking(peer.url, redirect_hosts=("169.254.169.254",)) as speaker:
                metadata = await speaker.ask("x")
            monkeypatch.setattr("massgen_mcp_http.network.getaddrinfo", rebinding)
            async with speaking(f"http://innocent.example:{peer.port}/mcp", allow_localhost=False) as speaker:
                private = await speaker.ask("x")
            async with speaking(f"http://innocent.example:{peer.port}/mcp") as speaker:
                connections = peer.connections
                await speaker.ask("x")
                assert peer.connections == connections + 1, "of two addresses the one that is allowed is connected to"

    assert "is this machine; set allow_localhost: true" in here.error.message
    assert "link-local" in metadata.error.message
    assert "10.0.0.7 is a private address; set allow_private: true" in private.error.message
    assert {here.error.code, metadata.error.code, private.error.code} == {-32000}


async def test_a_connection_that_is_cancelled_in_any_turn_of_the_loop_is_closed(serving: Serving, speaking: Speaking) -> None:
    """Also in the turn in which it was made and nobody has it yet: pytest fails for a transport that is collected open."""
    with anyio.fail_after(30):
        async with serving(answering) as peer:
            for turns in range(60):
                async with speaking(peer.url) as speaker:
                    await speaker.send("x")
                    for _ in range(turns):
                        await anyio.lowlevel.checkpoint()
            gc.collect()
            assert peer.connections > 0


async def test_a_server_that_is_down_fails_each_request_and_no_more(free: Any, serving: Serving, speaking: Speaking) -> None:
    """A refused connection is an error of its request; when the server is there again, the same link works."""
    with anyio.fail_after(10):
        async with serving(answering) as peer, speaking(peer.url.replace(str(peer.port), str(free()))) as speaker:
            first, second = await speaker.ask("x"), await speaker.ask("x")
            speaker.link.url = peer.url
            third = await speaker.ask("x", n=1)

    assert {first.error.code, second.error.code} == {-32000}
    assert first.error.data == {"sent": False}, "whoever asked may ask again"
    assert "127.0.0.1 cannot be reached" in first.error.message
    assert third.result == {"n": 1}


BROKEN = {
    "no message": (b'HTTP/1.1 200 X\r\ncontent-type: application/json\r\ncontent-length: 5\r\n\r\n{"a":', "no message"),
    "no type": (b"HTTP/1.1 200 X\r\ncontent-length: 2\r\n\r\nhi", "something without a type"),
    "a page": (b"HTTP/1.1 200 X\r\ncontent-type: text/html\r\ncontent-length: 2\r\n\r\nhi", "text/html"),
    "not HTTP": (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "broke"),
    "half a body": (b"HTTP/1.1 200 X\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{", "broke"),
    "half a stream": (b'HTTP/1.1 200 X\r\ncontent-type: text/event-stream\r\n\r\ndata: {"jsonrpc":', "before it was complete"),
    "wrong bytes": (b"HTTP/1.1 200 X\r\ncontent-type: text/event-stream\r\n\r\ndata: \xff\xfe\n\n", "no message"),
    "compressed": (
        b"HTTP/1.1 200 X\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\nhi",
        "cannot be unpacked",
    ),
    "taken": (b"HTTP/1.1 202 X\r\ncontent-length: 0\r\n\r\n", "will not answer"),
    "nothing": (b"", "broke"),
}


@pytest.mark.parametrize(("data", "words"), BROKEN.values(), ids=BROKEN)
async def test_a_broken_answer_is_an_error_of_its_request(serving: Serving, speaking: Speaking, data: bytes, words: str) -> None:
    """Whatever comes instead of an answer, its caller is told, and the next request is served."""

    async def handler(request: Any, answer: Any) -> Any:
        if request.message["method"] != "bad":
            await answer.result(request)
            return None
        if data:
            await answer.raw(data)
        return "close"

    with anyio.fail_after(10):
        async with serving(handler) as peer, speaking(peer.url) as speaker:
            broken = await speaker.ask("bad")
            assert (await speaker.ask("good")).result == {}

    assert words in broken.error.message


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
async def test_a_huge_answer_is_an_error_of_its_request(serving: Serving, speaking: Speaking, kind: str) -> None:
    """100 MB are not kept: the caller is told, and the next request is served."""

    async def handler(request: Any, answer: Any) -> Any:
        if request.message["method"] != "bad":
            await answer.result(request)
            return None
        await answer.raw(f"HTTP/1.1 200 X\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\n".encode())
        start = b"data: " if "event" in kind else b""
        await answer.raw(start + b'{"jsonrpc":"2.0","id":%d,"result":{"text":"' % request.message["id"])
        for _ in range(100):
            await answer.raw(b"x" * 1_000_000)
        await answer.raw(b'"}}\n\n')
        return "close"

    with anyio.fail_after(30):
        async with serving(handler) as peer, speaking(peer.url, max_message=1 << 20) as speaker:
            huge = await speaker.ask("bad")
            assert (await speaker.ask("good")).result == {}

    assert "max_message" in huge.error.message


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
async def test_a_trickle_is_given_up(serving: Serving, speaking: Speaking, kind: str) -> None:
    """A byte now and then keeps no request alive for ever."""

    async def handler(request: Any, answer: Any) -> None:
        await answer.raw(f"HTTP/1.1 200 X\r\ncontent-type: {kind}\r\n\r\n".encode())
        await answer.raw(b"data: ")
        while True:
            await answer.raw(b"x")
            await anyio.sleep(0.01)

    with anyio.fail_after(10):
        async with serving(handler) as peer, speaking(peer.url, body_seconds=0.2) as speaker:
            slow = await speaker.ask("x")

    assert "body_seconds" in slow.error.message


async def test_silence_is_given_up(serving: Serving, speaking: Speaking) -> None:
    """A server that takes a request and says nothing is given up after idle_seconds."""

    async def handler(request: Any, answer: Any) -> None:
        await anyio.sleep_forever()

    with anyio.fail_after(10):
        async with serving(handler) as peer, speaking(peer.url, idle_seconds=0.2) as speaker:
            silent = await speaker.ask("x")

    assert "idle_seconds" in silent.error.message


async def test_wrong_numbers_are_set_right(serving: Serving, speaking: Speaking) -> None:
    """What comes back on a request's connection answers that request, whatever number it bears."""

    async def handler(request: Any, answer: Any) -> None:
        await answer.plain(200, json.dumps({"jsonrpc": "2.0", "id": "wrong", "result": {"n": 1}}).encode())

    with anyio.fail_after(10):
        async with serving(handler) as peer, speaking(peer.url) as speaker:
            assert (await speaker.ask("x")).result == {"n": 1}


async def test_a_failed_notification_is_a_fault_among_the_messages(serving: Serving, speaking: Speaking) -> None:
    """Nothing waits for a notification, so its failure is told beside the messages."""

    async def handler(request: Any, answer: Any) -> None:
        await answer.plain(503)

    with anyio.fail_after(10):
        async with serving(handler) as peer, speaking(peer.url) as speaker:
            await speaker.send("notifications/x", notification=True)
            fault = await speaker.link.read.receive()

    assert fault.status == 503


async def test_secrets_are_resolved_and_never_shown(serving: Serving, speaking: Speaking, context: PlainContext) -> None:
    """References in headers and auth become values on the wire only."""
    context.secrets = {"env:TOKEN": "t0p-s3cret", "keyring:key": "k3y"}
    with anyio.fail_after(10):
        async with serving(answering) as peer:
            async with speaking(peer.url, auth="env:TOKEN", headers={"X-Key": "keyring:key", "X-Plain": "a:b"}) as speaker:
                await speaker.ask("x")
                shown = repr(speaker.link.wire.config) + repr(speaker.link.report())
            headers = peer.requests[0].headers
            with pytest.raises(SecretMissing, match="env:NONE"):
                async with speaking(peer.url, auth="env:NONE"):
                    pass

    assert (headers["authorization"], headers["x-key"], headers["x-plain"]) == ("Bearer t0p-s3cret", "k3y", "a:b")
    assert "s3cret" not in shown
    assert "TOKEN" not in shown


def test_one_tls_context_a_process() -> None:
    """It verifies, and it is made once."""
    assert tls() is tls()
    assert tls().verify_mode == ssl.CERT_REQUIRED
