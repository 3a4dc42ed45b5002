"""Requests through a proxy, as an option or the environment says."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias

import anyio
import anyio.abc
import attrs
import httpx2
import pytest

from massgen_core.api import MassGenError
from massgen_mcp_http.proxies import proxy_of
from massgen_testkit import PlainContext

pytestmark = pytest.mark.anyio
Serving: TypeAlias = Callable[[Any], AbstractAsyncContextManager[Any]]
Speaking: TypeAlias = Callable[..., AbstractAsyncContextManager[Any]]
# A name that leads nowhere: only a proxy can.
FAR = "http://mcp.invalid/mcp"


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@attrs.define
class Proxy:
    """A proxy that leads every request to one server, or refuses it.

    Attributes:
        seen: First line and login of each request.
    """

    port: int = 0
    target: int = 0
    status: int = 200
    seen: list[tuple[str, str]] = attrs.field(factory=list)

    async def serve(self, stream: anyio.abc.SocketStream) -> None:
        async with stream:
            head = b""
            while b"\r\n\r\n" not in head:
                head += await stream.receive()
            lines = head.decode("latin-1").split("\r\n")
            login = next((line.partition(": ")[2] for line in lines if line.lower().startswith("proxy-authorization")), "")
            self.seen.append((lines[0], base64.b64decode(login.partition(" ")[2]).decode()))
            if self.status != 200 or lines[0].startswith("CONNECT"):
                await stream.send(b"HTTP/1.1 %d No\r\ncontent-length: 0\r\n\r\n" % (self.status if self.status != 200 else 502))
                return
            async with await anyio.connect_tcp("127.0.0.1", self.target) as far, anyio.create_task_group() as tasks:
                await far.send(head.replace(b"http://mcp.invalid", b"", 1))
                tasks.start_soon(self._pass, stream, far)
                await self._pass(far, stream)
                tasks.cancel_scope.cancel()

    async def _pass(self, source: anyio.abc.SocketStream, target: anyio.abc.SocketStream) -> None:
        try:
            async for data in source:
                await target.send(data)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            return


@asynccontextmanager
async def proxied(target: int = 0, status: int = 200) -> AsyncIterator[Proxy]:
    proxy = Proxy(target=target, status=status)
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    proxy.port = listener.extra(anyio.abc.SocketAttribute.local_port)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, proxy.serve)
        yield proxy
        tasks.cancel_scope.cancel()


async def good(request: Any, answer: Any) -> None:
    await answer.result(request)


@pytest.mark.parametrize("how", ["option", "reference", "environment"])
async def test_a_request_goes_through_the_proxy(
    serving: Serving, speaking: Speaking, context: PlainContext, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """The option, a reference to a secret, and the environment's variables do the same; the login of the address is used."""
    with anyio.fail_after(20):
        async with serving(good) as peer, proxied(peer.port) as proxy:
            address = f"http://me:s3cret-word@127.0.0.1:{proxy.port}"
            context.secrets = {"env:MY_PROXY": address}
            if how == "environment":
                monkeypatch.setenv("HTTP_PROXY", address)
                monkeypatch.setenv("http_proxy", address)
            async with speaking(FAR, **({"proxy": address if how == "option" else "env:MY_PROXY"} if how != "environment" else {})) as speaker:
                assert (await speaker.ask("x")).result == {}

    assert proxy.seen == [("POST http://mcp.invalid/mcp HTTP/1.1", "me:s3cret-word")]


async def test_a_server_of_this_machine_needs_no_proxy(serving: Serving, speaking: Speaking, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy could not lead back here, whatever the environment says."""
    with anyio.fail_after(20):
        async with serving(good) as peer, proxied() as proxy:
            monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
            async with speaking(peer.url) as speaker:
                assert (await speaker.ask("x")).result == {}

    assert proxy.seen == []


@pytest.mark.parametrize(("url", "words"), [("http://10.1.2.3/mcp", "allow_private"), ("http://169.254.169.254/mcp", "link-local")])
async def test_what_may_not_be_reached_may_not_be_reached_through_a_proxy(speaking: Speaking, url: str, words: str) -> None:
    """An address is judged before the proxy hears of it."""
    with anyio.fail_after(20):
        async with proxied() as proxy, speaking(url, proxy=f"http://127.0.0.1:{proxy.port}") as speaker:
            refused = await speaker.ask("x")

    assert words in refused.error.message
    assert proxy.seen == []


@pytest.mark.parametrize(("status", "url"), [(407, "https://mcp.invalid/mcp"), (0, FAR)])
async def test_a_proxy_that_does_not_lead_on_is_named(speaking: Speaking, status: int, url: str) -> None:
    """One that refuses, and one that is not there; its login is in no message."""
    with anyio.fail_after(20):
        async with proxied(status=status or 407) as proxy:
            port = proxy.port
            if status:
                async with speaking(url, proxy=f"http://me:s3cret-word@127.0.0.1:{port}") as speaker:
                    refused = await speaker.ask("x")
                assert proxy.seen == [("CONNECT mcp.invalid:443 HTTP/1.1", "me:s3cret-word")]
        if not status:
            async with speaking(url, proxy=f"http://me:s3cret-word@127.0.0.1:{port}") as speaker:
                refused = await speaker.ask("x")

    assert ("407" if status else "the proxy 127.0.0.1 cannot be reached") in refused.error.message
    assert "s3cret" not in refused.error.message


def test_the_environment_is_read_as_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """`NO_PROXY` holds back hosts and what is below them; `ALL_PROXY` is for what has no proxy of its own; `none` is for nothing."""
    monkeypatch.setenv("https_proxy", "http://one.example:3128")
    monkeypatch.setenv("all_proxy", "two.example:8080")
    monkeypatch.setenv("no_proxy", "inner.example, .corp.example")
    proxy = proxy_of("")

    found = {
        url: proxy(httpx2.URL(url))
        for url in ("https://a.example/", "http://a.example/", "https://inner.example:8443/", "https://x.corp.example/", "http://[::1]/")
    }
    assert list(found.values()) == ["http://one.example:3128", "http://two.example:8080", "", "", ""]
    assert proxy_of("none")(httpx2.URL("https://a.example/")) == ""


@pytest.mark.parametrize("address", ["socks5://p.example:1080", "http://", "me:s3cret@p.example"])
def test_what_is_no_proxy_is_refused(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """The message says where it was said, and what is possible; not the address, which may hold a password."""
    with pytest.raises(MassGenError, match=r"option proxy must be an address") as refused:
        proxy_of(address)

    assert "s3cret" not in str(refused.value)
