"""The HTTP clients that all agents of a run share."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import cache

import httpx2

__all__ = ["Clients", "open_clients"]

CALLS = 8  # under way on each client before a further one is made: a client's pool is searched call by call
CLIENTS = 8


@cache
def _tls() -> ssl.SSLContext:
    """Return the process's one TLS context: making one reads all certificates."""
    return httpx2.create_ssl_context()


class Clients:
    """A bounded set of clients; each call goes to the least busy one."""

    def __init__(self, stack: AsyncExitStack, *, is_tls: bool) -> None:
        self._stack, self._is_tls = stack, is_tls
        self._clients: list[httpx2.AsyncClient] = []
        self._busy: list[int] = []

    @contextmanager
    def borrow(self) -> Iterator[httpx2.AsyncClient]:
        """Lend a client for one call."""
        place = min(range(len(self._busy)), key=self._busy.__getitem__, default=-1)
        if place < 0 or (self._busy[place] >= CALLS and len(self._clients) < CLIENTS):
            place = len(self._clients)
            self._clients.append(self._made())
            self._busy.append(0)
        self._busy[place] += 1
        try:
            yield self._clients[place]
        finally:
            self._busy[place] -= 1

    def _made(self) -> httpx2.AsyncClient:
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=CALLS, keepalive_expiry=30.0)
        # Without TLS no certificates are read; redirects are never followed, so such a client never meets any.
        client = httpx2.AsyncClient(verify=_tls() if self._is_tls else False, limits=limits)
        self._stack.push_async_callback(client.aclose)
        return client


@asynccontextmanager
async def open_clients(*, is_tls: bool) -> AsyncIterator[Clients]:
    """Open the clients of one run and close them at its end."""
    async with AsyncExitStack() as stack:
        yield Clients(stack, is_tls=is_tls)
