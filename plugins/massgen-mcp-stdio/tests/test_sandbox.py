"""A server in a sandbox: the executor of these tests runs it beside us, with the contract's streams."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import attrs
import pytest

from massgen_core.api import ExecCommand, ExecResult, ExecutorUnavailable, MassGenError
from massgen_mcp_stdio.config import StdioConfig
from massgen_mcp_stdio.transport import open_stdio
from massgen_testkit import Leaks, PlainContext

from .conftest import PEER, Speaker

pytestmark = pytest.mark.anyio


@attrs.define
class Beside:
    """A process of this machine with the streams of the contract."""

    process: anyio.abc.Process

    async def send(self, data: bytes) -> None:
        assert self.process.stdin
        try:
            await self.process.stdin.send(data)
        except anyio.BrokenResourceError as error:
            raise OSError("the process reads no more") from error

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
        return ExecResult(status="exited" if code >= 0 else "signalled", exit_code=code if code >= 0 else 128 - code)

    async def kill(self) -> None:
        self.process.kill()


@attrs.define
class Nearby:
    """An executor without walls."""

    commands: list[ExecCommand] = attrs.field(factory=list)

    @asynccontextmanager
    async def start(self, command: ExecCommand) -> AsyncIterator[Beside]:
        self.commands.append(command)
        process = await anyio.open_process(command.argv, stdin=subprocess.PIPE, env=dict(command.env), cwd=command.folder or None)
        async with process:
            try:
                yield Beside(process)
            finally:
                if process.returncode is None:
                    process.kill()


@asynccontextmanager
async def sandboxed(context: PlainContext, *behaviour: str, **options: Any) -> AsyncIterator[Speaker]:
    config = StdioConfig(command=sys.executable, args=("-S", "-E", str(PEER), *behaviour), executor={"type": "nearby", "image": "small"}, **options)
    async with open_stdio(config, context) as link:
        yield Speaker(link)


async def test_a_server_runs_in_an_executor(context: PlainContext, leaks: Leaks, tmp_path: Path) -> None:
    """The executor starts the command with what is named and nothing else; messages, standard error and the end come through."""
    executor = Nearby()
    context.objects = {("executor", "nearby"): executor}
    lines: list[str] = []
    before = leaks.held()
    with anyio.fail_after(20):
        async with sandboxed(context, "echo", env={"A": "1"}, cwd=str(tmp_path)) as speaker:
            speaker.link.watch_stderr(lines.append)
            assert (await speaker.ask("tools/call", n=1)).result == {"params": {"n": 1}}
            seen = (await speaker.ask("env")).result
            await speaker.ask("junk")
            assert len(speaker.others) == 7
            await speaker.ask("flood")

    (command,) = executor.commands
    assert command.env == {"A": "1"}
    assert command.folder == str(tmp_path) == seen["cwd"]
    assert "HOME" not in seen["env"]
    assert lines[-1] == "the end of the flood"
    assert speaker.link.report().exit_code == 0
    await leaks.none_since(before)


@pytest.mark.parametrize(("method", "code", "reason"), [("exit", 7, "exited with code 7"), ("die", 137, "signalled with code 137")])
async def test_the_end_in_a_sandbox_is_noticed(context: PlainContext, method: str, code: int, reason: str) -> None:
    """The stream ends and the report has the exit code."""
    context.objects = {("executor", "nearby"): Nearby()}
    with anyio.fail_after(20):
        async with sandboxed(context, "echo") as speaker:
            with pytest.raises(EOFError):
                await speaker.ask(method, code=7)
            report = speaker.link.report()

    assert (report.is_open, report.exit_code, report.reason) == (False, code, reason)


async def test_a_stubborn_server_is_left_to_the_sandbox(context: PlainContext, leaks: Leaks) -> None:
    """A server that ignores the end of its input is killed by the executor after the time it is given."""
    context.objects = {("executor", "nearby"): Nearby()}
    before = leaks.held()
    with anyio.fail_after(10):
        async with sandboxed(context, "ignores-all", stop_seconds=0.2) as speaker:
            await speaker.ask("warm")
    await leaks.none_since(before)


async def test_an_executor_without_a_type_is_explained(context: PlainContext) -> None:
    """The executor's name is needed."""
    with pytest.raises(MassGenError, match="needs `type`"):
        async with open_stdio(StdioConfig(command="x", executor={"image": "small"}), context):
            pass


async def test_an_engine_that_is_not_there_is_told_as_it_is(context: PlainContext) -> None:
    """What the executor raises arrives unwrapped."""

    class Absent:
        @asynccontextmanager
        async def start(self, command: ExecCommand) -> AsyncIterator[Beside]:
            raise ExecutorUnavailable("the engine does not answer; start it")
            yield

    context.objects = {("executor", "nearby"): Absent()}
    with pytest.raises(ExecutorUnavailable, match="start it"):
        async with sandboxed(context, "echo"):
            pass
