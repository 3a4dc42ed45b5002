"""What factories are given, outside a run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import anyio
import anyio.abc
import attrs

from massgen_core.api import (
    Event,
    Folders,
    GrantedPath,
    MassGenError,
    Middleware,
    ModelAnswer,
    ModelRequest,
    Question,
    Redactor,
    Secret,
    SecretMissing,
)
from massgen_core.config.structure import structure
from massgen_core.plugins.manager import Plugins
from massgen_testkit.records import Records


@attrs.define
class PlainContext:
    """A context without a run: events are kept, secrets come from a mapping.

    Use it as an async context manager where the plugin opens or shares things; they are closed at its end.

    Attributes:
        secrets: Values by reference; what is not here is missing.
        records: What was emitted.
        objects: Objects that `open` and `make` return, by kind and name, in place of installed plugins.
        answers: What `ask` returns, one after the other; then the questions' defaults.
        questions: What was asked.
        sampler: Answers `sample`; None where no model can be asked.
        middlewares: What `around` returns.
    """

    folder: Path
    run: str = "run-1"
    agent: str = "a"
    workspace: Path | None = None
    context_paths: tuple[GrantedPath, ...] = ()
    secrets: Mapping[str, str] = attrs.field(factory=dict)
    records: Records = attrs.field(factory=Records)
    objects: Mapping[tuple[str, str], Any] = attrs.field(factory=dict)
    plugins: Plugins = attrs.field(factory=Plugins.discover)
    answers: list[str] = attrs.field(factory=list)
    questions: list[Question] = attrs.field(factory=list)
    sampler: Callable[[ModelRequest], Awaitable[ModelAnswer]] | None = None
    middlewares: Mapping[str, Sequence[Middleware]] = attrs.field(factory=dict)
    trace: str = "0af7651916cd43dd8448eb211c80319c"
    _tasks: anyio.abc.TaskGroup | None = attrs.field(default=None, init=False)
    _stack: AsyncExitStack = attrs.field(factory=AsyncExitStack, init=False)
    _redactor: Redactor = attrs.field(factory=Redactor, init=False)
    _shared: dict[object, Any] = attrs.field(factory=dict, init=False)

    def folders_of(self, agent: str) -> Folders | None:
        if self.workspace is None or agent != self.agent:
            return None
        return Folders(workspace=self.workspace, context_paths=self.context_paths)

    def emit(self, *events: Event, span: str = "", parent: str = "") -> None:
        self.records.emit(*events, span=span, parent=parent)

    def secret(self, reference: str) -> Secret:
        # A name without a store is looked for in the environment first.
        known = reference if reference in self.secrets or ":" in reference else f"env:{reference}"
        if known not in self.secrets:
            raise SecretMissing(f"no secret {reference!r}; this context holds: {', '.join(sorted(self.secrets)) or 'none'}")
        secret = Secret(self.secrets[known])
        self.hide(secret)
        return secret

    def hide(self, secret: Secret) -> None:
        self._redactor.add([secret])

    def redact(self, text: str) -> str:
        return self._redactor(text)

    async def open(self, kind: str, name: str, options: Mapping[str, Any] | None = None) -> Any:
        made = self.make(kind, name, options)
        return await self._stack.enter_async_context(made) if hasattr(type(made), "__aenter__") else made

    async def share(self, key: object, opener: Callable[[], AbstractAsyncContextManager[Any]]) -> Any:
        if key not in self._shared:
            self._shared[key] = await self._stack.enter_async_context(opener())
        return self._shared[key]

    def make(self, kind: str, name: str, options: Mapping[str, Any] | None = None) -> Any:
        if (kind, name) in self.objects:
            return self.objects[kind, name]
        spec = self.plugins.get(kind, name)
        config = None if spec.config is None else structure(spec.config, dict(options or {}), path=f"{kind}.{name}")
        return self.plugins.factory(kind, name)(config, self)

    def start(self, work: Callable[[], Awaitable[None]]) -> None:
        assert self._tasks is not None, "use the context as an async context manager"

        async def run() -> None:
            await work()

        self._tasks.start_soon(run)

    async def ask(self, question: Question) -> str:
        self.questions.append(question)
        return self.answers.pop(0) if self.answers else question.default

    async def sample(self, request: ModelRequest) -> ModelAnswer:
        if self.sampler is None:
            raise MassGenError("there is no agent here whose model could be asked")
        return await self.sampler(request)

    def around(self, what: str) -> Sequence[Middleware]:
        return self.middlewares.get(what, ())

    async def __aenter__(self) -> Self:
        self._tasks = await anyio.create_task_group().__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        tasks, self._tasks = self._tasks, None
        self._shared.clear()
        try:
            await self._stack.aclose()
        finally:
            if tasks is not None:
                tasks.cancel_scope.cancel()
                await tasks.__aexit__(None, None, None)


class AnyKey(dict[str, str]):
    """Secrets of which every one exists, with the same value."""

    def __init__(self, value: str) -> None:
        super().__init__()
        self.value = value

    def __contains__(self, key: object) -> bool:
        return True

    def __missing__(self, key: str) -> str:
        return self.value
