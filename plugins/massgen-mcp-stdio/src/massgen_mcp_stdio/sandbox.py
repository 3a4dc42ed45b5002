"""A link to a server in a sandbox: the executor starts and ends it, its streams are the link's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio

from massgen_core.api import Context, ExecCommand, ExecResult, Executor, ExecutorFault, Link, LinkReport, MassGenError, Process
from massgen_mcp_stdio.config import StdioConfig
from massgen_mcp_stdio.environment import revealed
from massgen_mcp_stdio.frames import Frames, frame_of
from massgen_mcp_stdio.streams import Stream
from massgen_mcp_stdio.tail import Tail

__all__ = ["SandboxLink", "in_sandbox"]

BUFFERED = 64
LATE_SECONDS = 0.1


class SandboxWriter(Stream):
    """Messages to a process in a sandbox.

    Args:
        process: The process.
    """

    def __init__(self, process: Process) -> None:
        self._process = process
        self._lock = anyio.Lock()
        self._is_closed = False

    async def send(self, item: Any) -> None:
        """Write a message; returns when the sandbox has taken it.

        Raises:
            anyio.BrokenResourceError: The server reads no more.
            anyio.ClosedResourceError: The stream was closed.
        """
        if self._is_closed:
            raise anyio.ClosedResourceError
        # Half a message would spoil every later one, so a message that was begun is finished.
        async with self._lock:
            with anyio.CancelScope(shield=True):
                try:
                    await self._process.send(frame_of(item))
                except (ExecutorFault, OSError):
                    raise anyio.BrokenResourceError from None

    def close(self) -> None:
        """Take no more messages."""
        self._is_closed = True


class SandboxLink:
    """A link to a server in a sandbox."""

    def __init__(self, process: Process, config: StdioConfig) -> None:
        self.process = process
        self.write = SandboxWriter(process)
        self._items, self.read = anyio.create_memory_object_stream[Any](BUFFERED)
        self._frames = Frames(config.max_message)
        self.tail = Tail()
        self.result: ExecResult | None = None
        self.reason = ""
        self.ended = anyio.Event()

    def report(self) -> LinkReport:
        """Say how the link is."""
        code = self.result.exit_code if self.result is not None else None
        return LinkReport(is_open=not self.reason, reason=self.reason, exit_code=code, stderr=self.tail.text())

    def watch_stderr(self, observer: Callable[[str], None]) -> None:
        """Call `observer` with each line that the server writes to its standard error, what it has written so far first."""
        self.tail.watch(observer)

    async def pump(self) -> None:
        """Read the server's messages until its output ends."""
        with self._items:
            try:
                async for data in self.process.stdout():
                    for item in self._frames.feed(data):
                        await self._items.send(item)
                for item in self._frames.end():
                    await self._items.send(item)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                async for _ in self.process.stdout():  # nobody reads any more, and the server must not wait for us
                    pass
            except ExecutorFault as error:
                self.reason = self.reason or str(error)
            with anyio.move_on_after(LATE_SECONDS):
                await self.ended.wait()
            self.reason = self.reason or "its standard output ended"

    async def listen(self) -> None:
        """Read the server's standard error until it ends."""
        try:
            async for data in self.process.stderr():
                self.tail.feed(data)
        except ExecutorFault:
            pass
        self.tail.end()

    async def watch(self) -> None:
        """Wait for the server's end."""
        try:
            self.result = await self.process.wait()
        except ExecutorFault as error:
            self.reason = self.reason or str(error)
        else:
            self.reason = self.reason or f"{self.result.status.replace('_', ' ')} with code {self.result.exit_code}"
        self.ended.set()

    async def stop(self, seconds: float) -> None:
        """Close the server's input and wait; the sandbox kills what is left."""
        self.reason = self.reason or "closed"
        self.write.close()
        self.read.close()
        with anyio.move_on_after(seconds):
            try:
                await self.process.close_stdin()
                await self.ended.wait()
            except (ExecutorFault, OSError):
                pass


@asynccontextmanager
async def _opened(context: Context, name: str, options: Mapping[str, Any]) -> AsyncIterator[Executor]:
    """Open an executor, for all servers of an agent that name it with the same options, however often they are started: it holds its folders."""
    made = context.make("executor", name, options)
    if hasattr(type(made), "__aenter__"):
        async with made as executor:
            yield executor
    else:
        yield made


@asynccontextmanager
async def in_sandbox(config: StdioConfig, context: Context) -> AsyncIterator[Link]:
    """Yield a link to a server in the configured sandbox.

    Raises:
        MassGenError: The executor is missing or wrongly configured.
        ExecutorFault: The sandbox or the server in it cannot be started.
        SecretMissing: The server's environment names a secret that no store holds.
    """
    options = dict(config.executor or {})
    name = options.pop("type", None)
    if not isinstance(name, str):
        raise MassGenError("the server's executor needs `type`: the name of an executor, for instance executor: {type: docker}")
    executor = await context.share(("executor", context.agent, name, repr(options)), lambda: _opened(context, name, options))
    command = ExecCommand(
        argv=(config.command, *config.args), env=revealed(config.env, context), folder=config.cwd, labels={"massgen.mcp": config.command}
    )
    failure: Exception | None = None
    async with executor.start(command) as process:
        link = SandboxLink(process, config)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(link.pump)
            tasks.start_soon(link.listen)
            tasks.start_soon(link.watch)
            try:
                yield link
            except Exception as error:  # raised again below, where the task group cannot wrap it
                failure = error
            finally:
                with anyio.CancelScope(shield=True):
                    await link.stop(config.stop_seconds)
                tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure
