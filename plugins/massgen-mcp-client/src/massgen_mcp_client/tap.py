"""The tap on the wire: sees every message of a link, stamps trace ids, mends what is off the protocol, and knows when the link ends."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

import anyio
import attrs
import msgspec
from mcp_types import JSONRPCError, JSONRPCNotification, JSONRPCRequest, JSONRPCResponse

from massgen_core.api import Link

__all__ = ["CURRENT", "Operation", "Tap", "is_modern", "size"]

# A server that does not read is not waited for when it is told that a request was given up.
CANCEL_SECONDS = 0.5
PAYLOAD = 100_000
_MODERN = "io.modelcontextprotocol/protocolVersion"
_encode = msgspec.json.Encoder().encode

Mend = Callable[["Operation", dict[str, Any]], None]


@attrs.define(eq=False)
class Operation:
    """One operation of ours on the wire: usually one request, several where the server asks back.

    Attributes:
        span: W3C span id; also the operation's id in events.
        trace: W3C trace id.
        main: The protocol's name of the request whose result counts; empty: the last one's. The SDK may list tools in the middle of a call.
        method: The protocol's name of its last request.
        is_modern: That request was of the stateless era.
        is_strict: Parts of the result that the SDK would refuse are dropped one by one.
        was_sent: A request of it was given to the transport.
        sent_at: When, in seconds of `time.monotonic`.
        raw: The last result as the server sent it, mended; None before.
        has_ttl: The result says how long it holds.
        repairs: What was mended of tools, by name.
        refused: Tools that were left out, and why.
        scope: What its time-outs cancel.
        total: When it must be over, whatever its progress.
        idle_seconds: How long it may be without progress.
        caller: For whom it is made; answers what the server asks in the middle of it.
    """

    span: str
    trace: str
    main: str = ""
    method: str = ""
    is_modern: bool = False
    is_strict: bool = False
    was_sent: bool = False
    sent_at: float = 0.0
    raw: Any = None
    has_ttl: bool = False
    repairs: dict[str, tuple[str, ...]] = attrs.field(factory=dict)
    refused: list[tuple[str, str]] = attrs.field(factory=list)
    scope: anyio.CancelScope | None = None
    total: float = math.inf
    idle_seconds: float = math.inf
    caller: Any = None
    ids: list[Any] = attrs.field(factory=list)

    def progressed(self) -> None:
        """Start the idle clock anew."""
        if self.scope is not None:
            self.scope.deadline = min(anyio.current_time() + self.idle_seconds, self.total)

    def stop(self) -> None:
        """Stop the idle clock; the total stays."""
        if self.scope is not None:
            self.scope.deadline = self.total


CURRENT: ContextVar[Operation | None] = ContextVar("massgen_mcp_operation", default=None)


class Tap:
    """Both directions of one link.

    Args:
        link: The link.
        ended: Is told once when the server's messages end.
        mend: Changes a result in place before the SDK checks it.
        framed: Is told every message that is wanted: direction, size in bytes, payload, fault.
        faulted: Is told of frames that could not be read.
        shows: Says whether messages are wanted at the moment.

    Attributes:
        greeting: The operation of requests that belong to no other: as long as the era is not agreed on.
        last_received: When the last message came, in seconds of `time.monotonic`.
        has_ended: Nothing more will come.
    """

    def __init__(
        self,
        link: Link,
        *,
        ended: Callable[[], None],
        mend: Mend,
        framed: Callable[[str, int, str, str], None] | None = None,
        faulted: Callable[[Exception], None] | None = None,
        shows: Callable[[], bool] = lambda: True,
    ) -> None:
        self.link, self._ended, self._mend, self._shows = link, ended, mend, shows
        self._framed, self._faulted = framed, faulted
        self._pending: dict[Any, tuple[Operation, str] | None] = {}
        self.greeting: Operation | None = None
        self.last_received = time.monotonic()
        self.has_ended = False

    @asynccontextmanager
    async def transport(self) -> AsyncIterator[tuple[Any, Any]]:
        """Yield the streams as the SDK's client takes them."""
        yield _Reader(self, self.link.read), _Writer(self, self.link.write)

    def forget(self, operation: Operation) -> None:
        """Expect no answers to an operation any more."""
        for request in operation.ids:
            self._pending.pop(request, None)

    @property
    def waiting(self) -> int:
        """Requests without an answer."""
        return len(self._pending)

    def end(self) -> None:
        """Note that nothing more will come."""
        if not self.has_ended:
            self.has_ended = True
            self._ended()

    def sent(self, item: Any) -> None:
        """See a message to the server before it goes out."""
        message = item.message
        if isinstance(message, JSONRPCRequest):
            operation = CURRENT.get() or self.greeting
            self._pending[message.id] = (operation, message.method) if operation is not None else None
            if operation is not None:
                operation.method, operation.is_modern = message.method, is_modern(message.params)
                operation.was_sent = True
                operation.sent_at = time.monotonic()
                operation.ids.append(message.id)
                self._stamp(message, operation)
        if self._framed is not None and self._shows():
            self._show("out", message)

    def _stamp(self, message: Any, operation: Operation) -> None:
        params = message.params
        if params is None:
            params = message.params = {}
        params.setdefault("_meta", {})["traceparent"] = f"00-{operation.trace}-{operation.span}-01"

    def received(self, item: Any) -> Any:
        """See what came from the server before the SDK does."""
        if isinstance(item, Exception):
            if self._faulted is not None:
                self._faulted(item)
            return item
        self.last_received = time.monotonic()
        message = item.message
        if isinstance(message, JSONRPCResponse):
            found = self._answered(message.id)
            if found is not None:
                operation, method = found
                operation.method = method
                self._mend(operation, message.result)
                if operation.main in ("", operation.method):
                    operation.raw = message.result
        elif isinstance(message, JSONRPCError):
            self._answered(message.id)
        if self._framed is not None and self._shows():
            self._show("in", message)
        return item

    def _answered(self, request: Any) -> tuple[Operation, str] | None:
        if request not in self._pending and isinstance(request, str) and request.isdecimal():
            request = int(request)  # some servers send the id back as text, which the SDK takes too
        return self._pending.pop(request, None)

    def _show(self, direction: str, message: Any) -> None:
        assert self._framed is not None
        try:
            payload = message.model_dump_json(by_alias=True, exclude_unset=True)
        except ValueError:  # half a surrogate pair has no UTF-8
            payload = ascii(message)
        self._framed(direction, len(payload), payload[:PAYLOAD], "")


class _Reader:
    """Messages from the server."""

    def __init__(self, tap: Tap, inner: Any) -> None:
        self._tap, self._inner = tap, inner

    @property
    def last_context(self) -> Any:
        return getattr(self._inner, "last_context", None)

    async def receive(self) -> Any:
        try:
            return self._tap.received(await self._inner.receive())
        except (anyio.EndOfStream, anyio.ClosedResourceError):
            self._tap.end()
            raise

    def __aiter__(self) -> _Reader:
        return self

    async def __anext__(self) -> Any:
        try:
            return self._tap.received(await self._inner.receive())
        except anyio.EndOfStream:
            self._tap.end()
            raise StopAsyncIteration from None
        except anyio.ClosedResourceError:
            self._tap.end()
            raise

    def close(self) -> None:
        self._inner.close()

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def __aenter__(self) -> _Reader:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class _Writer:
    """Messages to the server."""

    def __init__(self, tap: Tap, inner: Any) -> None:
        self._tap, self._inner = tap, inner

    async def send(self, item: Any) -> None:
        self._tap.sent(item)
        message = item.message
        if isinstance(message, JSONRPCNotification) and message.method == "notifications/cancelled":
            with anyio.move_on_after(CANCEL_SECONDS):
                await self._inner.send(item)
            return
        await self._inner.send(item)

    def close(self) -> None:
        self._inner.close()

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def __aenter__(self) -> _Writer:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def is_modern(params: Mapping[str, Any] | None) -> bool:
    """Say whether a request is one of the stateless era."""
    meta = (params or {}).get("_meta")
    return isinstance(meta, Mapping) and _MODERN in meta


def size(value: Any) -> int:
    """Return the length of plain data as JSON, in bytes; 0 where it has none."""
    try:
        return len(_encode(value))
    except (TypeError, ValueError, msgspec.MsgspecError):
        return 0
