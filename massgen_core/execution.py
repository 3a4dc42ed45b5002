"""The contract of executors: commands in sandboxes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, Protocol

import attrs

__all__ = [
    "ExecCommand",
    "ExecResult",
    "Executor",
    "Limits",
    "NetworkPolicy",
    "Process",
]


def _limit(text: str) -> Any:
    return attrs.field(default=None, metadata={"help": text})


@attrs.frozen(kw_only=True)
class Limits:
    """What a command may use; None leaves the executor's default, which is never "unlimited".

    Attributes:
        seconds: Wall time; what is started without one lives as long as its context.
        memory: Bytes of the whole tree, swap included.
        cpus: Cores' worth of CPU time.
        processes: Processes and threads of the whole tree at once.
        descriptors: Open files of one process.
        file_size: Bytes of one file.
        disk: Bytes of temporary files.
        output: Bytes kept of each output stream by `run`, the first ones; the rest is counted.
    """

    seconds: float | None = _limit("wall time in seconds")
    memory: int | None = _limit("bytes of memory of the whole tree, swap included")
    cpus: float | None = _limit("cores' worth of CPU time")
    processes: int | None = _limit("processes and threads of the whole tree at once")
    descriptors: int | None = _limit("open files of one process")
    file_size: int | None = _limit("bytes of one file")
    disk: int | None = _limit("bytes of temporary files")
    output: int | None = _limit("bytes kept of each output; the rest is counted")


@attrs.frozen(kw_only=True)
class NetworkPolicy:
    """What a command may reach.

    Attributes:
        mode: `none`; `allow`: only `hosts`; `full`: whatever the machine reaches, named so that nobody opens it by accident.
        hosts: `host:port` each, for `allow`.
    """

    mode: Literal["none", "allow", "full"] = "none"
    hosts: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class ExecCommand:
    """A command: an argument vector, never a shell string.

    Attributes:
        argv: The executable and its arguments.
        stdin: Bytes for its standard input.
        env: Variables added to the sandbox's clean environment.
        folder: Working folder inside the sandbox, relative to the workspace; empty for the workspace.
        user: Whom it runs as, by name or number; empty for the sandbox's unprivileged user.
        limits: What it may use.
        network: What it may reach; None for the sandbox's own policy.
        labels: Strings for audit and clean-up.
    """

    argv: tuple[str, ...]
    stdin: bytes = b""
    env: Mapping[str, str] = attrs.field(factory=dict)
    folder: str = ""
    user: str = ""
    limits: Limits = Limits()
    network: NetworkPolicy | None = None
    labels: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class ExecResult:
    """How a command ended; every end is a value.

    Attributes:
        status: `exited`, `signalled`, `timed_out`, `out_of_memory`, or `not_found`: nothing ran, and `stderr` says why.
        exit_code: The process's exit code; 128 and the signal's number where a signal ended it; 127 where there is no such program or folder, 126
            where it cannot be run.
        stdout: What was kept of it.
        stderr: What was kept of it.
        dropped: Bytes of both streams beyond the output limit.
        seconds: Wall time.
        cpu_seconds: CPU time of the whole tree, None where it is not known.
        memory: Peak bytes, None where it is not known.
    """

    status: Literal["exited", "signalled", "timed_out", "out_of_memory", "not_found"]
    exit_code: int
    stdout: bytes = b""
    stderr: bytes = b""
    dropped: int = 0
    seconds: float = 0.0
    cpu_seconds: float | None = None
    memory: int | None = None


class Process(Protocol):
    """A running command with open streams.

    Whoever starts it reads both outputs: one that nobody reads holds the process up, once what lies between is full.
    """

    async def send(self, data: bytes) -> None:
        """Write to its standard input; returns when it is taken.

        Raises:
            BrokenPipeError: It reads no more.
        """

    async def close_stdin(self) -> None:
        """Close its standard input."""

    def stdout(self) -> AsyncIterator[bytes]:
        """Its standard output, in pieces, until it ends."""

    def stderr(self) -> AsyncIterator[bytes]:
        """Its standard error, in pieces, until it ends."""

    async def wait(self) -> ExecResult:
        """Wait for its end, as often as you like; `stdout` and `stderr` of the result are empty, but for why nothing ran."""

    async def kill(self) -> None:
        """Kill it and all that it started; again does nothing."""


class Executor(Protocol):
    """A sandbox.

    A factory may return an executor, or an async context manager of one, which reaches the engine on entering and leaves nothing behind.

    Any method raises `ExecutorUnavailable`, `ImageMissing`, `LimitUnsupported` (at start, naming the limit; never silently weaker), `SandboxLost`,
    or `CommandRefused` where the configuration's patterns do not let a command through.

    Commands see the agent's workspace, `context.workspace`, and what the configuration shares, nothing else of the machine. A command ends with all
    that it started: what it leaves in the background is killed with its end, and with the end of whoever runs it.

    Paths are relative to the workspace, or absolute as commands see them. No link leads out of what commands may see.
    """

    async def run(self, command: ExecCommand) -> ExecResult:
        """Run a command to its end. Cancelling kills its whole process tree."""

    def start(self, command: ExecCommand) -> AbstractAsyncContextManager[Process]:
        """Start a command with open streams; leaving the context kills its whole process tree."""

    async def read(self, path: str) -> bytes:
        """Return a file of the sandbox.

        Raises:
            FileNotFoundError: There is none.
            OSError: It is no file, or one that the sandbox may not read.
        """

    async def write(self, path: str, data: bytes) -> None:
        """Write a file of the sandbox, with its folders.

        Raises:
            OSError: The sandbox may not write there.
        """
