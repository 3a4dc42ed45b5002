"""A server on the loopback that speaks Chat Completions, streamed, and plays scenarios: the neutral ones, and faults of the wire."""

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

from massgen_core.api import ReasoningChunk, StopChunk, TextChunk, ToolCallChunk, UsageChunk
from massgen_testkit.scenarios import Fault, Scenario, Stall

__all__ = ["WIRE_FAULTS", "Asked", "ChatProvider", "Play", "chat_plays", "chat_provider", "event"]

LIMIT = 64 * 1024 * 1024
_STOPS = {"stop": "stop", "tools": "tool_calls", "length": "length", "refused": "stop", "filtered": "content_filter"}


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


def event(data: Any) -> bytes:
    """Return one server-sent event."""
    return b"data: " + (data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)).encode() + b"\n\n"


def _choice(delta: Mapping[str, Any], finish: str | None = None) -> bytes:
    return event({"id": "c-1", "object": "chat.completion.chunk", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def _call(index: int | None, id: str = "", name: str = "", arguments: str = "") -> bytes:  # noqa: A002 - the protocol's word
    piece: dict[str, Any] = {} if index is None else {"index": index}
    if id:
        piece.update(id=id, type="function")
    piece["function"] = {"name": name, "arguments": arguments} if name else {"arguments": arguments}
    return _choice({"tool_calls": [piece]})


def _error(fault: Fault) -> dict[str, Any]:
    message = f"{fault.message} (KEY)" if fault.echoes_secret else fault.message
    return {"error": {"message": message, "type": fault.code, "code": fault.code}}


def _usage(chunk: UsageChunk) -> bytes:
    used = chunk.usage
    prompt, completion = used.input + used.cached + used.written, used.output + used.reasoning
    told = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": used.cached, "cache_write_tokens": used.written},
        "completion_tokens_details": {"reasoning_tokens": used.reasoning},
    }
    return event({"id": "c-1", "object": "chat.completion.chunk", "model": "m", "choices": [], "usage": told})


def _turn(steps: Sequence[Any]) -> Play:
    """Return the play of one turn of a scenario."""
    stop = next((step for step in steps if isinstance(step, StopChunk)), None)
    pieces, usage = [_choice({"role": "assistant", "content": ""})], b""
    for step in steps:
        if isinstance(step, TextChunk):
            pieces.append(_choice({"refusal" if stop and stop.reason == "refused" else "content": step.text}))
        elif isinstance(step, ReasoningChunk):
            pieces.append(_choice({"reasoning_content": step.text}))
        elif isinstance(step, ToolCallChunk):
            pieces.append(_call(step.index, step.id, step.name, step.arguments))
        elif isinstance(step, UsageChunk):
            usage = _usage(step)
        elif isinstance(step, StopChunk):
            pieces += [_choice({}, _STOPS[step.reason]), usage, event("[DONE]")]
        elif isinstance(step, Stall):
            return Play(pieces=tuple(pieces), end="stall")
        elif isinstance(step, Fault):
            return _failing(step, pieces)
    return Play(pieces=tuple(piece for piece in pieces if piece))


def _failing(fault: Fault, pieces: Sequence[bytes]) -> Play:
    if fault.how == "drop":
        return Play(pieces=tuple(pieces), end="drop")
    if fault.how == "event":
        return Play(pieces=(*pieces, event(_error(fault))), echoes_key=fault.echoes_secret)
    headers = {} if fault.retry_after is None else {"Retry-After": f"{fault.retry_after:g}"}
    body = json.dumps(_error(fault)).encode()
    return Play(status=fault.status, media_type="application/json", headers=headers, pieces=(body,), echoes_key=fault.echoes_secret)


def _shredded(pieces: Sequence[bytes]) -> tuple[bytes, ...]:
    """Tear bytes into pieces of one, two, three, one, ... bytes."""
    whole, place = b"".join(pieces), 0
    found: list[bytes] = []
    while place < len(whole):
        size = len(found) % 3 + 1
        found.append(whole[place : place + size])
        place += size
    return tuple(found)


def chat_plays(scenario: Scenario) -> tuple[Play, ...]:
    """Return what a server that speaks Chat Completions does in each call of a scenario."""
    plays = tuple(_turn(steps) for steps in scenario.turns)
    return tuple(attrs.evolve(play, pieces=_shredded(play.pieces)) for play in plays) if scenario.is_shredded else plays


_BEGUN = (_choice({"content": "The capital "}), _choice({"content": "of "}))
_ENDED = (_choice({}, "stop"), event("[DONE]"))
_CALLED = (_choice({}, "tool_calls"), event("[DONE]"))
_PARIS, _ROME = '{"city": "Paris"}', '{"city": "Rome"}'


def _refused(status: int, message: str, **headers: str) -> Play:
    body = json.dumps({"error": {"message": message}}).encode()
    return Play(
        status=status, media_type="application/json", headers={name.replace("_", "-"): text for name, text in headers.items()}, pieces=(body,)
    )


# What servers and proxies do beyond the neutral scenarios: bytes of this protocol only.
WIRE_FAULTS: Mapping[str, Play] = {
    "retry_after_seconds": _refused(429, "slow down", retry_after="2"),
    "retry_after_date": _refused(429, "slow down", retry_after="Fri, 31 Dec 2199 23:59:59 GMT"),
    "unavailable_for_a_while": _refused(503, "restarting", retry_after="7"),
    "gateway_page": Play(status=502, media_type="text/html", pieces=(b"<html><body>Bad Gateway</body></html>",)),
    "slow_first_byte": Play(delay=0.2, pieces=(*_BEGUN, *_ENDED)),
    "stall": Play(pieces=_BEGUN, end="stall"),
    "drop": Play(pieces=_BEGUN, end="drop"),
    "drop_inside_an_event": Play(pieces=(*_BEGUN, _choice({"content": "France"})[:30]), end="drop"),
    "silent_end": Play(pieces=_BEGUN),
    "malformed_json": Play(pieces=(*_BEGUN, b'data: {"choices": [{"delta": {\n\n', *_ENDED)),
    "unknown_events": Play(
        pieces=(
            b": hello\n\n",
            b"event: ping\nid: 7\nretry: 10\ndata: {}\n\n",
            event({"object": "news"}),
            event("[1]"),
            *_BEGUN,
            b": still here\n",
            *_ENDED,
        )
    ),
    "carriage_returns": Play(pieces=tuple(piece.replace(b"\n", b"\r\n") for piece in (*_BEGUN, *_ENDED))),
    "torn_unicode": Play(pieces=_shredded((_choice({"content": "Zürich 🦜 日本"}), *_ENDED))),
    "missing_index": Play(
        pieces=(
            _call(None, "call-1", "weather"),
            _call(None, arguments=_PARIS[:8]),
            _call(None, arguments=_PARIS[8:]),
            _call(None, "call-2", "weather"),
            _call(None, arguments=_ROME),
            *_CALLED,
        )
    ),
    "same_index": Play(pieces=(_call(0, "call-1", "weather", _PARIS), _call(0, "call-2", "weather", _ROME), *_CALLED)),
    "duplicate_ids": Play(pieces=(_call(0, "call-1", "weather", _PARIS), _call(1, "call-1", "weather", _ROME), *_CALLED)),
    "missing_ids": Play(pieces=(_call(0, "", "weather", _PARIS), _call(1, "", "weather", _ROME), *_CALLED)),
    "huge_arguments": Play(
        pieces=(
            _call(0, "call-1", "weather", '{"city": "'),
            *(_call(0, arguments="x" * 50_000) for _ in range(20)),
            _call(0, arguments='"}'),
            *_CALLED,
        )
    ),
    "no_stream": Play(
        media_type="application/json",
        pieces=(json.dumps({"choices": [{"index": 0, "message": {"content": "The capital of "}, "finish_reason": "stop"}]}).encode(),),
    ),
    "empty_answer": Play(pieces=_ENDED),
}


class ChatProvider:
    """The running server.

    Attributes:
        url: To be used as base URL.
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
        self.asked.append(Asked(path=head[0].split(" ")[1], headers=headers, body=json.loads(raw)))
        await anyio.sleep(play.delay)
        key = (headers.get("authorization", "").removeprefix("Bearer ") or headers.get("api-key", "")).encode()
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


def _head(play: Play) -> bytes:
    def lines() -> Iterator[str]:
        yield f"HTTP/1.1 {play.status} Played"
        yield f"Content-Type: {play.media_type}"
        yield "Transfer-Encoding: chunked"
        for name, value in play.headers.items():
            yield f"{name}: {value}"

    return ("\r\n".join(lines()) + "\r\n\r\n").encode("latin-1")


@asynccontextmanager
async def chat_provider(*plays: Play) -> AsyncIterator[ChatProvider]:
    """Run the server: the first call gets the first play, calls beyond them the last one again."""
    provider = ChatProvider(plays)
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    port = listener.listeners[0].extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - a socket's, no query's
    provider.url = f"http://127.0.0.1:{port}/v1"
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, provider.serve)
        try:
            yield provider
        finally:
            group.cancel_scope.cancel()
