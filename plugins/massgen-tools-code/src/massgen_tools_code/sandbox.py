"""The agent's sandbox: which languages it has, and one command in it from beginning to end."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import attrs

from massgen_core.api import CommandRefused, Context, ExecCommand, ExecResult, Executor, Limits, Process, ToolUse
from massgen_tools_code.changes import Snapshot, changes, look
from massgen_tools_code.config import CODE, CodeConfig
from massgen_tools_code.events import FileChange
from massgen_tools_code.output import Captured

__all__ = ["Done", "Sandbox", "open_sandbox"]

FOLDER = "code"
PROBE_SECONDS = 60.0
_PROBE = 'for each in "$@"; do command -v "$each" >/dev/null 2>&1 && echo "$each"; done; exit 0'


@attrs.define
class Done:
    """A command that came to its end."""

    result: ExecResult
    out: Captured
    err: Captured
    files: tuple[FileChange, ...] | None

    @property
    def output(self) -> int:
        """Bytes of both streams."""
        return self.out.total + self.err.total

    @property
    def stored(self) -> tuple[str, ...]:
        """Where long outputs are, within the run's folder."""
        return self.out.stored + self.err.stored


@attrs.frozen
class Sandbox:
    """An agent's executor, with what the toolset adds to it.

    Attributes:
        languages: The argument vectors of those that are there.
    """

    executor: Executor
    languages: Mapping[str, tuple[str, ...]]
    config: CodeConfig
    context: Context

    def command(self, language: str, code: str, *, folder: str, seconds: float, use: ToolUse) -> ExecCommand:
        """Return the command that runs a program of a language."""
        argv = self.languages[language]
        return ExecCommand(
            argv=tuple(code if word == CODE else word for word in argv),
            stdin=b"" if CODE in argv else code.encode("utf-8", "surrogateescape"),
            folder=folder,
            limits=Limits(seconds=seconds),
            labels={"agent": use.agent, "call": use.call.id},
        )

    def captured(self, use: ToolUse, stream: str) -> Captured:
        """Return a stream's keeper; its file is made when it is needed."""
        name = f"{FOLDER}/{use.agent}/{use.turn}-{secrets.token_hex(4)}.{stream}"
        config, folder = self.config, self.context.folder
        return Captured(folder / name, name, shown=config.output, stored=config.stored_output, redact=self.context.redact)

    async def run(self, command: ExecCommand, use: ToolUse) -> Done:
        """Run a command to its end; cancelling kills it.

        Raises:
            MassGenError: The executor refuses it, or the sandbox is lost.
        """
        before = await self._look()
        out, err = self.captured(use, "stdout"), self.captured(use, "stderr")
        try:
            async with self.executor.start(command) as process:
                result = await follow(process, out, err)
        finally:
            out.close()
            err.close()
        found = None if before is None else changes(before, await self._look() or before)
        return Done(result, out, err, found)

    async def _look(self) -> Snapshot | None:
        folder = self.context.workspace
        if folder is None or not self.config.files:
            return None
        return await anyio.to_thread.run_sync(look, Path(folder), self.config.files)


async def follow(process: Process, out: Captured, err: Captured) -> ExecResult:
    """Read both outputs of a process that gets no more input, and wait for its end."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(out.take, process.stdout())
        tasks.start_soon(err.take, process.stderr())
        with suppress(BrokenPipeError):
            await process.close_stdin()
    return await process.wait()


async def open_sandbox(config: CodeConfig, context: Context) -> Sandbox:
    """Open the agent's executor and see which languages it has.

    Raises:
        MassGenError: There is no such executor, it is wrongly configured, or it makes no sandbox here.
    """
    name, options = config.executor_name, config.executor_options
    executor: Executor = await context.open("executor", name, options)
    wanted = config.vectors

    @asynccontextmanager
    async def probed() -> AsyncIterator[frozenset[str] | None]:
        yield await _programs(executor, sorted({argv[0] for argv in wanted.values()}))

    # Agents with the same sandbox need not look one by one.
    found = await context.share(("massgen-tools-code", name, repr(options), repr(wanted)), probed)
    return Sandbox(executor, {key: argv for key, argv in wanted.items() if found is None or argv[0] in found}, config, context)


async def _programs(executor: Executor, names: list[str]) -> frozenset[str] | None:
    """Return which programs a sandbox has; None where it does not let one look."""
    argv: tuple[Any, ...] = ("sh", "-c", _PROBE, "sh", *names)
    try:
        result = await executor.run(ExecCommand(argv=argv, limits=Limits(seconds=PROBE_SECONDS)))
    except CommandRefused:
        return None
    if (result.status, result.exit_code) != ("exited", 0):
        return None
    return frozenset(result.stdout.decode(errors="replace").split())
