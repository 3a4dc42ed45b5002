"""What the tests of this distribution share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import pytest

from massgen_backend_gemini.backend import GeminiBackend, open_backend
from massgen_backend_gemini.config import GeminiConfig
from massgen_testkit import PlainContext
from massgen_testkit.provider import Play, Provider, serving

KEY = {"env:GEMINI_API_KEY": "AIza-0a1b2c3d"}
Stage: TypeAlias = tuple[GeminiBackend, Provider, PlainContext]
Played: TypeAlias = Callable[..., AbstractAsyncContextManager[Stage]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def played(tmp_path: Path) -> Played:
    """Run a server that plays, and a backend that speaks with it: `played(*plays, secrets=..., **options)`."""

    @asynccontextmanager
    async def play(*plays: Play, secrets: Mapping[str, str] = KEY, **options: Any) -> AsyncIterator[Stage]:
        with anyio.fail_after(60):
            async with (
                serving(*plays) as provider,
                PlainContext(folder=tmp_path, secrets=secrets) as context,
            ):
                config = GeminiConfig(**{"base_url": provider.url, **options})
                async with open_backend(config, context) as backend:
                    yield backend, provider, context

    return play
