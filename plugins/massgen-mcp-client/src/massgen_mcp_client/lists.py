"""Keeps a server's lists up to date: after each connect, and whenever the server says that something changed. What was known stays until then."""

from __future__ import annotations

import random
import time
from typing import Any, Protocol

import anyio
import attrs
import mcp.types as wire

from massgen_core.api import MassGenError, clean_line
from massgen_mcp_client.config import ServerConfig
from massgen_mcp_client.events import ErrorRaised, McpEvent, PerformanceMeasured, ToolsListed, ToolsRequested
from massgen_mcp_client.faults import McpFault, ended, leaf
from massgen_mcp_client.features import LOG_LEVELS
from massgen_mcp_client.inventory import Inventory
from massgen_mcp_client.listing import Listing, What, list_all
from massgen_mcp_client.memory import Memory
from massgen_mcp_client.retry import delays
from massgen_mcp_client.session import Session, final_report
from massgen_mcp_client.tap import Operation

__all__ = ["Lists"]

# Several changes at once are one.
SETTLE_SECONDS = 0.05
# A server that tells of a change whenever it is asked would be asked without end: the waits double as long as it does not rest so long.
REST_SECONDS = 1.0
CALM_SECONDS = 60.0
LISTEN_SECONDS = 15.0
ALL: tuple[What, ...] = ("tools", "resources", "resource_templates", "prompts")
METHODS = {"tools": "tools/list", "resources": "resources/list", "resource_templates": "resources/templates/list", "prompts": "prompts/list"}
_HEARD: dict[str, What] = {"ToolsListChanged": "tools", "PromptsListChanged": "prompts"}


class _Owner(Protocol):
    """Whose lists they are."""

    config: ServerConfig
    rng: random.Random
    who: tuple[str, ...] | None

    def principal(self) -> tuple[str, ...] | None:
        """Return who we are for the server now; `who` is who we were when the connection was made."""

    def operation(self) -> Operation:
        """Return a fresh operation."""

    def tell(self, event: type[McpEvent], **fields: Any) -> None:
        """Put a fact into the journal."""

    def settle(self, fault: McpFault | None) -> None:
        """Take note that the lists were asked for, and of why they did not come."""


class Lists:
    """The lists of one server.

    Args:
        owner: Whose.
        inventory: Where they go.
        memory: What is remembered between runs.

    Attributes:
        is_listening: The server tells of changes on a stream of their own.
    """

    def __init__(self, owner: _Owner, inventory: Inventory, memory: Memory) -> None:
        self._owner, self._inventory, self._memory = owner, inventory, memory
        self._changes: set[What] = set()
        self._dirty = anyio.Event()
        self.is_listening = False
        known = memory.known(owner.config, owner.principal()) if owner.config.cache_seconds else None
        if known is not None:
            inventory.take("tools", known)

    def changed(self, what: str) -> None:
        """Note that a list has changed; it is listed again soon."""
        self._changes |= {"resources", "resource_templates"} if what == "resources" else {what}  # type: ignore[arg-type]
        self._dirty.set()

    async def follow(self, session: Session) -> None:
        """List what the server has, and again after each change."""
        self._changes = self._declared(session)
        await self._set_log_level(session)
        cached = self._memory.listing(self._owner.config, session, self._owner.who)
        if cached is not None and "tools" in self._changes:
            self._changes.discard("tools")
            _prime(session, cached)
            self._take("tools", cached, is_cached=True)
        settle = SETTLE_SECONDS
        while True:
            changes, self._changes, self._dirty = self._changes, set(), anyio.Event()
            faults = [await self._list(session, what) for what in ALL if what in changes]
            self._owner.settle(next((fault for fault in faults if fault is not None), None))
            listed = time.monotonic()
            await self._dirty.wait()
            has_rested = time.monotonic() - listed > max(settle, REST_SECONDS)
            settle = SETTLE_SECONDS if has_rested else min(settle * 2, CALM_SECONDS)
            await anyio.sleep(settle)

    def _declared(self, session: Session) -> set[What]:
        declared = session.client.server_capabilities
        found: set[What] = set()
        # Some old servers have tools and do not say so.
        if declared.tools is not None or not session.is_modern:
            found.add("tools")
        if declared.resources is not None:
            found |= {"resources", "resource_templates"}
        if declared.prompts is not None:
            found.add("prompts")
        return found

    async def _list(self, session: Session, what: What) -> McpFault | None:
        """List one thing, again where it fails; return why it failed in the end."""
        owner = self._owner
        waits = delays(owner.config.retry, owner.rng)
        while True:
            operation = owner.operation().span
            owner.tell(ToolsRequested, what=what, operation=operation)
            try:
                found = await list_all(session, what, operation=owner.operation, seconds=owner.config.call_idle_seconds)
            except Exception as error:  # whatever it is: the old list stays
                cause = leaf(error)
                if getattr(cause, "code", 0) == wire.METHOD_NOT_FOUND:
                    self._take(what, Listing(items=()), operation=operation)
                    return None
                if session.tap.has_ended:
                    return ended(owner.config.name, await final_report(session.link))
                text = f"MCP server {owner.config.name!r} does not list its {what}: {clean_line(str(cause), 300)}"
                owner.tell(ErrorRaised, kind="list", message=text, operation=operation)
                delay = next(waits, None) if isinstance(cause, MassGenError) else None
                if delay is None:
                    return McpFault(text, server=owner.config.name, kind="protocol")
                await anyio.sleep(delay)
            else:
                self._take(what, found, operation=operation)
                # Somebody may have logged in meanwhile: then it is not known who saw this.
                if what == "tools" and owner.config.cache_seconds and owner.who == owner.principal():
                    self._memory.keep(owner.config, session, found, owner.who)
                return None

    def _take(self, what: What, found: Listing, *, is_cached: bool = False, operation: str = "") -> None:
        count = self._inventory.take(what, found)
        self._owner.tell(
            ToolsListed,
            what=what,
            count=count,
            names=tuple(self._inventory.tools) if what == "tools" else (),
            pages=0 if is_cached else found.pages,
            is_cached=is_cached,
            digest=self._inventory.digest(what),
            milliseconds=found.milliseconds,
            operation=operation,
        )
        if not is_cached:
            self._owner.tell(PerformanceMeasured, method=METHODS[what], milliseconds=found.milliseconds, operation=operation)

    async def _set_log_level(self, session: Session) -> None:
        level = LOG_LEVELS.get(self._owner.config.log_level)
        if session.is_modern or session.client.server_capabilities.logging is None or level is None:
            return
        asked = wire.SetLevelRequest(params=wire.SetLevelRequestParams.model_validate({"level": level}))
        try:
            with anyio.move_on_after(LISTEN_SECONDS):
                await session.client.session.send_request(asked, wire.EmptyResult)
        except Exception as error:  # a server without logs is used without
            self._owner.tell(ErrorRaised, kind="protocol", message=f"it does not take a log level: {clean_line(str(error))}")

    async def listen(self, session: Session) -> None:
        """Hear of changes in the stateless era, where a server tells them only to those who listen."""
        declared = session.client.server_capabilities
        parts = {"tools": declared.tools, "resources": declared.resources, "prompts": declared.prompts}
        heard = [name for name, part in parts.items() if part is not None and part.list_changed]
        if not session.is_modern or not heard:
            return
        wanted = {f"{name}_list_changed": True for name in heard}
        policy = attrs.evolve(self._owner.config.retry, attempts=1000, max_seconds=300.0)
        waits = delays(policy, self._owner.rng)
        while True:
            began = time.monotonic()
            try:
                with anyio.fail_after(LISTEN_SECONDS) as acknowledged:
                    async with session.client.listen(**wanted) as subscription:
                        acknowledged.deadline = float("inf")
                        self.is_listening = True
                        async for event in subscription:
                            self.changed(_HEARD.get(type(event).__name__, "resources"))
            except Exception as error:  # a server that does not let us listen is used without
                if getattr(leaf(error), "code", 0) == wire.METHOD_NOT_FOUND:
                    return
            finally:
                self.is_listening = False
            await anyio.sleep(max(next(waits, 300.0), 1.0))
            if time.monotonic() - began > LISTEN_SECONDS:
                # Nobody heard what changed since.
                waits = delays(policy, self._owner.rng)
                for name in heard:
                    self.changed(name)


def _prime(session: Session, listing: Listing) -> None:
    """Tell the SDK's session of a listing that it has not seen: it checks results by their schemas, and would list the tools again for that."""
    absorb = getattr(session.client.session, "_absorb_tool_listing", None)
    if absorb is not None:
        absorb(wire.ListToolsResult.model_validate({"tools": list(listing.items)}), complete=True)
