"""Servers and transports of the tests: real servers of the SDK over streams of this process, and programs over pipes."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest

from massgen_core.api import Link, LinkReport, Question
from massgen_mcp_client.cache import cache_folder, state_folder
from massgen_mcp_client.config import ServerConfig
from massgen_mcp_client.memory import Memory
from massgen_testkit import PlainContext

PEER = Path(__file__).with_name("peer.py")


@attrs.define(eq=False)
class Wire:
    """A link of the tests, and what can be done to it."""

    read: Any
    write: Any
    process: anyio.abc.Process | None = None
    state: LinkReport = LinkReport(is_open=True)
    cut: Callable[[], None] = lambda: None

    def report(self) -> LinkReport:
        if self.process is not None and self.state.is_open:
            code = self.process.returncode
            text = f"killed by signal {-code}" if code is not None and code < 0 else f"exited with code {code}"
            stderr = bytes(self.stderr).decode()
            return LinkReport(is_open=code is None, reason="" if code is None else text, pid=self.process.pid, exit_code=code, stderr=stderr)
        return self.state

    stderr: bytearray = attrs.field(factory=bytearray)


@attrs.define(eq=False)
class Transports:
    """What the context of the tests makes links with.

    Attributes:
        servers: Server objects, or functions that make them, by name.
        wires: The links that were made, in order.
        open_now: Links that are entered and not left.
        before: Is awaited before a link is there; it may raise or wait.
    """

    servers: dict[str, Any] = attrs.field(factory=dict)
    wires: list[Wire] = attrs.field(factory=list)
    open_now: int = 0
    before: dict[str, Callable[[], Any]] = attrs.field(factory=dict)

    def make(self, kind: str, options: Mapping[str, Any]) -> AbstractAsyncContextManager[Link]:
        return self._program(options) if kind == "pipe" else self._object(str(options["server"]))

    @asynccontextmanager
    async def _object(self, name: str) -> AsyncIterator[Link]:
        if name in self.before:
            await self.before[name]()
        server = self.servers[name]
        server = server() if callable(server) else server
        low = getattr(server, "_lowlevel_server", server)
        to_client, from_server = anyio.create_memory_object_stream[Any](16)
        to_server, from_client = anyio.create_memory_object_stream[Any](16)
        self.open_now += 1
        wire = Wire(from_server, to_server)
        self.wires.append(wire)
        failure: Exception | None = None
        async with anyio.create_task_group() as tasks:

            async def serve() -> None:
                async with from_client, to_client:
                    await low.run(from_client, to_client, low.create_initialization_options())

            def cut() -> None:
                wire.state = LinkReport(is_open=False, reason="the wire was cut")
                to_client.close()

            tasks.start_soon(serve)
            wire.cut = cut
            try:
                yield wire
            except Exception as error:  # raised again below
                failure = error
            finally:
                self.open_now -= 1
                tasks.cancel_scope.cancel()
                for stream in (to_client, from_server, to_server, from_client):
                    stream.close()
        if failure is not None:
            raise failure

    @asynccontextmanager
    async def _program(self, options: Mapping[str, Any]) -> AsyncIterator[Link]:
        argv = [options["command"], *options.get("args", ())]
        process = await anyio.open_process(argv, env={**os.environ, **options.get("env", {})})
        to_client, read = anyio.create_memory_object_stream[Any](0)
        write, from_client = anyio.create_memory_object_stream[Any](0)
        wire = Wire(read, write, process)
        self.wires.append(wire)
        self.open_now += 1
        assert process.stdin is not None
        stdin = process.stdin

        async def writing() -> None:
            with contextlib.suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
                async for item in from_client:
                    await stdin.send(item.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n")

        async def reading() -> None:
            await _read(process, to_client)

        async def complaining() -> None:
            assert process.stderr is not None
            async for chunk in process.stderr:
                wire.stderr.extend(chunk)

        failure: Exception | None = None
        async with anyio.create_task_group() as tasks:
            for work in (reading, writing, complaining):
                tasks.start_soon(work)
            try:
                yield wire
            except Exception as error:  # raised again below
                failure = error
            finally:
                self.open_now -= 1
                with anyio.CancelScope(shield=True):
                    await stdin.aclose()
                    with anyio.move_on_after(1):
                        await process.wait()
                    with contextlib.suppress(ProcessLookupError):
                        process.send_signal(signal.SIGKILL)
                    await process.wait()
                    await process.aclose()
                tasks.cancel_scope.cancel()
                for stream in (to_client, read, write, from_client):
                    stream.close()
        if failure is not None:
            raise failure


async def _read(process: anyio.abc.Process, to_client: Any) -> None:
    """Pass on what a program writes, line by line, until it ends."""
    from mcp.shared.message import SessionMessage  # noqa: PLC0415
    from mcp_types import jsonrpc_message_adapter  # noqa: PLC0415

    assert process.stdout is not None
    rest = b""
    with contextlib.suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
        async with to_client:
            async for chunk in process.stdout:
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    try:
                        item: Any = SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
                    except ValueError as error:
                        item = error
                    await to_client.send(item)
            with anyio.move_on_after(0.05):
                await process.wait()


@attrs.define
class McpContext(PlainContext):
    """A context whose transports are those of the tests.

    Attributes:
        thinks: Seconds that a person takes for each answer.
    """

    transports: Transports = attrs.field(factory=Transports, kw_only=True)
    thinks: float = attrs.field(default=0.0, kw_only=True)

    async def ask(self, question: Question) -> str:
        await anyio.sleep(self.thinks)
        return await super().ask(question)

    def make(self, kind: str, name: str, options: Mapping[str, Any] | None = None) -> Any:
        if kind == "transport":
            return self.transports.make(name, options or {})
        return super().make(kind, name, options)

    def of(self, agent: str) -> McpContext:
        """Return the same context for another agent."""
        made = attrs.evolve(self, agent=agent)
        made._stack, made._redactor, made._shared, made._tasks = self._stack, self._redactor, self._shared, self._tasks
        return made


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def until() -> Callable[[Callable[[], Any]], Awaitable[None]]:
    """Wait, within bounds, until something holds that other tasks and processes bring about: `await until(lambda: ...)`."""

    async def wait(condition: Callable[[], Any]) -> None:
        with anyio.fail_after(10):
            while not condition():  # noqa: ASYNC110 - what is waited for sets no event
                await anyio.sleep(0.002)

    return wait


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"):
        folder = tmp_path / name.lower()
        folder.mkdir(mode=0o700)
        monkeypatch.setenv(name, str(folder))


@pytest.fixture
def memory() -> Memory:
    return Memory(cache_folder(os.environ), state_folder(os.environ))


@pytest.fixture
def transports() -> Transports:
    return Transports()


@pytest.fixture
def context(tmp_path: Path, records: Any, transports: Transports) -> McpContext:
    return McpContext(folder=tmp_path, records=records, transports=transports)


@pytest.fixture
def section() -> Callable[..., ServerConfig]:
    """Make a server's section: `section("echo")` for a server object, `section(program="modern")` for a program."""

    def make(server: str = "", *, program: str = "", **fields: Any) -> ServerConfig:
        fields.setdefault("name", server or program)
        if program:
            options: dict[str, Any] = {"command": sys.executable, "args": [str(PEER), program]}
            return ServerConfig(transport="pipe", options=options, **fields)
        return ServerConfig(transport="object", options={"server": server}, **fields)

    return make
