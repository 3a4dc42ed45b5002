"""Whether a silent server lives: asked twice before it is given up, and never while a call is under way."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import anyio
import mcp.types as wire

from massgen_mcp_client.events import ConnectionProbed
from massgen_mcp_client.session import Session
from massgen_mcp_client.tap import CURRENT, Operation

__all__ = ["Health"]

PROBE_SECONDS = 10.0
PROBES = 2


class Health:
    """The health of one session.

    Args:
        session: The session.
        seconds: Of silence after which it is asked; 0: only when `suspect` says so.
        operation: Makes an operation for a probe.
        tell: Puts a fact into the journal.
        give_up: Is called where it is dead.
    """

    def __init__(
        self,
        session: Session,
        *,
        seconds: float,
        operation: Callable[[], Operation],
        tell: Callable[..., None],
        give_up: Callable[[str], None],
    ) -> None:
        self._session, self._seconds = session, seconds
        self._operation, self._tell, self._give_up = operation, tell, give_up
        self._suspicion = anyio.Event()

    def suspect(self) -> None:
        """Ask soon: a call got no answer in time, and nothing else came either."""
        self._suspicion.set()

    async def watch(self) -> None:
        """Ask whenever it was silent for long; return when it is dead."""
        while True:
            await self._silence()
            if self._session.operations:
                # Silence in the middle of a call is the call's affair: its own time-outs decide.
                await anyio.sleep(max(self._seconds, 1.0) / 4)
                continue
            if not await self.check():
                return

    async def _silence(self) -> None:
        while not self._suspicion.is_set():
            left = self._seconds - (time.monotonic() - self._session.tap.last_received)
            if self._seconds and left <= 0:
                break
            with anyio.move_on_after(left if self._seconds else None):
                await self._suspicion.wait()
        self._suspicion = anyio.Event()

    async def check(self) -> bool:
        """Ask, twice if need be, and give the session up where both have no answer and no call came between."""
        for attempt in range(1, PROBES + 1):
            if await self._probe(attempt):
                return True
        if self._session.operations:
            return True
        self._give_up(f"it did not answer {PROBES} health checks")
        return False

    async def _probe(self, attempt: int) -> bool:
        session, began = self._session, time.monotonic()
        method = "server/discover" if session.is_modern else "ping"
        operation = self._operation()
        token = CURRENT.set(operation)
        try:
            with anyio.move_on_after(PROBE_SECONDS):
                await _ask(session)
        except Exception:  # noqa: S110 - an answer that is an error is an answer; what counts is whether anything came
            pass
        finally:
            CURRENT.reset(token)
            session.tap.forget(operation)
        # An error is an answer too, and so is anything else that came meanwhile.
        is_alive = session.tap.last_received >= began
        milliseconds = (time.monotonic() - began) * 1000
        self._tell(ConnectionProbed, method=method, is_alive=is_alive, attempt=attempt, milliseconds=milliseconds, operation=operation.span)
        return is_alive


async def _ask(session: Session) -> Any:
    if session.is_modern:
        return await session.client.session.send_discover(session.era)
    return await session.client.session.send_request(wire.PingRequest(), wire.EmptyResult)
