"""The client over the real transports: HTTP servers that die and return, huge messages, processes that are killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from massgen_core.api import NoticeGiven
from massgen_mcp_client.config import RetryConfig, SecurityConfig, ServerConfig
from massgen_mcp_client.events import CallRetried, ConnectionOpened
from massgen_mcp_client.faults import McpFault
from massgen_mcp_client.library import OpenServer, opened
from massgen_testkit import Leaks, PlainContext

pytestmark = pytest.mark.anyio

QUICK = RetryConfig(seconds=0.05, jitter=0, max_seconds=0.1)
SERVER = """
import sys

import anyio
from mcp.server import MCPServer
from mcp.types import ToolAnnotations

server = MCPServer("app", log_level="CRITICAL")


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
async def echo(text: str) -> str:
    return text


@server.tool()
async def nap(seconds: float) -> str:
    await anyio.sleep(seconds)
    return "rested"


@server.tool()
async def big(megabytes: int) -> str:
    return "x" * (megabytes << 20)


if sys.argv[1:]:
    server.run(transport="streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
else:
    server.run(transport="stdio")
"""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"):
        (tmp_path / name).mkdir(mode=0o700)
        monkeypatch.setenv(name, str(tmp_path / name))


@pytest.fixture
def program(tmp_path: Path) -> Path:
    file = tmp_path / "server.py"
    file.write_text(SERVER)
    return file


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def listening(program: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run the server until it takes connections, and end it."""
    process = subprocess.Popen([sys.executable, "-W", "ignore", str(program), str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", port), 0.2).close()
                break
            except OSError:
                time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.wait()


@asynccontextmanager
async def serving(context: PlainContext, config: ServerConfig) -> AsyncIterator[OpenServer]:
    with anyio.fail_after(90):
        async with context, opened([config], context) as (server,):
            assert server.fault is None, server.fault
            yield server


def over_http(port: int, **fields: Any) -> ServerConfig:
    options = {"url": f"http://127.0.0.1:{port}/mcp", "allow_localhost": True}
    return ServerConfig(name="app", transport="http", options=options, retry=QUICK, security=SecurityConfig(allow_localhost=True), **fields)


def over_pipes(program: Path, **options: Any) -> ServerConfig:
    command = {"command": sys.executable, "args": ("-W", "ignore", str(program))}
    return ServerConfig(name="app", transport="stdio", options={**command, **options}, retry=QUICK)


@pytest.mark.parametrize("protocol", ["legacy", "2026-07-28"])
async def test_an_http_server_dies_and_returns(context: PlainContext, program: Path, protocol: str) -> None:
    """A call under way fails at once and with a reason, those meanwhile too, and the next one after the return succeeds."""
    port = free_port()
    with listening(program, port) as first:
        async with serving(context, over_http(port, protocol=protocol)) as server:
            assert (await server.call("echo", {"text": "one"})).text == "one"
            seconds = []

            async def nap() -> None:
                with pytest.raises(McpFault) as caught:
                    await server.call("nap", {"seconds": 30})
                assert caught.value.kind in ("unavailable", "lost"), caught.value
                seconds.append(time.monotonic() - killed)

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(nap)
                await anyio.sleep(0.5)
                killed = time.monotonic()
                first.kill()
            assert seconds[0] < 1.0
            with pytest.raises(McpFault, match="cannot be reached"):
                await server.call("echo", {"text": "two"})
            with listening(program, port):
                assert (await server.call("echo", {"text": "three"})).text == "three"
    notices = [(event.level, event.text.splitlines()[0]) for event in context.records.of(NoticeGiven)]
    assert [level for level, _ in notices] == ["warning", "info"]
    assert "cannot be reached at the moment" in notices[0][1]


async def test_a_request_that_never_left_is_made_again(context: PlainContext, program: Path) -> None:
    """A server that restarts is waited for, whatever the tool: nothing was carried out twice."""
    port = free_port()
    with listening(program, port):
        config = over_http(port)
        patient = ServerConfig(name="app", transport="http", options=config.options, retry=RetryConfig(attempts=40, seconds=0.2, factor=1, jitter=0))
        async with serving(context, patient) as server:
            pass
    async with anyio.create_task_group() as tasks:
        stack = listening(program, port)

        async def later() -> None:
            await anyio.to_thread.run_sync(stack.__enter__)

        tasks.start_soon(later)
        try:
            async with serving(context, patient) as server:
                assert (await server.call("nap", {"seconds": 0})).text == "rested"
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(lambda: stack.__exit__(None, None, None))
    assert context.records.of(CallRetried) == []


async def test_a_message_that_is_too_long_costs_itself_only(context: PlainContext, program: Path) -> None:
    """A clean error that names the limit, little time, and the connection lives."""
    async with serving(context, over_pipes(program, max_message=1 << 20)) as server:
        began = time.process_time()
        with pytest.raises(McpFault, match="max_message"):
            await server.call("big", {"megabytes": 20})
        assert time.process_time() - began < 1.0
        assert (await server.call("echo", {"text": "still here"})).text == "still here"
    assert len(context.records.of(ConnectionOpened)) == 1


async def test_fifty_megabytes_in_one_message(context: PlainContext, program: Path) -> None:
    """Where it is allowed, it costs no more than reading it does."""
    async with serving(context, over_pipes(program, max_message=128 << 20)) as server:
        await server.call("echo", {"text": "warm"})
        began = time.process_time()
        result = await server.raw("tools/call", "big", {"megabytes": 50})
        assert time.process_time() - began < 1.5
        assert len(result["content"][0]["text"]) == 50 << 20


async def test_kill_in_the_middle_of_a_call(context: PlainContext, program: Path, leaks: Leaks) -> None:
    """A typed error within 100 ms, then the server is there again; nothing is left at the end."""
    before = leaks.held()
    async with serving(context, over_pipes(program)) as server:
        (opened_once,) = context.records.of(ConnectionOpened)
        seconds: list[float] = []

        async def nap() -> None:
            with pytest.raises(McpFault) as caught:
                await server.call("nap", {"seconds": 30})
            seconds.append(time.monotonic() - killed)
            assert (caught.value.kind, caught.value.exit_code) == ("lost", -9)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(nap)
            await anyio.sleep(0.3)
            killed = time.monotonic()
            os.kill(opened_once.pid, signal.SIGKILL)
        assert seconds[0] < 0.1
        assert (await server.call("echo", {"text": "again"})).text == "again"
        while len(context.records.of(NoticeGiven)) < 2:  # noqa: ASYNC110 - told when the tools are listed again
            await anyio.sleep(0.01)
        assert [event.level for event in context.records.of(NoticeGiven)] == ["warning", "info"]
    await leaks.none_since(before)
