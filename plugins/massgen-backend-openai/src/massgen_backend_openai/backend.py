"""The backend: one request a call, its answer streamed."""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import uuid4

import anyio
import httpx2
import msgspec
import openai

from massgen_backend_openai.answers import Answer
from massgen_backend_openai.clients import open_client
from massgen_backend_openai.config import OpenAIConfig
from massgen_backend_openai.faults import BROKEN, RULES
from massgen_backend_openai.schemas import Tools
from massgen_backend_openai.wire import Requests, uploads
from massgen_core.api import (
    BackendFault,
    Chunk,
    ConnectionLost,
    Context,
    Faults,
    LimitsChunk,
    ModelRequest,
    Overloaded,
    TextChunk,
    TimedOut,
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
    requests = Requests(config, Tools(strict=config.strict_tools, emit=context.emit), await uploads(config))
    yield OpenAIBackend(config, client, requests, faults, context.workspace or context.folder / "openai")


class OpenAIBackend:
    """Speaks Responses with one server.

    Args:
        folder: Where images are saved.
    """

    def __init__(self, config: OpenAIConfig, client: openai.AsyncOpenAI, requests: Requests, faults: Faults, folder: Path) -> None:
        self._config, self._client, self._requests, self._faults, self._folder = config, client, requests, faults, folder
        self._timeout = httpx2.Timeout(connect=config.connect_seconds, read=config.idle_seconds, write=60.0, pool=None)

    @asynccontextmanager
    async def respond(self, request: ModelRequest) -> AsyncIterator[AsyncIterator[Chunk]]:
        """Start a call; see the contract."""
        body = await self._requests.body(request)
        answer = Answer(cites=self._config.citations and request.response_schema is None, chains=self._config.chain)
        stream = await self._asked(lambda: self._post("/responses", body), request.model)
        try:
            reader = self._lasting if self._config.background else self._read
            async with aclosing(reader(stream, answer, request.model)) as chunks:
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
            return stream
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
                        yield chunk
                    if answer.images:
                        yield TextChunk(await self._saved(answer))
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
            rest = answer.end()
            if answer.images:
                yield TextChunk(await self._saved(answer))
            for chunk in rest:
                yield chunk
            return
        assert fault is not None
        raise fault

    async def _saved(self, answer: Answer) -> str:
        """Save the images that the model made; return a text that names them."""
        folder, said = anyio.Path(self._folder), ""
        await folder.mkdir(parents=True, exist_ok=True)
        while answer.images:
            form, data = answer.images.pop(0)
            path = folder / f"image-{uuid4().hex[:8]}.{form if form.isalnum() else 'png'}"
            try:
                await path.write_bytes(base64.b64decode(data, validate=True))
            except binascii.Error:
                said += "\n[an image that came damaged]\n"
            else:
                said += f"\n[image: {path}]\n"
        return said

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
