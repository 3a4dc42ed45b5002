"""A container with its agent: started, held, spoken to, removed."""

from __future__ import annotations

import itertools
import json
import re
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import anyio
import anyio.abc
import attrs
import docker.errors

from massgen_core.api import Context, ExecutorFault, ExecutorUnavailable, ImageMissing, LimitUnsupported, MassGenError, SandboxLost, clean_line
from massgen_exec_docker.attach import STDERR, Attached, attach
from massgen_exec_docker.borrow import NoPython
from massgen_exec_docker.engine import Engine, told
from massgen_exec_docker.line import Line
from massgen_exec_docker.process import WINDOW, Running
from massgen_exec_docker.profile import Profile

__all__ = ["Session", "open_session"]

HEAD = struct.Struct(">cII")
START_SECONDS = 60.0
SEND_SECONDS = 60.0
CLOSE_SECONDS = 5.0
TAIL = 2000
MOST = 1 << 24


class Session:
    """A container whose agent answers.

    Args:
        engine: Where it runs.
        identity: The container's id.
        streams: Its streams.
    """

    def __init__(self, engine: Engine, identity: str, streams: Attached) -> None:
        self.engine, self.identity, self._streams = engine, identity, streams
        self._line: anyio.abc.ByteStream | None = None
        self.seen: Mapping[str, Any] = {}
        self.lost = ""
        self._numbers = itertools.count(1)
        self._jobs: dict[int, Running] = {}
        self._lock = anyio.Lock()
        self._ready, self._closed = anyio.Event(), anyio.Event()
        self._stderr = b""

    async def pump(self) -> None:
        """Hand on what the container writes, until it ends."""
        reason = "the connection to the engine broke"
        try:
            held = bytearray()
            async for kind, data in self._streams.pieces():
                if kind == STDERR:
                    self._stderr = (self._stderr + data)[-TAIL:]
                    continue
                if self._line is not None:  # the agent speaks there; this is somebody who found the output of the container's first process
                    continue
                held += data
                self._feed(held)
            reason = "the container ended"
        except SandboxLost as error:
            reason = str(error)
        except (ValueError, KeyError, TypeError) as error:
            reason = f"its agent does not make sense ({type(error).__name__})"
        finally:
            self._lose(reason)
            self._closed.set()

    async def listen(self, line: Line) -> None:
        """Take what the agent says past the engine, until the container ends; nothing comes where it cannot."""
        stream = await line.accepted(self._closed)
        if stream is None:
            return
        self._line = stream
        held = bytearray()
        try:
            async for data in stream:
                held += data
                self._feed(held)
        except (ValueError, KeyError, TypeError) as error:
            self._lose(f"its agent does not make sense ({type(error).__name__})")
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass
        finally:
            with anyio.CancelScope(shield=True):
                await stream.aclose()
                await self._streams.aclose()  # the one without the other is of no use

    def _feed(self, held: bytearray) -> None:
        """Take the frames that are whole."""
        at = 0
        while len(held) - at >= HEAD.size:
            letter, number, size = HEAD.unpack_from(held, at)
            if size > MOST:
                raise ValueError
            if len(held) - at - HEAD.size < size:
                break
            self._take(letter, number, bytes(held[at + HEAD.size : at + HEAD.size + size]))
            at += HEAD.size + size
        del held[:at]

    def _take(self, letter: bytes, number: int, data: bytes) -> None:
        if letter == b"H" and not self.seen:
            self.seen = json.loads(data)
            self._ready.set()
        elif number in self._jobs:
            self._jobs[number].frame(letter, data)

    def _lose(self, reason: str) -> None:
        said = clean_line(self._stderr.decode(errors="replace").strip().rpartition("\n")[2])
        self.lost = self.lost or (f"{reason}; it said: {said}" if said else reason)
        self._ready.set()
        for job in self._jobs.values():
            job.lose(self.lost)

    async def ready(self) -> None:
        """Wait for the agent.

        Raises:
            ExecutorUnavailable: The container has ended, or there is no answer.
        """
        with anyio.move_on_after(START_SECONDS):
            await self._ready.wait()
        if not self.seen:
            if "exec" in self.lost and "No such file or directory" in self.lost:  # what the engine's init says
                raise NoPython(f"executor docker: the image has no python3: {self.lost}")
            raise ExecutorUnavailable(f"executor docker: the container did not begin: {self.lost or 'its agent says nothing'}")

    async def send(self, kind: bytes, number: int, data: bytes = b"") -> None:
        """Send a frame, all of it even when that is cancelled: half of one would spoil every later one."""
        async with self._lock:
            if self.lost:
                raise SandboxLost(f"executor docker: the sandbox was lost: {self.lost}")
            with anyio.move_on_after(SEND_SECONDS, shield=True) as scope:
                try:
                    await (self._line or self._streams.stream).send(HEAD.pack(kind, number, len(data)) + data)
                except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                    self._lose("the container ended")
                    raise SandboxLost(f"executor docker: the sandbox was lost: {self.lost}") from None
            if scope.cancelled_caught:
                self._lose("its agent takes nothing any more")
                await self._streams.aclose()

    async def destroy(self, reason: str) -> None:
        """Remove the container."""
        self._lose(reason)
        with anyio.CancelScope(shield=True):
            await self._streams.aclose()
            with suppress(MassGenError):
                await self.engine.call(self.engine.remove, self.identity)

    @asynccontextmanager
    async def job(self, asked: Mapping[str, Any]) -> AsyncIterator[Running]:
        """Start a command, and end it when the context is left."""
        number = next(self._numbers)
        running = self._jobs[number] = Running(self, number, asked)
        try:
            # The lock may be waited for in vain; what is sent is sent.
            await self.send(b"R", number, json.dumps({**asked, "window": WINDOW}).encode())
            try:
                yield running
            finally:
                with anyio.CancelScope(shield=True):
                    await running.end()
        finally:
            del self._jobs[number]

    async def close(self) -> None:
        """Let the container go: its agent ends with its input; and see that it is gone."""
        self._lose("it was closed")
        await self._streams.aclose()
        with anyio.move_on_after(CLOSE_SECONDS):
            await self._closed.wait()
        await self.engine.call(self.engine.remove, self.identity)


def _fault(error: docker.errors.APIError, profile: Profile) -> MassGenError:
    text = told(error)
    if isinstance(error, docker.errors.ImageNotFound) or "No such image" in text:
        return ImageMissing(f"executor docker: the image {profile.image[:19]} is not there any more")
    if "rlimit" in text:
        return LimitUnsupported(f"executor docker: the engine may not set these limits: descriptors, file_size: {text}")
    if match := re.search(r"unable to find (user|group) \S+", text):
        return LimitUnsupported(f"executor docker: the image knows no such user: {match.group()}; give the user as a number")
    if "bind source path does not exist" in text or "no such file or directory: bind" in text:
        return ExecutorUnavailable(
            f"executor docker: the engine does not see the folders of this machine: {text}. Use an engine of this one, or say workspace: apart"
        )
    if "python3" in text and ("not found" in text or "no such file" in text):
        return NoPython(f"executor docker: the image {profile.config.image!r} has no python3")
    return ExecutorUnavailable(f"executor docker: the engine does not start the container: {text}")


async def open_session(engine: Engine, profile: Profile, context: Context) -> Session:
    """Start a container and look at it from inside.

    Raises:
        ExecutorFault: It cannot be started, or is not what was asked for.
    """
    made: Callable[..., Any] = engine.client.containers.create
    session: Session | None = None
    identity = ""
    line: Line | None = None
    try:
        if engine.is_here:
            line = Line()
            await line.open()
            profile = attrs.evolve(profile, line=line.folder)
        box = await engine.call(made, **profile.asked())
        identity = str(box.id)
        streams = await attach(engine, identity)
        session = Session(engine, identity, streams)
        context.start(session.pump)
        if line is not None:
            context.start(partial(session.listen, line))
        await engine.call(box.start)
        await session.ready()
        profile.check(session.seen)
    except docker.errors.APIError as error:
        await _discard(engine, session, identity)
        raise _fault(error, profile) from None
    except BaseException:
        await _discard(engine, session, identity)
        raise
    finally:
        if line is not None:
            with anyio.CancelScope(shield=True):
                await line.close()
    return session


async def _discard(engine: Engine, session: Session | None, identity: str) -> None:
    with anyio.CancelScope(shield=True), suppress(ExecutorFault, MassGenError):
        if session is not None:
            await session.close()
        elif identity:
            await engine.call(engine.remove, identity)
