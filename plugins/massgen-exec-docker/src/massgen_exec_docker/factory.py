"""The factory: the engine's SDK is imported when an executor is opened, since that takes a while and looks at the network's interfaces."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING

import anyio.to_thread

from massgen_core.api import Context, Executor

if TYPE_CHECKING:
    from massgen_exec_docker.config import DockerConfig

__all__ = ["open_docker"]


@asynccontextmanager
async def open_docker(config: DockerConfig, context: Context) -> AsyncIterator[Executor]:
    """Open an executor; see `massgen_exec_docker.opening.opened_executor`."""
    module = await anyio.to_thread.run_sync(import_module, "massgen_exec_docker.opening")
    async with module.opened_executor(config, context) as executor:
        yield executor
