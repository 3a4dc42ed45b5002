"""Containers that are started before anybody asks for them."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

import anyio
import attrs

from massgen_core.api import MassGenError
from massgen_exec_docker.session import START_SECONDS, Session

__all__ = ["Pool"]


@attrs.define(eq=False)
class _Ahead:
    """A container that is being started, or waits."""

    session: Session | None = None
    is_ready: anyio.Event = attrs.field(factory=anyio.Event)


@attrs.define
class Pool:
    """So many containers that wait.

    Attributes:
        size: How many.
        opener: Starts one.
        start: Runs work in a task of its own.
    """

    size: int
    opener: Callable[[], Awaitable[Session]]
    start: Callable[[Callable[[], Awaitable[None]]], None]
    _ahead: deque[_Ahead] = attrs.field(factory=deque, init=False)
    _is_closed: bool = attrs.field(default=False, init=False)

    def fill(self) -> None:
        """Start as many as are missing, all at once."""
        while len(self._ahead) < self.size and not self._is_closed:
            one = _Ahead()
            self._ahead.append(one)
            self.start(partial(self._open, one))

    async def take(self) -> Session | None:
        """Return one that waits, or that is being started, and start another; None where there is none: whoever asks finds out why."""
        while self._ahead:
            one = self._ahead.popleft()
            try:
                await one.is_ready.wait()
            except BaseException:  # whoever asked is cancelled; the next one takes it
                self._ahead.appendleft(one)
                if self._is_closed:
                    with anyio.CancelScope(shield=True):
                        await self.close()
                raise
            if one.session is not None:
                self.fill()
                if not one.session.lost:
                    return one.session
            with anyio.CancelScope(shield=True):
                await self._close(one)
        return None

    async def _open(self, one: _Ahead) -> None:
        try:
            with suppress(Exception):  # whoever takes it starts one in its place, and is told; at the end of a run nobody is left to tell
                one.session = await self.opener()
        finally:
            one.is_ready.set()

    async def _close(self, one: _Ahead) -> None:
        with anyio.move_on_after(START_SECONDS):
            await one.is_ready.wait()
        if one.session is not None:
            with suppress(MassGenError):
                await one.session.close()

    async def close(self) -> None:
        """Remove what waits, and start no more."""
        self._is_closed = True
        async with anyio.create_task_group() as tasks:
            while self._ahead:
                tasks.start_soon(self._close, self._ahead.popleft())
