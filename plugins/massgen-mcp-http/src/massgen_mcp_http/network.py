"""Connections to addresses that were checked: what a name resolves to is judged, and exactly that is connected to."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import anyio
import httpcore2
import httpx2
from anyio import getaddrinfo

from massgen_core.api import address_refusal

__all__ = ["CheckedBackend", "PoolTransport", "tls"]

_KINDS: tuple[tuple[type[Exception], type[httpx2.TransportError]], ...] = (
    (httpcore2.ConnectTimeout, httpx2.ConnectTimeout),
    (httpcore2.ReadTimeout, httpx2.ReadTimeout),
    (httpcore2.WriteTimeout, httpx2.WriteTimeout),
    (httpcore2.PoolTimeout, httpx2.PoolTimeout),
    (httpcore2.ConnectError, httpx2.ConnectError),
    (httpcore2.ReadError, httpx2.ReadError),
    (httpcore2.WriteError, httpx2.WriteError),
    (httpcore2.RemoteProtocolError, httpx2.RemoteProtocolError),
    (httpcore2.LocalProtocolError, httpx2.LocalProtocolError),
    (httpcore2.NetworkError, httpx2.NetworkError),
)


@cache
def tls() -> ssl.SSLContext:
    """Return the process's one TLS context: making it costs more than a hundred calls."""
    return httpx2.create_ssl_context()


class CheckedBackend(httpcore2.AsyncNetworkBackend):
    """Opens connections, to addresses that may be used.

    Args:
        allow_localhost: Addresses of this machine may be used.
        allow_private: Private and link-local addresses may be used.
    """

    def __init__(self, *, allow_localhost: bool, allow_private: bool) -> None:
        self._allowed = {"allow_localhost": allow_localhost, "allow_private": allow_private}
        self._inner = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to the first of a host's addresses that may be used and answers."""
        try:
            with anyio.fail_after(timeout):
                found = await getaddrinfo(host, port, type=1)
        except TimeoutError:
            raise httpcore2.ConnectTimeout(f"the name {host} could not be resolved in time") from None
        except OSError as error:
            raise httpcore2.ConnectError(f"the name {host} cannot be resolved: {error.strerror or error}") from None
        addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
        refusals = {address: address_refusal(address, **self._allowed) for address in addresses}
        usable = [address for address in addresses if not refusals[address]]
        if not usable:
            raise httpcore2.ConnectError(_refused(host, list(refusals.values())))
        failure: Exception = httpcore2.ConnectError(f"{host} has no address")
        for address in usable:
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's signature
        socket_options: Iterable[Any] | None = None,
    ) -> Any:
        """Refuse: no address of a server leads to a socket of this machine."""
        raise httpcore2.ConnectError("sockets of this machine are not used")

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await anyio.sleep(seconds)


def _refused(host: str, reasons: list[str]) -> str:
    reason = next(iter(reasons), "it has no address")
    option = "allow_localhost" if "this machine" in reason else "allow_private" if "private" in reason or "link-local" in reason else ""
    return f"{host} may not be connected to: {reason}" + (f"; set {option}: true to allow it" if option else "")


@contextmanager
def _translated(request: httpx2.Request) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        for kind, target in _KINDS:
            if isinstance(error, kind):
                raise target(str(error) or type(error).__name__, request=request) from error
        raise


class _Body(httpx2.AsyncByteStream):
    """The rest of an answer, as it comes."""

    def __init__(self, stream: Any, request: httpx2.Request) -> None:
        self._stream, self._request = stream, request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _translated(self._request):
            async for part in self._stream:
                yield part

    async def aclose(self) -> None:
        await self._stream.aclose()


class PoolTransport(httpx2.AsyncBaseTransport):
    """HTTP/1.1 over a pool of connections that a backend of ours opens.

    Args:
        backend: Opens them.
    """

    def __init__(self, backend: CheckedBackend) -> None:
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=tls(), max_connections=100, max_keepalive_connections=20, keepalive_expiry=30.0, network_backend=backend
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request and return the answer as soon as its headers are there."""
        target = httpcore2.URL(scheme=request.url.raw_scheme, host=request.url.raw_host, port=request.url.port, target=request.url.raw_path)
        sent = httpcore2.Request(request.method, target, headers=request.headers.raw, content=request.stream, extensions=request.extensions)
        with _translated(request):
            response = await self._pool.handle_async_request(sent)
        return httpx2.Response(
            status_code=response.status, headers=response.headers, stream=_Body(response.stream, request), extensions=response.extensions
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._pool.aclose()
