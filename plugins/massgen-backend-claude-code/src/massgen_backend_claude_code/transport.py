"""The program as a process: its lines in and out, and its end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import anyio
import anyio.abc
import anyio.lowlevel
import attrs
from claude_agent_sdk import CLIConnectionError, CLIJSONDecodeError, ProcessError, Transport

from massgen_core.api import Secret

__all__ = ["CliTransport", "Launch"]

LINE = 64 * 1024 * 1024  # bytes of one line, at most
# Seconds between asking the process to end and ending it, in which it writes its record, and again until it is surely gone.
PATIENCE, HURRY = 1.5, 0.1
KEPT = 4096  # bytes of what it wrote to its standard error
# Variables that hold a key or a token, and those that hold the number of a descriptor to read one from.
KEY = ("ANTHROPIC_API_KEY", "CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR")
TOKEN = ("CLAUDE_CODE_OAUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN_FILE_DESCRIPTOR")
# Left alone, the program would go on without us; Linux can end it with the process that began it. Python is gone when the program is there.
_TIED = "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 15); os.execv(sys.argv[1], sys.argv[1:])"


@attrs.frozen(kw_only=True)
class Launch:
    """How to start the program.

    Attributes:
        arguments: The program and what it is told.
        env: Its whole environment, without the key.
        key: Handed over apart: not in the arguments, and where the system allows not in the environment.
        scratch: Files that are removed when the process has ended.
    """

    arguments: Sequence[str]
    env: Mapping[str, str]
    cwd: Path
    key: Secret | None = None
    scratch: Sequence[Path] = ()


class CliTransport(Transport):
    """Speaks lines of JSON with one process of the program.

    The SDK's own transport hands the whole environment on, keeps the key in it, and lets a process live for seconds after its end was asked for.

    Attributes:
        hurries: Somebody waits for its end, and nobody for its record.
        complaints: The end of what it wrote to its standard error; known when it is closed.
    """

    def __init__(self, launch: Launch) -> None:
        self._launch = launch
        self._process: anyio.abc.Process | None = None
        self._writing = anyio.Lock()
        self._errors: IO[bytes] | None = None
        self.hurries = False
        self._is_silent = False  # it closed its output, which it does when it ends
        self.complaints = ""

    async def connect(self) -> None:
        """Start the process."""
        launch = self._launch
        if shutil.which(launch.arguments[0]) is None:
            raise CLIConnectionError(f"{launch.arguments[0]} cannot be started: it is no program")
        env, handed = dict(launch.env), tuple[int, ...]()
        if launch.key is not None:
            value = launch.key.reveal()
            plain, by_descriptor = TOKEN if value.startswith("sk-ant-oat") else KEY  # tokens come from `claude setup-token`
            if sys.platform == "win32":
                env[plain] = value
            else:
                handed = (_readable(value),)
                env[by_descriptor] = str(handed[0])
        tie = [sys.executable, "-I", "-S", "-c", _TIED] if sys.platform == "linux" and sys.executable else []
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `close`
        try:
            self._process = await anyio.open_process(
                [*tie, *launch.arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                cwd=launch.cwd,
                env=env,
                start_new_session=True,
                pass_fds=handed,
            )
        except OSError as error:
            raise CLIConnectionError(f"{launch.arguments[0]} cannot be started: {error.strerror}") from None
        finally:
            for descriptor in handed:
                os.close(descriptor)

    def is_ready(self) -> bool:
        """Tell whether the process runs."""
        return self._process is not None and self._process.returncode is None and not self._is_silent

    async def write(self, data: str) -> None:
        """Send a line."""
        async with self._writing:
            if self._process is None or self._process.stdin is None:
                raise CLIConnectionError("Claude Code is not running")
            try:
                await self._process.stdin.send(data.encode())
            except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
                raise CLIConnectionError("Claude Code takes no more input") from None

    async def end_input(self) -> None:
        """Say that nothing more comes."""
        if self._process is not None and self._process.stdin is not None:
            with suppress(OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
                await self._process.stdin.aclose()

    async def read_messages(self) -> AsyncIterator[dict[str, Any]]:
        """Yield each line that is an object; other lines are no messages."""
        process = self._process
        if process is None or process.stdout is None:
            raise CLIConnectionError("Claude Code is not running")
        async for line in _lines(process.stdout):
            if line.startswith(b"{"):
                try:
                    message = json.loads(line)
                except ValueError as error:
                    raise CLIJSONDecodeError(line[:200].decode(errors="replace"), error) from None
                yield message
        self._is_silent = True
        # Who closed it knows that it ended.
        if (code := await process.wait()) and self._process is not None:
            raise ProcessError(f"Claude Code ended with exit code {code}", exit_code=code)

    async def close(self) -> None:
        """End the process and what it started: first asked, soon after by force."""
        process, self._process = self._process, None
        for file in self._launch.scratch:
            with suppress(OSError):
                file.unlink()
        errors, self._errors = self._errors, None
        if errors is not None:
            with errors:
                size = errors.seek(0, os.SEEK_END)
                errors.seek(max(0, size - KEPT))
                self.complaints = errors.read(KEPT).decode(errors="replace").strip()
        if process is None:
            return
        with anyio.CancelScope(shield=True):
            _signal(process, signal.SIGTERM)
            with anyio.move_on_after(HURRY if self.hurries else PATIENCE):
                await process.wait()
            # Its commands are in its group, and may outlive it.
            _signal(process, signal.SIGKILL if sys.platform != "win32" else signal.SIGTERM)
            with anyio.move_on_after(HURRY if self.hurries else 5):
                await process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with suppress(OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
                        await stream.aclose()
            await anyio.lowlevel.checkpoint()


def _readable(text: str) -> int:
    """Return a descriptor from which the text can be read once; a pipe holds more than any key has."""
    reading, writing = os.pipe()
    try:
        os.write(writing, text.encode()[:4096])
    finally:
        os.close(writing)
    return reading


def _signal(process: anyio.abc.Process, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":
            process.terminate()
        else:
            os.killpg(process.pid, number)


async def _lines(stream: anyio.abc.ByteReceiveStream) -> AsyncIterator[bytes]:
    """Yield whole lines, in time linear in the bytes."""
    parts: list[bytes] = []
    size = 0
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        async for piece in stream:
            *lines, rest = piece.split(b"\n")
            for line in lines:
                parts.append(line)
                yield b"".join(parts)
                parts, size = [], 0
            parts.append(rest)
            size += len(rest)
            if size > LINE:
                raise CLIConnectionError(f"Claude Code sent a line of more than {LINE} bytes")
    if last := b"".join(parts):
        yield last
