"""The transport: a link to a server that is a process of this machine, or one in a sandbox."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import anyio

from massgen_core.api import Context, Link, LinkReport
from massgen_mcp_stdio import reaper
from massgen_mcp_stdio.config import StdioConfig
from massgen_mcp_stdio.environment import expanded, given_environment, vector
from massgen_mcp_stdio.process import ServerProcess, ended
from massgen_mcp_stdio.streams import CHUNK, MessageReader, MessageWriter
from massgen_mcp_stdio.tail import Tail

__all__ = ["PipeLink", "open_stdio"]

LATE_SECONDS = 0.1


class PipeLink:
    """A link to a server of this machine. Entered and left by `open_stdio`."""

    def __init__(self, process: ServerProcess, config: StdioConfig) -> None:
        self.process = process
        self.read = MessageReader(process.stdout, config.max_message, self._end)
        self.write = MessageWriter(process.stdin)
        self.tail = Tail()
        self._is_left = False
        self._is_deaf = False

    def report(self) -> LinkReport:
        """Say how the link is."""
        self._hear()
        code = self.process.exit_code
        if code is not None:
            reason = ended(code)
        elif self._is_left:
            reason = "closed"
        else:
            reason = "its standard output ended while it runs" if self.read.is_ended else ""
        return LinkReport(is_open=not reason, reason=reason, pid=self.process.pid, exit_code=code, stderr=self.tail.text())

    def watch_stderr(self, observer: Callable[[str], None]) -> None:
        """Call `observer` with each line that the server writes to its standard error, what it has written so far first."""
        self.tail.watch(observer)

    async def listen(self) -> None:
        """Read the server's standard error until it ends."""
        while True:
            try:
                await anyio.wait_readable(self.process.stderr)
            except (OSError, ValueError, anyio.ClosedResourceError, anyio.BusyResourceError):
                return
            if not self._hear():
                return

    def _hear(self) -> bool:
        """Read what stands in standard error now; False where it ended."""
        if self._is_deaf:
            return False
        try:
            data = os.read(self.process.stderr, CHUNK)
        except BlockingIOError:
            return True
        except OSError:
            data = b""
        if data:
            self.tail.feed(data)
            return True
        self._is_deaf = True
        self.tail.end()
        return False

    async def watch(self) -> None:
        """Wait for the server's end; then end the stream, also where something that it started holds its output."""
        await self.process.wait()
        self.read.finish()

    async def _end(self) -> None:
        # The pipe ends a moment before the process does, and whoever asks next wants its exit code.
        with anyio.move_on_after(LATE_SECONDS):
            await self.process.wait()

    async def stop(self, seconds: float) -> None:
        """End the server; what it still writes is read and forgotten, so that it never waits for us."""
        self._is_left = True
        self.read.close()
        self.write.close()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._drain)
            tasks.start_soon(self.listen)  # where a cancellation ended the one before
            await self.process.stop(seconds)
            tasks.cancel_scope.cancel()
        self._hear()
        self._is_deaf = True

    async def _drain(self) -> None:
        while True:
            try:
                await anyio.wait_readable(self.process.stdout)
                if not os.read(self.process.stdout, CHUNK):
                    return
            except BlockingIOError:
                continue
            except (OSError, ValueError, anyio.ClosedResourceError):
                return


def open_stdio(config: StdioConfig, context: Context) -> AbstractAsyncContextManager[Link]:
    """Make the context manager of a link; nothing is started before it is entered."""
    if config.executor is None:
        return _on_this_machine(config, context)
    from massgen_mcp_stdio.sandbox import in_sandbox  # noqa: PLC0415 - where it is used only

    return in_sandbox(config, context)


@asynccontextmanager
async def _on_this_machine(config: StdioConfig, context: Context) -> AsyncIterator[Link]:
    """Yield a link to a server of this machine.

    Raises:
        MassGenError: It cannot be started.
        SecretMissing: Its environment names a secret that no store holds.
    """
    env = given_environment(config, context)
    argv = vector(config, env)
    await anyio.to_thread.run_sync(reaper.reap)
    process = ServerProcess(argv, env, expanded(config.cwd) or None)
    link = PipeLink(process, config)
    failure: Exception | None = None
    try:
        async with anyio.create_task_group() as tasks:
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
    finally:
        process.release()
    if failure is not None:
        raise failure
