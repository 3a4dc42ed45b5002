"""Opens the backend; what it stands on is imported beside the event loop, since that takes half a second."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING

from anyio import to_thread

from massgen_backend_claude_code.config import ClaudeCodeConfig
from massgen_core.api import BadRequest, Context, Secret

if TYPE_CHECKING:
    from massgen_backend_claude_code.backend import ClaudeCodeBackend

__all__ = ["open_backend"]


@asynccontextmanager
async def open_backend(config: ClaudeCodeConfig, context: Context) -> AsyncIterator[ClaudeCodeBackend]:
    """Open the backend; a process begins with the first call, and none outlives the run.

    Raises:
        SecretMissing: The key is not there.
        BadRequest: The key is none.
    """
    key = context.secret(config.reference) if config.reference else None
    if key is not None and not (key.reveal().isascii() and key.reveal().isprintable()):
        raise BadRequest(f"the key of {config.reference!r} holds characters that no key has; was something else pasted with it?")
    module = await to_thread.run_sync(import_module, "massgen_backend_claude_code.backend")
    if key is None and not config.is_login:
        key = Secret("none")  # the program wants some key, whatever its server wants
    backend: ClaudeCodeBackend = module.ClaudeCodeBackend(config, context, key)
    try:
        yield backend
    finally:
        await backend.close()
