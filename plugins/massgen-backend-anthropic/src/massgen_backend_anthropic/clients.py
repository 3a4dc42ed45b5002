"""The client that all agents of a run share; the SDK is imported here, when the first of them opens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

import httpx2
from anyio import to_thread

from massgen_backend_anthropic.config import AnthropicConfig

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

__all__ = ["open_client"]

CONNECTIONS = 1000
IDLE_CONNECTIONS = 100


@asynccontextmanager
async def open_client(config: AnthropicConfig, key: str) -> AsyncIterator[AsyncAnthropic]:
    """Open a client and close it at the end; an empty `key` sends none."""
    # The SDK brings three thousand modules: who lists backends must not wait for them, and who streams already must not stand still.
    await to_thread.run_sync(import_module, "anthropic")
    from anthropic import AsyncAnthropic, Omit  # noqa: PLC0415

    headers: dict[str, Any] = dict(config.headers)
    if config.api_version:
        headers["anthropic-version"] = config.api_version
    if not key or config.key_header == "x-api-key":
        headers["Authorization"] = Omit()
    if key and config.key_header == "x-api-key":
        headers["X-Api-Key"] = key
    transport = httpx2.AsyncClient(
        # Without TLS no certificates are read; with it, redirects would carry the request elsewhere.
        verify=config.address.startswith("https:"),
        follow_redirects=False,
        limits=httpx2.Limits(max_connections=CONNECTIONS, max_keepalive_connections=IDLE_CONNECTIONS),
        timeout=httpx2.Timeout(connect=config.connect_seconds, read=config.idle_seconds, write=60.0, pool=None),
    )
    async with AsyncAnthropic(
        # Without any key the SDK would look for one by itself.
        api_key=key or "none",
        base_url=config.address,
        max_retries=0,
        default_headers=headers,
        http_client=transport,
        timeout=transport.timeout,
    ) as client:
        yield client
