"""The backend: finds the model, shares its engine, and streams."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread

from massgen_backend_local.config import LocalConfig
from massgen_backend_local.engine import Engine, Job, Settings, acquire, release
from massgen_backend_local.listener import Listener
from massgen_backend_local.recipe import make_plan
from massgen_backend_local.store import find, models_folder
from massgen_core.api import (
    Chunk,
    Context,
    ModelRequest,
    StopChunk,
    Usage,
    UsageChunk,
)

__all__ = ["LocalBackend", "open_backend"]

# A call that waits its turn says so this often, so that nobody takes it for dead.
SIGN_OF_LIFE = 5.0
# How long a run's end waits for the memory to be free again.
CLOSING = 5.0


@asynccontextmanager
async def open_backend(config: LocalConfig | None, context: Context) -> AsyncIterator[LocalBackend]:
    """Open the backend; models are loaded when they are first asked, and freed when the last who used them closes."""
    backend = LocalBackend(config or LocalConfig())
    try:
        yield backend
    finally:
        await backend.aclose()


class LocalBackend:
    """Answers with models of this machine. Agents of one program that use the same model and options share it, and take turns."""

    def __init__(self, config: LocalConfig) -> None:
        self._config = config
        self._engines: dict[Path, Engine] = {}

    @asynccontextmanager
    async def respond(self, request: ModelRequest) -> AsyncIterator[AsyncIterator[Chunk]]:
        """Ask the model."""
        async with aclosing(self._answer(request)) as chunks:
            yield chunks

    async def aclose(self) -> None:
        """Give the models back; those that nobody uses any more are freed."""
        last = [engine for engine in self._engines.values() if release(engine)]
        self._engines.clear()
        with anyio.move_on_after(CLOSING, shield=True):
            for engine in last:
                await anyio.to_thread.run_sync(engine.join, abandon_on_cancel=True)

    def _engine(self, path: Path) -> Engine:
        engine = self._engines.get(path)
        if engine is None or engine.fault:
            if engine is not None:
                release(engine)
            config = self._config
            settings = Settings(path=path.resolve(), threads=config.threads, context=config.context, batch=config.batch, queue=config.queue)
            engine = self._engines[path] = acquire(settings)
        return engine

    async def _answer(self, request: ModelRequest) -> AsyncGenerator[Chunk, None]:
        path = find(request.model, models_folder(self._config.models_folder))
        plan = make_plan(request, max_tokens=self._config.max_tokens)
        if plan.body is None:
            await anyio.lowlevel.checkpoint()
            yield UsageChunk(Usage())
            for chunk in plan.finish("", "stop"):
                yield _named(chunk, path.stem)
            return
        engine = self._engine(path)
        owner = f"{request.metadata.get('run', '')}/{request.metadata.get('agent', '')}"
        listener = Listener(plan, engine.settings)
        body: Mapping[str, Any] | None = plan.body
        while body is not None:
            job = Job(owner, body)
            engine.submit(job)
            body = None
            try:
                while body is None and (raw := await _next(engine, job)) is not None:
                    for chunk in listener.take(raw):
                        yield chunk
                    body = listener.instead()
            finally:
                engine.leave(job)
        for chunk in listener.end():
            yield _named(chunk, path.stem)


async def _next(engine: Engine, job: Job) -> Mapping[str, Any] | None:
    """Wait for what comes next; an empty mapping says that the engine is alive, though it has nothing for this call yet."""
    while True:
        pulse = engine.pulse
        with anyio.move_on_after(SIGN_OF_LIFE):
            return await job.get()
        if engine.pulse != pulse or not engine.is_ready:
            return {}


def _named(chunk: Chunk, model: str) -> Chunk:
    return StopChunk(chunk.reason, model, chunk.detail) if isinstance(chunk, StopChunk) else chunk
