"""The conformance suite of transports to MCP servers."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import anyio
import anyio.lowlevel
import pytest

from massgen_core.api import Link, LinkReport
from massgen_testkit.context import PlainContext
from massgen_testkit.distribution import PluginSuite
from massgen_testkit.leaks import Leaks

PATIENCE = 30.0
QUICK = 0.5
MILLISECONDS = 5.0


class TransportSuite(PluginSuite):
    """What every transport must do. A subclass gives `name`, a server to reach, and the examples.

    The suite speaks over the link with the client of the MCP SDK, which the plugin's tests need installed.

    Attributes:
        eras: How the suite agrees on a protocol with the server: modes of the SDK's client.
        example: A tool's name and arguments with which it succeeds.
        large: A tool's name and arguments of at least a megabyte with which it succeeds; or `unsupported = {"large": "why"}`.
        slow: A tool's name and arguments with which it takes longer than a second; or `unsupported = {"slow": "why"}`.
        cancellations: How often entering, speaking and leaving are cancelled, each time at another moment.
    """

    kind: ClassVar[str] = "transport"
    eras: ClassVar[tuple[str, ...]] = ("auto", "legacy")
    example: ClassVar[tuple[str, Mapping[str, Any]]]
    large: ClassVar[tuple[str, Mapping[str, Any]]]
    slow: ClassVar[tuple[str, Mapping[str, Any]]]
    cancellations: ClassVar[int] = 25

    def features(self) -> frozenset[str]:
        return frozenset({"large", "loss", "slow"})

    @asynccontextmanager
    async def server(self) -> AsyncIterator[Mapping[str, Any]]:
        """Yield options that lead to a running server, beside the suite's own; override it where a server has to be started."""
        yield {}

    async def lose(self, link: Link) -> None:
        """Make the server of this link go away at once, as a crash would; or `unsupported = {"loss": "why"}`."""
        raise NotImplementedError

    @asynccontextmanager
    async def linked(self, context: PlainContext) -> AsyncIterator[Link]:
        """Open a link to the server."""
        async with context, self.server() as options, self.opened(context, options) as link:
            yield link

    @asynccontextmanager
    async def speaking(self, link: Link, mode: str = "auto") -> AsyncIterator[Any]:
        """Speak the protocol over a link, with the SDK's client."""
        from mcp import Client  # noqa: PLC0415 - the suite is imported without it

        @asynccontextmanager
        async def streams() -> AsyncIterator[tuple[Any, Any]]:
            yield link.read, link.write

        async with Client(streams(), mode=mode) as client:
            yield client

    async def test_making_is_cheap(self, context: PlainContext, leaks: Leaks) -> None:
        """The factory only makes the context manager: a link that is never entered reaches nothing and holds nothing."""
        async with context, self.server() as options:
            config = self.config(options)
            factory = self.plugins.factory(self.kind, self.name)
            before = leaks.held()
            times = []
            for _ in range(5):
                started = time.thread_time()
                made = factory(config, context)
                times.append((time.thread_time() - started) * 1000)
            await leaks.none_since(before)

        assert hasattr(type(made), "__aenter__"), "the factory returns an async context manager"
        assert min(times) < MILLISECONDS

    async def test_the_protocol_is_spoken(self, context: PlainContext, leaks: Leaks) -> None:
        """In each era tools are listed and called; nothing is left when the link is left."""
        name, arguments = self.example
        for mode in self.eras:
            before = leaks.held()
            with anyio.fail_after(PATIENCE):
                async with self.linked(context) as link, self.speaking(link, mode) as client:
                    tools = await client.list_tools()
                    result = await client.call_tool(name, dict(arguments))

            assert name in {tool.name for tool in tools.tools}, mode
            assert not result.is_error, f"{mode}: {result.content}"
            await leaks.none_since(before)

    async def test_calls_at_once_get_their_own_answers(self, context: PlainContext) -> None:
        """Twenty calls under way together are all answered."""
        name, arguments = self.example
        results: list[Any] = []

        async def call(client: Any) -> None:
            results.append(await client.call_tool(name, dict(arguments)))

        with anyio.fail_after(PATIENCE):
            async with self.linked(context) as link, self.speaking(link) as client, anyio.create_task_group() as tasks:
                for _ in range(20):
                    tasks.start_soon(call, client)

        assert [result.is_error for result in results] == [False] * 20

    async def test_a_large_message_arrives(self, context: PlainContext) -> None:
        """A megabyte goes to the server whole."""
        self.need("large")
        name, arguments = self.large
        assert sum(len(str(value)) for value in arguments.values()) >= 1_000_000, "the example is not large"
        with anyio.fail_after(PATIENCE):
            async with self.linked(context) as link, self.speaking(link) as client:
                result = await client.call_tool(name, dict(arguments))

        assert not result.is_error, result.content

    async def test_a_call_can_be_given_up(self, context: PlainContext) -> None:
        """A slow call that is cancelled returns at once, and the link is as good as before."""
        self.need("slow")
        name, arguments = self.example
        with anyio.fail_after(PATIENCE):
            async with self.linked(context) as link, self.speaking(link) as client:
                with anyio.move_on_after(0.2) as scope:
                    await client.call_tool(self.slow[0], dict(self.slow[1]))
                late = anyio.current_time() - scope.deadline
                result = await client.call_tool(name, dict(arguments))

        assert scope.cancelled_caught, "the call was not slow"
        assert late < QUICK, "cancelling took too long"
        assert not result.is_error

    async def test_the_report_tells_how_the_link_is(self, context: PlainContext) -> None:
        """A report is quick and may be asked for at any time: open within the context, not open and with a reason after it."""
        with anyio.fail_after(PATIENCE):
            async with self.linked(context) as link:
                started = time.thread_time()
                inside = link.report()
                spent = (time.thread_time() - started) * 1000
        outside = link.report()

        assert isinstance(inside, LinkReport)
        assert inside.is_open, inside.reason
        assert spent < MILLISECONDS
        assert not outside.is_open
        assert outside.reason.strip(), "a person wants to know why"

    async def test_the_end_of_the_link_ends_its_messages(self, context: PlainContext) -> None:
        """Whoever still reads when the link is left sees the end of the stream."""
        ended = anyio.Event()

        async def read(link: Link) -> None:
            try:
                async for _ in link.read:
                    pass
            except anyio.ClosedResourceError:
                pass
            ended.set()

        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as tasks:
                async with self.linked(context) as link:
                    tasks.start_soon(read, link)
                    await anyio.lowlevel.checkpoint()
                await ended.wait()

    async def test_a_lost_server_ends_the_messages(self, context: PlainContext) -> None:
        """A server that goes away ends the stream in half a second, and the report says why; it does not raise in its owner."""
        self.need("loss")
        with anyio.fail_after(PATIENCE):
            async with self.linked(context) as link:
                await self.lose(link)
                started = anyio.current_time()
                async for _ in link.read:
                    pass
                took = anyio.current_time() - started
                report = link.report()

        assert took < QUICK
        assert not report.is_open
        assert report.reason.strip()

    async def test_what_the_user_raises_is_not_wrapped(self, context: PlainContext) -> None:
        """An error inside the context arrives as it is, not in a group."""
        with anyio.fail_after(PATIENCE), pytest.raises(KeyError):
            async with self.linked(context):
                raise KeyError("mine")

    async def test_links_are_independent(self, context: PlainContext) -> None:
        """Two links of one configuration are open together; leaving one leaves the other alone."""
        name, arguments = self.example
        with anyio.fail_after(PATIENCE):
            async with context, self.server() as options, self.opened(context, options) as first, self.speaking(first) as client:
                async with self.opened(context, options) as second:
                    assert second.report().is_open
                result = await client.call_tool(name, dict(arguments))

        assert not result.is_error

    async def test_cancellation_at_any_point_leaves_nothing(self, context: PlainContext, leaks: Leaks) -> None:
        """Entering, speaking and leaving may be cancelled at any moment; no task, process, thread or descriptor is left."""
        rng = random.Random(1)  # noqa: S311 - moments, not secrets
        name, arguments = self.example
        async with context, self.server() as options:
            async with self.opened(context, options) as link, self.speaking(link) as client:
                await client.call_tool(name, dict(arguments))
            before = leaks.held()
            with anyio.fail_after(PATIENCE * 4):
                for _ in range(self.cancellations):
                    with anyio.move_on_after(rng.choice((0.0, 0.001, 0.01, 0.1, 0.5)) * rng.random()):
                        async with self.opened(context, options) as link, self.speaking(link) as client:
                            await client.call_tool(name, dict(arguments))
            await leaks.none_since(before)
