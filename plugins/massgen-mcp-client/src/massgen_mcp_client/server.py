"""One server as agents use it: its connection, its lists, its breaker, and what a person is told of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeAlias

import anyio

from massgen_core.api import Context, Link, NoticeGiven, clean, clean_line
from massgen_mcp_client.breaker import Breaker, Permit
from massgen_mcp_client.calls import Caller, Request, request
from massgen_mcp_client.config import ServerConfig
from massgen_mcp_client.connection import Connection
from massgen_mcp_client.events import BreakerChanged, ConnectionFramed, ErrorRaised, McpEvent, ServerLogged
from massgen_mcp_client.faults import McpFault
from massgen_mcp_client.features import Features
from massgen_mcp_client.health import Health
from massgen_mcp_client.inventory import Inventory
from massgen_mcp_client.lists import Lists
from massgen_mcp_client.memory import Memory
from massgen_mcp_client.mend import mend
from massgen_mcp_client.principal import principal
from massgen_mcp_client.session import Session
from massgen_mcp_client.tap import Operation, Tap

__all__ = ["Server"]

Wish: TypeAlias = Callable[[str, str, str], bool]
REPORTED_FAULTS = 20
SHOWN = 100_000
STDERR_LINES = 10_000
# Shorter ones would tear ordinary words apart.
SECRET = 6


class Server:
    """One server, shared by all agents whose sections are equal.

    Args:
        config: Its section, the workspace put in.
        context: Of the first agent that opened it.
        memory: What is remembered between runs.
        is_shared: Several agents may use it.
        uses_workspace: Its tools may work on files of the agent's workspace.
        wishes: Say of a server, a tool and an operation whether what crosses the wire is wanted; they may come and go, and change their mind.
    """

    def __init__(
        self,
        config: ServerConfig,
        context: Context,
        memory: Memory,
        *,
        is_shared: bool = True,
        uses_workspace: bool = False,
        wishes: Collection[Wish] = (),
    ) -> None:
        self.config, self._context, self._memory, self._is_shared, self._wishes = config, context, memory, is_shared, wishes
        self.rng = random.Random()  # noqa: S311 - jitter and ids are no secrets
        self.era = ""
        self.span = self._id(64)
        self.trace = context.trace or self._id(128)
        self.inventory = Inventory(config, memory, self.tell, self._notice, uses_workspace=uses_workspace)
        self.features = Features(self)
        self.connection = Connection(config, self, self.rng)
        self.breaker = Breaker(config=config.breaker)
        self.who: tuple[str, ...] | None = None
        self.listed = anyio.Event()
        self.fault: McpFault | None = None
        self._held = 0
        self._health: Health | None = None
        self._secrets = tuple(sorted((one for one in config.secrets if len(one) >= SECRET), key=len, reverse=True))
        self._faults = 0
        self._lines = 0
        self._is_degraded = False
        self.lists = Lists(self, self.inventory, memory)

    # For agents

    async def opened(self, *, again: bool = False) -> McpFault | None:
        """Connect and list, and return why that is not possible; None where it is.

        Args:
            again: Also where it failed before: otherwise each agent would wait once more for a server that is broken.
        """
        if self.fault is not None and not again:
            return self.fault
        limit = self.config.connect_seconds + self.config.call_idle_seconds
        with anyio.move_on_after(limit):
            try:
                await self.connection.ready()
            except McpFault as fault:
                self.degraded(fault)
                return fault
            await self.listed.wait()
        return self.fault

    async def request(self, wanted: Request) -> dict[str, Any]:
        """Make a request and return the result as the server sent it.

        Raises:
            McpFault: It failed.
        """
        return await request(self, wanted)

    async def close(self, reason: str = "") -> None:
        """Close the connection for good."""
        await self.connection.close(reason)

    # For calls

    def operation(self, caller: Caller | None = None) -> Operation:
        """Return a fresh operation."""
        return Operation(span=self._id(64), trace=(caller.trace if caller else "") or self.trace, caller=caller)

    def _id(self, bits: int) -> str:
        return f"{self.rng.getrandbits(bits) or 1:0{bits // 4}x}"

    def permit(self) -> Permit:
        """Ask the breaker.

        Raises:
            McpFault: The server is left alone at the moment.
        """
        breaker, permit = self.breaker.permit(anyio.current_time())
        self._turn(breaker)
        if permit is None:
            seconds = breaker.wait(anyio.current_time())
            name = self.config.name
            text = f"MCP server {name!r} failed {breaker.failures} times in a row and is left alone for {seconds:.0f} s; go on without it until then"
            raise McpFault(text, server=name, kind="refused", was_executed=False)
        return permit

    def report(self, permit: Permit, is_well: bool | None) -> None:
        """Tell the breaker how a permitted call went; None where it says nothing about the server."""
        if is_well and self._is_degraded:
            self.recovered()
        if is_well and self.breaker.state == "closed" and not self.breaker.failures:
            return
        now = anyio.current_time()
        if is_well is None:
            self._turn(self.breaker.released(permit, now))
        elif is_well:
            self._turn(self.breaker.succeeded(permit, now))
        else:
            self._turn(self.breaker.failed(permit, now))

    def _turn(self, breaker: Breaker) -> None:
        old, self.breaker = self.breaker, breaker
        if old.state != breaker.state:
            seconds = breaker.wait(anyio.current_time())
            self.tell(BreakerChanged, old=old.state, new=breaker.state, failures=breaker.failures, seconds=seconds)

    def clock(self, operation: Operation) -> None:
        """Start the idle clock of an operation, unless we are the ones who are waited for."""
        if self._held:
            operation.stop()
        else:
            operation.progressed()

    def suspect(self, session: Session) -> None:
        """A call got no answer in time, and nothing else came: ask whether the server lives."""
        if self._health is not None and self.connection.session is session:
            self._health.suspect()

    def shows(self, operation: str, tool: str = "") -> bool:
        """Whether what crosses the wire is told: the section says so, or a log wants it at the moment."""
        return self.config.log_level == "debug" or any(wish(self.config.name, tool, operation) for wish in self._wishes)

    def shown(self, data: Any) -> str:
        """Return plain data as text that may be logged."""
        from msgspec import json  # noqa: PLC0415 - where payloads are logged only

        return self.redact(json.encode(data).decode()[:SHOWN])

    # For everybody: facts

    def redact(self, text: str) -> str:
        """Return a text without secrets: those that stores gave, and those that stand in the section itself."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return self._context.redact(text)

    def tell(
        self, event: type[McpEvent], *, context: Context | None = None, span: str = "", parent: str = "", operation: str = "", **fields: Any
    ) -> None:
        """Put a fact into the journal."""
        fields.setdefault("agent", "" if self._is_shared else self._context.agent)
        if not span:
            span, parent = (operation, self.span) if operation else (self.span, "")
        (context or self._context).emit(self.fact(event, operation=operation, **fields), span=span, parent=parent)

    def fact(self, event: type[McpEvent], **fields: Any) -> McpEvent:
        """Return a fact of this server."""
        return event(server=self.config.name, transport=self.config.transport, era=self.era, **fields)

    def raised(self, fault: McpFault, tell: Callable[..., None] | None = None, *, tool: str = "") -> None:
        """Put a failure into the journal."""
        (tell or self.tell)(
            ErrorRaised,
            kind=fault.kind,
            message=self.redact(str(fault)),
            tool=tool,
            code=fault.code,
            exit_code=fault.exit_code,
            status=fault.status,
            stderr=self.redact(clean(fault.stderr)),
            is_retryable=fault.is_retryable,
        )

    def degraded(self, fault: McpFault, *, is_told: bool = False) -> None:
        """Tell a person, once, that the server is of no use at the moment.

        Args:
            fault: Why.
            is_told: The fault is in the journal already.
        """
        self.fault = fault
        if not is_told:
            self.raised(fault)
        if not self._is_degraded:
            self._is_degraded = True
            self._notice("warning", f"{fault}\nIts tools fail until it is back; the run goes on without them.")

    def recovered(self) -> None:
        """Tell a person that the server is back, where it was away."""
        self.fault = None
        if self._is_degraded:
            self._is_degraded = False
            self._notice("info", f"MCP server {self.config.name!r} is back")

    def _notice(self, level: Any, text: str) -> None:
        self._context.emit(NoticeGiven(level=level, text=self.redact(text)))

    # For the connection

    def principal(self) -> tuple[str, ...] | None:
        """Return who we are for the server, as far as what it shows may be shared."""
        return principal(self.config, self._context)

    def make(self) -> AbstractAsyncContextManager[Link]:
        self.who = self.principal() if self.config.cache_seconds else None
        made: AbstractAsyncContextManager[Link] = self._context.make("transport", self.config.transport, self.config.options)
        return made

    def wire(self, link: Link, has_ended: Callable[[], None]) -> Tap:
        watch = getattr(link, "watch_stderr", None)
        if watch is not None and self.config.log_level in ("debug", "info"):
            watch(self._wrote)
        return Tap(link, ended=has_ended, mend=mend, framed=self._framed, faulted=self._faulted, shows=lambda: self.shows("connection.framed"))

    def _framed(self, direction: Any, size: int, payload: str, fault: str) -> None:
        self.tell(ConnectionFramed, direction=direction, bytes=size, payload=self.redact(payload), fault=fault)

    def _wrote(self, line: str) -> None:
        """Take a line of the server's standard error; one that never stops is not kept for ever."""
        self._lines += 1
        if self._lines <= STDERR_LINES:
            text = clean(self.redact(line))
            self.tell(ServerLogged, level="info", logger="stderr", text=text if self._lines < STDERR_LINES else f"{text} [more lines are not kept]")

    def _faulted(self, error: Exception) -> None:
        self._faults += 1
        if self._faults <= REPORTED_FAULTS or self._faults & (self._faults - 1) == 0:
            self.tell(ErrorRaised, kind="frame", message=self.redact(clean_line(str(error), 500)))

    def options(self) -> dict[str, Any]:
        return self.features.options()

    def mode(self) -> str:
        if self.config.protocol != "auto":
            return self.config.protocol
        return "legacy" if self._memory.era(self.config) == "legacy" else "auto"

    def settled(self, era: str) -> None:
        self.era = era
        if self.config.protocol == "auto":
            self._memory.keep_era(self.config, "" if not era else "modern" if era >= "2026" else "legacy")

    def lost(self, fault: McpFault) -> None:
        self.degraded(fault)

    def settle(self, fault: McpFault | None) -> None:
        """Take note that the lists were asked for, and of why they did not come."""
        if fault is not None and not self.inventory.is_known:
            self.degraded(fault)
        else:
            self.recovered()
        self.listed.set()

    async def serve(self, session: Session) -> None:
        """Watch its health, keep its lists, and take its logs."""
        health = self._health = Health(
            session,
            seconds=self.config.keepalive_seconds,
            operation=self.operation,
            tell=self.tell,
            give_up=lambda reason: self.connection.reset(session, reason),
        )
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._guarded, health.watch)
            tasks.start_soon(self._guarded, self.lists.follow, session)
            tasks.start_soon(self._guarded, self.lists.listen, session)

    async def _guarded(self, work: Callable[..., Any], *arguments: Any) -> None:
        try:
            await work(*arguments)
        except Exception as error:  # what goes wrong beside the calls must not end the connection
            self.tell(ErrorRaised, kind="defect", message=clean_line(f"{type(error).__name__}: {error}", 500))

    # For features

    def asking(self) -> Operation | None:
        session = self.connection.session
        return max(session.operations, key=lambda one: one.sent_at, default=None) if session else None

    def contact(self) -> Context:
        return self._context

    def hold(self, step: int) -> None:
        self._held += step
        session = self.connection.session
        for operation in session.operations if session else ():
            self.clock(operation)

    def changed(self, what: str) -> None:
        self.lists.changed(what)
