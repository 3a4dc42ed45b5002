"""A socket over which a container's agent speaks with us directly: past the engine, whose programs hand on each word several times."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress

import anyio
import anyio.abc
import attrs

from massgen_exec_docker.egress import socket_folder

__all__ = ["Line"]


@attrs.define
class Line:
    """A socket that takes one connection, the agent's, which is there before any command is; then it is gone.

    Attributes:
        folder: Where it is; the container sees this folder, and nothing can be written in it from there.
    """

    folder: str = attrs.field(factory=socket_folder)
    _listener: anyio.abc.SocketListener | None = None

    async def open(self) -> None:
        """Begin to listen."""
        self._listener = await anyio.create_unix_listener(f"{self.folder}/socket", mode=0o666)

    async def accepted(self, closed: anyio.Event) -> anyio.abc.ByteStream | None:
        """Wait for the agent and return its stream; None where none comes before the container ends or `close` is called."""
        assert self._listener is not None
        found: list[anyio.abc.ByteStream] = []
        async with anyio.create_task_group() as tasks:

            async def give_up() -> None:
                await closed.wait()
                tasks.cancel_scope.cancel()

            tasks.start_soon(give_up)
            with suppress(OSError, anyio.ClosedResourceError):
                found.append(await self._listener.accept())
            tasks.cancel_scope.cancel()
        return found[0] if found else None

    async def close(self) -> None:
        """Take no connection any more, and remove the socket."""
        if self._listener is not None:
            await self._listener.aclose()
        shutil.rmtree(os.path.dirname(self.folder), ignore_errors=True)
