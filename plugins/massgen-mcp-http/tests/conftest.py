"""Servers of these tests: the SDK's in a process of its own, and one that answers as each test says."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import attrs
import pytest

from massgen_mcp_http.config import AuthConfig, HttpConfig
from massgen_mcp_http.streamable import open_http
from massgen_testkit import PlainContext


def free_port() -> int:
    """Return a port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(transport: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run the SDK's server until the block ends."""
    process = subprocess.Popen([sys.executable, str(Path(__file__).parent / "everything.py"), transport, str(port)])
    try:
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert process.poll() is None, "the server of the tests ended"
                time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def free() -> Callable[[], int]:
    return free_port


@pytest.fixture
def run_server() -> Callable[[str, int], Any]:
    return running


@attrs.define
class Request:
    """What a client sent."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def message(self) -> dict[str, Any]:
        found = json.loads(self.body or b"{}")
        assert isinstance(found, dict)
        return found


@attrs.define
class Answerer:
    """Writes an answer, well or badly."""

    stream: anyio.abc.SocketStream

    async def raw(self, data: bytes) -> None:
        await self.stream.send(data)

    async def plain(self, status: int, body: bytes = b"", kind: str = "application/json", **headers: str) -> None:
        """Answer at once."""
        lines = [f"HTTP/1.1 {status} X", f"content-length: {len(body)}", *([f"content-type: {kind}"] if body else [])]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        await self.raw("\r\n".join([*lines, "", ""]).encode() + body)

    async def result(self, request: Request, result: Any = None, **headers: str) -> None:
        """Answer a request with a result."""
        found = {} if result is None else result
        await self.plain(200, json.dumps({"jsonrpc": "2.0", "id": request.message["id"], "result": found}).encode(), **headers)

    async def begin_stream(self, **headers: str) -> None:
        """Begin a stream of events; it ends with the connection."""
        lines = ["HTTP/1.1 200 X", "content-type: text/event-stream", "connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        await self.raw("\r\n".join([*lines, "", ""]).encode())

    async def event(self, message: Any, **fields: str) -> None:
        """Send one event."""
        lines = [f"{name}: {value}" for name, value in fields.items()] + [f"data: {json.dumps(message) if message is not None else ''}"]
        await self.raw("\n".join([*lines, "", ""]).encode())


Handler = Callable[[Request, Answerer], Awaitable[object]]


class Peer:
    """A server that answers as `handler` says; `requests` are those that came."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self.port = 0
        self.handler: Handler

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    async def serve(self, stream: anyio.abc.SocketStream) -> None:
        self.connections += 1
        try:
            async with stream:
                await self._talk(stream)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream):
            return

    async def _talk(self, stream: anyio.abc.SocketStream) -> None:
        buffer = b""
        while True:
            while b"\r\n\r\n" not in buffer:
                buffer += await stream.receive()
            head, _, buffer = buffer.partition(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            size = int(headers.get("content-length", 0))
            while len(buffer) < size:
                buffer += await stream.receive()
            body, buffer = buffer[:size], buffer[size:]
            method, path, _ = first.split(" ")
            request = Request(method, path, headers, body)
            self.requests.append(request)
            if await self.handler(request, Answerer(stream)) == "close":
                return


@pytest.fixture
def serving() -> Callable[[Handler], AbstractAsyncContextManager[Peer]]:
    """Serve on a port of this machine: `async with serving(handler) as peer`."""

    @asynccontextmanager
    async def served(handler: Handler) -> AsyncIterator[Peer]:
        peer = Peer()
        peer.handler = handler
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
        peer.port = listener.extra(anyio.abc.SocketAttribute.local_port)
        async with listener, anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, peer.serve)
            yield peer
            tasks.cancel_scope.cancel()

    return served


class Speaker:
    """Sends requests and reads what comes back."""

    def __init__(self, link: Any) -> None:
        self.link = link
        self.number = 0
        self.others: list[Any] = []

    async def send(self, method: str, *, version: str = "", notification: bool = False, **params: Any) -> int:
        """Send a message and return its number."""
        from mcp.shared.message import ClientMessageMetadata, SessionMessage  # noqa: PLC0415
        from mcp_types import JSONRPCNotification, JSONRPCRequest  # noqa: PLC0415

        metadata = ClientMessageMetadata(headers={"MCP-Protocol-Version": version}) if version else None
        if notification:
            await self.link.write.send(SessionMessage(JSONRPCNotification(jsonrpc="2.0", method=method, params=params), metadata))
            return 0
        self.number += 1
        await self.link.write.send(SessionMessage(JSONRPCRequest(jsonrpc="2.0", id=self.number, method=method, params=params), metadata))
        return self.number

    async def answer(self, number: int) -> Any:
        """Return the message that answers a request; what comes before is in `others`."""
        async for item in self.link.read:
            if not isinstance(item, Exception) and getattr(item.message, "id", None) == number:
                return item.message
            self.others.append(item)
        raise EOFError

    async def ask(self, method: str, *, version: str = "", **params: Any) -> Any:
        """Send a request and return what answers it."""
        return await self.answer(await self.send(method, version=version, **params))


@pytest.fixture
def speaking(context: PlainContext) -> Callable[..., AbstractAsyncContextManager[Speaker]]:
    """Open a link: `async with speaking(peer.url) as speaker`."""

    @asynccontextmanager
    async def opened(url: str, **options: Any) -> AsyncIterator[Speaker]:
        if isinstance(options.get("auth"), dict):
            options["auth"] = AuthConfig(**options["auth"])
        config = HttpConfig(url=url, **{"allow_localhost": True, "connect_seconds": 5.0, **options})
        async with open_http(config, context) as link:
            yield Speaker(link)

    return opened
