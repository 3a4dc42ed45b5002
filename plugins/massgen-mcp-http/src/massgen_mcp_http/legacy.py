"""The transport `sse`: one stream from the server, one POST for each message to it, as it was in 2024."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from urllib.parse import urljoin

import anyio
import anyio.abc
import httpx2
from mcp.shared.message import SessionMessage
from mcp_types import ErrorData, JSONRPCError, JSONRPCRequest, JSONRPCResponse

from massgen_core.api import Context, Link, LinkReport, clean_line
from massgen_mcp_http.config import HttpConfig
from massgen_mcp_http.events import Events, ServerEvent
from massgen_mcp_http.faults import UNREADABLE, HttpFault, Problem, lost, of_status
from massgen_mcp_http.messages import messages_of
from massgen_mcp_http.streamable import BUFFERED, STREAM, encoded, foreseen
from massgen_mcp_http.wire import TooLarge, Wire, opened_wire

__all__ = ["SseLink", "open_sse"]

_ID = re.compile(rb'"id"\s*:\s*(-?\d{1,18})\b')


class SseLink:
    """A link over the transport of 2024: it ends when the server's stream does.

    Attributes:
        read: Messages from the server, and faults between them.
        endpoint: Where messages go to; empty before the server said so.
    """

    def __init__(self, wire: Wire, tasks: anyio.abc.TaskGroup) -> None:
        self.wire, self._tasks = wire, tasks
        self._items, self.read = anyio.create_memory_object_stream[Any](BUFFERED)
        self.endpoint = ""
        self.reason = ""
        self.settled = anyio.Event()
        self._asked: set[Any] = set()

    @property
    def write(self) -> SseLink:
        """The link itself takes messages."""
        return self

    def report(self) -> LinkReport:
        """Say how the link is."""
        return LinkReport(is_open=not self.reason, reason=self.reason or self.wire.problem, status=self.wire.status)

    async def send(self, item: Any) -> None:
        """Send a message; a request that cannot be sent is answered with an error among the messages.

        Raises:
            anyio.ClosedResourceError: The stream ended, or the link was left.
        """
        if self.reason:
            raise anyio.ClosedResourceError
        if isinstance(item.message, JSONRPCRequest):
            self._asked.add(item.message.id)
            self._tasks.start_soon(self._post, item.message)
        else:  # what follows a notification must not overtake it
            await self._post(item.message)

    def close(self) -> None:
        """Nothing: the link is ended by whoever opened it."""

    async def aclose(self) -> None:
        """Nothing: the link is ended by whoever opened it."""

    async def __aenter__(self) -> SseLink:
        return self

    async def __aexit__(self, *_: object) -> None:
        return

    async def _post(self, message: Any) -> None:
        problem = None
        try:
            async with self.wire.request("POST", self.endpoint, {"content-type": "application/json"}, encoded(message)) as response:
                if not response.is_success:
                    problem = of_status(response, has_session=False)
        except httpx2.TransportError as error:
            problem = lost(error, self.endpoint)
        except Exception as error:
            problem = foreseen(error)
        self.wire.problem = problem.text if problem is not None else ""
        if problem is None:
            return
        try:
            if isinstance(message, JSONRPCRequest):
                await self._refuse(message.id, problem)
            else:
                await self._items.send(problem.fault())
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            return

    async def _refuse(self, request: Any, problem: Problem) -> None:
        self._asked.discard(request)
        error = ErrorData(code=problem.code, message=problem.text, data=problem.data() or None)
        await self._items.send(SessionMessage(JSONRPCError(jsonrpc="2.0", id=request, error=error)))

    async def _unreadable(self, fault: HttpFault, data: bytes) -> None:
        """Tell of an event that cannot be read; a request that it was meant to answer has its answer."""
        await self._items.send(fault)
        found = None if b'"method"' in data[:200] else _ID.search(data[:200])
        if found is not None and int(found[1]) in self._asked:
            await self._refuse(int(found[1]), Problem(code=UNREADABLE, text=str(fault)))

    async def listen(self) -> None:
        """Read the server's stream until it ends, which is the end of the link."""
        events, problem = Events(self.wire.config.max_message), None
        url = self.wire.config.url
        try:
            async with self.wire.request("GET", url, {"accept": STREAM, "cache-control": "no-store"}, may_rest=True) as response:
                kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
                if not response.is_success:
                    problem = of_status(response, has_session=False)
                elif kind != STREAM:
                    problem = Problem(code=UNREADABLE, text=f"the server answered with {clean_line(kind, 80)}, not with a stream; check url and type")
                else:
                    async for data in self.wire.unpacked(response):
                        for event in events.feed(data):
                            await self._event(event)
        except httpx2.TransportError as error:
            problem = lost(error, url)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            return
        except Exception as error:
            problem = foreseen(error)
        finally:
            self.reason = self.reason or (problem.text if problem is not None else "the server ended its stream")
            self._items.close()
            self.settled.set()

    def leave(self) -> None:
        """End the messages."""
        self.reason = self.reason or "closed"
        self._items.close()
        self.read.close()

    async def _event(self, event: ServerEvent) -> None:
        if event.event == "endpoint":
            here, there = httpx2.URL(self.wire.config.url), httpx2.URL(urljoin(self.wire.config.url, event.data.decode("utf-8", "replace").strip()))
            if (here.scheme, here.host, here.port) != (there.scheme, there.host, there.port):
                raise HttpFault(f"the server wants messages sent to another host, {clean_line(there.host, 100)}; they are not")
            self.endpoint = str(there)
            self.settled.set()
        elif event.event == "message" and event.is_cut:
            limit = self.wire.config.max_message
            text = f"a message has {event.size} bytes, more than the {limit} of max_message, and was skipped; raise max_message to read it"
            await self._unreadable(TooLarge(text, size=event.size), event.data)
        elif event.event == "message" and event.size:
            found, junk = messages_of(event.data)
            for one in found:
                if isinstance(one, JSONRPCResponse | JSONRPCError):
                    self._asked.discard(one.id)
                await self._items.send(SessionMessage(one))
            if junk:
                shown = clean_line(junk[:1000].decode("utf-8", "replace"), 160)
                await self._unreadable(HttpFault(f"the server sent something that is no message: {shown}"), junk)


def open_sse(config: HttpConfig, context: Context) -> AbstractAsyncContextManager[Link]:
    """Make the context manager of a link; the server is reached when it is entered."""
    return _linked(config, context)


@asynccontextmanager
async def _linked(config: HttpConfig, context: Context) -> AsyncIterator[Link]:
    """Yield a link.

    Raises:
        HttpFault: The server cannot be reached, refuses, or does not say where messages go to.
    """
    failure: Exception | None = None
    async with opened_wire(config, context) as wire, anyio.create_task_group() as tasks:
        link = SseLink(wire, tasks)
        try:
            tasks.start_soon(link.listen)
            with anyio.move_on_after(config.connect_seconds):
                await link.settled.wait()
            if not link.endpoint:
                why = link.reason or f"the server did not say within {config.connect_seconds:g} s where messages go to"
                raise HttpFault(why, status=wire.status)
            yield link
        except Exception as error:  # raised again below, where the task group cannot wrap it
            failure = error
        finally:
            link.leave()
            tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure
