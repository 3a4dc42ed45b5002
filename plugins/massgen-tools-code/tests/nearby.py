"""The executor of these tests: processes of this machine in the agent's folder, without walls, with the contract's streams and ends."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
import anyio.abc
import attrs

from massgen_core.api import CommandRefused, ExecCommand, ExecResult, MassGenError


@attrs.define
class Beside:
    """A process with the contract's streams."""

    process: anyio.abc.Process
    status: str = ""
    used: float = 0.0

    async def send(self, data: bytes) -> None:
        assert self.process.stdin
        try:
            await self.process.stdin.send(data)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            raise BrokenPipeError from None

    async def close_stdin(self) -> None:
        assert self.process.stdin
        await self.process.stdin.aclose()

    async def stdout(self) -> AsyncIterator[bytes]:
        assert self.process.stdout
        async for data in self.process.stdout:
            yield data

    async def stderr(self) -> AsyncIterator[bytes]:
        assert self.process.stderr
        async for data in self.process.stderr:
            yield data

    async def wait(self) -> ExecResult:
        code = await self.process.wait()
        status = self.status or ("exited" if code >= 0 else "signalled")
        return ExecResult(status=status, exit_code=code if code >= 0 else 128 - code, seconds=0.01, cpu_seconds=0.5, memory=1000)  # type: ignore[arg-type]

    async def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    async def watch(self, seconds: float | None) -> None:
        if seconds is not None:
            await anyio.sleep(seconds)
            self.status = "timed_out"
            await self.kill()


@attrs.define
class Absent:
    """A process that never was."""

    reason: str

    async def send(self, data: bytes) -> None:
        raise BrokenPipeError

    async def close_stdin(self) -> None:
        return

    async def stdout(self) -> AsyncIterator[bytes]:
        for piece in list[bytes]():
            yield piece

    stderr = stdout

    async def wait(self) -> ExecResult:
        return ExecResult(status="not_found", exit_code=127, stderr=self.reason.encode())

    async def kill(self) -> None:
        return


@attrs.define
class Nearby:
    """An executor without walls.

    Attributes:
        folder: Where commands run.
        lacks: Programs that it has not.
        fault: What it raises for every command.
        commands: What it was given.
    """

    folder: Path
    lacks: tuple[str, ...] = ()
    fault: MassGenError | None = None
    refuses: str = ""
    commands: list[ExecCommand] = attrs.field(factory=list)

    async def run(self, command: ExecCommand) -> ExecResult:
        async with self.start(command) as process:
            await process.close_stdin()
            out = b"".join([piece async for piece in process.stdout()])
            result = await process.wait()
        names = [line for line in out.decode().splitlines() if line not in self.lacks]
        return attrs.evolve(result, stdout="\n".join(names).encode())

    @asynccontextmanager
    async def start(self, command: ExecCommand) -> AsyncIterator[Beside | Absent]:
        self.commands.append(command)
        if self.fault is not None:
            raise self.fault
        if self.refuses and any(self.refuses in word for word in command.argv):
            raise CommandRefused("the command is blocked")
        try:
            process = await anyio.open_process(
                command.argv, stdin=subprocess.PIPE, cwd=self.folder / command.folder, env={"PATH": os.environ["PATH"]}, start_new_session=True
            )
        except OSError as error:
            yield Absent(f"{error.filename}: {error.strerror}")
            return
        beside = Beside(process)
        async with process, anyio.create_task_group() as tasks:
            tasks.start_soon(beside.watch, command.limits.seconds)
            try:
                with suppress(BrokenPipeError):
                    await beside.send(command.stdin)
                yield beside
            finally:
                tasks.cancel_scope.cancel()
                await beside.kill()
