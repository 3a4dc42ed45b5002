"""A loaded model: a process that holds it, a thread that speaks with the process, and the queue of those who want it.

Event loops never wait for it: what the model writes is handed to the loop that asked.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import anyio
import attrs

from massgen_backend_local.fair import FairQueue, Full
from massgen_backend_local.gguf import Header, read_header
from massgen_backend_local.memory import available_bytes
from massgen_backend_local.process import Process, Refused
from massgen_core.api import BackendFault, ModelMissing, Overloaded

__all__ = ["Engine", "Job", "Settings", "acquire", "release"]

# What the runtime takes beside weights and context.
OVERHEAD = 150_000_000


@attrs.frozen(kw_only=True)
class Settings:
    """What makes two loaded models the same."""

    path: Path
    threads: int = 1
    context: int = 4096
    batch: int = 32
    queue: int = 64


class Job:
    """One call: its body goes to the engine's thread, chunks come back to the event loop that made it.

    Args:
        owner: Whose turn it is counted for.
        body: A chat completion request, plain data.
    """

    def __init__(self, owner: str, body: Mapping[str, Any]) -> None:
        self.owner, self.body = owner, body
        self.is_left = False
        # anyio has no call into a loop that does not wait for the loop; waiting here would hang the engine when a loop ends.
        self._loop = asyncio.get_running_loop()
        self._items: deque[Mapping[str, Any] | BackendFault | None] = deque()
        self._wake = anyio.Event()

    def put(self, item: Mapping[str, Any] | BackendFault | None) -> None:
        """Hand over a chunk, a fault, or None for the end; from the engine's thread."""
        if not self.is_left:
            with suppress(RuntimeError):  # the loop is gone, and with it whoever listened
                self._loop.call_soon_threadsafe(self._arrive, item)

    def _arrive(self, item: Mapping[str, Any] | BackendFault | None) -> None:
        self._items.append(item)
        self._wake.set()

    async def get(self) -> Mapping[str, Any] | None:
        """Wait for the next chunk; None is the end.

        Raises:
            BackendFault: The call failed.
        """
        while not self._items:
            self._wake = anyio.Event()
            await self._wake.wait()
        item = self._items.popleft()
        if isinstance(item, BackendFault):
            raise item
        return item


class Engine:
    """A model, loaded when it is made, and the queue of those who want it.

    Attributes:
        users: Who holds it; the registry below counts.
        pulse: Grows with each sign of life.
        is_ready: The model is loaded.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.users = 0
        self.pulse = 0
        self.is_ready = False
        self.fault: BackendFault | None = None
        self._queue: FairQueue[Job] = FairQueue(settings.queue)
        self._changed = threading.Condition()
        self._is_closing = False
        self._process: Process | None = None
        self._serving: Job | None = None
        self._thread = threading.Thread(target=self._work, name=f"massgen-local {settings.path.stem}")
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Put a call into the queue.

        Raises:
            Overloaded: The queue is full.
            BackendFault: The model could not be loaded.
        """
        with self._changed:
            if self.fault:
                raise self.fault
            try:
                self._queue.put(job.owner, job)
            except Full:
                name, number = self.settings.path.stem, len(self._queue)
                raise Overloaded(f"{number} calls wait for the local model {name} already; use fewer agents, or raise the option 'queue'") from None
            self._changed.notify()

    def leave(self, job: Job) -> None:
        """Give a call up: it leaves the queue at once, or stops at its next token."""
        job.is_left = True
        with self._changed:
            self._queue.remove(job.owner, job)
            if self._serving is job and self._process is not None:
                self._process.stop()

    def close(self) -> None:
        """End the process, whatever it does, and the thread with it."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        if self._process is not None:
            self._process.kill()

    def join(self) -> None:
        """Wait until the model is freed."""
        self._thread.join()

    def _work(self) -> None:
        process = None
        try:
            process = self._process = _start(self.settings)
            if self._is_over:
                return
            process.wait_until_loaded()
            self.is_ready = True
            while (job := self._next()) is not None:
                self._serve(process, job)
                del job
        except Refused as refused:
            self._fail(_unloadable(str(refused)) or _refusal(self.settings.path))
        except BackendFault as fault:
            self._fail(fault)
        except Exception as defect:  # nobody must wait for a model that will never come
            self._fail(BackendFault(f"the local model {self.settings.path} cannot be used: {type(defect).__name__}: {defect}"))
        finally:
            if process is not None:
                process.close()

    def _next(self) -> Job | None:
        with self._changed:
            while not len(self._queue) and not self._is_over:
                self._changed.wait(1.0)
            return None if self._is_over else self._queue.take()

    @property
    def _is_over(self) -> bool:
        # A program that ends without closing its backends must not wait for this thread.
        return self._is_closing or not threading.main_thread().is_alive()

    def _fail(self, fault: BackendFault) -> None:
        with self._changed:
            self.fault = fault
            while len(self._queue):
                self._queue.take().put(fault)

    def _serve(self, process: Process, job: Job) -> None:
        def take(chunk: Mapping[str, Any]) -> bool:
            self.pulse += 1
            job.put(chunk)
            return job.is_left or self._is_over

        self.pulse += 1
        with self._changed:
            self._serving = job
        try:
            process.ask(job.body, take)
        except BackendFault as fault:
            # Before anybody hears of it: whoever tries again must not be put behind this process.
            with self._changed:
                self.fault = fault
            job.put(fault)
            raise
        finally:
            with self._changed:
                self._serving = None
        job.put(None)


def _start(settings: Settings) -> Process:
    """Check a file and start the process that loads it.

    Raises:
        ModelMissing: The file cannot be used; the message says why.
        BackendFault: Too little memory.
    """
    header = read_header(settings.path)
    context = min(settings.context, header.context or settings.context)
    _check_memory(settings.path, header, context)
    return Process(path=str(settings.path), threads=settings.threads, context=context, batch=settings.batch)


def _unloadable(said: str) -> BackendFault | None:
    """Return why the runtime itself cannot be imported; None where it can, and the file is at fault."""
    if not said.startswith(("ImportError", "ModuleNotFoundError", "OSError")):
        return None
    remedy = "apt-get install libgomp1" if "libgomp" in said else "pip install --force-reinstall xllamacpp"
    return BackendFault(f"the runtime of local models cannot be loaded ({said}); install what it needs with: {remedy}")


def _refusal(path: Path) -> ModelMissing:
    return ModelMissing(
        f"{path} cannot be loaded (architecture {read_header(path).architecture or 'unknown'!r}, xllamacpp {version('xllamacpp')}): the file is "
        "damaged, or the architecture is not supported; fetch it again, take another model, or upgrade: pip install --upgrade xllamacpp"
    )


def _check_memory(path: Path, header: Header, context: int) -> None:
    needed, free = header.size + header.cache_bytes(context) + OVERHEAD, available_bytes()
    if free is not None and needed > free:
        raise BackendFault(
            f"too little memory for the local model {path.stem}: it needs {needed / 1e9:.1f} GB with a context of {context:,} tokens, "
            f"{free / 1e9:.1f} GB are free; close something, lower the option 'context', or take a smaller model (massgen models)"
        )


_lock = threading.Lock()
_engines: dict[Settings, Engine] = {}


def acquire(settings: Settings) -> Engine:
    """Return the program's one engine of these settings, and count one more user. It begins to load at once, in its own thread."""
    with _lock:
        engine = _engines.get(settings)
        if engine is None or engine.fault:
            engine = _engines[settings] = Engine(settings)
        engine.users += 1
        return engine


def release(engine: Engine) -> bool:
    """Count one user less, and close the engine after the last one; tell whether that was the last."""
    with _lock:
        engine.users -= 1
        if engine.users:
            return False
        if _engines.get(engine.settings) is engine:
            del _engines[engine.settings]
    engine.close()
    return True
