"""The SDK's clients, which the agents of a run share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import openai

from massgen_backend_openai.config import OpenAIConfig
from massgen_core.api import BadRequest, Context

__all__ = ["open_client"]


async def open_client(config: OpenAIConfig, context: Context) -> openai.AsyncOpenAI:
    """Return the client for a server and a key; it is closed at the run's end.

    Raises:
        SecretMissing: The key is not there.
        BadRequest: The key holds characters that no header can carry.
    """
    # A server without keys ignores what is sent; the SDK wants something.
    key = context.secret(config.reference).reveal().strip() if config.reference else "none"
    if not key.isascii() or not key.isprintable():
        raise BadRequest(f"the key of {config.reference!r} holds characters that no header can carry; was something else pasted with it?")
    settings = (config.address, config.reference, config.api_version, config.organization, config.project)
    shared = ("massgen-backend-openai", *settings, *sorted(config.headers.items()), "?", *sorted(config.query.items()))
    client: openai.AsyncOpenAI = await context.share(shared, lambda: _opened(config, key))
    return client


@asynccontextmanager
async def _opened(config: OpenAIConfig, key: str) -> AsyncIterator[openai.AsyncOpenAI]:
    # Redirects could carry the key elsewhere. Who repeats calls is the middleware around this backend.
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=20, keepalive_expiry=30.0)
    transport = openai.DefaultAsyncHttpxClient(follow_redirects=False, limits=limits)
    headers, query = {"user-agent": "massgen-backend-openai", **config.headers}, dict[str, object](config.query)
    if config.azure_endpoint and config.api_version:
        client: openai.AsyncOpenAI = openai.AsyncAzureOpenAI(
            azure_endpoint=config.azure_endpoint,
            api_version=config.api_version,
            api_key=key,
            max_retries=0,
            default_headers=headers,
            default_query=query,
            http_client=transport,
        )
    else:
        client = openai.AsyncOpenAI(
            api_key=key,
            base_url=config.address,
            organization=config.organization or None,
            project=config.project or None,
            max_retries=0,
            default_headers=headers,
            default_query=query,
            http_client=transport,
        )
    async with client:
        yield client
