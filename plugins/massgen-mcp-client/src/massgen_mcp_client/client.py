"""All servers of one agent: opened in parallel, shared with agents whose sections are equal, each lazily where its tools are known."""

from __future__ import annotations

import importlib
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
from msgspec import json

from massgen_core.api import Context
from massgen_mcp_client.config import McpConfig, ServerConfig

if TYPE_CHECKING:
    from massgen_mcp_client.memory import Memory
    from massgen_mcp_client.server import Server

__all__ = ["WISHES", "open_servers"]

# The run's resource by which whoever writes a log tells whether it wants to see what crosses the wire: functions of server, tool and operation.
WISHES = ("mcp", "payloads")


async def open_servers(config: McpConfig, context: Context, memory: Memory | None = None) -> Sequence[Server]:
    """Open servers and return them in the order of the configuration, also those that could not be opened: their `fault` says why.

    They are closed with the run. Opening takes as long as the slowest of them, and no longer than its limits.

    Args:
        config: The servers.
        context: Of the agent.
        memory: What is remembered between runs; the user's own folders if None.

    Raises:
        ConfigProblem: A server names the agent's workspace, and the agent has none.
    """
    if not config.servers:
        return ()
    await _load()
    from massgen_mcp_client.memory import Memory  # noqa: PLC0415 - with servers only

    kept = memory or Memory.of_user()
    every: set[Server] = await context.share(("mcp", "all"), _nobody)
    servers = [await _shared(section.placed(context.workspace), section, context, kept, every) for section in config.servers]
    async with anyio.create_task_group() as tasks:
        for server in servers:
            if not (server.config.lazy and server.inventory.is_known):
                tasks.start_soon(server.opened)
    return servers


async def _load() -> None:
    """Import the SDK in a thread: it takes half a second, in which whatever else the process does goes on."""
    if "mcp" not in sys.modules or "massgen_mcp_client.server" not in sys.modules:
        await anyio.to_thread.run_sync(_import)


def _import() -> None:
    importlib.import_module("massgen_mcp_client.server")


async def _shared(config: ServerConfig, section: ServerConfig, context: Context, memory: Memory, every: set[Server]) -> Server:
    is_shared = config.shared and not section.is_of_one_agent
    uses_workspace = section.is_of_one_agent or (context.workspace is not None and section.names(str(context.workspace)))
    opener = partial(_opened, config, context, memory, every, is_shared=is_shared, uses_workspace=uses_workspace)
    made: Server = await context.share(_key(config, "" if is_shared else context.agent), opener)
    return made


def _key(config: ServerConfig, agent: str) -> tuple[str, str, str]:
    """Return what makes two sections the same server."""

    def plain(value: Any) -> Any:
        fields = getattr(type(value), "__attrs_attrs__", None)
        return {field.name: getattr(value, field.name) for field in fields} if fields else f"object {id(value)}"

    return "mcp", agent, json.encode(config, enc_hook=plain, order="deterministic").decode()


@asynccontextmanager
async def _nobody() -> AsyncIterator[set[Any]]:
    """Yield an empty set, which a run fills."""
    yield set()


@asynccontextmanager
async def _opened(
    config: ServerConfig, context: Context, memory: Memory, every: set[Server], *, is_shared: bool, uses_workspace: bool
) -> AsyncIterator[Server]:
    from massgen_mcp_client.server import Server  # noqa: PLC0415 - with servers only

    wishes = await context.share(WISHES, _nobody)
    server = Server(config, context, memory, is_shared=is_shared, uses_workspace=uses_workspace, wishes=wishes)
    every.add(server)
    context.start(server.connection.run)
    try:
        yield server
    finally:
        # What is opened is closed one by one: the first one begins for all, so that closing takes as long as the slowest.
        for one in every:
            one.connection.stop("the run ended")
        await server.close()
