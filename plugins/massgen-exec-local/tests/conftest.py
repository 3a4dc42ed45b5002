"""A sandbox to try things in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from massgen_exec_local.executor import LocalExecutor
from massgen_testkit import PlainContext


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def sandbox(context: PlainContext, tmp_path: Path) -> Callable[..., AbstractAsyncContextManager[LocalExecutor]]:
    """Open a sandbox with options: `async with sandbox(network="full") as executor`."""
    context.workspace = tmp_path / "workspace"
    context.workspace.mkdir(exist_ok=True)

    @asynccontextmanager
    async def opened(**options: Any) -> AsyncIterator[LocalExecutor]:
        async with context:
            yield await context.open("executor", "local", options)

    return opened
