"""The transport of 2024."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias

import anyio
import pytest

from massgen_mcp_http.config import HttpConfig
from massgen_mcp_http.faults import HttpFault
from massgen_mcp_http.legacy import open_sse
from massgen_testkit import Leaks, PlainContext

from .conftest import Speaker

pytestmark = pytest.mark.anyio
Serving: TypeAlias = Callable[[Any], AbstractAsyncContextManager[Any]]


@asynccontextmanager
async def listening(context: PlainContext, url: str, **options: Any) -> AsyncIterator[Speaker]:
    config = HttpConfig(url=url, **{"allow_localhost": True, "connect_seconds": 2.0, **options})
    async with open_sse(config, context) as link:
        yield Speaker(link)


class Conversation:
    """Answers on the stream what is posted; `end` ends the stream."""

    def __init__(self, endpoint: str = "/messages?session=1") -> None:
        self.endpoint = endpoint
        self.end = anyio.Event()
        self.stream: Any = None

    async def __call__(self, request: Any, answer: Any) -> Any:
        if request.method == "GET":
            self.stream = answer
            await answer.begin_stream()
            await answer.raw(f"event: endpoint\ndata: {self.endpoint}\n\n".encode())
            await self.end.wait()
            return "close"
        message = request.message
        if message["method"] == "refused":
            return await answer.plain(429, retry_after="3")
        await answer.plain(202)
        if message["method"] == "junk":
            await self.stream.raw(b"data: hello\n\n: ping\n\nevent: other\ndata: {}\n\n")
        if message["method"] == "together":
            return await self.stream.event(
                [{"jsonrpc": "2.0", "method": "notifications/x"}, {"jsonrpc": "2.0", "id": message["id"], "result": {"n": 1}}]
            )
        if message["method"] == "broken":
            return await self.stream.raw(b'data: {"jsonrpc":"2.0","id":%d,"error":"out of cheese"}\n\n' % message["id"])
        if message["method"] == "huge answer":
            return await self.stream.raw(b'data: {"jsonrpc":"2.0","id":%d,"result":{"a":"' % message["id"] + b"x" * 100_000 + b'"}}\n\n')
        if message["method"] == "huge":
            await self.stream.raw(b"data: " + b"x" * 100_000 + b"\n\n")
        return await self.stream.event({"jsonrpc": "2.0", "id": message["id"], "result": {"path": request.path}})


async def test_messages_are_posted_and_answered_on_the_stream(serving: Serving, context: PlainContext, leaks: Leaks) -> None:
    """The server says where messages go to; refusals, junk and huge messages end nothing."""
    before = leaks.held()
    with anyio.fail_after(10):
        async with serving(Conversation()) as peer, listening(context, peer.url, max_message=50_000) as speaker:
            answer = await speaker.ask("x")
            refused = await speaker.ask("refused")
            await speaker.ask("junk")
            await speaker.ask("huge")
            assert speaker.link.report().is_open
    await leaks.none_since(before)

    assert answer.result == {"path": "/messages?session=1"}
    assert (refused.error.data, "try again in 3 s" in refused.error.message) == ({"status": 429, "retry_after": 3.0}, True)
    assert ["no message" in str(item) or "max_message" in str(item) for item in speaker.others] == [True, True]


async def test_messages_that_come_together_are_taken_one_by_one(serving: Serving, context: PlainContext) -> None:
    """An array of messages in one event is what its messages are."""
    with anyio.fail_after(10):
        async with serving(Conversation()) as peer, listening(context, peer.url) as speaker:
            answer = await speaker.ask("together")

    assert (answer.result, [item.message.method for item in speaker.others]) == ({"n": 1}, ["notifications/x"])


@pytest.mark.parametrize(("method", "words"), [("broken", "no message"), ("huge answer", "max_message")])
async def test_an_answer_that_cannot_be_read_is_an_error_of_its_request(serving: Serving, context: PlainContext, method: str, words: str) -> None:
    """Nobody waits for an answer that came already; the next request is served."""
    with anyio.fail_after(10):
        async with serving(Conversation()) as peer, listening(context, peer.url, max_message=50_000) as speaker:
            broken = await speaker.ask(method)
            assert (await speaker.ask("x")).result["path"]

    assert words in broken.error.message


async def test_the_end_of_the_stream_is_the_end_of_the_link(serving: Serving, context: PlainContext) -> None:
    """When the server's stream ends, so do the messages, at once and with a reason."""
    conversation = Conversation()
    with anyio.fail_after(10):
        async with serving(conversation) as peer, listening(context, peer.url) as speaker:
            await speaker.ask("x")
            conversation.end.set()
            with anyio.fail_after(0.5):
                assert [item async for item in speaker.link.read] == []
            report = speaker.link.report()
            with pytest.raises(anyio.ClosedResourceError):
                await speaker.send("y")

    assert (report.is_open, report.reason) == (False, "the server ended its stream")


async def test_a_killed_server_ends_the_link(run_server: Any, free: Any, context: PlainContext) -> None:
    """A real server that is killed ends the messages of its link."""
    port = free()
    with anyio.fail_after(60), run_server("sse", port) as process:
        async with listening(context, f"http://127.0.0.1:{port}/sse") as speaker:
            process.kill()
            async for _ in speaker.link.read:
                pass
            assert not speaker.link.report().is_open


@pytest.mark.parametrize(
    ("endpoint", "words"), [("http://127.0.0.2/messages", "another host, 127.0.0.2"), ("https://127.0.0.1/messages", "another host")]
)
async def test_messages_go_to_no_other_server(serving: Serving, context: PlainContext, endpoint: str, words: str) -> None:
    """An endpoint of another origin is refused."""
    with anyio.fail_after(10):
        async with serving(Conversation(endpoint)) as peer:
            with pytest.raises(HttpFault, match=words):
                async with listening(context, peer.url):
                    pass


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (401, "text/html", "credentials"),
        (404, "text/html", "nothing at /mcp"),
        (200, "text/html", "not with a stream"),
        (503, "text/html", "HTTP 503"),
    ],
)
async def test_a_refused_stream_is_explained(serving: Serving, context: PlainContext, status: int, kind: str, words: str) -> None:
    """Entering raises what the server answered, with its status."""

    async def handler(request: Any, answer: Any) -> None:
        await answer.plain(status, b"<h1>no</h1>", kind)

    with anyio.fail_after(10):
        async with serving(handler) as peer:
            with pytest.raises(HttpFault, match=words) as caught:
                async with listening(context, peer.url):
                    pass

    assert caught.value.status == status


async def test_a_server_that_names_no_endpoint_is_given_up(serving: Serving, context: PlainContext, free: Any) -> None:
    """Silence, and a port where nobody listens, are errors in bounded time."""

    async def handler(request: Any, answer: Any) -> None:
        await answer.begin_stream()
        await anyio.sleep_forever()

    with anyio.fail_after(10):
        async with serving(handler) as peer:
            with pytest.raises(HttpFault, match="where messages go to"):
                async with listening(context, peer.url, connect_seconds=0.2):
                    pass
        with pytest.raises(HttpFault, match="cannot be reached"):
            async with listening(context, f"http://127.0.0.1:{free()}/sse"):
                pass
