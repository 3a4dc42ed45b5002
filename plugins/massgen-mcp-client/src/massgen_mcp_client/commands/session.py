"""Servers opened for one command."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from massgen_core.api import App, ConfigProblem, Context, Event, NoticeGiven, UsageProblem
from massgen_mcp_client.commands.found import Found
from massgen_mcp_client.config import ServerConfig

if TYPE_CHECKING:
    from massgen_mcp_client.library import OpenServer

__all__ = ["Opened", "section_of", "using"]

T = TypeVar("T")


@attrs.frozen(eq=False)
class Opened:
    """What a command works with.

    Attributes:
        servers: In the order that was asked for.
        context: Redacts what is shown.
        events: What happened up to now.
    """

    servers: Sequence[OpenServer]
    context: Context
    events: list[Event]

    @property
    def notices(self) -> list[str]:
        """What a person should know, that is no failure of a server."""
        faults = {str(server.fault) for server in self.servers if server.fault}
        texts = [event.text for event in self.events if isinstance(event, NoticeGiven) and event.level != "info"]
        return [text for text in dict.fromkeys(texts) if not any(text.startswith(fault) for fault in faults)]


def section_of(found: Found) -> ServerConfig:
    """Return a server's section, with the working folder as the workspace.

    Raises:
        ConfigProblem: The section is wrong.
        UsageProblem: The server is disabled.
    """
    if found.problem:
        raise ConfigProblem(found.problem)
    if found.config is None:
        raise UsageProblem(f"MCP server {found.name!r} is disabled in {found.where}")
    return found.config.placed(Path.cwd())


def using(
    app: App,
    configs: Sequence[ServerConfig],
    work: Callable[[Opened], Awaitable[T]],
    *,
    is_fresh: bool = False,
    wrapped: Callable[[Context], Context] = lambda context: context,
) -> T:
    """Open servers in parallel, do something with them, close them, and return what was done.

    Args:
        app: The program.
        configs: Their sections.
        work: What to do.
        is_fresh: Nothing that earlier starts learnt is used, but for the definitions of tools that were seen before.
        wrapped: Makes the context that servers are opened with.
    """
    import logging  # noqa: PLC0415 - for whoever opens a server

    import anyio  # noqa: PLC0415

    from massgen_mcp_client.cache import state_folder  # noqa: PLC0415
    from massgen_mcp_client.library import opened  # noqa: PLC0415

    async def main() -> T:
        from massgen_mcp_client.memory import Memory  # noqa: PLC0415

        events: list[Event] = []
        with tempfile.TemporaryDirectory(prefix="massgen-mcp-") as folder:
            memory = Memory(Path(folder), state_folder(os.environ)) if is_fresh else None
            async with app.context(events.append) as inner:
                context = wrapped(inner)
                async with opened([_eager(config) for config in configs], context, memory) as servers:
                    return await work(Opened(servers, context, events))

    # The SDK logs what it raises, with tracebacks; a fault says it in one sentence.
    logging.getLogger("mcp").addHandler(logging.NullHandler())
    result: Any = anyio.run(main)
    return result  # type: ignore[no-any-return]


def _eager(config: ServerConfig) -> ServerConfig:
    return attrs.evolve(config, lazy=False)
