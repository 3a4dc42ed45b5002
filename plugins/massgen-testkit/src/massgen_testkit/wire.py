"""The suite of what servers and proxies do to a stream, for backends that speak a protocol of `massgen_testkit.protocols` over real sockets."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import anyio
import anyio.lowlevel
import attrs
import pytest

from massgen_core.api import (
    Backend,
    BackendFault,
    Chunk,
    ConnectionLost,
    Message,
    ModelRequest,
    Overloaded,
    RateLimited,
    StopChunk,
    TextChunk,
    TimedOut,
    Tool,
    ToolCallChunk,
)
from massgen_testkit.base import Suite
from massgen_testkit.context import PlainContext
from massgen_testkit.provider import Play, Provider, serving
from massgen_testkit.scenarios import SECRET

__all__ = ["BROKEN", "Listener", "WireSuite"]

BEGUN = "The capital of "
HEARTBEATS = (b": ping\n\n", b"data:\n\n", b"data: \n\n")
PAGE = Play(media_type="text/html; charset=utf-8", pieces=(b"<!doctype html><title>Sign in</title>",))
BROKEN: Mapping[str, type[BackendFault]] = {
    "stall": TimedOut,
    "drop": ConnectionLost,
    "drop_inside_an_event": ConnectionLost,
    "silent_end": ConnectionLost,
    "malformed_json": ConnectionLost,
}


class Listener:
    """Calls a backend and keeps what it hears, also where the call breaks."""

    def __init__(self, backend: Backend, request: ModelRequest) -> None:
        self.backend, self.request = backend, request
        self.heard: list[Chunk] = []

    async def listen(self) -> list[Chunk]:
        """Make a call; what is heard is added to what was heard before."""
        async with self.backend.respond(self.request) as stream:
            async for chunk in stream:
                self.heard.append(chunk)
        return self.heard

    @property
    def text(self) -> str:
        """All text so far."""
        return "".join(chunk.text for chunk in self.heard if isinstance(chunk, TextChunk))

    @property
    def stop(self) -> StopChunk:
        """The last chunk."""
        last = self.heard[-1]
        assert isinstance(last, StopChunk)
        return last

    @property
    def calls(self) -> list[ToolCallChunk]:
        """The pieces of calls so far."""
        return [chunk for chunk in self.heard if isinstance(chunk, ToolCallChunk)]


class WireSuite(Suite):
    """What a backend makes of faults of the wire. A subclass gives `name`, `faults` and `address`.

    Attributes:
        faults: What the server does, by name; the protocol's `WIRE_FAULTS`.
        model: A model's name that the backend takes.
        key: The reference by which the backend finds its key.
        address: The option that names the server, and the path below the server's root.
        harmless: Oddities that change nothing of the answer.
        broken: Streams that break after the text has begun, and the error of each.
        waits: Refusals that say how long to wait: from and to so many seconds.
        separate: Two calls that the server numbers badly.
    """

    kind: ClassVar[str] = "backend"
    faults: ClassVar[Mapping[str, Play]] = {}
    model: ClassVar[str] = "m"
    key: ClassVar[str] = "env:K"
    address: ClassVar[tuple[str, str]] = ("base_url", "")
    harmless: ClassVar[Sequence[str]] = ("slow_first_byte", "unknown_events", "carriage_returns", "no_stream")
    broken: ClassVar[Mapping[str, type[BackendFault]]] = BROKEN
    waits: ClassVar[Mapping[str, tuple[float, float]]] = {
        "retry_after_seconds": (2, 2),
        "retry_after_date": (1e9, 1e10),
        "unavailable_for_a_while": (7, 7),
    }
    separate: ClassVar[Sequence[str]] = ("duplicate_ids", "missing_ids")

    @property
    def request(self) -> ModelRequest:
        """The call."""
        tool = Tool(name="weather", parameters={"type": "object", "properties": {"city": {"type": "string"}}})
        return ModelRequest(model=self.model, messages=(Message.of("user", "What is the capital of France?"),), tools=(tool,))

    @asynccontextmanager
    async def played(self, folder: Path, *plays: Play, **options: Any) -> AsyncIterator[tuple[Listener, Provider]]:
        """Run a server and a backend that speaks with it."""
        with anyio.fail_after(60):
            async with serving(*plays) as provider, PlainContext(folder=folder, secrets={self.key: SECRET}) as context:
                option, path = self.address
                async with self.opened(context, {option: f"{provider.url}{path}", **options}) as backend:
                    yield Listener(backend, self.request), provider

    async def test_harmless_oddities(self, tmp_path: Path) -> None:
        """What is odd and harmless changes nothing of the answer."""
        for name in self.harmless:
            async with self.played(tmp_path, self.faults[name]) as (listener, _):
                await listener.listen()
            assert listener.text == BEGUN, name
            assert listener.stop.reason == "stop", name

    async def test_heartbeats(self, tmp_path: Path) -> None:
        """Comments and events without data, with which servers and proxies keep a connection open, are no part of the answer."""
        whole = self.faults["slow_first_byte"]
        play = attrs.evolve(whole, pieces=tuple(piece for each in whole.pieces for piece in (*HEARTBEATS, each)))
        async with self.played(tmp_path, play) as (listener, _):
            await listener.listen()

        assert (listener.text, listener.stop.reason) == (BEGUN, "stop")

    async def test_page_instead_of_an_answer(self, tmp_path: Path) -> None:
        """A web page where an answer should be is called one; it can be tried again, as a proxy's page may go away."""
        async with self.played(tmp_path, PAGE) as (listener, _):
            with pytest.raises(ConnectionLost, match="text/html"):
                await listener.listen()

    async def test_broken_streams(self, tmp_path: Path) -> None:
        """A stream that breaks raises an error that can be retried, after all that came before; the call is not repeated by itself."""
        for name, error in self.broken.items():
            options = {"idle_seconds": 1.0} if name == "stall" else {}
            async with self.played(tmp_path, self.faults[name], **options) as (listener, provider):
                with pytest.raises(error) as caught:
                    await listener.listen()
            assert caught.value.is_retryable, name
            assert listener.text == BEGUN, name
            assert len(provider.asked) == 1, name

    async def test_waiting_times(self, tmp_path: Path) -> None:
        """The time to wait is read where the provider says it, and the call is not repeated by itself."""
        for name, (least, most) in self.waits.items():
            async with self.played(tmp_path, self.faults[name]) as (listener, provider):
                with pytest.raises(RateLimited) as caught:
                    await listener.listen()
            assert caught.value.retry_after is not None, name
            assert least <= caught.value.retry_after <= most, name
            assert len(provider.asked) == 1, name

    async def test_page_of_a_gateway(self, tmp_path: Path) -> None:
        """A proxy's page instead of an error is an overload; its markup is harmless."""
        async with self.played(tmp_path, self.faults["gateway_page"]) as (listener, _):
            with pytest.raises(Overloaded):
                await listener.listen()

    async def test_empty_answer(self, tmp_path: Path) -> None:
        """An answer of nothing is an answer: the kernel decides what to do with it."""
        async with self.played(tmp_path, self.faults["empty_answer"]) as (listener, _):
            await listener.listen()

        assert (listener.text, listener.calls, listener.stop.reason) == ("", [], "stop")

    async def test_torn_characters(self, tmp_path: Path) -> None:
        """Characters that the network tears arrive whole."""
        async with self.played(tmp_path, self.faults["torn_unicode"]) as (listener, _):
            await listener.listen()

        assert listener.text == "Zürich 🦜 日本"

    async def test_calls_stay_apart(self, tmp_path: Path) -> None:
        """Two calls stay two calls with ids of their own, however badly the server numbers them."""
        for name in self.separate:
            async with self.played(tmp_path, self.faults[name]) as (listener, _):
                await listener.listen()
            arguments = ["".join(piece.arguments for piece in listener.calls if piece.index == index) for index in (0, 1)]
            assert [json.loads(each) for each in arguments] == [{"city": "Paris"}, {"city": "Rome"}], name
            assert len({piece.id for piece in listener.calls if piece.id}) == 2, name
            assert {piece.name for piece in listener.calls if piece.id} == {"weather"}, name
            assert listener.stop.reason == "tools", name

    async def test_huge_arguments(self, tmp_path: Path) -> None:
        """A megabyte of arguments comes whole."""
        async with self.played(tmp_path, self.faults["huge_arguments"]) as (listener, _):
            await listener.listen()

        assert len(json.loads("".join(piece.arguments for piece in listener.calls))["city"]) == 1_000_000

    async def test_connections_are_used_again(self, tmp_path: Path) -> None:
        """Calls one after the other use one connection, read to its end."""
        async with self.played(tmp_path, self.faults["empty_answer"]) as (listener, provider):
            for _ in range(5):
                await listener.listen()
                assert provider.open == 1

    async def test_many_calls_at_once(self, tmp_path: Path) -> None:
        """Many calls at once are all answered, each once."""
        async with self.played(tmp_path, self.faults["slow_first_byte"]) as (listener, provider), anyio.create_task_group() as group:
            for _ in range(40):
                group.start_soon(listener.listen)

        assert sum(isinstance(chunk, StopChunk) for chunk in listener.heard) == 40
        assert len(provider.asked) == 40

    async def test_leaving_closes_the_connection(self, tmp_path: Path) -> None:
        """The server sees soon that nobody listens any more."""
        async with self.played(tmp_path, self.faults["stall"]) as (listener, provider):
            async with listener.backend.respond(listener.request) as stream:
                await anext(stream)
                left = time.monotonic()
            while provider.open:
                await anyio.lowlevel.checkpoint()
                assert time.monotonic() - left < 5

    async def test_nobody_listens(self, tmp_path: Path) -> None:
        """A server that is not there is named."""
        async with serving(self.faults["stall"]) as gone:
            address = gone.url
        option, path = self.address
        async with self.played(tmp_path, self.faults["stall"], **{option: f"{address}{path}"}) as (listener, _):
            with pytest.raises(ConnectionLost, match=r"127\.0\.0\.1:\d+"):
                await listener.listen()

    async def test_redirects_are_not_followed(self, tmp_path: Path) -> None:
        """A server that sends its callers elsewhere does not get the key sent there."""
        async with serving(self.faults["empty_answer"]) as elsewhere:
            play = Play(status=307, headers={"Location": elsewhere.url})
            async with self.played(tmp_path, play) as (listener, provider):
                with pytest.raises(BackendFault):
                    await listener.listen()

        assert len(provider.asked) == 1
        assert elsewhere.asked == []
