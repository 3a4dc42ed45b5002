"""The backend: one request a call, its answer streamed."""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import anyio
import httpx2
import msgspec
import openai

from massgen_backend_openai.answers import IMAGE, KEPT, NAME, Answer
from massgen_backend_openai.clients import open_client
from massgen_backend_openai.config import OpenAIConfig
from massgen_backend_openai.faults import BROKEN, RULES
from massgen_backend_openai.files import opened, placing
from massgen_backend_openai.schemas import Tools
from massgen_backend_openai.wire import Requests
from massgen_core.api import (
    BackendFault,
    Chunk,
    ConnectionLost,
    Context,
    Faults,
    ItemChunk,
    LimitsChunk,
    ModelRequest,
    Overloaded,
    ProviderItem,
    TextChunk,
    TimedOut,
    keep_media,
    rate_limits,
)

__all__ = ["OpenAIBackend", "open_backend"]

DRAIN_SECONDS = 0.2
CANCEL_SECONDS = 0.4
LIST_SECONDS = 30.0
LIMIT = 64 * 1024 * 1024  # of one event; an image comes in one
RESUMES = 5  # a background answer is taken up again so often
_decode = msgspec.json.Decoder().decode
_Stream = openai.AsyncStream[object]


@asynccontextmanager
async def open_backend(config: OpenAIConfig, context: Context) -> AsyncIterator[OpenAIBackend]:
    """Open the backend; agents of a run that use the same server and key share one client.

    Raises:
        SecretMissing: The key is not there.
        BadRequest: A file to upload cannot be read, or the key cannot be sent.
    """
    client = await open_client(config, context)
    faults = Faults(urlsplit(config.address).netloc, config.reference, context.redact, RULES)
    uploads = await context.share(("massgen-backend-openai", "files", client), lambda: opened(client, faults)) if config.least_upload else None
    tools = Tools(strict=config.strict_tools, emit=context.emit)
    requests = Requests(config, tools, context.folder, placing(uploads, config.least_upload))
    yield OpenAIBackend(config, client, requests, faults, context.folder)


class OpenAIBackend:
    """Speaks Responses with one server.

    Args:
        folder: The run's folder, below which images are kept.
    """

    def __init__(self, config: OpenAIConfig, client: openai.AsyncOpenAI, requests: Requests, faults: Faults, folder: Path) -> None:
        self._config, self._client, self._requests, self._faults, self._folder = config, client, requests, faults, folder
        self._timeout = httpx2.Timeout(connect=config.connect_seconds, read=config.idle_seconds, write=60.0, pool=None)

    @asynccontextmanager
    async def respond(self, request: ModelRequest) -> AsyncIterator[AsyncIterator[Chunk]]:
        """Start a call; see the contract."""
        body = await self._requests.body(request)
        model = str(body.get("model", ""))
        answer = Answer(cites=self._config.citations and request.response_schema is None, chains=self._config.chain)
        stream = await self._asked(lambda: self._post("/responses", body), model)
        try:
            reader = self._lasting if self._config.background else self._read
            async with aclosing(reader(stream, answer, model)) as chunks:
                yield chunks
        finally:
            await stream.close()
            if self._config.background and answer.id and not answer.is_over:
                await self._cancel(answer.id)

    async def listed(self) -> list[Mapping[str, Any]]:
        """Ask the server which models it has.

        Raises:
            BackendFault: One of its subclasses.
        """
        try:
            said: Any = await self._client.get("/models", cast_to=object, options={"timeout": LIST_SECONDS})
        except BROKEN as error:
            # Its traceback holds the request, and so the key.
            fault: BackendFault = self._faults.of(error, "")
        else:
            if isinstance(said, Mapping) and isinstance(found := said.get("data"), list):
                return [one for one in found if isinstance(one, Mapping) and isinstance(one.get("id"), str) and one["id"]]
            fault = self._faults.garbled("something that is no list of models")
        raise fault from None

    async def _asked(self, ask: Callable[[], Any], model: str) -> _Stream:
        try:
            stream: _Stream = await ask()
        except BROKEN as error:
            # Its traceback holds the request, and so the key.
            fault = self._faults.of(error, model)
        else:
            if (page := self._faults.of_page(stream.response.headers)) is None:
                return stream
            await stream.close()
            fault = page
        raise fault from None

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        # Events stay plain data: what the API wants back goes back as it came, and the SDK's classes take ten times as long for each delta.
        return self._client.post(path, cast_to=object, body=body, options={"timeout": self._timeout}, stream=True, stream_cls=_Stream)

    def _follow(self, answer: Answer) -> Any:
        options: Any = {"timeout": self._timeout, "params": {"stream": True, "starting_after": max(0, answer.sequence)}}
        return self._client.get(f"/responses/{quote(answer.id, safe='')}", cast_to=object, options=options, stream=True, stream_cls=_Stream)

    async def _lasting(self, stream: _Stream, answer: Answer, model: str) -> AsyncGenerator[Chunk, None]:
        """Read an answer that OpenAI makes in the background: when the connection breaks, go on where it broke."""
        for resumed in range(RESUMES + 1):
            try:
                if resumed:
                    await anyio.sleep(resumed - 1)
                    stream = await self._asked(partial(self._follow, answer), model)
                async with aclosing(self._read(stream, answer, model)) as chunks:
                    async for chunk in chunks:
                        yield chunk
                return
            except (ConnectionLost, TimedOut, Overloaded):
                if resumed == RESUMES or not answer.id or answer.is_over:
                    raise

    async def _read(self, stream: _Stream, answer: Answer, model: str) -> AsyncGenerator[Chunk, None]:
        if limits := rate_limits(stream.response.headers):
            yield LimitsChunk(limits)
        fault = None
        try:
            async with aclosing(_events(stream.response)) as events:
                async for event in events:
                    for chunk in answer.take(event):
                        for made in await self._kept(chunk) if isinstance(chunk, ItemChunk) else (chunk,):
                            yield made
                    if answer.is_over:
                        await _drain(events)
                        break
        except BROKEN as error:
            fault = self._faults.of(error, model)
        finally:
            await stream.close()
        if answer.failure is not None:
            fault = self._faults.of_event(answer.failure, model)
        elif not answer.is_over and fault is None:
            fault = self._faults.garbled("an end in the middle of the answer" if answer.is_begun else "no answer")
        elif answer.is_over:
            for chunk in answer.end():
                for made in await self._kept(chunk) if isinstance(chunk, ItemChunk) else (chunk,):
                    yield made
            return
        assert fault is not None
        raise fault

    async def _kept(self, chunk: ItemChunk) -> Sequence[Chunk]:
        """Return an item as it is; an image that the model made is kept as a file, which the answer names."""
        if chunk.item.item.get("type") != IMAGE or not (data := chunk.item.item.get("result")):
            return (chunk,)
        item = {name: value for name, value in chunk.item.item.items() if name != "result"}
        form = item.get("output_format")
        try:
            path = await keep_media(self._folder, base64.b64decode(data, validate=True), f"image/{form or 'png'}")
        except (ValueError, TypeError):
            return (TextChunk("\n[an image that came damaged]\n"),)
        kept = ProviderItem(backend=NAME, item={**item, KEPT: str(path)})
        return (TextChunk(f"\n[image: {path}]\n"), ItemChunk(kept))

    async def _cancel(self, response: str) -> None:
        """Stop an answer that OpenAI works on in the background; nobody waits for it any more."""
        with anyio.move_on_after(CANCEL_SECONDS, shield=True):
            with suppress(*BROKEN):  # it ended by itself
                await self._client.post(f"/responses/{quote(response, safe='')}/cancel", cast_to=object)


async def _events(response: httpx2.Response) -> AsyncGenerator[dict[str, Any], None]:
    """Yield the events of a stream; the one document of a server that does not stream is made an event."""
    if "json" in response.headers.get("content-type", ""):
        whole = _decode(await response.aread())
        if isinstance(whole, dict):
            yield {"type": f"response.{whole.get('status') or 'completed'}", "response": whole}
        return
    async for said in httpx2.EventSource(response, LIMIT):
        event = _decode(said.data) if said.data and said.data != "[DONE]" else None
        if isinstance(event, dict):
            if said.event == "error":
                event.setdefault("type", "error")
            yield event


async def _drain(events: AsyncIterator[Any]) -> None:
    """Read the last bytes, or the connection could not be used again."""
    with anyio.move_on_after(DRAIN_SECONDS):
        async for _ in events:
            pass
