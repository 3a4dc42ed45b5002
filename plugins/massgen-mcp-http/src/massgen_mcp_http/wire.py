"""Requests to one server: headers, redirects, limits; what every link over HTTP is built on."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager, suppress

import anyio
import httpx2

from massgen_core.api import Context, clean_line
from massgen_mcp_http.config import HttpConfig
from massgen_mcp_http.faults import HttpFault
from massgen_mcp_http.network import CheckedBackend, PoolTransport
from massgen_mcp_http.proxies import proxy_of

__all__ = ["TooLarge", "Wire", "opened_wire", "revealed"]

REDIRECTS = 5
DRAINED = 64 << 10
DRAIN_SECONDS = 0.25


class TooLarge(HttpFault):
    """An answer is longer than `max_message`. `size` is how much of it was seen."""

    def __init__(self, message: str, *, size: int) -> None:
        self.size = size
        super().__init__(message)


def revealed(value: str, context: Context) -> str:
    """Return what a reference to a secret leads to, or the value itself where it is none.

    Raises:
        SecretMissing: No store holds it.
    """
    stores = {"env", "dotenv", "keyring", *context.plugins.names("credentials")}
    return context.secret(value).reveal() if ":" in value and value.partition(":")[0] in stores else value


class Wire:
    """Sends requests to one server.

    Attributes:
        status: The last HTTP status; 0 before.
        problem: Why the last request had no answer; empty where it had one.
    """

    def __init__(self, client: httpx2.AsyncClient, config: HttpConfig) -> None:
        self.client, self.config = client, config
        self.status = 0
        self.problem = ""

    @asynccontextmanager
    async def request(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None = None, *, may_rest: bool = False
    ) -> AsyncIterator[httpx2.Response]:
        """Send a request, follow redirects that may be followed, and yield the answer once its headers are there.

        A redirect that is not followed is yielded as what it is.

        Args:
            method: Of HTTP.
            url: The address.
            headers: Beside those of every request.
            content: The body.
            may_rest: Silence of any length is no fault.

        Raises:
            httpx2.TransportError: The server cannot be reached, or the connection broke.
        """
        timeout = httpx2.Timeout(self.config.connect_seconds, read=None if may_rest else self.config.idle_seconds)
        request = self.client.build_request(method, url, headers=dict(headers), content=content, timeout=timeout)
        response = await self._send(request)
        try:
            for _ in range(REDIRECTS):
                following = self._following(response)
                if following is None:
                    break
                await _drained(response)
                await response.aclose()
                response = await self._send(following)
            yield response
            await _drained(response)
        finally:
            with anyio.CancelScope(shield=True):
                await response.aclose()

    async def _send(self, request: httpx2.Request) -> httpx2.Response:
        response = await self.client.send(request, stream=True, follow_redirects=False)
        self.status = response.status_code
        return response

    def _following(self, response: httpx2.Response) -> httpx2.Request | None:
        """Return the request that a redirect asks for, None where it may not be followed."""
        following = response.next_request
        sent = response.request
        if following is None or following.method != sent.method or following.url.userinfo:
            return None
        here, there = sent.url, following.url
        if (here.scheme, here.host, here.port) == (there.scheme, there.host, there.port):
            return following
        is_upgrade = here.host == there.host and (here.scheme, there.scheme) == ("http", "https") and here.port is None and there.port is None
        if is_upgrade:
            return following
        if there.host not in self.config.redirect_hosts or (here.scheme == "https" and there.scheme != "https"):
            return None
        # What was configured for one host is not for another.
        for name in ("authorization", "cookie", *self.config.headers):
            following.headers.pop(name, None)
        return following

    async def body(self, response: httpx2.Response, limit: int) -> bytes:
        """Read an answer to its end.

        Raises:
            TooLarge: It is longer than `limit`.
            HttpFault: It takes too long, or cannot be unpacked.
            httpx2.TransportError: The connection broke.
        """
        parts, size = bytearray(), 0
        async for part in self.pieces(response):
            size += len(part)
            if size > limit:
                raise TooLarge(f"the answer has more than the {limit} bytes of max_message and was not read; raise max_message to read it", size=size)
            parts += part
        return bytes(parts)

    async def pieces(self, response: httpx2.Response) -> AsyncIterator[bytes]:
        """Yield the pieces of an answer, which together may take `body_seconds`."""
        deadline = time.monotonic() + self.config.body_seconds
        async for part in self.unpacked(response):
            yield part
            if time.monotonic() > deadline:
                raise HttpFault(f"the server took more than {self.config.body_seconds:g} s for one answer (body_seconds)")

    async def unpacked(self, response: httpx2.Response) -> AsyncIterator[bytes]:
        """Yield the pieces of an answer without its compression, as they come.

        Raises:
            HttpFault: It is compressed in a way that was not asked for, is damaged, or a piece of it becomes more than `max_message`.
        """
        ways = [way for way in response.headers.get("content-encoding", "").lower().replace(",", " ").split() if way != "identity"]
        asked = response.request.headers.get("accept-encoding", "").lower().replace(",", " ").split()
        if strange := next((way for way in ways if way not in asked), ""):
            raise HttpFault(f"the server compressed its answer as {clean_line(strange, 30)}, which was not asked for")
        taken, size, limit = 0, 0, self.config.max_message
        try:
            async with aclosing(response.aiter_bytes() if ways else response.aiter_raw()) as parts:
                async for part in parts:
                    yield part
                    # What comes at once off the wire must not become more than a message may have.
                    size = len(part) + (size if response.num_bytes_downloaded == taken else 0)
                    taken = response.num_bytes_downloaded
                    if ways and size > limit:
                        raise TooLarge(f"a piece of the answer unpacks to more than the {limit} bytes of max_message and was not read", size=size)
        except httpx2.DecodingError as error:
            raise HttpFault(f"the server's answer cannot be unpacked: {clean_line(str(error), 200)}") from None


async def _drained(response: httpx2.Response) -> None:
    """Read the little that nobody wanted: a connection that is read to its end can be used again."""
    size = 0
    if not response.is_stream_consumed:
        with anyio.move_on_after(DRAIN_SECONDS), suppress(httpx2.TransportError):
            async for part in response.aiter_raw():
                size += len(part)
                if size > DRAINED:
                    return


@asynccontextmanager
async def opened_wire(config: HttpConfig, context: Context) -> AsyncIterator[Wire]:
    """Yield what sends requests to the configured server; no connection is made before the first.

    Raises:
        SecretMissing: A header or the credentials name a secret that no store holds.
    """
    headers = {"user-agent": "massgen-mcp-http/0.1"}
    headers |= {name.lower(): revealed(value, context) for name, value in config.headers.items()}
    auth = config.shown
    if auth is not None and auth.type == "bearer":
        headers["authorization"] = f"Bearer {revealed(auth.token, context)}"
    backend = CheckedBackend(allow_localhost=config.allow_localhost, allow_private=config.allow_private)
    transport = PoolTransport(backend, proxy_of(revealed(config.proxy, context)))
    async with httpx2.AsyncClient(transport=transport, headers=headers, trust_env=False) as client:
        if auth is not None and auth.type != "bearer":
            from massgen_mcp_http.oauth import provider  # noqa: PLC0415 - where it is used only

            client.auth = provider(config, auth, context)
        yield Wire(client, config)
