"""A command that runs in a container: its streams, its time, its end."""

from __future__ import annotations

import errno
import json
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any, Protocol

import anyio
import anyio.lowlevel

from massgen_core.api import ExecResult, SandboxLost

__all__ = ["WINDOW", "Running", "Speaker"]

WINDOW = 1 << 18
PIECE = 1 << 16
KILL_SECONDS = 10.0
NOT_FOUND = frozenset({errno.ENOENT, errno.ENOTDIR})


class Speaker(Protocol):
    """Where frames go."""

    async def send(self, kind: bytes, number: int, data: bytes = b"") -> None:
        """Send a frame.

        Raises:
            SandboxLost: There is no container any more.
        """

    async def destroy(self, reason: str) -> None:
        """Remove the container: it does not obey."""


class _Output:
    """What came of one output and was not taken yet."""

    def __init__(self) -> None:
        self.held: deque[bytes] = deque()
        self.size = 0
        self.has_ended = False
        self.news = anyio.Event()

    def put(self, data: bytes) -> None:
        self.held.append(data)
        self.size += len(data)
        self.tell()

    def take(self) -> bytes:
        data = self.held.popleft()
        self.size -= len(data)
        return data

    def tell(self) -> None:
        self.news.set()
        self.news = anyio.Event()

    def end(self) -> None:
        self.has_ended = True
        self.tell()


class Running:
    """A command under its supervisor.

    Args:
        speaker: Takes frames for the container.
        number: The command's number there.
        asked: What was asked for: `argv`, `folder`.
    """

    def __init__(self, speaker: Speaker, number: int, asked: Mapping[str, Any]) -> None:
        self._speaker, self._number, self._asked = speaker, number, asked
        self._begun = time.monotonic()
        self._outputs = (_Output(), _Output())
        self._room, self._room_made, self._is_broken = WINDOW, anyio.Event(), False
        self._order = ""
        self._fed, self._ended = anyio.Event(), anyio.Event()
        self._told: Mapping[str, Any] | None = None
        self._lost = ""

    # From the container

    def frame(self, kind: bytes, data: bytes) -> None:
        """Take a frame of the command's."""
        if kind in (b"O", b"E"):
            output = self._outputs[kind == b"E"]
            output.put(data)
            if output.size > (WINDOW if self._asked["keep"] is None else self._asked["keep"]):
                raise ValueError  # more than the agent may send: it is not the agent
        elif kind in (b"o", b"e"):
            self._outputs[kind == b"e"].end()
        elif kind == b"c":
            self._room += int.from_bytes(data, "big")
            self._make_room()
        elif kind == b"b":
            self._is_broken = True
            self._make_room()
        elif kind == b"X":
            self._told = json.loads(data)
            self._is_broken = True
            if self._asked["keep"] is not None or self._told.get("failure"):
                for output in self._outputs:
                    output.end()
            self._make_room()
            self._ended.set()

    def lose(self, reason: str) -> None:
        """Note that there is no container any more."""
        if not self._ended.is_set():
            self._lost = reason
        self._is_broken = True
        self._make_room()
        for output in self._outputs:
            output.end()
        self._ended.set()

    def _make_room(self) -> None:
        self._room_made.set()
        self._room_made = anyio.Event()

    # For whoever runs it

    async def send(self, data: bytes) -> None:
        """Write to its standard input, after what the command brought itself."""
        await self._fed.wait()
        await self._write(data)

    async def close_stdin(self) -> None:
        """Close its standard input."""
        await self._fed.wait()
        if not self._is_broken:
            await self._speaker.send(b"C", self._number)

    def stdout(self) -> AsyncIterator[bytes]:
        """Its standard output."""
        return self._pieces(0)

    def stderr(self) -> AsyncIterator[bytes]:
        """Its standard error."""
        return self._pieces(1)

    async def wait(self) -> ExecResult:
        """Wait for its end."""
        await self._ended.wait()
        return self._result()

    async def kill(self) -> None:
        """Kill it and all that it started."""
        await self._stop("killed")

    async def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            while not self._room and not self._is_broken:
                await self._room_made.wait()
            if self._is_broken:
                raise BrokenPipeError(errno.EPIPE, "the command reads no more")
            size = min(self._room, PIECE, len(view))
            self._room -= size
            await self._speaker.send(b"I", self._number, bytes(view[:size]))
            view = view[size:]
        await anyio.lowlevel.checkpoint()

    async def _pieces(self, which: int) -> AsyncIterator[bytes]:
        output, taken = self._outputs[which], 0
        while True:
            while output.held:
                data = output.take()
                yield data
                taken += len(data)
                if taken >= WINDOW // 4:
                    with suppress(SandboxLost):
                        await self._speaker.send(b"W", self._number, bytes([which]) + taken.to_bytes(4, "big"))
                    taken = 0
            if output.has_ended:
                return
            await output.news.wait()

    async def collect(self) -> tuple[bytes, bytes]:
        """Wait for the ends of both outputs and return what came of them."""
        for output in self._outputs:
            while not output.has_ended:
                await output.news.wait()
        return b"".join(self._outputs[0].held), b"".join(self._outputs[1].held)

    # Its life

    async def feed(self, data: bytes, *, close: bool) -> None:
        """Write what the command brought, and close its input where nothing more comes."""
        with suppress(BrokenPipeError, SandboxLost):
            await self._write(data)
        if close and self._asked["input"] and not self._is_broken:
            with suppress(SandboxLost):
                await self._speaker.send(b"C", self._number)
        self._fed.set()

    async def watch(self, seconds: float | None) -> None:
        """End it after `seconds`."""
        with anyio.move_on_after(seconds):
            await self._ended.wait()
        await self._stop("timed_out")
        self._fed.set()

    async def _stop(self, order: str) -> None:
        if self._ended.is_set():
            return
        self._order = self._order or order
        with suppress(SandboxLost):
            await self._speaker.send(b"K", self._number)
        with anyio.move_on_after(KILL_SECONDS):
            await self._ended.wait()
            return
        await self._speaker.destroy("its agent did not kill a command that it was told to kill")

    async def end(self) -> None:
        """Kill what is left, and let its streams go; call it shielded from cancellation."""
        await self._stop("killed")
        for output in self._outputs:
            output.end()
        if self._asked["keep"] is None:
            with suppress(SandboxLost):
                await self._speaker.send(b"F", self._number)

    @property
    def dropped(self) -> int:
        """Bytes of both outputs that the container counted and did not send."""
        return int((self._told or {}).get("dropped", 0))

    def _result(self) -> ExecResult:
        if self._told is None:
            raise SandboxLost(f"executor docker: the sandbox was lost while the command ran: {self._lost}")
        told, seconds = self._told, time.monotonic() - self._begun
        if told.get("failure"):
            return self._not_started(*told["failure"])
        status = told["status"]
        signalled = status is None or os.WIFSIGNALED(status)
        code = 137 if status is None else 128 + os.WTERMSIG(status) if signalled else os.WEXITSTATUS(status)
        kind = "signalled" if signalled else "exited"
        if self._order == "timed_out" and (told["ordered"] or status is None):
            kind, code = "timed_out", 137
        elif code and not told["ordered"] and told["starved"]:
            kind = "out_of_memory"
        return ExecResult(status=kind, exit_code=code, seconds=self._seconds(seconds), cpu_seconds=told["cpu"], memory=told["memory"])  # type: ignore[arg-type]

    def _seconds(self, now: float) -> float:
        self._taken = getattr(self, "_taken", now)  # the same for all who ask
        return self._taken

    def _not_started(self, stage: str, number: int, reason: str) -> ExecResult:
        if stage == "limits":
            raise SandboxLost(f"executor docker: the limits of the command could not be put up: {reason}")
        what = self._asked["folder"] if stage == "folder" else self._asked["argv"][0]
        code = 127 if stage == "folder" or number in NOT_FOUND else 126
        return ExecResult(status="not_found", exit_code=code, stderr=f"{what}: {reason}\n".encode(errors="surrogateescape"))
