"""The transport `http`: one POST a request, of both eras; streams that break are taken up again where the era has that."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import anyio
import anyio.abc
import attrs
import httpx2
from mcp.shared.message import ClientMessageMetadata, SessionMessage
from mcp_types import ErrorData, JSONRPCError, JSONRPCNotification, JSONRPCRequest, JSONRPCResponse
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from massgen_core.api import Context, Link, LinkReport, clean_line
from massgen_mcp_http.config import HttpConfig
from massgen_mcp_http.events import Events, ServerEvent
from massgen_mcp_http.faults import SESSION_GONE, UNREADABLE, HttpFault, Problem, lost, of_status
from massgen_mcp_http.messages import messages_of
from massgen_mcp_http.wire import TooLarge, Wire, opened_wire

__all__ = ["HttpLink", "encoded", "foreseen", "open_http"]

BUFFERED = 64
ATTEMPTS = 5
RETRY_SECONDS = 1.0
LONGEST_RETRY = 30.0
CLOSE_SECONDS = 2.0
VERSION, SESSION, LAST_EVENT = "mcp-protocol-version", "mcp-session-id", "last-event-id"
JSON, STREAM = "application/json", "text/event-stream"
END_SECONDS = 0.25
LISTENING = "subscriptions/listen"  # its answer comes when the subscription ends
_SILENT = Problem(code=UNREADABLE, text="what the server sent for the request does not answer it")
_CUT = Problem(code=-32000, text="the server ended its answer before it was complete")


@attrs.define(eq=False)
class _Post:
    """A request under way: what ends it, and the era that it was sent in."""

    scope: anyio.CancelScope
    is_modern: bool
    is_answered: bool = False


class HttpLink:
    """A link over streamable HTTP.

    Attributes:
        read: Messages from the server, and faults between them.
    """

    def __init__(self, wire: Wire, tasks: anyio.abc.TaskGroup) -> None:
        self.wire, self.url = wire, wire.config.url
        self._items, self.read = anyio.create_memory_object_stream[Any](BUFFERED)
        self.session = ""
        self._version = ""
        self._posts: dict[Any, _Post] = {}
        self._tasks = tasks
        self._is_listening = False
        self.reason = ""

    @property
    def write(self) -> HttpLink:
        """The link itself takes messages."""
        return self

    def report(self) -> LinkReport:
        """Say how the link is; `reason` is why the last request failed, where it did, also once it is left."""
        return LinkReport(is_open=not self.reason, reason=self.wire.problem or self.reason, status=self.wire.status)

    # What the SDK's client does with the stream to the server

    async def send(self, item: Any) -> None:
        """Send a message. A request is answered, be it with an error, among the messages; nothing that HTTP does raises here.

        Raises:
            anyio.ClosedResourceError: The link was left.
        """
        if self.reason:
            raise anyio.ClosedResourceError
        message, metadata = item.message, item.metadata
        extra = dict(metadata.headers or {}) if isinstance(metadata, ClientMessageMetadata) else {}
        if isinstance(message, JSONRPCRequest) and message.method == "initialize":
            self._version, self.session = "", ""  # it is what these are agreed by
        else:
            self._version = next((value for name, value in extra.items() if name.lower() == VERSION), self._version)
        if isinstance(message, JSONRPCRequest):
            post = _Post(anyio.CancelScope(), self._version in MODERN_PROTOCOL_VERSIONS)
            if (older := self._posts.get(message.id)) is not None:
                older.scope.cancel()  # its number is another request's now
            self._posts[message.id] = post
            self._tasks.start_soon(self._request, message, extra, post)
            return
        given_up = None
        if isinstance(message, JSONRPCNotification) and message.method == "notifications/cancelled":
            given_up = self._posts.get((message.params or {}).get("requestId"))
            if given_up.is_modern if given_up is not None else self._version in MODERN_PROTOCOL_VERSIONS:
                if given_up is not None:
                    given_up.scope.cancel()  # the end of its connection is what tells the server
                return
        await self._notify(message, extra)
        if given_up is not None:
            given_up.scope.cancel()
        if isinstance(message, JSONRPCNotification) and message.method == "notifications/initialized" and self.session and not self._is_listening:
            self._is_listening = True
            self._tasks.start_soon(self._listen)

    def close(self) -> None:
        """Nothing: the link is ended by whoever opened it."""

    async def aclose(self) -> None:
        """Nothing: the link is ended by whoever opened it."""

    async def __aenter__(self) -> HttpLink:
        return self

    async def __aexit__(self, *_: object) -> None:
        return

    # Requests

    def _headers(self, extra: dict[str, str], accept: str = f"{JSON}, {STREAM}") -> dict[str, str]:
        found = {"accept": accept, "content-type": JSON}
        if self.session:
            found[SESSION] = self.session
        if self._version:
            found[VERSION] = self._version
        return {**found, **{name.lower(): value for name, value in extra.items()}}

    async def _request(self, message: JSONRPCRequest, extra: dict[str, str], post: _Post) -> None:
        """Make one request and answer it in any case, but for one that is given up."""
        with post.scope:
            problem: Problem | None = None
            events = Events(self.wire.config.max_message)
            try:
                async with self.wire.request(
                    "POST", self.url, self._headers(extra), encoded(message), may_rest=message.method == LISTENING
                ) as response:
                    problem = await self._answered(message, response, post, events)
            except httpx2.TransportError as error:
                problem = lost(error, self.url)
            except Exception as error:
                problem = foreseen(error)
            if not post.is_answered and events.last_id and not post.is_modern and self.session:
                problem = await self._resume(message, post, events)
            self.wire.problem = problem.text if problem is not None else ""
            if problem is not None and not post.is_answered:
                await self._refuse(message.id, problem)
        if self._posts.get(message.id) is post:
            del self._posts[message.id]

    async def _answered(self, message: JSONRPCRequest, response: httpx2.Response, post: _Post, events: Events) -> Problem | None:
        """Read the answer to a request; return why there is none."""
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not response.is_success:
            return await self._failed(message, response, post, kind)
        if message.method == "initialize":
            self.session = response.headers.get(SESSION, "")
        if kind == STREAM:
            return await self._streamed(response, events, message, post)
        if kind == JSON:
            data = await self.wire.body(response, self.wire.config.max_message)
            await self._take(data, message, post)
            return None if post.is_answered else _SILENT
        if response.status_code == 202:
            return Problem(code=SESSION_GONE, text="the server took the request and will not answer it (HTTP 202)", status=202)
        return Problem(
            code=SESSION_GONE,
            text=f"the server answered with {clean_line(kind, 80) or 'something without a type'}, not with a message; check url",
            status=response.status_code,
        )

    async def _failed(self, message: JSONRPCRequest, response: httpx2.Response, post: _Post, kind: str) -> Problem | None:
        problem = of_status(response, has_session=bool(self.session) and message.method != "initialize")
        if kind == JSON:
            try:
                found, _ = messages_of(await self.wire.body(response, 1 << 20))
            except HttpFault:
                return problem
            if (said := next((one for one in found if isinstance(one, JSONRPCError)), None)) is not None:  # its own words, where it has some
                data = said.error.data if said.error.data is not None else problem.data()
                answer = JSONRPCError(jsonrpc="2.0", id=message.id, error=ErrorData(code=said.error.code, message=said.error.message, data=data))
                post.is_answered = True
                await self._items.send(SessionMessage(answer))
        return problem

    async def _streamed(self, response: httpx2.Response, events: Events, message: JSONRPCRequest | None, post: _Post | None) -> Problem | None:
        """Read the messages of a stream until the one that answers the request, or its end."""
        limit = self.wire.config.body_seconds
        # Bytes that keep an event from ending are no sign of life; those between events are.
        with anyio.CancelScope() as scope:
            async for data in self.wire.unpacked(response):
                for event in events.feed(data):
                    await self._event(event, message, post)
                if post is not None and post.is_answered:
                    # A connection that is read to its end can be used again.
                    scope.deadline = min(scope.deadline, anyio.current_time() + END_SECONDS)
                elif not events.is_within:
                    scope.deadline = math.inf
                elif scope.deadline == math.inf:
                    scope.deadline = anyio.current_time() + limit
        if post is not None and post.is_answered:
            return None
        if scope.cancelled_caught:
            return Problem(code=UNREADABLE, text=f"the server took more than {limit:g} s for one message (body_seconds)")
        return _CUT

    async def _event(self, event: ServerEvent, message: JSONRPCRequest | None, post: _Post | None) -> None:
        if event.event != "message" or not event.size:
            return
        if event.is_cut:
            text = (
                f"a message has {event.size} bytes, more than the {self.wire.config.max_message} of max_message, and was skipped; raise max_message"
            )
            await self._items.send(TooLarge(text, size=event.size))
            if message is not None and post is not None and b'"method"' not in event.data[:200]:
                post.is_answered = True
                await self._refuse(message.id, Problem(code=UNREADABLE, text=text))
            return
        await self._take(event.data, message, post)

    async def _take(self, data: bytes, message: JSONRPCRequest | None, post: _Post | None) -> None:
        """Pass on what a body or an event holds; what answers the request of this connection is its answer, whatever number it bears."""
        found, junk = messages_of(data)
        if message is not None and post is not None:
            answers = [one for one in found if isinstance(one, JSONRPCResponse | JSONRPCError)]
            if answers:
                next((one for one in answers if one.id == message.id), answers[0]).id = message.id
                post.is_answered = True
        for one in found:
            await self._items.send(SessionMessage(one))
        if junk:
            shown = clean_line(junk[:1000].decode("utf-8", "replace"), 160)
            problem = Problem(code=UNREADABLE, text=f"the server sent something that is no message: {shown}")
            if message is None or post is None or post.is_answered:
                await self._items.send(problem.fault())
            else:
                post.is_answered = True
                await self._refuse(message.id, problem)

    async def _resume(self, message: JSONRPCRequest, post: _Post, events: Events) -> Problem | None:
        """Ask for the rest of an answer whose stream ended; only in the eras that have sessions."""
        problem: Problem | None = None
        for attempt in range(ATTEMPTS):
            await anyio.sleep(_pause(events, attempt))
            before = events.last_id
            problem = await self._get(events, message, post)
            if post.is_answered or (problem is not None and 400 <= problem.status < 500 and problem.status != 429):
                return None if post.is_answered else problem
            if events.last_id != before:
                return await self._resume(message, post, events)
        return problem

    async def _get(self, events: Events, message: JSONRPCRequest | None, post: _Post | None) -> Problem | None:
        """Open a stream from the server to us and read it to its end; return why it ended."""
        headers = self._headers({LAST_EVENT: events.last_id} if events.last_id else {}, STREAM)
        del headers["content-type"]
        try:
            async with self.wire.request("GET", self.url, headers, may_rest=message is None) as response:
                if not response.is_success:
                    return of_status(response, has_session=bool(self.session))
                if response.headers.get("content-type", "").partition(";")[0].strip().lower() != STREAM:
                    return Problem(code=SESSION_GONE, text="the server has no stream here", status=405)
                return await self._streamed(response, events, message, post)
        except httpx2.TransportError as error:
            return lost(error, self.url)
        except Exception as error:
            return foreseen(error)

    async def _listen(self) -> None:
        """Keep a stream open for what the server says on its own, for as long as the session lasts."""
        events, failures = Events(self.wire.config.max_message), 0
        while failures < ATTEMPTS:
            session = self.session
            problem = await self._get(events, None, None)
            if session != self.session or (problem is not None and 400 <= problem.status < 500 and problem.status != 429):
                break
            failures = 0 if problem is _CUT else failures + 1
            await anyio.sleep(_pause(events, failures))
        self._is_listening = False

    async def _notify(self, message: Any, extra: dict[str, str]) -> None:
        """Send what has no answer; that it failed is a fault among the messages."""
        problem = None
        try:
            async with self.wire.request("POST", self.url, self._headers(extra), encoded(message)) as response:
                if not response.is_success:
                    problem = of_status(response, has_session=bool(self.session))
        except httpx2.TransportError as error:
            problem = lost(error, self.url)
        except Exception as error:
            problem = foreseen(error)
        if problem is not None:
            self.wire.problem = problem.text
            await self._items.send(problem.fault())

    async def _refuse(self, request: Any, problem: Problem) -> None:
        error = ErrorData(code=problem.code, message=problem.text, data=problem.data() or None)
        await self._items.send(SessionMessage(JSONRPCError(jsonrpc="2.0", id=request, error=error)))

    async def leave(self) -> None:
        """End the session at the server, and the messages."""
        if self.session:
            with anyio.move_on_after(CLOSE_SECONDS):
                try:
                    async with self.wire.request("DELETE", self.url, self._headers({})):
                        pass
                except Exception as error:  # it is being left anyway
                    self.wire.problem = str(error)
        self.reason = "closed"
        self._items.close()
        self.read.close()


def encoded(message: Any) -> bytes:
    """Return a message as JSON."""
    try:
        text: str = message.model_dump_json(by_alias=True, exclude_unset=True)
    except ValueError:  # half a surrogate pair, which models do write and which has no UTF-8
        import json  # noqa: PLC0415 - as good as never

        text = json.dumps(message.model_dump(by_alias=True, exclude_unset=True), ensure_ascii=False)
    return text.encode("utf-8", "replace")


def foreseen(error: Exception) -> Problem:
    """Return what went wrong in reading an answer or in logging in; the next request may succeed."""
    if isinstance(error, HttpFault):
        return Problem(code=UNREADABLE, text=str(error), status=error.status, retry_after=error.retry_after)
    return Problem(code=-32603, text=clean_line(f"{type(error).__name__}: {error}", 300))


def _pause(events: Events, attempt: int) -> float:
    wished = RETRY_SECONDS if events.retry is None else events.retry
    return float(min(max(wished, 0.01) * 2.0**attempt, LONGEST_RETRY))


def open_http(config: HttpConfig, context: Context) -> AbstractAsyncContextManager[Link]:
    """Make the context manager of a link; nothing is reached before it is entered and used."""
    return _linked(config, context)


@asynccontextmanager
async def _linked(config: HttpConfig, context: Context) -> AsyncIterator[Link]:
    failure: Exception | None = None
    async with opened_wire(config, context) as wire, anyio.create_task_group() as tasks:
        link = HttpLink(wire, tasks)
        try:
            yield link
        except Exception as error:  # raised again below, where the task group cannot wrap it
            failure = error
        finally:
            with anyio.CancelScope(shield=True):
                await link.leave()
            tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure
