"""The process of one agent's functions, here or in a sandbox: started when it is needed, ended when it does not answer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from fnmatch import fnmatchcase
from functools import partial
from importlib.resources import files
from typing import Any, Protocol

import anyio
import anyio.abc

from massgen_core.api import Context, ExecCommand, MassGenError, is_reference
from massgen_tools_python.config import PythonConfig

__all__ = ["Ended", "Functions"]

_TAIL = 4_000
_LONGEST = 16_000_000
_LAST_WORDS = 1.0  # seconds in which a process that ended may be read to its end
_USUAL = ("HOME", "LANG", "LC_*", "LOGNAME", "PATH", "PYTHON*", "TMPDIR", "TZ", "USER", "VIRTUAL_ENV")


class Ended(Exception):
    """The process ended, or had to be ended, before it answered."""


class _Streams(Protocol):
    async def send(self, data: bytes) -> None: ...

    def stdout(self) -> AsyncIterator[bytes]: ...

    def stderr(self) -> AsyncIterator[bytes]: ...


class _Local:
    """A process of this machine."""

    def __init__(self, process: anyio.abc.Process) -> None:
        self._process = process

    async def send(self, data: bytes) -> None:
        assert self._process.stdin is not None
        await self._process.stdin.send(data)

    async def stdout(self) -> AsyncIterator[bytes]:
        assert self._process.stdout is not None
        async for data in self._process.stdout:
            yield data

    async def stderr(self) -> AsyncIterator[bytes]:
        assert self._process.stderr is not None
        async for data in self._process.stderr:
            yield data


@asynccontextmanager
async def _here(argv: list[str], env: Mapping[str, str], folder: str | None) -> AsyncIterator[_Streams]:
    process = await anyio.open_process(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, cwd=folder, start_new_session=True
    )
    try:
        yield _Local(process)
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # with all that it started
        with anyio.CancelScope(shield=True):
            await process.wait()
            await process.aclose()


class _Life:
    """The process's life, in a task of its own: whoever starts it and whoever ends it may be different tasks."""

    def __init__(self) -> None:
        self.ready, self.stop, self.over, self.drained = anyio.Event(), anyio.Event(), anyio.Event(), anyio.Event()
        self.streams: _Streams | None = None
        self.fault: Exception | None = None
        self.tail = b""

    async def live(self, opening: AbstractAsyncContextManager[_Streams]) -> None:
        try:
            async with opening as self.streams, anyio.create_task_group() as tasks:
                tasks.start_soon(self._drain, self.streams)
                self.ready.set()
                await self.stop.wait()
                tasks.cancel_scope.cancel()
        except Exception as error:  # whatever a sandbox raises
            self.fault = error
        finally:
            self.ready.set()
            self.over.set()

    async def _drain(self, streams: _Streams) -> None:
        # Nobody needs it but to say why the process ended; one that is not read holds the process up.
        try:
            with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, MassGenError):
                async for piece in streams.stderr():
                    self.tail = (self.tail + piece)[-_TAIL:]
        finally:
            self.drained.set()


class Functions:
    """Loads functions into a process and calls them, one at a time.

    Args:
        config: The toolset's options.
        context: Of the agent.
        items: What the process is to load; see its module.
    """

    def __init__(self, config: PythonConfig, context: Context, items: list[dict[str, Any]]) -> None:
        self._config, self._context, self._items = config, context, items
        self._lock = anyio.Lock()
        self._life: _Life | None = None
        self._pieces: AsyncIterator[bytes]
        self._rest, self._number = b"", 0

    async def load(self) -> list[dict[str, Any]]:
        """Load the functions and return, for each, what it takes, or what is wrong with it.

        Raises:
            Ended: The process ended, or took too long.
        """
        async with self._lock:
            return await self._started()

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Call a function and return its `text`, `is_error` and `structured`.

        Raises:
            Ended: The process ended, or took too long; the next call starts another.
        """
        async with self._lock:
            if self._life is None:
                await self._started()
            return await self._asked({"tool": tool, "arguments": dict(arguments)}, self._config.seconds)

    async def close(self) -> None:
        """End the process; again does nothing."""
        life, self._life = self._life, None
        if life is not None:
            life.stop.set()
            with anyio.CancelScope(shield=True):
                await life.over.wait()

    async def _started(self) -> list[dict[str, Any]]:
        life, opening = _Life(), await self._process()
        self._rest = b""
        self._context.start(partial(life.live, opening))
        self._life = life
        try:
            await life.ready.wait()
        except BaseException:
            await self.close()
            raise
        if life.streams is None:
            self._life = None
            if isinstance(life.fault, OSError):
                raise Ended(f"the process of the functions cannot be started: {life.fault.strerror or life.fault}") from life.fault
            raise life.fault or self._gone(life)
        self._pieces = life.streams.stdout()
        reply = await self._asked({"load": self._items}, self._config.start_seconds)
        loaded: list[dict[str, Any]] = reply["loaded"]
        return loaded

    async def _process(self) -> AbstractAsyncContextManager[_Streams]:
        source = files("massgen_tools_python").joinpath("worker.py").read_text(encoding="utf-8")
        config, context = self._config, self._context
        own = {name: context.secret(text).reveal() if is_reference(text, context.plugins) else text for name, text in config.env.items()}
        passed = {name: value for name, value in os.environ.items() if any(fnmatchcase(name, pattern) for pattern in config.pass_env)}
        if config.executor is None:
            usual = {name: value for name, value in os.environ.items() if any(fnmatchcase(name, pattern) for pattern in _USUAL)}
            folder = str(context.workspace) if context.workspace else None
            return _here([config.python or sys.executable, "-c", source], {**usual, **passed, **own}, folder)
        options = dict(config.executor)
        name = options.pop("type", None)
        if not isinstance(name, str) or not name:
            raise MassGenError("the executor of Python functions needs `type`: the name of an executor, for instance executor: {type: docker}")
        executor = await context.share(("python", context.agent, name, repr(options)), lambda: _opened(context, name, options))
        started: AbstractAsyncContextManager[_Streams] = executor.start(
            ExecCommand(argv=(config.python or "python3", "-c", source), env={**passed, **own})
        )
        return started

    async def _asked(self, message: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Send a message and return the answer; whatever comes between ends the process."""
        self._number += 1
        life = self._life
        assert life is not None
        assert life.streams is not None
        answer: dict[str, Any] | None = None
        try:
            with anyio.move_on_after(seconds) as limit:
                answer = await self._answered(life.streams, {**message, "number": self._number})
            if limit.cancelled_caught:
                what = "loading the files" if "load" in message else "the call"
                raise Ended(f"{what} took longer than {seconds:g} seconds, and was ended")
            if answer is None:
                with anyio.move_on_after(_LAST_WORDS):
                    await life.drained.wait()
                raise self._gone(life)
        except MassGenError as error:
            raise Ended(f"the process of the functions is gone: {self._context.redact(str(error))}") from error
        finally:
            if answer is None:
                await self.close()
        return answer

    async def _answered(self, streams: _Streams, message: dict[str, Any]) -> dict[str, Any] | None:
        with suppress(BrokenPipeError, anyio.BrokenResourceError, anyio.ClosedResourceError):
            await streams.send(json.dumps(message).encode() + b"\n")
            piece = self._rest
            read = bytearray(piece)
            while b"\n" not in piece and len(read) < _LONGEST:
                piece = await anext(self._pieces, b"")
                if not piece:
                    return None
                read += piece
            line, _, self._rest = bytes(read).partition(b"\n")
            with suppress(ValueError):
                answer = json.loads(line)
                if isinstance(answer, dict) and answer.get("number") == message["number"]:
                    return answer
        return None

    def _gone(self, life: _Life) -> Ended:
        tail = self._context.redact(life.tail.decode("utf-8", "replace")).strip()
        last = f"; the last that it said: {tail.splitlines()[-1][:500]}" if tail else ""
        return Ended(f"the process of the functions ended before it answered{last}")


@asynccontextmanager
async def _opened(context: Context, name: str, options: Mapping[str, Any]) -> AsyncIterator[Any]:
    made = context.make("executor", name, options)
    if hasattr(made, "__aenter__"):
        async with made as executor:
            yield executor
    else:
        yield made
