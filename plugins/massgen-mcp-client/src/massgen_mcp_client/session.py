"""A connection that is ready, and whom connections work for."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, Protocol, TypeAlias

import anyio
import attrs

from massgen_core.api import Link, LinkReport
from massgen_mcp_client.events import McpEvent
from massgen_mcp_client.faults import McpFault
from massgen_mcp_client.tap import Operation, Tap

__all__ = ["MODERN", "Keeper", "Session", "State", "final_report"]

State: TypeAlias = Literal["idle", "connecting", "ready", "waiting", "closing", "closed"]

MODERN = "2026-07-28"
REPORT_SECONDS = 0.06


@attrs.define(eq=False)
class Session:
    """A connection that is ready.

    Attributes:
        client: The SDK's client; use it from any task, never enter or leave it.
        era: The protocol revision that was agreed on.
        generation: Counts the sessions of a connection, from 1.
        operations: What is under way.
    """

    client: Any
    tap: Tap
    era: str
    generation: int
    operations: set[Operation] = attrs.field(factory=set)

    @property
    def is_modern(self) -> bool:
        """The server is of the stateless era."""
        return self.era >= MODERN

    @property
    def link(self) -> Link:
        """What it runs over."""
        return self.tap.link


class Keeper(Protocol):
    """Whom a connection works for."""

    def make(self) -> AbstractAsyncContextManager[Link]:
        """Return the transport's context manager, a new one each time."""

    def wire(self, link: Link, has_ended: Callable[[], None]) -> Tap:
        """Return the tap for a new link."""

    def options(self) -> dict[str, Any]:
        """Return the arguments of the SDK's client."""

    def operation(self) -> Operation:
        """Return a fresh operation of the connection's own."""

    def mode(self) -> str:
        """Return how to agree on an era: `auto`, `legacy` or `2026-07-28`."""

    def settled(self, era: str) -> None:
        """Remember an era; an empty one is forgotten."""

    async def serve(self, session: Session) -> None:
        """Do what a session needs as long as it lives; cancelled at its end."""

    def tell(self, event: type[McpEvent], **fields: Any) -> None:
        """Put a fact into the journal."""

    def lost(self, fault: McpFault) -> None:
        """A session ended although nobody closed it."""


async def final_report(link: Link) -> LinkReport:
    """Return how a link ended: the exit code may come some milliseconds after the last message."""
    with anyio.move_on_after(REPORT_SECONDS):
        while link.report().is_open:  # noqa: ASYNC110 - a transport has no event for this
            await anyio.sleep(0.002)
    return link.report()
