"""Servers that are objects of this process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.server import MCPServer

from massgen_core.api import Link, MassGenError
from massgen_mcp_memory.config import MemoryConfig
from massgen_mcp_memory.transport import open_memory
from massgen_testkit import Leaks, PlainContext

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def adder() -> MCPServer:
    """Return a server with one tool."""
    server = MCPServer("adder", log_level="CRITICAL")

    @server.tool()
    async def add(a: int, b: int) -> int:
        return a + b

    return server


@asynccontextmanager
async def speaking(link: Link, mode: str = "auto") -> AsyncIterator[Client]:
    """Speak the protocol over a link."""

    @asynccontextmanager
    async def streams() -> AsyncIterator[tuple[Any, Any]]:
        yield link.read, link.write

    async with Client(streams(), mode=mode) as client:
        yield client


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_server_object_is_called_in_both_eras(context: PlainContext, leaks: Leaks, mode: str) -> None:
    """The SDK's client speaks with a server object over the link, and nothing is left when it is left."""
    before = leaks.held()
    with anyio.fail_after(20):
        async with open_memory(MemoryConfig(server=adder()), context) as link:
            async with speaking(link, mode) as client:
                answer = await client.call_tool("add", {"a": 1, "b": 2})
            assert link.report().pid is None

    assert answer.structured_content == {"result": 3}
    assert not link.report().is_open
    await leaks.none_since(before)


async def test_a_server_that_breaks_ends_its_link_only(context: PlainContext) -> None:
    """What the server's own code raises is the link's reason, and no exception of whoever uses it."""

    class Broken:
        def create_initialization_options(self) -> None:
            return None

        async def run(self, read: Any, write: Any, options: Any) -> None:
            await read.receive()
            raise RuntimeError("the disk is on fire")

    with anyio.fail_after(10):
        async with open_memory(MemoryConfig(server=Broken()), context) as link:
            assert link.report().is_open
            await link.write.send(object())
            with pytest.raises(anyio.EndOfStream):
                await link.read.receive()
            report = link.report()

    assert not report.is_open
    assert report.reason == "the server broke: RuntimeError: the disk is on fire"


@pytest.mark.parametrize(("given", "words"), [("massgen_clock.server:clock", "no server 'massgen_clock.server:clock' is installed"), (7, "not int")])
async def test_only_objects_and_installed_names_are_servers(context: PlainContext, given: Any, words: str) -> None:
    """A text is the name of an installed server, never the path of a Python object; anything else must be a server."""
    with pytest.raises(MassGenError, match=words):
        async with open_memory(MemoryConfig(server=given), context):
            pass


async def test_an_installed_server_is_opened_by_its_name(context: PlainContext) -> None:
    """A distribution's server is found by the kind `server`."""

    class Installed:
        def names(self, kind: str) -> tuple[str, ...]:
            return ("adder",) if kind == "server" else ()

    context.plugins = Installed()  # type: ignore[assignment]
    context.objects = {("server", "adder"): adder()}
    with anyio.fail_after(20):
        async with open_memory(MemoryConfig(server="adder"), context) as link, speaking(link) as client:
            tools = await client.list_tools()

    assert [tool.name for tool in tools.tools] == ["add"]


async def test_a_server_that_does_not_end_is_cancelled(context: PlainContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaving waits for the server's own end, within bounds."""
    monkeypatch.setattr("massgen_mcp_memory.transport.STOP_SECONDS", 0.1)

    class Stubborn:
        def create_initialization_options(self) -> None:
            return None

        async def run(self, read: Any, write: Any, options: Any) -> None:
            await anyio.sleep_forever()

    with anyio.fail_after(5):
        async with open_memory(MemoryConfig(server=Stubborn()), context) as link:
            assert link.report().is_open

    assert link.report().reason == "closed"
