"""A command that runs: its streams, its time, its end."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from typing import Any

import anyio
import anyio.lowlevel

from massgen_core.api import ExecResult, SandboxLost
from massgen_exec_local.cell import KILL_SECONDS, Cell

__all__ = ["Kept", "Pipes", "Running"]

SIZE = 1 << 16
NOT_FOUND = frozenset({errno.ENOENT, errno.ENOTDIR})
STDOUT, STDERR = 0, 1


class Pipes:
    """The command's three streams: its ends until they are handed over, and ours."""

    def __init__(self) -> None:
        self.theirs: list[int] = []
        self.ours: list[int] = []
        try:
            for number in range(3):
                read, write = os.pipe()
                mine, other = (write, read) if number == 0 else (read, write)
                self.ours.append(mine)
                self.theirs.append(other)
                os.set_blocking(mine, False)
        except OSError:
            self.close()
            raise

    def hand_over(self) -> None:
        """Close the command's ends here."""
        while self.theirs:
            os.close(self.theirs.pop())

    def close_input(self) -> None:
        """Close the command's input; again does nothing."""
        if self.ours and self.ours[0] >= 0:
            self._close(0)

    def close(self) -> None:
        """Give everything back."""
        self.hand_over()
        for number in range(len(self.ours)):
            if self.ours[number] >= 0:
                self._close(number)

    def _close(self, number: int) -> None:
        descriptor, self.ours[number] = self.ours[number], -1
        anyio.notify_closing(descriptor)
        os.close(descriptor)

    async def write(self, data: bytes) -> None:
        """Write to the command's input, all of it.

        Raises:
            BrokenPipeError: Nobody reads it any more.
        """
        view = memoryview(data)
        while view:
            if self.ours[0] < 0:
                raise BrokenPipeError(errno.EPIPE, "the command's input is closed")
            try:
                view = view[os.write(self.ours[0], view) :]
            except BlockingIOError:
                with suppress(anyio.ClosedResourceError):
                    await anyio.wait_writable(self.ours[0])
        await anyio.lowlevel.checkpoint()

    async def pieces(self, number: int) -> AsyncIterator[bytes]:
        """Yield what the command writes to one of its outputs, until nobody can write any more."""
        while (descriptor := self.ours[number]) >= 0:
            try:
                data = os.read(descriptor, SIZE)
            except BlockingIOError:
                with suppress(anyio.ClosedResourceError):
                    await anyio.wait_readable(descriptor)
                continue
            if not data:
                return
            yield data
            await anyio.lowlevel.checkpoint()


class Kept:
    """The first bytes of a stream, and how many there were beyond them."""

    def __init__(self, limit: int) -> None:
        self.data = bytearray()
        self.dropped = 0
        self._limit = limit

    async def keep(self, pieces: AsyncIterator[bytes]) -> None:
        """Read a stream to its end."""
        async for piece in pieces:
            room = self._limit - len(self.data)
            self.data += piece[:room]
            self.dropped += max(0, len(piece) - room)


class Running:
    """A command under its supervisor.

    Args:
        cell: The supervisor, which has been given the command.
        pipes: Its streams.
        was_out_of_memory: Says whether the kernel killed a process of it for want of memory.
        peak: Says how much memory it used at most, None where that is not known.
    """

    def __init__(
        self, cell: Cell, pipes: Pipes, job: Mapping[str, Any], was_out_of_memory: Callable[[], bool], peak: Callable[[], int | None]
    ) -> None:
        self._cell, self._pipes, self._job = cell, pipes, job
        self._was_out_of_memory, self._peak = was_out_of_memory, peak
        self._begun = time.monotonic()
        self._order = ""
        self._fed, self._ended = anyio.Event(), anyio.Event()
        self._result: ExecResult | None = None
        self._lost: SandboxLost | None = None

    async def send(self, data: bytes) -> None:
        """Write to its standard input, after what the command brought itself."""
        await self._fed.wait()
        await self._pipes.write(data)

    async def close_stdin(self) -> None:
        """Close its standard input."""
        await self._fed.wait()
        self._pipes.close_input()

    def stdout(self) -> AsyncIterator[bytes]:
        """Its standard output."""
        return self._pipes.pieces(1)

    def stderr(self) -> AsyncIterator[bytes]:
        """Its standard error."""
        return self._pipes.pieces(2)

    async def wait(self) -> ExecResult:
        """Wait for its end."""
        await self._ended.wait()
        if self._lost is not None:
            raise self._lost
        assert self._result is not None
        return self._result

    async def kill(self) -> None:
        """Kill it and all that it started."""
        self._stop("killed")
        with anyio.move_on_after(KILL_SECONDS):
            await self._ended.wait()

    def _stop(self, order: str) -> None:
        if not self._ended.is_set():
            self._order = self._order or order
            self._cell.kill()

    async def feed(self, data: bytes, *, close: bool) -> None:
        """Write what the command brought, and close its input where nothing more comes."""
        with suppress(BrokenPipeError):
            await self._pipes.write(data)
        if close:
            self._pipes.close_input()
        self._fed.set()

    async def watch(self, seconds: float | None) -> None:
        """Note its end, which comes after `seconds` at the latest; whoever cancels that has to wait for `end`."""
        try:
            with anyio.CancelScope(shield=True):
                told = None
                with anyio.move_on_after(seconds):
                    told = await self._cell.result()
                if told is None:
                    self._stop("timed_out")
                    told = await self._cell.result()
                self._result = self._made(*told)
        except SandboxLost as error:
            self._lost = error
        finally:
            self._ended.set()
            self._fed.set()

    def _made(self, status: int | None, cpu_seconds: float, memory: int, failure: tuple[str, int, str] | None) -> ExecResult:
        seconds = time.monotonic() - self._begun
        if failure is not None:
            return self._not_started(*failure)
        signalled = status is None or os.WIFSIGNALED(status)
        code = 137 if status is None else 128 + os.WTERMSIG(status) if signalled else os.WEXITSTATUS(status)
        if self._order == "timed_out":
            kind, code = "timed_out", 137
        elif code and not self._order and self._was_out_of_memory():
            kind = "out_of_memory"
        else:
            kind = "signalled" if signalled else "exited"
        peak = self._peak()
        used = memory if peak is None else peak
        return ExecResult(status=kind, exit_code=code, seconds=seconds, cpu_seconds=cpu_seconds, memory=used)  # type: ignore[arg-type]

    def _not_started(self, stage: str, number: int, reason: str) -> ExecResult:
        if stage in ("limits", "walls"):
            raise SandboxLost(f"executor local: the {stage} of the command could not be put up: {reason}")
        what = self._job["folder"] if stage == "folder" else self._job["argv"][0]
        code = 127 if stage == "folder" or number in NOT_FOUND else 126
        return ExecResult(status="not_found", exit_code=code, stderr=f"{what}: {reason}\n".encode(errors="surrogateescape"))

    async def end(self) -> None:
        """Kill what is left; call it shielded from cancellation."""
        if not self._ended.is_set():
            await self.kill()
        if not self._ended.is_set():  # its supervisor does not answer
            self._cell.drop()
            await self._ended.wait()
        self._pipes.close()
