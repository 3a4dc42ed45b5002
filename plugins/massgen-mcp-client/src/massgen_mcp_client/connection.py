"""One connection to one server: a single task enters and leaves everything, so that anybody else may use and close it from anywhere."""

from __future__ import annotations

import math
import random
import time
from typing import Any

import anyio
import attrs
from mcp import Client

from massgen_core.api import LinkReport
from massgen_mcp_client.config import ServerConfig
from massgen_mcp_client.events import (
    ConnectionClosed,
    ConnectionLost,
    ConnectionNegotiated,
    ConnectionOpened,
    ConnectionRetried,
    ConnectionStateChanged,
)
from massgen_mcp_client.faults import McpFault, ended, opening
from massgen_mcp_client.retry import delays
from massgen_mcp_client.session import MODERN, Keeper, Session, State, final_report
from massgen_mcp_client.tap import Operation, Tap

__all__ = ["Connection"]

# A connection that lived so long was well: its next loss is a new story, with all attempts.
STEADY_SECONDS = 30.0
CLOSE_SECONDS = 8.0


@attrs.define(eq=False)
class _Attempt:
    """What those who need a session wait for."""

    done: anyio.Event = attrs.field(factory=anyio.Event)
    session: Session | None = None
    fault: McpFault | None = None


@attrs.define(eq=False)
class _Life:
    """One link, from the first wish for it to its end."""

    scope: anyio.CancelScope
    operation: Operation
    over: anyio.Event = attrs.field(factory=anyio.Event)
    tap: Tap | None = None
    session: Session | None = None
    reason: str = ""
    is_harmless: bool = False
    is_told: bool = False
    pending: int = 0

    def report(self) -> LinkReport | None:
        return self.tap.link.report() if self.tap is not None else None

    def died_on_the_probe(self) -> bool:
        """The server ended when it was asked for its era: some do, and live when they are greeted in the old way."""
        report = self.report()
        if self.session is not None or self.tap is None or not self.tap.has_ended or report is None:
            return False
        return self.operation.method == "server/discover" and not report.status


class Connection:
    """A connection that is made when it is wanted, kept, and made again when it is lost.

    Args:
        config: The server's section.
        keeper: Whom it works for.
        rng: Draws the waits between attempts.
    """

    def __init__(self, config: ServerConfig, keeper: Keeper, rng: random.Random | None = None) -> None:
        self.config, self._keeper = config, keeper
        self._rng = rng or random.Random()  # noqa: S311 - jitter is no secret
        self.state: State = "idle"
        self.session: Session | None = None
        self.generation = 0
        self.calls = 0
        self._attempt = _Attempt()
        self._wanted, self._stop, self._done = anyio.Event(), anyio.Event(), anyio.Event()
        self._life: _Life | None = None
        self._owner = 0
        self._reason = ""

    # For everybody

    async def ready(self) -> Session:
        """Return the session; connect, or wait until that is done.

        Raises:
            McpFault: It could not be made.
        """
        if self.session is not None:
            return self.session
        if self._stop.is_set():
            raise self._closed()
        attempt = self._attempt
        if self.state == "idle":
            self._wanted.set()
        await attempt.done.wait()
        if attempt.session is None:
            raise attempt.fault or self._closed()
        return attempt.session

    def want(self) -> None:
        """Connect without waiting for it."""
        if self.state == "idle":
            self._wanted.set()

    def reset(self, session: Session, reason: str, *, is_harmless: bool = False) -> None:
        """Give up a session that is of no use any more; the next one is made at once.

        Args:
            session: Which one; one that is over already is left alone.
            reason: Why, for a person.
            is_harmless: The server is well, and nobody needs to be told.
        """
        life = self._life
        if life is not None and life.session is session and not life.over.is_set():
            life.reason, life.is_harmless = reason, is_harmless
            self._over(life)

    def stop(self, reason: str = "") -> None:
        """Begin to close it for good, and do not wait for that."""
        self._reason = self._reason or reason
        self._stop.set()
        self._wanted.set()
        self._refuse(self._closed())
        life = self._life
        if life is not None:
            if life.session is None:
                life.scope.cancel()
            self._over(life)

    async def close(self, reason: str = "") -> None:
        """Close it for good, within bounds. May be called from any task, at any time, again and again."""
        self.stop(reason)
        if not self._owner or anyio.get_current_task().id == self._owner:
            return
        with anyio.move_on_after(CLOSE_SECONDS, shield=True):
            await self._done.wait()
            return
        if self._life is not None:
            self._life.scope.cancel()
        with anyio.move_on_after(1, shield=True):
            await self._done.wait()

    def _closed(self) -> McpFault:
        text = f"the connection to MCP server {self.config.name!r} is closed"
        return McpFault(text, server=self.config.name, kind="refused", was_executed=False)

    # For the owner task

    async def run(self) -> None:
        """Own the connection until it is closed; exactly one task runs this."""
        self._owner = anyio.get_current_task().id
        began = False
        try:
            while True:
                await self._wanted.wait()
                if self._stop.is_set():
                    break
                self._wanted = anyio.Event()
                began = True
                await self._serve()
        finally:
            left = time.monotonic()
            report = self._life.report() if self._life is not None else None
            self._refuse(self._closed())
            self._show("closed", self._reason)
            if began:
                code = report.exit_code if report else None
                milliseconds = (time.monotonic() - left) * 1000
                self._keeper.tell(ConnectionClosed, reason=self._reason, milliseconds=milliseconds, exit_code=code, calls=self.calls)
            self._done.set()

    async def _serve(self) -> None:
        """Connect, again where that may help, and stay until the connection ends."""
        waits, number, was_ready = delays(self.config.retry, self._rng), 0, False
        while not self._stop.is_set():
            number += 1
            began = time.monotonic()
            fault, life = await self._generation(number)
            if self._stop.is_set():
                return
            if life.session is not None:
                was_ready = True
                if self.config.lazy and not self._is_awaited():
                    break
                if time.monotonic() - began > STEADY_SECONDS:
                    waits, number = delays(self.config.retry, self._rng), 0
                if life.reason:  # a session that the server forgot: nothing speaks against a new one
                    continue
            elif not fault.is_retryable and not was_ready:
                self._refuse(fault)
                break
            delay = next(waits, None)
            if delay is None:
                self._refuse(fault)
                break
            self._keeper.tell(ConnectionRetried, attempt=number + 1, delay=delay, reason=str(fault))
            self._show("waiting", f"{delay:.1f} s until attempt {number + 1}")
            with anyio.move_on_after(delay):
                await self._stop.wait()
        self._show("idle")

    def _is_awaited(self) -> bool:
        return self._attempt.done.statistics().tasks_waiting > 0

    def _refuse(self, fault: McpFault) -> None:
        attempt, self._attempt = self._attempt, _Attempt()
        attempt.fault = fault
        attempt.done.set()

    async def _generation(self, number: int) -> tuple[McpFault, _Life]:
        """Connect and stay until the end; once more in the other era where that is why it failed."""
        mode = self._keeper.mode()
        fault, life = await self._hold(mode, number)
        if self._stop.is_set() or life.session is not None or self.config.protocol != "auto":
            return fault, life
        other = ""
        if mode == "auto" and life.died_on_the_probe():
            other, why = "legacy", "it ended when it was asked for its era; it is greeted in the old way now"
        elif mode == "legacy" and life.tap is not None and fault.kind != "timeout":
            self._keeper.settled("")
            other, why = "auto", "it did not take the old greeting that it took before"
        if not other:
            return fault, life
        self._keeper.tell(ConnectionRetried, attempt=number, delay=0.0, reason=why)
        return await self._hold(other, number)

    async def _hold(self, mode: str, number: int) -> tuple[McpFault, _Life]:
        """Enter the contexts, stay, leave them; return why it ended. What anybody else does to the connection reaches this task as an event."""
        config, error = self.config, None
        self._show("connecting", mode)
        scope = anyio.CancelScope(deadline=anyio.current_time() + config.connect_seconds)
        life = self._life = _Life(scope, self._keeper.operation())
        began = time.monotonic()
        try:
            with scope:
                async with self._keeper.make() as link:
                    life.tap = self._keeper.wire(link, lambda: self._over(life))
                    life.tap.greeting = life.operation
                    opened = time.monotonic()
                    pid = link.report().pid or 0
                    self._keeper.tell(ConnectionOpened, attempt=number, pid=pid, milliseconds=(opened - began) * 1000)
                    async with Client(life.tap.transport(), mode=mode, cache=None, **self._keeper.options()) as client:
                        if mode == MODERN:
                            await _discover(client)
                        scope.deadline = math.inf
                        life.tap.greeting = None
                        life.tap.forget(life.operation)
                        await self._use(life, client, opened)
        except Exception as caught:  # whatever a transport or the SDK raises is why the connection failed or ended
            error = caught
        if life.session is not None:
            self._mourn(life)  # where the transport tore the contexts down, nobody has yet
        return self._why(life, error, scope.cancelled_caught), life

    def _why(self, life: _Life, error: Exception | None, is_late: bool) -> McpFault:
        if life.session is not None:
            return ended(self.config.name, life.report(), reason=life.reason)
        return opening(self.config.name, error, life.report(), seconds=self.config.connect_seconds if is_late else 0.0)

    async def _use(self, life: _Life, client: Any, opened: float) -> None:
        """Let everybody use the session until it is over."""
        assert life.tap is not None
        self.generation += 1
        session = life.session = Session(client, life.tap, client.protocol_version, self.generation)
        server, declared = client.server_info, client.server_capabilities
        self._keeper.settled(session.era)
        self._keeper.tell(
            ConnectionNegotiated,
            mode="modern" if session.is_modern else "legacy",
            name=server.name if server else "",
            version=server.version if server else "",
            capabilities=tuple(sorted(declared.model_dump(exclude_none=True))),
            milliseconds=(time.monotonic() - opened) * 1000,
        )
        if life.over.is_set():
            return
        self.session = session
        attempt, self._attempt = self._attempt, _Attempt()
        attempt.session = session
        attempt.done.set()
        self._show("ready")
        try:
            async with anyio.create_task_group() as helpers:
                helpers.start_soon(self._keeper.serve, session)
                await life.over.wait()
                helpers.cancel_scope.cancel()
        finally:
            self._over(life)
            life.scope.deadline = anyio.current_time() + CLOSE_SECONDS
        await final_report(session.link)
        self._mourn(life)

    def _mourn(self, life: _Life) -> None:
        """Tell once that a session is lost, unless it was closed."""
        if self._stop.is_set():
            self._show("closing", self._reason)
            return
        session, report = life.session, life.report()
        if life.is_told or session is None or report is None:
            return
        life.is_told = True
        fault = ended(self.config.name, report, reason=life.reason)
        self._keeper.tell(
            ConnectionLost,
            reason=life.reason or report.reason,
            pid=report.pid or 0,
            exit_code=report.exit_code,
            status=report.status,
            stderr=report.stderr,
            pending=life.pending,
        )
        if not life.is_harmless:
            self._keeper.lost(fault)

    def _over(self, life: _Life) -> None:
        if not life.over.is_set() and life.session is not None:
            life.pending = len(life.session.operations)
        if self.session is life.session:
            self.session = None
        life.over.set()

    def _show(self, state: State, reason: str = "") -> None:
        old, self.state = self.state, state
        if old != state:
            self._keeper.tell(ConnectionStateChanged, old=old, new=state, reason=reason)


async def _discover(client: Any) -> None:
    """Ask a server what it can, where its era was configured and thus nobody has asked yet."""
    from mcp.types import DiscoverResult  # noqa: PLC0415 - only here

    client.session.adopt(DiscoverResult.model_validate(await client.session.send_discover(MODERN)))
