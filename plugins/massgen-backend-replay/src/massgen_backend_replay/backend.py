"""Recording a backend and playing it back."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import anyio
import anyio.lowlevel
import attrs

from massgen_backend_replay.cassette import Asked, Cassette, Exchange
from massgen_backend_replay.config import ReplayConfig
from massgen_backend_replay.redact import Cleaner
from massgen_core.api import (
    Backend,
    BackendFault,
    BadRequest,
    Chunk,
    ConfigProblem,
    Context,
    ItemChunk,
    Message,
    ModelRequest,
    NoticeGiven,
    ProviderItem,
    StopChunk,
    TimedOut,
)

__all__ = ["ReplayBackend", "open_backend"]

NAME = "replay"


@asynccontextmanager
async def open_backend(config: ReplayConfig | None, context: Context) -> AsyncIterator[ReplayBackend]:
    """Open the recording, shared by all agents of the run that name it, and the backend behind it.

    Raises:
        ConfigProblem: The recording is missing, damaged or cannot be written, or there is no backend to record.
    """
    config = config or ReplayConfig()
    options = dict(config.backend)
    name = str(options.pop("type", ""))
    path = _absolute(config.file)
    cassette: Cassette = await context.share(("massgen-backend-replay", path), lambda: _opened(path))
    if config.mode == "replay":
        if not path.exists():
            raise ConfigProblem("there is no such recording; make one with mode: record, or name another `file`", source=str(path))
        inner = None
    elif not name:
        raise ConfigProblem(f"mode {config.mode} needs a backend to record; write backend: {{type: ..., ...}}", path="backend")
    else:
        cassette.open()
        inner = await context.open("backend", name, options)
    yield ReplayBackend(config, context, cassette, inner, name)


def _absolute(file: str) -> Path:
    return Path(file).expanduser().absolute()


@asynccontextmanager
async def _opened(path: Path) -> AsyncIterator[Cassette]:
    cassette = Cassette(path)
    try:
        yield cassette
    finally:
        cassette.close()


class ReplayBackend:
    """Plays what is recorded; calls and records the backend behind it where the mode allows that.

    Provider items bear this backend's name on this side and the recorded backend's on the other, so that they find their way back.
    """

    def __init__(self, config: ReplayConfig, context: Context, cassette: Cassette, inner: Backend | None, name: str) -> None:
        self._config, self._context, self._cassette = config, context, cassette
        self._inner, self._name = inner, name
        self._cleaner = Cleaner(context.redact)
        self._has_failed = False

    @asynccontextmanager
    async def respond(self, request: ModelRequest) -> AsyncIterator[AsyncIterator[Chunk]]:
        """Play or record one call.

        Raises:
            BadRequest: Nothing is recorded for the request, and the mode is replay.
        """
        asked = Asked.of(request, self._cleaner)
        agent = request.metadata.get("agent") or self._context.agent
        exchange = None if self._config.mode == "record" else self._cassette.take(asked.key, agent, self._name)
        if exchange is not None:
            async with aclosing(self._play(exchange)) as played:
                yield played
        elif self._inner is not None:
            async with self._recorded(self._inner, request, asked, agent) as live:
                yield live
        else:
            raise BadRequest(f"nothing is recorded for this request: {self._cassette.missing(asked)}. Mode auto records what is missing")

    async def _play(self, exchange: Exchange) -> AsyncGenerator[Chunk, None]:
        await anyio.lowlevel.checkpoint()
        start, speed = anyio.current_time(), self._config.speed
        for at, chunk in exchange.chunks:
            if speed > 0:
                await anyio.sleep_until(start + at / speed)
            yield _renamed(chunk, exchange.backend, NAME)
        if exchange.fault is not None:
            at, fault = exchange.fault
            if speed > 0:
                await anyio.sleep_until(start + at / speed)
            raise fault
        if exchange.is_cut:
            await anyio.sleep(self._config.patience)
            raise TimedOut("the recording of this call ends here, because its reader left; this reader did not")

    @asynccontextmanager
    async def _recorded(self, inner: Backend, request: ModelRequest, asked: Asked, agent: str) -> AsyncIterator[AsyncIterator[Chunk]]:
        tape = _Tape(anyio.current_time())
        try:
            async with inner.respond(_returned(request, self._name)) as chunks:
                tape.is_connected = True
                async with aclosing(self._listen(chunks, tape)) as stream:
                    yield stream
        except BackendFault as error:
            # Later ones are noted where they come out of the stream: a reader may raise faults of its own.
            if not tape.is_connected:
                tape.note(error)
            raise
        finally:
            self._write(tape.exchange(asked, self._name, agent))

    async def _listen(self, chunks: AsyncIterator[Chunk], tape: _Tape) -> AsyncGenerator[Chunk, None]:
        try:
            async for chunk in chunks:
                tape.heard.append((anyio.current_time() - tape.start, chunk))
                yield _renamed(chunk, self._name, NAME)
        except BackendFault as error:
            tape.note(error)
            raise

    def _write(self, exchange: Exchange) -> None:
        try:
            self._cassette.write(exchange, self._cleaner)
        except (OSError, TypeError) as error:
            # The run's answer is worth more than its recording; but nobody should believe that the recording is whole.
            if not self._has_failed:
                self._has_failed = True
                self._context.emit(NoticeGiven(level="error", text=f"the recording {self._cassette.path} is not whole: {error}"))


@attrs.define
class _Tape:
    """What is heard of one call."""

    start: float
    heard: list[tuple[float, Chunk]] = attrs.field(factory=list)
    fault: tuple[float, BackendFault] | None = None
    is_connected: bool = False

    def note(self, fault: BackendFault) -> None:
        self.fault = (anyio.current_time() - self.start, fault)

    def exchange(self, asked: Asked, backend: str, agent: str) -> Exchange:
        is_whole = self.fault is not None or bool(self.heard and isinstance(self.heard[-1][1], StopChunk))
        return Exchange(asked=asked, backend=backend, agent=agent, chunks=tuple(self.heard), fault=self.fault, is_cut=not is_whole)


def _renamed(chunk: Chunk, old: str, new: str) -> Chunk:
    if isinstance(chunk, ItemChunk) and chunk.item.backend == old:
        return ItemChunk(attrs.evolve(chunk.item, backend=new))
    return chunk


def _returned(request: ModelRequest, name: str) -> ModelRequest:
    """Give provider items back their own backend's name."""

    def renamed(message: Message) -> Message:
        if not any(isinstance(part, ProviderItem) for part in message.content):
            return message
        parts = (attrs.evolve(part, backend=name) if isinstance(part, ProviderItem) and part.backend == NAME else part for part in message.content)
        return attrs.evolve(message, content=tuple(parts))

    return attrs.evolve(request, messages=tuple(renamed(message) for message in request.messages))
