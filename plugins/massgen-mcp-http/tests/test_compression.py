"""Answers that are compressed, well and badly."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeAlias

import anyio
import pytest

pytestmark = pytest.mark.anyio
Serving: TypeAlias = Callable[[Any], AbstractAsyncContextManager[Any]]
Speaking: TypeAlias = Callable[..., AbstractAsyncContextManager[Any]]


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


PACKERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "deflate without a head": ("deflate", raw_deflate),
    "twice": ("deflate, gzip", lambda data: gzip.compress(zlib.compress(data))),
    "named and not done": ("identity", bytes),
}


@pytest.mark.parametrize(("way", "pack"), PACKERS.values(), ids=PACKERS)
async def test_a_compressed_answer_is_read(serving: Serving, speaking: Speaking, way: str, pack: Callable[[bytes], bytes]) -> None:
    """What was asked for is unpacked, in one piece and in a stream of events."""
    asked: list[str] = []

    async def handler(request: Any, answer: Any) -> Any:
        asked.append(request.headers["accept-encoding"])
        message = json.dumps({"jsonrpc": "2.0", "id": request.message["id"], "result": {"text": "ä" * 5000}}).encode()
        if request.message["method"] == "plain":
            return await answer.plain(200, pack(message), content_encoding=way)
        return await answer.plain(200, pack(b"data: " + message + b"\n\n"), "text/event-stream", content_encoding=way)

    with anyio.fail_after(20):
        async with serving(handler) as peer, speaking(peer.url) as speaker:
            found = [(await speaker.ask(method)).result for method in ("plain", "stream")]

    assert found == [{"text": "ä" * 5000}] * 2
    assert {"gzip", "deflate"} <= set(asked[0].replace(",", " ").split())


async def test_events_of_a_compressed_stream_come_one_by_one(serving: Serving, speaking: Speaking) -> None:
    """What the server has flushed is told before the stream ends."""
    told = anyio.Event()

    async def handler(request: Any, answer: Any) -> Any:
        packer = zlib.compressobj(wbits=31)

        async def event(**message: Any) -> None:
            data = packer.compress(b"data: " + json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n\n")
            await answer.raw(data + packer.flush(zlib.Z_SYNC_FLUSH))

        await answer.begin_stream(content_encoding="gzip")
        await event(method="notifications/message", params={"level": "info", "data": "first"})
        await told.wait()
        await event(id=request.message["id"], result={})
        return "close"

    with anyio.fail_after(20):
        async with serving(handler) as peer, speaking(peer.url) as speaker:
            number = await speaker.send("x")
            first = await speaker.link.read.receive()
            told.set()
            answer = await speaker.answer(number)

    assert first.message.params["data"] == "first"
    assert answer.result == {}


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
async def test_a_small_answer_cannot_become_a_huge_one(serving: Serving, speaking: Speaking, kind: str) -> None:
    """A hundred megabytes of nothing, compressed to a hundred kilobytes, are given up; the caller is told, and the link lives."""
    bomb = gzip.compress(b'data: {"a": "' + bytes(100 << 20))
    assert len(bomb) < 200_000

    async def handler(request: Any, answer: Any) -> Any:
        if request.message["method"] == "bomb":
            return await answer.plain(200, bomb, kind, content_encoding="gzip")
        return await answer.result(request)

    with anyio.fail_after(20):
        async with serving(handler) as peer, speaking(peer.url, max_message=1 << 20) as speaker:
            refused = await speaker.ask("bomb")
            assert (await speaker.ask("x")).result == {}

    assert "max_message" in refused.error.message


@pytest.mark.parametrize(("way", "words"), [("br", "compressed its answer as br"), ("gzip", "cannot be unpacked"), ("\x1b[2Jzip", "its answer as")])
async def test_what_cannot_be_unpacked_is_an_error(serving: Serving, speaking: Speaking, way: str, words: str) -> None:
    """A way that nobody asked for, and damage, are told to the caller in words that are safe to show."""

    async def handler(request: Any, answer: Any) -> Any:
        if request.message["method"] == "bad":
            return await answer.plain(200, b"no archive", content_encoding=way)
        return await answer.result(request)

    with anyio.fail_after(20):
        async with serving(handler) as peer, speaking(peer.url, headers={"accept-encoding": "gzip"}) as speaker:
            refused = await speaker.ask("bad")
            assert (await speaker.ask("x")).result == {}

    assert words in refused.error.message
    assert "\x1b" not in refused.error.message
