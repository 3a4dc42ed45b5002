"""A server's process: started in a group of its own, its end noticed at once, ended with all that it started."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO

import anyio

from massgen_core.api import MassGenError
from massgen_mcp_stdio import reaper
from massgen_mcp_stdio.environment import setpriv
from massgen_mcp_stdio.procfs import MARK

__all__ = ["ServerProcess", "ended"]

KILL_SECONDS = 2.0
POLL_SECONDS = 0.05


def ended(code: int) -> str:
    """Return how a process ended, for a person; `code` as `subprocess` gives it."""
    if code >= 0:
        return f"exited with code {code}"
    try:
        return f"killed by signal {-code} ({signal.Signals(-code).name})"
    except ValueError:
        return f"killed by signal {-code}"


def _without_blocking(stream: IO[bytes] | None) -> int:
    assert stream is not None
    os.set_blocking(stream.fileno(), False)
    return stream.fileno()


class ServerProcess:
    """A started server. Everything but waiting is synchronous, so that a cancellation never meets half of it.

    Args:
        argv: The program's path and its arguments.
        env: All of its environment.
        cwd: The folder that it starts in, None for this process's.

    Raises:
        MassGenError: The system could not start it.
    """

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], cwd: str | None) -> None:
        token = secrets.token_hex(12)
        # The signal comes when the thread that started it ends: the event loop's, which the link cannot outlive.
        wrapper = [found, "--pdeathsig", "TERM", "--"] if (found := setpriv()) else []
        try:
            # A process for whoever opens the link; leaving the link ends it.
            self._popen = subprocess.Popen(  # noqa: S603 - an argument vector, checked before
                [*wrapper, *argv],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**env, MARK: token},
                cwd=cwd,
                start_new_session=True,
                bufsize=0,
            )
        except (OSError, ValueError) as error:
            raise MassGenError(f"the server's command {argv[0]!r} cannot be started: {error}") from error
        self.pid = self._popen.pid
        self.stdin, self.stdout, self.stderr = (_without_blocking(stream) for stream in (self._popen.stdin, self._popen.stdout, self._popen.stderr))
        self._token = token
        self._code: int | None = None
        self._note = reaper.remember(self.pid, token)

    @property
    def exit_code(self) -> int | None:
        """As `subprocess` gives it; None while it runs."""
        if self._code is None:
            self._code = self._look()
        return self._code

    def _look(self) -> int | None:
        if not hasattr(os, "waitid"):
            return self._popen.poll()
        # It is not reaped before its group is killed: until then nobody else gets its number.
        with suppress(ChildProcessError):
            state = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if state is None:
                return None
            return state.si_status if state.si_code == os.CLD_EXITED else -state.si_status
        return self._popen.poll()

    async def wait(self) -> int:
        """Wait for the process's end and return its exit code."""
        try:
            descriptor = os.pidfd_open(self.pid)  # one for each who waits
        except (AttributeError, OSError):  # a system without it, or the process is gone
            while (code := self.exit_code) is None:  # noqa: ASYNC110 - nothing tells
                await anyio.sleep(POLL_SECONDS)
            return code
        try:
            while (code := self.exit_code) is None:
                await anyio.wait_readable(descriptor)
            return code
        finally:
            os.close(descriptor)

    def close_stdin(self) -> None:
        """Close the server's input; again does nothing."""
        assert self._popen.stdin
        if not self._popen.stdin.closed:
            anyio.notify_closing(self.stdin)
            with suppress(OSError):
                self._popen.stdin.close()

    async def stop(self, seconds: float) -> None:
        """End the process: close its input, wait, tell its group to end, wait. What is left is for `release`. Call it shielded from cancellation."""
        self.close_stdin()
        with anyio.move_on_after(seconds):
            await self.wait()
        if self.exit_code is None:
            self._signal(signal.SIGTERM)
            with anyio.move_on_after(seconds):
                await self.wait()

    def release(self) -> None:
        """Kill what is left of the server and everything that it started, and give all descriptors back."""
        self.close_stdin()
        self._signal(signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(KILL_SECONDS)
        if self._code is None:
            self._code = self._popen.returncode
        reaper.kill_marked(self._token)
        reaper.forget(self._note)
        for stream in (self._popen.stdout, self._popen.stderr):
            assert stream
            if not stream.closed:
                anyio.notify_closing(stream.fileno())
                stream.close()

    def _signal(self, number: int) -> None:
        with suppress(OSError):
            os.killpg(self.pid, number)
