"""The backend: one streamed answer a call, by the SDK."""

from __future__ import annotations

import json
import warnings
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio.to_thread
import attrs

from massgen_backend_gemini.answers import Answer
from massgen_backend_gemini.config import KEYS, GeminiConfig
from massgen_backend_gemini.conversation import KEPT, decoded, is_placed
from massgen_backend_gemini.faults import GeminiFaults
from massgen_backend_gemini.files import opened
from massgen_backend_gemini.models import DIALECT
from massgen_backend_gemini.wire import Asked, asked_of, gathering
from massgen_core.api import (
    BackendFault,
    BadRequest,
    Chunk,
    Context,
    ItemChunk,
    LimitsChunk,
    ModelRequest,
    ProviderItem,
    ReasoningChunk,
    Secret,
    SecretMissing,
    TextChunk,
    ToolFitter,
    Uploads,
    Usage,
    UsageChunk,
    keep_media,
    rate_limits,
)

if TYPE_CHECKING:
    from massgen_backend_gemini.client import Connection, Open

__all__ = ["GeminiBackend", "open_backend"]

LIST_SECONDS = 30.0


@asynccontextmanager
async def open_backend(config: GeminiConfig, context: Context) -> AsyncIterator[GeminiBackend]:
    """Open the backend; the client is shared by the agents of a run.

    Raises:
        SecretMissing: The key is not there.
        AuthenticationFailed: The credentials of Google Cloud are not there or cannot be read.
    """
    reference, secret = _secret(config, context)
    where = urlsplit(config.base_url).netloc or ("Vertex AI" if config.is_vertex else "Gemini")
    faults = GeminiFaults(where, reference, context.redact)
    # In a thread: the display goes on while the SDK is imported.
    client = await anyio.to_thread.run_sync(_imported)
    shown = (config.base_url, config.api_version, config.is_vertex, config.project, config.location, reference, *sorted(config.headers.items()))
    try:
        connection = await context.share(("massgen-backend-gemini", *shown), lambda: client.open_connection(config, secret, context.hide))
    except BackendFault:
        raise
    except Exception as error:
        fault = faults.of(error, "")
    else:
        uploads = None
        if config.least_upload:
            key = ("massgen-backend-gemini", "files", connection)
            uploads = await context.share(key, lambda: opened(connection, faults, config.connect_seconds))
        fitter = ToolFitter(DIALECT, backend="gemini", emit=context.emit)
        yield GeminiBackend(config, connection, faults, fitter, folder=context.folder, uploads=uploads)
        return
    raise fault from None


def _imported() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the SDK's sources make Python warn when they are compiled
        return import_module("massgen_backend_gemini.client")


def _secret(config: GeminiConfig, context: Context) -> tuple[str, str]:
    """Return the reference and the value of the key or of the credentials; empty where the machine's own are meant."""
    if config.is_vertex and not config.key:
        text = context.secret(config.credentials).reveal() if config.credentials else ""
        for part in _private(text):
            context.hide(Secret(part))
        return config.credentials, text
    missing: list[SecretMissing] = []
    for reference in (config.key,) if config.key else KEYS:
        try:
            value = context.secret(reference).reveal().strip()
        except SecretMissing as error:
            missing.append(error)
            continue
        if not value.isascii() or not value.isprintable():
            raise BadRequest(f"the key of {reference!r} holds characters that no header can carry; was something else pasted with it?")
        return reference, value
    if config.key:
        raise missing[0]
    raise SecretMissing(f"{missing[0]} ({KEYS[1]} would do, too.)")


def _private(text: str) -> list[str]:
    """Return what is secret in the JSON of credentials, each line by itself."""
    with suppress(ValueError):
        data = json.loads(text or "null")
        if isinstance(data, dict):
            values = [str(data.get(name, "")) for name in ("private_key", "refresh_token", "client_secret")]
            return [line for value in values for line in value.splitlines()]
    return []


class GeminiBackend:
    """Speaks with one server by the SDK.

    Args:
        folder: The run's folder, below which images are kept.
        uploads: What is large; None where nothing is uploaded.
    """

    def __init__(
        self, config: GeminiConfig, connection: Connection, faults: GeminiFaults, fitter: ToolFitter, *, folder: Path, uploads: Uploads | None
    ) -> None:
        self._config, self._connection, self._faults, self._fitter, self._folder, self._uploads = config, connection, faults, fitter, folder, uploads

    @asynccontextmanager
    async def respond(self, request: ModelRequest) -> AsyncIterator[AsyncIterator[Chunk]]:
        """Start a call; see the contract."""
        if request.tools:
            request = attrs.evolve(request, tools=self._fitter.tools(request.tools, request.metadata.get("agent", "")))
        placed = await self._uploads.of(request.messages, self._config.least_upload, is_placed) if self._uploads else {}
        asked = await asked_of(request, self._config, self._folder, placed)
        call = self._connection.call(self._config.connect_seconds, self._config.idle_seconds)
        async with aclosing(call), aclosing(self._started(asked, call)) as chunks:
            # The SDK sends nothing before its stream is read.
            yield _Led(await anext(chunks), chunks)

    async def listed(self) -> list[tuple[str, str, int]]:
        """Ask the server which models it has; return names, what they are, and tokens of context.

        Raises:
            BackendFault: One of its subclasses.
        """
        call = self._connection.call(self._config.connect_seconds, LIST_SECONDS)
        async with aclosing(call):
            try:
                return await self._connection.listed(call)
            except Exception as error:
                fault = self._faults.of(error, "")
        raise fault from None

    def _started(self, asked: Asked, call: Open) -> AsyncGenerator[Chunk, None]:
        return self._gathered(asked, call) if asked.gathers else self._answer(asked, call, Usage())

    async def _gathered(self, asked: Asked, call: Open) -> AsyncGenerator[Chunk, None]:
        """Yield what hosted tools find, as thoughts, and then an answer that knows of it."""
        spent, found = Usage(), list[str]()
        async with aclosing(self._answer(gathering(asked), call, spent)) as chunks:
            async for chunk in chunks:
                if isinstance(chunk, TextChunk):
                    found.append(chunk.text)
                    yield ReasoningChunk(chunk.text)
                elif isinstance(chunk, ReasoningChunk):
                    yield chunk
                elif isinstance(chunk, UsageChunk):
                    spent = chunk.usage
                    yield chunk
        if notes := "".join(found).strip():
            yield ItemChunk(asked.note(notes))
        async with aclosing(self._answer(asked, call, spent)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _answer(self, asked: Asked, call: Open, spent: Usage) -> AsyncGenerator[Chunk, None]:
        """Yield one answer of the model."""
        answer = Answer(asked, self._faults, spent)
        try:
            async with aclosing(self._connection.stream(call, asked)) as stream:
                is_first = True
                async for event in stream:
                    if is_first and (limits := rate_limits(call.headers)):
                        yield LimitsChunk(limits)
                    is_first = False
                    for chunk in answer.take(event):
                        if isinstance(chunk, ItemChunk) and "inlineData" in chunk.item.item:
                            for made in await self._kept(chunk):
                                yield made
                        else:
                            yield chunk
            if page := self._faults.of_page(call.headers):
                raise page
            for chunk in answer.end(call.message):
                yield chunk
            return
        except BackendFault:
            raise
        except Exception as error:
            is_ours = isinstance(error, ValueError | TypeError) and not call.is_answered
            fault = self._faults.of_request(error) if is_ours else self._faults.of(error, asked.model)
        raise fault from None

    async def _kept(self, chunk: ItemChunk) -> Sequence[Chunk]:
        """Keep an image, or other data, that the model made as a file, which the answer names."""
        inline = chunk.item.item["inlineData"]
        media_type = str(inline.get("mimeType") or "")
        data = decoded(str(inline.get("data") or ""), "what the model made")
        path = await keep_media(self._folder, data, media_type)
        kept = {**chunk.item.item, "inlineData": {"mimeType": media_type, KEPT: str(path)}}
        what = media_type.partition("/")[0] or "data"
        return (TextChunk(f"\n[{what}: {path}]\n"), ItemChunk(ProviderItem(backend="gemini", item=kept)))


class _Led:
    """A stream whose first chunk was read already."""

    def __init__(self, first: Chunk, chunks: AsyncIterator[Chunk]) -> None:
        self._first: Chunk | None = first
        self._chunks = chunks

    def __aiter__(self) -> AsyncIterator[Chunk]:
        return self

    async def __anext__(self) -> Chunk:
        if self._first is None:
            return await anext(self._chunks)
        first, self._first = self._first, None
        return first
