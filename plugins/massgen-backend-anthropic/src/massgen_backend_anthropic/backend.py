"""The backend: one streamed call of the Messages API for each answer, and more where the provider pauses."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import anyio
import attrs
import httpx2

from massgen_backend_anthropic.answers import FILTERED, PAUSED, Answer
from massgen_backend_anthropic.clients import open_client
from massgen_backend_anthropic.config import AnthropicConfig
from massgen_backend_anthropic.conversation import PLACED
from massgen_backend_anthropic.faults import RULES, is_filtered
from massgen_backend_anthropic.files import opened
from massgen_backend_anthropic.schemas import TOOLS
from massgen_backend_anthropic.wire import FILES, betas_of, body_of
from massgen_core.api import BackendFault, BadRequest, Chunk, Context, Faults, LimitsChunk, ModelRequest, ToolFitter, Uploads, rate_limits

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

__all__ = ["AnthropicBackend", "open_backend"]

PAUSES = 10  # calls for one answer, after which it counts as cut off
DRAIN_SECONDS = 0.2
LIST_SECONDS = 30.0
PAGES = 20  # of a list of models


@asynccontextmanager
async def open_backend(config: AnthropicConfig, context: Context) -> AsyncIterator[AnthropicBackend]:
    """Open the backend; its client is shared by the agents of a run.

    Raises:
        SecretMissing: The key is not there.
    """
    key = context.secret(config.reference).reveal().strip() if config.reference else ""
    if not key.isascii() or not (key.isprintable() or not key):
        raise BadRequest(f"the key of {config.reference!r} holds characters that no header can carry; was something else pasted with it?")
    of_client = (config.address, config.reference, config.key_header, config.api_version, *sorted(config.headers.items()))
    of_time = (config.connect_seconds, config.idle_seconds)
    client = await context.share(("massgen-backend-anthropic", of_client, of_time), lambda: open_client(config, key))
    faults = Faults(urlsplit(config.address).netloc, config.reference, context.redact, RULES)
    uploads = None
    if config.least_upload:
        headers = {"anthropic-beta": FILES} if config.api_version else {}
        uploads = await context.share(("massgen-backend-anthropic", "files", client), lambda: opened(client, headers, partial(_fault_of, faults)))
    yield AnthropicBackend(config, client, faults, ToolFitter(TOOLS, backend="anthropic", emit=context.emit), uploads)


class AnthropicBackend:
    """Speaks Messages with one server."""

    def __init__(self, config: AnthropicConfig, client: AsyncAnthropic, faults: Faults, fitter: ToolFitter, uploads: Uploads | None) -> None:
        self._config, self._client, self._faults, self._fitter, self._uploads = config, client, faults, fitter, uploads
        self._fault_of = partial(_fault_of, faults)

    @asynccontextmanager
    async def respond(self, request: ModelRequest) -> AsyncIterator[AsyncIterator[Chunk]]:
        """Start a call; see the contract."""
        body = await self._body(request)
        async with AsyncExitStack() as stack:
            first = await self._sent(stack, body, body["model"])
            async with aclosing(self._stream(stack, first, body, body["model"])) as chunks:
                yield chunks

    async def count_tokens(self, request: ModelRequest) -> int:
        """Return how many input tokens a request has, as the provider counts them; this costs nothing.

        Raises:
            BackendFault: The provider could not say.
        """
        body = await self._body(request)
        for name in ("max_tokens", "stop_sequences", "container"):
            body.pop(name, None)
        try:
            counted = await self._client.messages.count_tokens(
                model=body.pop("model"), messages=body.pop("messages"), extra_body=body, extra_headers=self._headers(body)
            )
        except Exception as error:
            fault = self._fault_of(error, request.model)
        else:
            return counted.input_tokens
        raise fault from None

    async def listed(self) -> list[Mapping[str, Any]]:
        """Ask the server which models it has, the newest first.

        Raises:
            BackendFault: One of its subclasses.
        """
        found: list[Mapping[str, Any]] = []
        after: dict[str, Any] = {}
        try:
            for _ in range(PAGES):
                options: Any = {"params": {"limit": 1000, **after}, "timeout": LIST_SECONDS}
                page: Any = await self._client.get("/v1/models", cast_to=object, options=options)
                if not isinstance(page, Mapping) or not isinstance(listed := page.get("data"), list):
                    raise ValueError
                found += [one for one in listed if isinstance(one, Mapping) and isinstance(one.get("id"), str) and one["id"]]
                if not page.get("has_more") or not isinstance(last := page.get("last_id"), str):
                    break
                after = {"after_id": last}
        except ValueError:
            fault = self._faults.garbled("something that is no list of models")
        except Exception as error:
            fault = self._fault_of(error, "")
        else:
            return found
        raise fault from None

    async def _body(self, request: ModelRequest) -> dict[str, Any]:
        tools = self._fitter.tools(request.tools, request.metadata.get("agent", ""))
        placed = await self._uploads.of(request.messages, self._config.least_upload, PLACED.__contains__) if self._uploads else {}
        return await body_of(attrs.evolve(request, tools=tools), self._config, placed)

    def _headers(self, body: Mapping[str, Any]) -> dict[str, str]:
        betas = betas_of(body, self._config)
        return {"anthropic-beta": betas} if betas else {}

    async def _sent(self, stack: AsyncExitStack, body: dict[str, Any], model: str) -> httpx2.Response | None:
        """Make a call and return what answers, open until `stack` ends; None where the provider's filter refused to."""
        from anthropic import AsyncStream  # noqa: PLC0415 - see clients

        # Plain data: the SDK's own method for it would look through the whole conversation once more.
        options: Any = {"headers": self._headers(body)}
        try:
            stream: Any = await self._client.post(
                "/v1/messages", cast_to=object, body={**body, "stream": True}, options=options, stream=True, stream_cls=AsyncStream[object]
            )
            response: httpx2.Response = stream.response
            stack.push_async_callback(response.aclose)
            return response
        except Exception as error:
            fault = None if is_filtered(getattr(error, "body", None)) else self._fault_of(error, model)
        if fault is not None:
            # Outside of the handler: the SDK's errors hold the request, and so the key.
            raise fault
        return None

    async def _stream(self, stack: AsyncExitStack, first: httpx2.Response | None, body: dict[str, Any], model: str) -> AsyncGenerator[Chunk, None]:
        answer, response = Answer(), first
        for made in range(1, PAUSES + 1):
            if response is None:
                answer.finish = FILTERED
                break
            if page := self._faults.of_page(response.headers):
                raise page
            if (limits := rate_limits(response.headers)) is not None:
                yield LimitsChunk(limits)
            async with aclosing(self._read(response, answer, model)) as chunks:
                async for chunk in chunks:
                    yield chunk
            if answer.finish != PAUSED or made == PAUSES:
                break
            # The provider's tools take their time: it goes on where it is given its own words back.
            asked = {**body, "messages": [*body["messages"], {"role": "assistant", "content": list(answer.blocks)}]}
            if answer.container:
                asked["container"] = answer.container
            answer.go_on()
            response = await self._sent(stack, asked, model)
        for chunk in answer.end():
            yield chunk

    async def _read(self, response: httpx2.Response, answer: Answer, model: str) -> AsyncGenerator[Chunk, None]:
        """Yield what an answer brings, except its end."""
        try:
            async with aclosing(_events(response)) as events:
                async for event in events:
                    for chunk in answer.take(event):
                        yield chunk
                    if event.get("type") == "error":
                        self._check(event, answer, model)
                    if answer.is_over:
                        await _drain(events)
                        break
        except BackendFault:
            raise
        except Exception as error:
            fault: BackendFault | None = self._fault_of(error, model)
        else:
            fault = None if answer.finish else self._faults.garbled("an end in the middle of the answer" if answer.is_begun else "no answer")
        if fault is not None:
            raise fault

    def _check(self, event: Mapping[str, Any], answer: Answer, model: str) -> None:
        if not is_filtered(event):
            raise self._faults.of_event(event, model)
        answer.finish, answer.is_over = FILTERED, True


def _fault_of(faults: Faults, error: Exception, model: str) -> BackendFault:
    from anthropic import AnthropicError  # noqa: PLC0415 - see clients

    if isinstance(error, AnthropicError | httpx2.HTTPError | httpx2.StreamError):
        return faults.of(error, model)
    if isinstance(error, ValueError):
        return faults.garbled("an event that is no JSON")
    raise error


async def _events(response: httpx2.Response) -> AsyncGenerator[dict[str, Any], None]:
    """Yield the events of an answer as they came: the SDK's own objects would lose fields that it does not know, and cost four times as much."""
    from anthropic import AsyncStream  # noqa: PLC0415 - see clients

    if "json" in response.headers.get("content-type", ""):
        whole = json.loads(await response.aread())
        for event in _split(whole if isinstance(whole, dict) else {}):
            yield event
        return
    async with aclosing(AsyncStream.raw_events(response)) as events:  # type: ignore[type-var]
        async for sent in events:
            event = sent.json() if sent.data else {}
            if isinstance(event, dict):
                yield event if "type" in event or not sent.event else {**event, "type": sent.event}


async def _drain(events: AsyncIterator[Any]) -> None:
    """Read the last bytes, or the connection could not be used again."""
    with anyio.move_on_after(DRAIN_SECONDS):
        async for _ in events:
            pass


def _split(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the events of an answer that came in one piece."""
    if message.get("type") == "error" or "error" in message:
        return [{**message, "type": "error"}]
    found: list[dict[str, Any]] = [{"type": "message_start", "message": message}]
    for index, block in enumerate(message.get("content") or ()):
        found += ({"type": "content_block_start", "index": index, "content_block": block}, {"type": "content_block_stop", "index": index})
    return [*found, {"type": "message_delta", "delta": message, "usage": message.get("usage")}, {"type": "message_stop"}]
