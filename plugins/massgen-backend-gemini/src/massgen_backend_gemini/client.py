"""The SDK's client, shared by the agents of a run; only this module imports the SDK, which takes a third of a second."""

from __future__ import annotations

import io
import json
import os
import ssl
import warnings
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from contextvars import ContextVar
from functools import cache
from typing import Any

import anyio
import anyio.to_thread
import httpx2
from google import genai
from google.auth import default
from google.auth.credentials import Credentials
from google.genai import types
from google.oauth2 import credentials as user
from google.oauth2 import service_account

from massgen_backend_gemini.config import GeminiConfig
from massgen_backend_gemini.events import Events
from massgen_backend_gemini.faults import UploadRefused
from massgen_backend_gemini.wire import Asked
from massgen_core.api import AuthenticationFailed, ConnectionLost, Secret

__all__ = ["Connection", "Open", "open_connection"]

SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
AI_STUDIO = "https://generativelanguage.googleapis.com"
CLOSE_SECONDS = 0.2
DROP_SECONDS = 5.0
READY_SECONDS = (0.0, 0.5, 1.0, 2.0, *([5.0] * 60))  # between looks whether an uploaded file can be used
LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=20, keepalive_expiry=30.0)


@cache
def _tls() -> ssl.SSLContext:
    """Return the process's one TLS context: making one reads all certificates."""
    return httpx2.create_ssl_context()


class Open:
    """What one call has open.

    Attributes:
        headers: Those of the answer; empty until it came.
    """

    def __init__(self, connect_seconds: float, idle_seconds: float | None) -> None:
        self.headers: Mapping[str, str] = {}
        self.timeout = {"connect": connect_seconds, "read": idle_seconds, "write": None, "pool": None}
        self._responses: list[httpx2.Response] = []
        self._events: Events | None = None

    @property
    def is_answered(self) -> bool:
        """A server has answered; before, whatever fails is the request's fault or the connection's."""
        return bool(self._responses)

    @property
    def message(self) -> str:
        """Why the model stopped, in the server's words; empty where it says none."""
        return self._events.message if self._events else ""

    def add(self, response: httpx2.Response) -> None:
        """Take an answer, and make its body readable for the SDK."""
        self.headers = response.headers
        self._responses.append(response)
        if response.status_code == httpx2.codes.OK and "content-encoding" not in response.headers:
            response.stream = self._events = Events(response.stream, is_json="json" in response.headers.get("content-type", ""))

    async def aclose(self) -> None:
        """Free the connections: the SDK leaves them open where its stream is not read to its end."""
        if all(response.is_closed for response in self._responses):
            return
        with anyio.move_on_after(CLOSE_SECONDS, shield=True):
            for response in self._responses:
                await response.aclose()


_NO_CALLING = types.AutomaticFunctionCallingConfig(disable=True)  # the SDK would call Python functions by itself
# Which call a request belongs to: the SDK hands nothing through.
_CALL: ContextVar[Open] = ContextVar("massgen_backend_gemini_call")


class Wire(httpx2.AsyncClient):
    """What the SDK sends with.

    Args:
        hide: Told of each token that a login gave.
    """

    def __init__(self, hide: Callable[[Secret], None], **options: Any) -> None:
        # Redirects are not followed: the key would go along.
        super().__init__(follow_redirects=False, limits=LIMITS, **options)
        self._hide, self._token = hide, ""

    def build_request(self, method: str, url: httpx2.URL | str, **options: Any) -> httpx2.Request:
        """Make a request of what the SDK hands over; this client has one header to add, and nothing else."""
        headers = {"accept-encoding": "identity", **(options.get("headers") or {})}
        if options.keys() - {"content", "headers", "timeout"}:
            return super().build_request(method, url, **{**options, "headers": headers})
        return httpx2.Request(method, url, content=options.get("content"), headers=headers)

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Send a request with the call's own time limits, and note the answer there."""
        call = _CALL.get()
        request.extensions = {**request.extensions, "timeout": call.timeout}
        if (token := request.headers.get("authorization", "").removeprefix("Bearer ")) != self._token:
            self._token = token
            self._hide(Secret(token))
        response = await super().send(request, **options)
        call.add(response)
        if request.headers.get("x-goog-upload-command", "").startswith("upload") and "x-goog-upload-status" not in response.headers:
            # The SDK would stand still for seconds, with the whole process, and try again.
            raise UploadRefused(response, await response.aread())
        return response


class Connection:
    """One server and one credential."""

    def __init__(self, client: genai.Client, base_url: str) -> None:
        self._client, self._base_url = client, base_url

    def call(self, connect_seconds: float, idle_seconds: float | None) -> Open:
        """Begin a call; it is closed with `aclose`."""
        return Open(connect_seconds, idle_seconds)

    async def stream(self, call: Open, asked: Asked) -> AsyncGenerator[Any, None]:
        """Send a request and yield the SDK's events.

        Raises:
            ValueError: The SDK does not take the request; nothing was sent.
        """
        # The SDK warns of words that are newer than it, in the server's own characters.
        warnings.filterwarnings("ignore", message=r"[\s\S]* is not a valid \w+\Z", module=r"google\.genai\.")
        # As a mapping: the SDK makes a deep copy of a configuration of its own.
        config: Any = {**asked.config, "automatic_function_calling": _NO_CALLING}
        if asked.extra:
            config["http_options"] = types.HttpOptions(extra_body=dict(asked.extra))
        stream: Any = await self._client.aio.models.generate_content_stream(model=asked.model, contents=asked.contents, config=config)
        async with aclosing(stream):
            while True:
                token = _CALL.set(call)  # whoever reads, and in whichever task; a request is sent on the way to an event
                try:
                    event = await anext(stream)
                except StopAsyncIteration:
                    return
                finally:
                    _CALL.reset(token)
                yield event

    async def put(self, call: Open, name: str, media_type: str, data: bytes) -> tuple[str, str]:
        """Upload a file; return its name and its address there, when it can be used.

        Raises:
            ConnectionLost: It was not made ready in time, or cannot be.
        """
        token = _CALL.set(call)
        try:
            # The server says where to; with an address of one's own it is there, too.
            place = types.HttpOptions(base_url=self._base_url) if self._base_url else None
            wanted = types.UploadFileConfig(mime_type=media_type, display_name=name, http_options=place)
            made = await self._client.aio.files.upload(file=io.BytesIO(data), config=wanted)
            try:
                return await self._ready(name, made)
            except BaseException:
                # Nobody else knows of it yet.
                with anyio.move_on_after(DROP_SECONDS, shield=True), suppress(Exception):
                    await self._client.aio.files.delete(name=made.name or "")
                raise
        finally:
            _CALL.reset(token)

    async def _ready(self, name: str, made: types.File) -> tuple[str, str]:
        for seconds in READY_SECONDS:
            if made.name and made.uri and made.state != types.FileState.PROCESSING:
                if made.state == types.FileState.FAILED:
                    break
                return made.name, made.uri
            await anyio.sleep(seconds)  # videos are looked through first
            made = await self._client.aio.files.get(name=made.name or "")
        raise ConnectionLost(f"the file {name!r} was uploaded and could not be made ready")

    async def drop(self, call: Open, name: str) -> None:
        """Delete an uploaded file."""
        token = _CALL.set(call)
        try:
            await self._client.aio.files.delete(name=name)
        finally:
            _CALL.reset(token)

    async def listed(self, call: Open) -> list[tuple[str, str, int]]:
        """Return the models that can answer: name, what it is, and tokens of context."""
        token = _CALL.set(call)
        try:
            pages = await self._client.aio.models.list(config=types.ListModelsConfig(page_size=1000, query_base=True))
            found = [model async for model in pages]
        finally:
            _CALL.reset(token)
        return [
            ((model.name or "").rpartition("/")[2], model.display_name or "", model.input_token_limit or 0)
            for model in found
            if model.name and (not model.supported_actions or "generateContent" in model.supported_actions)
        ]


@asynccontextmanager
async def open_connection(config: GeminiConfig, secret: str, hide: Callable[[Secret], None]) -> AsyncIterator[Connection]:
    """Open the client of one server.

    Args:
        secret: The key, or the credentials as JSON where Vertex AI is meant and no key was named; empty for those of the machine.
        hide: Told of secrets that come of it.
    """
    async with Wire(hide, verify=_tls()) as wire:
        client = await anyio.to_thread.run_sync(_made, config, secret, wire)
        yield Connection(client, config.base_url)


def _made(config: GeminiConfig, secret: str, wire: Wire) -> genai.Client:
    # The SDK would make a synchronous client and a socket's settings that nobody uses, each with a TLS context of its own.
    unused, socket = httpx2.Client(verify=_tls()), {"ssl": _tls()}
    options = types.HttpOptions(httpx_async_client=wire, httpx_client=unused, async_client_args=socket, headers=dict(config.headers) or None)
    if config.api_version:
        options.api_version = config.api_version
    if config.base_url:
        options.base_url = config.base_url
    if not config.is_vertex:
        # Always said, or a variable of the environment could send the key elsewhere.
        options.base_url = config.base_url or AI_STUDIO
        return genai.Client(vertexai=False, api_key=secret, http_options=options)
    if config.key:
        return genai.Client(vertexai=True, api_key=secret, http_options=options)
    credentials, project = _credentials(secret)
    project = config.project or os.environ.get("GOOGLE_CLOUD_PROJECT") or project
    if not project:
        raise AuthenticationFailed("Vertex AI needs a Google Cloud project: set the option `project`")
    return genai.Client(vertexai=True, project=project, location=config.location or "global", credentials=credentials, http_options=options)


def _credentials(secret: str) -> tuple[Credentials, str]:
    """Return credentials of Google Cloud and their project, which may be empty."""
    if not secret:
        found, project = default(scopes=SCOPES)
        return found, project or ""
    try:
        data = json.loads(secret)
    except ValueError:
        data = None
    kind = data.get("type") if isinstance(data, dict) else None
    # Each kind by its own reader: one that takes whatever it is told would connect wherever the text says.
    if kind == "service_account":
        made: Credentials = service_account.Credentials.from_service_account_info(data, scopes=SCOPES)  # type: ignore[no-untyped-call]
        return made, str(data.get("project_id", ""))
    if kind == "authorized_user":
        made = user.Credentials.from_authorized_user_info(data, scopes=SCOPES)  # type: ignore[no-untyped-call]
        return made, ""
    raise AuthenticationFailed(
        "`credentials` must lead to the JSON of a service account or of a login; for others set the variable GOOGLE_APPLICATION_CREDENTIALS"
        " to their file and leave `credentials` out"
    )
