"""The two streams of a link, as the MCP SDK's client takes them. No task and no queue is between pipe and client."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

import anyio
import anyio.lowlevel

from massgen_mcp_stdio.frames import Frames, frame_of

__all__ = ["MessageReader", "MessageWriter", "Stream"]

CHUNK = 256 << 10
UNYIELDING = 32


class Stream:
    """What the streams of both directions have."""

    def close(self) -> None:
        """End the stream at once; its descriptor is its owner's."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """End the stream at once."""
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()


class MessageReader(Stream):
    """Messages from a pipe, and faults between them.

    Args:
        descriptor: The pipe, not blocking; it stays its owner's.
        limit: Bytes of the longest message.
        at_end: Awaited before the stream says that it ended.
    """

    def __init__(self, descriptor: int, limit: int, at_end: Callable[[], Awaitable[None]]) -> None:
        self._descriptor = descriptor
        self._at_end = at_end
        self._frames = Frames(limit)
        self._items: deque[Any] = deque()
        self._is_ending = False
        self.is_ended = False
        self._taken = 0

    async def receive(self) -> Any:
        """Return the next message or fault.

        Raises:
            anyio.EndOfStream: The server's output ended, or the server did.
        """
        while not self._items:
            if self.is_ended:
                await self._at_end()
                raise anyio.EndOfStream
            if not self._is_ending:
                try:
                    await anyio.wait_readable(self._descriptor)
                except (anyio.ClosedResourceError, OSError, ValueError):
                    self._is_ending = True
            self._take()
        self._taken += 1
        if self._taken % UNYIELDING == 0:
            await anyio.lowlevel.checkpoint()  # a server that talks without a pause must not silence everybody else
        return self._items.popleft()

    def _take(self) -> None:
        try:
            data = os.read(self._descriptor, CHUNK)
        except BlockingIOError:
            if not self._is_ending:
                return
            data = b""
        except OSError:
            data = b""
        if data:
            self._items.extend(self._frames.feed(data))
        else:
            self.is_ended = True
            self._items.extend(self._frames.end())

    def finish(self) -> None:
        """End the stream after what is in the pipe now: the server is gone, even if something that it started holds the pipe."""
        self._is_ending = True
        anyio.notify_closing(self._descriptor)

    def close(self) -> None:
        """End the stream at once."""
        self.is_ended = True
        anyio.notify_closing(self._descriptor)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None


class MessageWriter(Stream):
    """Messages into a pipe, each whole or not at all, as long as the server reads.

    Args:
        descriptor: The pipe, not blocking; it stays its owner's.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = anyio.Lock()
        self._rest = memoryview(b"")
        self._is_closed = False

    async def send(self, item: Any) -> None:
        """Write a message; returns when the pipe has taken it.

        Raises:
            anyio.BrokenResourceError: The server reads no more.
            anyio.ClosedResourceError: The stream was closed.
        """
        frame = memoryview(frame_of(item))
        if not self._rest and not self._lock.locked():
            written = self._push(frame)
            if written == len(frame):
                return
            if written:
                self._rest, frame = frame[written:], memoryview(b"")
        async with self._lock:
            await self._flush()  # also what a cancelled sender left of its message
            while frame:
                await anyio.wait_writable(self._descriptor)
                if written := self._push(frame):
                    self._rest, frame = frame[written:], memoryview(b"")
            await self._flush()

    def close(self) -> None:
        """Take no more messages."""
        self._is_closed = True

    async def _flush(self) -> None:
        while self._rest:
            try:
                await anyio.wait_writable(self._descriptor)
            except (OSError, ValueError):
                raise anyio.BrokenResourceError from None
            self._rest = self._rest[self._push(self._rest) :]

    def _push(self, data: memoryview) -> int:
        if self._is_closed:
            raise anyio.ClosedResourceError
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:
            return 0
        except OSError:
            raise anyio.BrokenResourceError from None
