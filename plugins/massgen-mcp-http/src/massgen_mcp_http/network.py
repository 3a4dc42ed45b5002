"""Connections to addresses that were checked: what a name resolves to is judged, and exactly that is connected to."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

import anyio
import httpcore2
import httpx2
from anyio import getaddrinfo

from massgen_core.api import address_refusal
from massgen_mcp_http.proxies import Proxy

__all__ = ["CheckedBackend", "PoolTransport", "tls"]

# Where a proxy resolves names, too, ours need not be waited for.
CHECK_SECONDS = 2.0
_LIMITS: dict[str, Any] = {"max_connections": 100, "max_keepalive_connections": 20, "keepalive_expiry": 30.0}
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
    (httpcore2.ProxyError, httpx2.ProxyError),
    (httpcore2.NetworkError, httpx2.NetworkError),
)


@cache
def tls() -> ssl.SSLContext:
    """Return the process's one TLS context: making it costs more than a hundred calls."""
    return httpx2.create_ssl_context()


class _Refused(httpcore2.ConnectError):
    """A name leads to addresses none of which may be used."""


class _Unresolved(httpcore2.ConnectError):
    """A name leads to no address, as far as this machine knows."""


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
        usable = await self._usable(host, port, timeout)
        failure: Exception = httpcore2.ConnectError(f"{host} has no address")
        for address in usable:
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure

    async def _usable(self, host: str, port: int, seconds: float | None) -> list[str]:
        try:
            with anyio.fail_after(seconds):
                found = await getaddrinfo(host, port, type=1)
        except TimeoutError:
            raise httpcore2.ConnectTimeout(f"the name {host} could not be resolved in time") from None
        except OSError as error:
            raise _Unresolved(f"the name {host} cannot be resolved: {error.strerror or error}") from None
        addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
        refusals = {address: address_refusal(address, **self._allowed) for address in addresses}
        usable = [address for address in addresses if not refusals[address]]
        if not usable:
            raise _Refused(_refused(host, list(refusals.values())))
        return usable

    async def check(self, host: str, port: int) -> None:
        """Judge a host that a proxy will connect to, as far as its name can be resolved here.

        Raises:
            httpcore2.ConnectError: None of its addresses may be used.
        """
        with suppress(_Unresolved, httpcore2.ConnectTimeout):
            await self._usable(host, port, CHECK_SECONDS)

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
    """HTTP/1.1 over pools of connections: one that a backend of ours opens, and one for each proxy.

    Args:
        backend: Opens connections, and judges what a proxy is asked to connect to.
        proxy: Which proxy leads to an address.
    """

    def __init__(self, backend: CheckedBackend, proxy: Proxy) -> None:
        self._backend, self._proxy = backend, proxy
        self._pools: dict[str, Any] = {}

    def _pool(self, proxy: str) -> Any:
        if proxy not in self._pools:
            if proxy:
                url = httpx2.URL(proxy)
                login = (url.username.encode(), url.password.encode()) if url.userinfo else None
                place = httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=b"/")
                secure = tls() if url.scheme == "https" else None
                self._pools[proxy] = httpcore2.AsyncHTTPProxy(place, login, ssl_context=tls(), proxy_ssl_context=secure, **_LIMITS)
            else:
                self._pools[proxy] = httpcore2.AsyncConnectionPool(ssl_context=tls(), network_backend=self._backend, **_LIMITS)
        return self._pools[proxy]

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request and return the answer as soon as its headers are there."""
        url, proxy = request.url, self._proxy(request.url)
        target = httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        sent = httpcore2.Request(request.method, target, headers=request.headers.raw, content=request.stream, extensions=request.extensions)
        with _translated(request):
            try:
                if proxy:
                    await self._backend.check(url.host, url.port or (443 if url.scheme == "https" else 80))
                response = await self._pool(proxy).handle_async_request(sent)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                if proxy and not isinstance(error, _Refused):
                    raise httpcore2.ProxyError(f"the proxy {httpx2.URL(proxy).host} cannot be reached: {error}") from None
                raise
        return httpx2.Response(
            status_code=response.status, headers=response.headers, stream=_Body(response.stream, request), extensions=response.extensions
        )

    async def aclose(self) -> None:
        """Close all connections."""
        for pool in self._pools.values():
            await pool.aclose()
