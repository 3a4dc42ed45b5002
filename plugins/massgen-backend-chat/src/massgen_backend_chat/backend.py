"""The backend: one POST a call, its answer streamed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import Any, cast
from urllib.parse import urlsplit

import anyio
import attrs
import httpx2
import msgspec

from massgen_backend_chat.answers import Answer
from massgen_backend_chat.clients import Clients, open_clients
from massgen_backend_chat.config import ChatConfig
from massgen_backend_chat.sse import LIMIT, EventReader, LineTooLong
from massgen_backend_chat.wire import body_of
from massgen_core.api import BadRequest, Chunk, Context, Dialect, FaultRules, Faults, LimitsChunk, ModelRequest, ToolFitter, rate_limits

__all__ = ["ChatBackend", "open_backend"]

ERROR_BYTES = 64 * 1024  # of a failed answer's body
LIST_BYTES = 16 * 1024 * 1024  # of a list of models
DRAIN_SECONDS = 0.2
# Most servers take any JSON Schema, but the protocol's first one, and many after it, want an object without alternatives at the root.
DIALECT = Dialect(root_unions=False)
FAULTS = FaultRules(
    address="Is the base_url right? A path like /v1 may be missing.",
    lists="massgen models chat --remote, with the same options by --set, asks the server for its list",
    hints=(("no endpoints found that", "No server behind this router takes such a request; use another model, or ask for less."),),
)
_decode = msgspec.json.Decoder().decode


@asynccontextmanager
async def open_backend(config: ChatConfig, context: Context) -> AsyncIterator[ChatBackend]:
    """Open the backend; clients are shared by the agents of a run.

    Raises:
        SecretMissing: The key is not there.
    """
    is_tls = config.address.startswith("https:")
    clients = await context.share(("massgen-backend-chat", is_tls), lambda: open_clients(is_tls=is_tls))
    headers = {"content-type": "application/json", "accept": "text/event-stream", "accept-encoding": "identity", "user-agent": "massgen-backend-chat"}
    if config.organization:
        headers["openai-organization"] = config.organization
    if config.project:
        headers["openai-project"] = config.project
    headers.update(config.headers)
    if config.reference:
        value, name = context.secret(config.reference).reveal().strip(), config.known.key_header
        if not value.isascii() or not value.isprintable():
            raise BadRequest(f"the key of {config.reference!r} holds characters that no header can carry; was something else pasted with it?")
        headers[name] = f"Bearer {value}" if name == "authorization" else value
    faults = Faults(config.preset or urlsplit(config.address).netloc, config.reference, context.redact, FAULTS)
    yield ChatBackend(config, clients, headers, faults, ToolFitter(DIALECT, backend="chat", emit=context.emit))


class ChatBackend:
    """Speaks Chat Completions with one server."""

    def __init__(self, config: ChatConfig, clients: Clients, headers: Mapping[str, str], faults: Faults, fitter: ToolFitter) -> None:
        self._config, self._clients, self._faults, self._fitter = config, clients, faults, fitter
        self._known = config.known
        # All that each request has in common, made once.
        self._url = httpx2.URL(config.address, params=config.query) if config.query else httpx2.URL(config.address)
        self._headers = httpx2.Headers(headers)
        self._extensions = {"timeout": httpx2.Timeout(connect=config.connect_seconds, read=config.idle_seconds, write=60.0, pool=None).as_dict()}

    @asynccontextmanager
    async def respond(self, request: ModelRequest) -> AsyncIterator[AsyncIterator[Chunk]]:
        """Start a call; see the contract."""
        if request.tools:
            request = attrs.evolve(request, tools=self._fitter.tools(request.tools, request.metadata.get("agent", "")))
        body = await body_of(request, self._known, extra=self._config.extra_body)
        model = str(body.get("model", ""))
        with self._clients.borrow() as client:
            # Not by the client, which would merge settings that it does not have.
            post = httpx2.Request("POST", self._url, content=msgspec.json.encode(body), headers=self._headers, extensions=self._extensions)
            with self._mapped():
                response = await client.send(post, stream=True)
            try:
                if response.status_code != 200:
                    with self._mapped():
                        raw = await _head(response)
                    raise self._faults.of_status(response.status_code, response.headers, raw, model)
                if page := self._faults.of_page(response.headers):
                    raise page
                async with aclosing(self._stream(response, model)) as chunks:
                    yield chunks
            finally:
                await response.aclose()

    async def listed(self) -> Any:
        """Ask the server which models it has; return what it says, plain data.

        Raises:
            BackendFault: One of its subclasses.
        """
        url = httpx2.URL(f"{self._config.base}/models", params=self._config.query) if self._config.query else f"{self._config.base}/models"
        headers = {name: value for name, value in self._headers.items() if name != "content-type"} | {"accept": "application/json"}
        timeout = httpx2.Timeout(30.0, connect=self._config.connect_seconds)
        with self._clients.borrow() as client, self._mapped():
            async with client.stream("GET", url, headers=headers, timeout=timeout) as response:
                raw = await _head(response, LIST_BYTES)
        if response.status_code != 200:
            raise self._faults.of_status(response.status_code, response.headers, raw[:ERROR_BYTES], "")
        try:
            return _decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise self._faults.garbled("a list of models that is no JSON") from None

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except httpx2.HTTPError as error:
            # Its traceback holds the request, and so the key.
            fault = self._faults.of(error, "")
        else:
            return
        raise fault from None

    async def _stream(self, response: httpx2.Response, model: str) -> AsyncGenerator[Chunk, None]:
        # One generator on purpose: each further one costs a microsecond for a delta.
        answer = Answer(is_cost_told=self._known.is_cost_told, keeps_reasoning=self._known.returns_reasoning)
        reader, is_done = EventReader(), False
        if (limits := rate_limits(response.headers)) is not None:
            yield LimitsChunk(limits)
        try:
            async with aclosing(_pieces(response)) as pieces:
                async for piece in pieces:
                    for name, data in reader.feed(piece):
                        if data == b"[DONE]":
                            is_done = True
                            break
                        event = self._decoded(data)
                        for chunk in answer.take(event):
                            yield chunk
                        if name or answer.finish or "error" in event or "choices" not in event:
                            self._check(name, event, answer, model)
                    if is_done:
                        await _drain(pieces)
                        break
        except httpx2.HTTPError as error:
            fault = self._faults.of(error, "")
        except LineTooLong as error:
            fault = self._faults.garbled(f"too much: {error}")
        else:
            for chunk in self._ended(answer, reader, is_done=is_done, model=model):
                yield chunk
            return
        raise fault from None

    def _decoded(self, data: bytes) -> dict[str, Any]:
        try:
            event = _decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise self._faults.garbled("an event that is no JSON") from None
        return event if isinstance(event, dict) else {}

    def _check(self, name: bytes, event: Mapping[str, Any], answer: Answer, model: str) -> None:
        """Raise the error that an event tells, if it tells one."""
        if event.get("error") or name == b"error" or event.get("object") == "error":
            raise self._faults.of_event(event, model)
        if answer.is_broken:
            why = answer.failure or {"message": f"it stopped with {answer.finish!r}", "type": "overloaded"}
            raise self._faults.of_event({"error": why}, model)

    def _ended(self, answer: Answer, reader: EventReader, *, is_done: bool, model: str) -> Iterator[Chunk]:
        """Yield what follows the last byte."""
        for name, data in () if is_done else reader.end():
            if data == b"[DONE]":
                is_done = True
                break
            event = self._decoded(data)
            yield from answer.take(event)
            self._check(name, event, answer, model)
        if is_done and answer.is_begun:
            answer.finish = answer.finish or "stop"  # some servers say no reason
        if not answer.finish:
            raise self._faults.garbled("an end in the middle of the answer" if answer.is_begun else "no answer")
        yield from answer.end()


def _pieces(response: httpx2.Response) -> AsyncGenerator[bytes, None]:
    """Return the body's bytes as they come; the one document of a server that does not stream is made an event."""
    if "json" in response.headers.get("content-type", ""):
        return _whole(response)
    if response.headers.get("content-encoding", "identity") != "identity":
        return response.aiter_bytes()
    # As `aiter_raw` would, without what it does for sizes that nobody asks for here.
    return cast("AsyncGenerator[bytes, None]", aiter(cast("httpx2.AsyncByteStream", response.stream)))


async def _whole(response: httpx2.Response) -> AsyncGenerator[bytes, None]:
    raw = await _head(response, LIMIT)
    # Line breaks between the parts of a JSON document mean nothing, and none is in its texts.
    yield b"data: " + raw.replace(b"\r", b" ").replace(b"\n", b" ") + b"\n\ndata: [DONE]\n\n"


async def _drain(pieces: AsyncIterator[bytes]) -> None:
    """Read the last bytes, or the connection could not be used again."""
    with anyio.move_on_after(DRAIN_SECONDS):
        async for _ in pieces:
            pass


async def _head(response: httpx2.Response, limit: int = ERROR_BYTES) -> bytes:
    """Return the first bytes of a body."""
    parts, size = list[bytes](), 0
    async with aclosing(response.aiter_bytes()) as pieces:
        async for piece in pieces:
            parts.append(piece)
            size += len(piece)
            if size >= limit:
                break
    return b"".join(parts)[:limit]
