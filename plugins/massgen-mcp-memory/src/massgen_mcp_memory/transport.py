"""The transport: a link to a server object that runs in a task of this process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import anyio

from massgen_core.api import Context, Link, LinkReport, MassGenError, clean_line
from massgen_mcp_memory.config import MemoryConfig

__all__ = ["MemoryLink", "open_memory"]

STOP_SECONDS = 2.0
BUFFERED = 16


class MemoryLink:
    """A link to a server object.

    Attributes:
        read: Messages from the server.
        write: Messages to the server.
    """

    def __init__(self, read: Any, write: Any) -> None:
        self.read, self.write = read, write
        self.is_open = True
        self.reason = ""
        self.ended = anyio.Event()

    def report(self) -> LinkReport:
        """Say how the link is."""
        return LinkReport(is_open=self.is_open, reason=self.reason)

    async def serve(self, server: Any, read: Any, write: Any) -> None:
        """Run the server until its messages end. What it raises ends the link, never its owner."""
        try:
            async with read, write:
                await server.run(read, write, server.create_initialization_options())
            self._end("the server ended")
        except Exception as error:  # a server's defect
            self._end(f"the server broke: {_innermost(error)}")
        finally:
            self._end("closed")

    def _end(self, reason: str) -> None:
        if self.is_open:
            self.is_open, self.reason = False, reason
        self.ended.set()


def _innermost(error: Exception) -> str:
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return clean_line(f"{type(error).__name__}: {error}", 300)


def open_memory(config: MemoryConfig, context: Context) -> AbstractAsyncContextManager[Link]:
    """Make the context manager of a link; no server runs before it is entered."""
    return _linked(config.server, context)


def _server(given: Any, context: Context) -> Any:
    """Return the server object that the option names or is, as the SDK's low-level server.

    Raises:
        MassGenError: It is neither a server object nor an installed server's name.
    """
    if isinstance(given, str):
        names = context.plugins.names("server")
        if given not in names:
            here = f"installed here: {', '.join(names)}" if names else "none is installed here"
            raise MassGenError(f"no server {given!r} is installed ({here}); install the distribution that brings it, or use another transport")
        given = context.make("server", given)
    # The SDK's high-level server wraps the one that has `run(read, write, options)`.
    server = getattr(given, "_lowlevel_server", given)
    if not hasattr(server, "create_initialization_options"):
        raise MassGenError(
            f"transport 'memory' takes a server object of the MCP SDK or the name of an installed server, not {type(given).__name__}; "
            "a server that is a program needs transport 'stdio'"
        )
    return server


@asynccontextmanager
async def _linked(given: Any, context: Context) -> AsyncIterator[Link]:
    server = _server(given, context)
    to_client, from_server = anyio.create_memory_object_stream[Any](BUFFERED)
    to_server, from_client = anyio.create_memory_object_stream[Any](BUFFERED)
    link = MemoryLink(from_server, to_server)
    failure: Exception | None = None
    async with from_server, to_server, anyio.create_task_group() as tasks:
        tasks.start_soon(link.serve, server, from_client, to_client)
        try:
            yield link
        except Exception as error:  # raised again below, where the task group cannot wrap it
            failure = error
        finally:
            link.is_open, link.reason = False, link.reason or "closed"
            to_server.close()
            from_server.close()
            with anyio.move_on_after(STOP_SECONDS, shield=True):
                await link.ended.wait()
            tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure
