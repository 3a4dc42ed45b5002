"""A model provider on the loopback, over real sockets: it plays what it is told; `massgen_testkit.protocols` has the words."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal

import anyio
import anyio.abc
import anyio.lowlevel
import anyio.streams.buffered
import attrs

__all__ = ["Asked", "Play", "Provider", "event", "refused", "serving", "shredded"]

LIMIT = 64 * 1024 * 1024
KEY_HEADERS = ("authorization", "api-key", "x-api-key", "x-goog-api-key")


@attrs.frozen(kw_only=True)
class Play:
    """What the server does in one call.

    Attributes:
        headers: Beside the content type.
        pieces: Bytes of the body, each written by itself.
        delay: Seconds before the first byte.
        echoes_key: `KEY` in the body is replaced by the key that came with the request.
        end: `whole` closes the body; `drop` closes the connection instead; `stall` keeps it open and sends nothing more.
    """

    status: int = 200
    media_type: str = "text/event-stream"
    headers: Mapping[str, str] = attrs.field(factory=dict)
    pieces: tuple[bytes, ...] = ()
    delay: float = 0.0
    echoes_key: bool = False
    end: Literal["whole", "drop", "stall"] = "whole"


@attrs.frozen(kw_only=True)
class Asked:
    """One request as it came."""

    path: str
    headers: Mapping[str, str]
    body: Any
    method: str = "POST"


def event(data: Any) -> bytes:
    """Return one server-sent event."""
    return b"data: " + (data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)).encode() + b"\n\n"


def shredded(pieces: Sequence[bytes]) -> tuple[bytes, ...]:
    """Tear bytes into pieces of one, two, three, one, ... bytes."""
    whole, place = b"".join(pieces), 0
    found: list[bytes] = []
    while place < len(whole):
        size = len(found) % 3 + 1
        found.append(whole[place : place + size])
        place += size
    return tuple(found)


def refused(status: int, message: str, **headers: str) -> Play:
    """Return an error as most providers tell one; underscores in names of headers become hyphens."""
    body = json.dumps({"error": {"message": message}}).encode()
    return Play(
        status=status, media_type="application/json", headers={name.replace("_", "-"): text for name, text in headers.items()}, pieces=(body,)
    )


class Provider:
    """The running server.

    Attributes:
        url: Its address, without a path and without a slash at the end.
        asked: What came, in order.
        open: Connections at this moment.
    """

    def __init__(self, plays: Sequence[Play]) -> None:
        self._plays = tuple(plays)
        self.url, self.asked, self.open = "", list[Asked](), 0

    @property
    def bodies(self) -> Sequence[Any]:
        """The bodies of all requests."""
        return [asked.body for asked in self.asked]

    async def serve(self, stream: anyio.abc.ByteStream) -> None:
        """Answer the requests of one connection until either side ends it."""
        self.open += 1
        try:
            async with stream:
                received = anyio.streams.buffered.BufferedByteReceiveStream(stream)
                while await self._one(received, stream):
                    pass
        except (anyio.EndOfStream, anyio.IncompleteRead, anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass
        finally:
            self.open -= 1

    async def _one(self, received: Any, stream: anyio.abc.ByteStream) -> bool:
        head = (await received.receive_until(b"\r\n\r\n", 65536)).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        raw = await received.receive_exactly(min(int(headers.get("content-length", 0)), LIMIT))
        play = self._plays[min(len(self.asked), len(self._plays) - 1)]
        method, path, _ = head[0].split(" ", 2)
        self.asked.append(Asked(path=path, headers=headers, body=_data(raw), method=method))
        await anyio.sleep(play.delay)
        key = next((headers[name] for name in KEY_HEADERS if name in headers), "").removeprefix("Bearer ").encode()
        await stream.send(_head(play))
        for piece in play.pieces:
            told = piece.replace(b"KEY", key) if play.echoes_key else piece
            await stream.send(b"%x\r\n%s\r\n" % (len(told), told))
            await anyio.lowlevel.checkpoint()
        if play.end == "stall":
            await stream.receive()  # raises when the client goes away
        if play.end != "whole":
            return False
        await stream.send(b"0\r\n\r\n")
        return True


def _data(raw: bytes) -> Any:
    """Return a body: plain data, or text where it is no JSON, such as a form."""
    try:
        return json.loads(raw or b"null")
    except ValueError:
        return raw.decode(errors="replace")


def _head(play: Play) -> bytes:
    def lines() -> Iterator[str]:
        yield f"HTTP/1.1 {play.status} Played"
        yield f"Content-Type: {play.media_type}"
        yield "Transfer-Encoding: chunked"
        for name, value in play.headers.items():
            yield f"{name}: {value}"

    return ("\r\n".join(lines()) + "\r\n\r\n").encode("latin-1")


@asynccontextmanager
async def serving(*plays: Play) -> AsyncIterator[Provider]:
    """Run the server: the first call gets the first play, calls beyond them the last one again."""
    provider = Provider(plays)
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    port = listener.listeners[0].extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - a socket's, no query's
    provider.url = f"http://127.0.0.1:{port}"
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, provider.serve)
        try:
            yield provider
        finally:
            group.cancel_scope.cancel()
