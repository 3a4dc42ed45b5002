"""The backend: one POST a call, its answer streamed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx2
import msgspec

from massgen_backend_chat.answers import Answer
from massgen_backend_chat.clients import Clients, open_clients
from massgen_backend_chat.config import ChatConfig
from massgen_backend_chat.faults import Faults
from massgen_backend_chat.sse import LIMIT, EventReader, LineTooLong
from massgen_backend_chat.wire import body_of
from massgen_core.api import BadRequest, Chunk, Context, ModelRequest

__all__ = ["ChatBackend", "open_backend"]

ERROR_BYTES = 64 * 1024  # of a failed answer's body
DRAIN_SECONDS = 0.2
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
    faults = Faults(config.preset or urlsplit(config.address).netloc, config.reference, context.redact)
    yield ChatBackend(config, clients, headers, faults)


class ChatBackend:
    """Speaks Chat Completions with one server."""

    def __init__(self, config: ChatConfig, clients: Clients, headers: Mapping[str, str], faults: Faults) -> None:
        self._config, self._clients, self._headers, self._faults = config, clients, headers, faults
        self._known = config.known
        self._timeout = httpx2.Timeout(connect=config.connect_seconds, read=config.idle_seconds, write=60.0, pool=None)

    @asynccontextmanager
    async def respond(self, request: ModelRequest) -> AsyncIterator[AsyncIterator[Chunk]]:
        """Start a call; see the contract."""
        body = await body_of(request, self._known, extra=self._config.extra_body)
        with self._clients.borrow() as client:
            post = client.build_request(
                "POST",
                self._config.address,
                params=self._config.query or None,
                content=msgspec.json.encode(body),
                headers=self._headers,
                timeout=self._timeout,
            )
            with self._mapped():
                response = await client.send(post, stream=True)
            try:
                if response.status_code != 200:
                    with self._mapped():
                        raw = await _head(response)
                    raise self._faults.of_status(response.status_code, response.headers, raw, request.model)
                async with aclosing(self._stream(response, request.model)) as chunks:
                    yield chunks
            finally:
                await response.aclose()

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except httpx2.HTTPError as error:
            # Its traceback holds the request, and so the key.
            fault = self._faults.of_transport(error)
        else:
            return
        raise fault from None

    async def _stream(self, response: httpx2.Response, model: str) -> AsyncGenerator[Chunk, None]:
        answer = Answer(is_cost_told=self._known.is_cost_told, keeps_reasoning=self._known.returns_reasoning)
        events = self._whole(response) if "json" in response.headers.get("content-type", "") else self._events(response)
        async with aclosing(events):
            async for name, data in events:
                if data == b"[DONE]":
                    answer.finish = answer.finish or "stop"
                    # The connection can be used again only if its last bytes are read.
                    with anyio.move_on_after(DRAIN_SECONDS):
                        async for _ in events:
                            pass
                    break
                try:
                    event: Any = _decode(data)
                except (msgspec.MsgspecError, UnicodeDecodeError):
                    raise self._faults.garbled("an event that is no JSON") from None
                if not isinstance(event, dict):
                    continue
                for chunk in answer.take(event):
                    yield chunk
                if event.get("error") or name == b"error":
                    raise self._faults.of_event(event, model)
                if answer.is_broken:
                    raise self._faults.of_event({"error": {"message": f"it stopped with {answer.finish!r}", "type": "overloaded"}}, model)
        if not answer.finish:
            raise self._faults.garbled("an end in the middle of the answer")
        for chunk in answer.end():
            yield chunk

    async def _events(self, response: httpx2.Response) -> AsyncGenerator[tuple[bytes, bytes], None]:
        reader = EventReader()
        # Without an encoding the bytes are taken as they come.
        pieces = response.aiter_bytes() if response.headers.get("content-encoding", "identity") != "identity" else response.aiter_raw()
        try:
            async for piece in pieces:
                for event in reader.feed(piece):
                    yield event
        except LineTooLong as error:
            fault = self._faults.garbled(f"too much: {error}")
        except httpx2.HTTPError as error:
            fault = self._faults.of_transport(error)
        else:
            for event in reader.end():
                yield event
            return
        raise fault from None

    async def _whole(self, response: httpx2.Response) -> AsyncGenerator[tuple[bytes, bytes], None]:
        """Read the one document of a server that does not stream."""
        with self._mapped():
            raw = await _head(response, LIMIT)
        yield b"", raw
        yield b"", b"[DONE]"


async def _head(response: httpx2.Response, limit: int = ERROR_BYTES) -> bytes:
    """Return the first bytes of a body."""
    raw = b""
    async for piece in response.aiter_bytes(ERROR_BYTES):
        raw += piece
        if len(raw) >= limit:
            break
    return raw
