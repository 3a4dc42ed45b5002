"""A started supervisor, on this side: its process, the socket to it, and what it says."""

from __future__ import annotations

import array
import marshal
import os
import signal
import socket
import struct
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import anyio

from massgen_core.api import ExecutorUnavailable, SandboxLost

__all__ = ["Cell", "Vector"]

READY_SECONDS = 60.0
KILL_SECONDS = 5.0
SIZE = 65536
_SO_PASSCRED = 16
_SCM_CREDENTIALS = 2
# Given the number of the socket, returns the command line and the descriptors that it needs, which are then ours to close.
Vector = Callable[[int], tuple[Sequence[str], Sequence[int]]]


_COME = ("/bin/sh", "-c", 'while [ "$1" != -- ]; do echo 0 >"$1" || exit 1; shift; done; shift; exec "$@"', "sh")


def _memory(name: str, data: bytes) -> int:
    descriptor = os.memfd_create(name)
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
    return descriptor


class Cell:
    """Everything but waiting is synchronous, so that a cancellation never meets half of it.

    Args:
        vector: Makes the supervisor's command line.
        doors: Files through which it comes into control groups, before anything else of it is started.

    Raises:
        ExecutorUnavailable: It could not be started.
    """

    def __init__(self, vector: Vector, doors: Sequence[str] = ()) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_PASSCRED, 1)
        self._words = os.memfd_create("massgen-words")  # what its programs say when it cannot be set up
        given: Sequence[int] = ()
        try:
            with theirs:
                argv, given = vector(theirs.fileno())
                argv = [*_COME, *doors, "--", *argv] if doors else argv
                self._popen = subprocess.Popen(  # noqa: S603 - a command line of our own
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=self._words,
                    env={},
                    pass_fds=(theirs.fileno(), *given),
                    start_new_session=True,
                )
        except (OSError, ValueError) as error:
            self._socket.close()
            os.close(self._words)
            raise ExecutorUnavailable(f"executor local: the supervisor of commands cannot be started: {error}") from error
        finally:
            for descriptor in given:
                os.close(descriptor)
        self.pid = 0

    async def ready(self) -> None:
        """Wait until the supervisor listens; its process id, as this machine sees it, is `pid` then.

        Raises:
            ExecutorUnavailable: It does not start.
        """
        with anyio.move_on_after(READY_SECONDS):
            while True:
                await anyio.wait_readable(self._socket)
                with suppress(BlockingIOError):
                    word, extras, _, _ = self._socket.recvmsg(SIZE, socket.CMSG_SPACE(12))
                    for level, kind, data in extras:
                        if (level, kind) == (socket.SOL_SOCKET, _SCM_CREDENTIALS):
                            self.pid = struct.unpack("iII", data[:12])[0]
                    if word == b"ready" and self.pid:
                        return
                    break
        raise ExecutorUnavailable(f"executor local: the sandbox cannot be set up: {self.words() or 'its supervisor does not answer'}")

    @property
    def is_alive(self) -> bool:
        """The supervisor's process runs."""
        return self._popen.poll() is None

    def words(self) -> str:
        """Return what the sandbox's programs said about themselves."""
        size = os.fstat(self._words).st_size
        return os.pread(self._words, min(size, 2000), 0).decode(errors="replace").strip()

    async def look(self) -> Mapping[str, Any]:
        """Ask the supervisor how it is confined."""
        self._socket.send(b"look")
        return await self._answer()  # type: ignore[no-any-return]

    def order(self, job: Mapping[str, Any], streams: Sequence[int]) -> None:
        """Give the supervisor its one job and the command's streams, which stay ours to close."""
        memory = _memory("massgen-job", marshal.dumps(dict(job)))
        try:
            descriptors = array.array("i", (memory, *streams))
            self._socket.sendmsg([b"job"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)])
        except OSError as error:
            raise SandboxLost(f"executor local: the supervisor of the command is gone: {error}") from error
        finally:
            os.close(memory)

    async def result(self) -> tuple[int | None, float, int, tuple[str, int, str] | None]:
        """Wait until nothing is left of the command; return its status, CPU seconds, memory, and why it could not be started.

        Raises:
            SandboxLost: The supervisor went away.
        """
        return await self._answer()  # type: ignore[no-any-return]

    async def _answer(self) -> Any:
        while True:
            await anyio.wait_readable(self._socket)
            # A supervisor that ended with an order unread resets the connection first, and what it said comes after that.
            with suppress(BlockingIOError, ConnectionResetError):
                told = self._socket.recv(SIZE)
                if not told:
                    raise SandboxLost(f"executor local: the sandbox went away while it was in use{': ' * bool(self.words())}{self.words()}")
                return marshal.loads(told)  # noqa: S302 - from our own supervisor, whose memory no command can write to

    def kill(self) -> None:
        """Order the supervisor to kill the command and all that is left of it."""
        with suppress(OSError):
            self._socket.send(b"kill")

    async def gone(self) -> None:
        """Wait a moment for the supervisor's end, so that `close` does not have to."""
        try:
            ending = os.pidfd_open(self._popen.pid)
        except OSError:  # it is gone
            return
        try:
            with anyio.move_on_after(KILL_SECONDS):
                await anyio.wait_readable(ending)
        finally:
            os.close(ending)

    def drop(self) -> None:
        """Kill the supervisor itself, with what sets its sandbox up: the inner of two would wait for the outer for ever."""
        if self._popen.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._popen.pid, signal.SIGKILL)

    def hang_up(self) -> None:
        """Let the supervisor end, with whatever it still has."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End what is left, and give everything back."""
        anyio.notify_closing(self._socket)
        self._socket.close()
        os.close(self._words)
        try:
            self._popen.wait(0.5)  # it ends with the socket
        except subprocess.TimeoutExpired:
            self.drop()
            with suppress(subprocess.TimeoutExpired):
                self._popen.wait(KILL_SECONDS)
