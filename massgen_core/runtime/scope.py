"""Opens what a run needs, in order, and closes it in reverse."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import attrs

from massgen_core.config.sections import AgentConfig, PluginConfig, RunConfig
from massgen_core.config.structure import plugin_options
from massgen_core.contracts import Folders, GrantedPath, Middleware, Question, Workspace
from massgen_core.credentials import Credentials
from massgen_core.errors import MassGenError, PluginBroken
from massgen_core.events import Event, NoticeGiven
from massgen_core.messages import ModelAnswer, ModelRequest
from massgen_core.plugins.manager import Plugins
from massgen_core.runtime.calling import Agent
from massgen_core.runtime.emitter import Emitter
from massgen_core.runtime.folders import AgentFolders, told
from massgen_core.runtime.pricing import Priced, Pricing
from massgen_core.runtime.sampling import sample
from massgen_core.runtime.toolbox import Toolbox
from massgen_core.secrets import Redactor, Secret
from massgen_core.specs import BackendSpec, MiddlewareSpec

__all__ = ["RunContext", "Scope", "nobody", "open_scope"]

CLOSE_SECONDS = 10.0
Ask = Callable[[Question], Awaitable[str]]


@attrs.define
class Scope:
    """What the objects of one run share.

    Attributes:
        emit: Puts a fact into the run's journal.
        ask: Asks a person.
        trace: W3C trace id of the run.
        samplers: Call an agent's model, by the agent's name; they are there once the agents are.
        middlewares: By what they are around, outermost first.
        folders: Of the agents; None outside of a run.
        workspaces: What keeps agents' files, by agent; opened on first use.
    """

    plugins: Plugins
    run: str
    folder: Path
    emit: Callable[..., None]
    ask: Ask
    redactor: Redactor
    _stack: AsyncExitStack
    _tasks: anyio.abc.TaskGroup
    trace: str = ""
    has_started: bool = False
    samplers: dict[str, Callable[[ModelRequest], Awaitable[ModelAnswer]]] = attrs.field(factory=dict)
    middlewares: Mapping[str, Sequence[Middleware]] = attrs.field(factory=dict)
    folders: AgentFolders | None = None
    workspaces: dict[str, Workspace] = attrs.field(factory=dict)
    _shared: dict[object, Any] = attrs.field(factory=dict)
    _locks: dict[object, anyio.Lock] = attrs.field(factory=dict)
    _credentials: Credentials = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._credentials = Credentials(self.plugins, lambda store: self.make("credentials", store))

    def context(self, agent: str = "") -> RunContext:
        """Return what a factory is given."""
        return RunContext(scope=self, agent=agent)

    @asynccontextmanager
    async def part(self) -> AsyncIterator[None]:
        """Close what is opened inside of the block at its end, before what was opened outside."""
        outer, self._stack = self._stack, AsyncExitStack()
        try:
            yield
        finally:
            inner, self._stack = self._stack, outer
            self._shared.clear()
            with anyio.move_on_after(CLOSE_SECONDS, shield=True):
                await inner.aclose()

    async def share(self, key: object, opener: Callable[[], AbstractAsyncContextManager[Any]]) -> Any:
        """Return the one resource of this key, opened on first use; a failed opening is tried again by the next who asks."""
        async with self._locks.setdefault(key, anyio.Lock()):
            if key not in self._shared:
                self._shared[key] = await self._stack.enter_async_context(opener())
            return self._shared[key]

    async def open(self, kind: str, name: str, options: Mapping[str, Any] | None = None, *, agent: str = "", path: str = "") -> Any:
        """Make a plugin's object and enter it, where it is a context manager."""
        made = self.make(kind, name, options, agent=agent, path=path)
        if not hasattr(made, "__aenter__"):
            return made
        with _blamed(kind, name):
            return await self._stack.enter_async_context(made)

    def make(self, kind: str, name: str, options: Mapping[str, Any] | None = None, *, agent: str = "", path: str = "") -> Any:
        """Make a plugin's object and leave entering it to the caller."""
        config = plugin_options(self.plugins, kind, PluginConfig(type=name, options=options or {}), path=path or f"{kind} {name}")
        factory = self.plugins.factory(kind, name)
        with _blamed(kind, name):
            return factory(config, self.context(agent))

    def start(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work` in a task of its own; what it raises is told and harms nobody."""
        self.has_started = True
        self._tasks.start_soon(self._guarded, work)

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception as error:  # a plugin's background work must not end the run
            self.emit(NoticeGiven(level="error", text=f"work in the background broke: {type(error).__name__}: {error}"))

    def secret(self, reference: str) -> Secret:
        """Return a secret by its reference; see `Context.secret`."""
        _, found = self._credentials.find(reference)
        self.redactor.add((found,))
        return found


@attrs.frozen
class RunContext:
    """The kernel's `Context`."""

    scope: Scope
    agent: str = ""

    @property
    def workspace(self) -> Path | None:
        folders = self.folders_of(self.agent)
        return folders.workspace if folders else None

    @property
    def context_paths(self) -> tuple[GrantedPath, ...]:
        folders = self.folders_of(self.agent)
        return folders.context_paths if folders else ()

    def folders_of(self, agent: str) -> Folders | None:
        return self.scope.folders.of(agent) if self.scope.folders else None

    @property
    def run(self) -> str:
        return self.scope.run

    @property
    def folder(self) -> Path:
        return self.scope.folder

    @property
    def plugins(self) -> Plugins:
        return self.scope.plugins

    @property
    def trace(self) -> str:
        return self.scope.trace

    def emit(self, *events: Event, span: str = "", parent: str = "") -> None:
        self.scope.emit(*events, span=span, parent=parent)

    def secret(self, reference: str) -> Secret:
        return self.scope.secret(reference)

    def hide(self, secret: Secret) -> None:
        self.scope.redactor.add((secret,))

    def redact(self, text: str) -> str:
        return self.scope.redactor(text)

    async def open(self, kind: str, name: str, options: Mapping[str, Any] | None = None) -> Any:
        return await self.scope.open(kind, name, options, agent=self.agent)

    async def share(self, key: object, opener: Callable[[], AbstractAsyncContextManager[Any]]) -> Any:
        return await self.scope.share(key, opener)

    def make(self, kind: str, name: str, options: Mapping[str, Any] | None = None) -> Any:
        return self.scope.make(kind, name, options, agent=self.agent)

    def start(self, work: Callable[[], Awaitable[None]]) -> None:
        self.scope.start(work)

    async def ask(self, question: Question) -> str:
        return await self.scope.ask(question)

    async def sample(self, request: ModelRequest) -> ModelAnswer:
        sampler = self.scope.samplers.get(self.agent)
        if sampler is None:
            raise MassGenError("there is no agent here whose model could be asked")
        return await sampler(request)

    def around(self, what: str) -> Sequence[Middleware]:
        return self.scope.middlewares.get(what, ())


async def nobody(question: Question) -> str:
    """Answer for a person where there is none."""
    return question.default


@contextmanager
def _blamed(kind: str, name: str) -> Iterator[None]:
    """Name the plugin in what its own defects raise."""
    try:
        yield
    except MassGenError:
        raise
    except Exception as error:
        raise PluginBroken(f"{kind} {name!r} could not be opened: {type(error).__name__}: {error}", kind=kind, name=name) from error


@asynccontextmanager
async def open_scope(
    plugins: Plugins, *, run: str, folder: Path, emit: Callable[..., None], ask: Ask, redactor: Redactor, trace: str = ""
) -> AsyncIterator[Scope]:
    """Yield a scope; what it opened is closed in reverse, within bounds even when the run is being cancelled; then what it started is cancelled."""
    failure: Exception | None = None
    async with anyio.create_task_group() as tasks:
        stack = AsyncExitStack()
        scope = Scope(plugins=plugins, run=run, folder=folder, emit=emit, ask=ask, redactor=redactor, stack=stack, tasks=tasks, trace=trace)
        try:
            yield scope
        except Exception as error:  # raised again below, where the task group cannot wrap it
            failure = error
        finally:
            try:
                with anyio.move_on_after(CLOSE_SECONDS, shield=True):
                    await stack.aclose()
            except Exception as error:  # the first failure is the one to tell
                failure = failure or error
            if scope.has_started:
                tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure


async def open_agents(scope: Scope, config: RunConfig, emitter: Emitter) -> dict[str, Agent]:
    """Open everything that the agents need, and return them in the order of the configuration.

    Agents whose backend sections are equal share one backend.

    Raises:
        MassGenError: A plugin is missing, broken or wrongly configured; two tools of one agent share a name.
    """
    scope.folders = AgentFolders(config, scope.folder)
    classifiers = {
        section.type: await scope.open("classifier", section.type, section.options, path=f"classifiers[{index}]")
        for index, section in enumerate(config.classifiers)
    }
    scope.middlewares = middlewares = await _open_middlewares(scope, config)
    is_limited = any(limits.money is not None for limits in (config.limits, *(agent.limits for agent in config.agents)))
    pricing = Pricing(scope.plugins, config.prices, scope.emit, is_limited=is_limited)
    backends: dict[str, tuple[Any, Priced]] = {}
    agents: dict[str, Agent] = {}
    for index, agent in enumerate(config.agents):
        where = f"agents[{index}]"
        key = repr((agent.backend.type, sorted(agent.backend.options.items(), key=lambda item: item[0])))
        if key not in backends:
            backend = await scope.open("backend", agent.backend.type, agent.backend.options, path=f"{where}.backend")
            backends[key] = backend, pricing.of(agent.backend.type, agent.backend.options)
        backend, priced = backends[key]
        spec = scope.plugins.get("backend", agent.backend.type)
        toolbox = Toolbox(
            agent.name,
            toolsets=await _open_toolsets(scope, config, agent, where),
            permissions=(config.permissions, agent.permissions),
            classifiers=classifiers,
            middlewares=middlewares["tool"],
            ask=scope.ask,
            durable=emitter.durable,
            folder=scope.folder,
            seconds=config.tool_seconds,
            output=config.tool_output,
            trace=emitter.trace,
            workspace=partial(_workspace, scope, config.workspaces, agent.name),
        )
        assert isinstance(spec, BackendSpec)
        made = agents[agent.name] = Agent(agent, backend, spec.capabilities, toolbox, middlewares["model"], scope.run, priced)
        made.told, made.acts = partial(_told, scope.folders, agent.name), spec.acts
        scope.samplers[agent.name] = partial(_sample, scope, made, emitter, config.model_idle_seconds)
    return agents


async def _sample(scope: Scope, agent: Agent, emitter: Emitter, idle_seconds: float, request: ModelRequest) -> ModelAnswer:
    return await sample(agent, request, observe=scope.emit, span=emitter.new_span(), idle_seconds=idle_seconds)


def _told(folders: AgentFolders, agent: str) -> str:
    found = folders.of(agent)
    return told(found) if found else ""


async def _workspace(scope: Scope, section: PluginConfig | None, agent: str) -> Workspace | None:
    """Open what keeps an agent's files, on first use; None where nothing is configured or installed."""
    if section is None:
        if "files" not in scope.plugins.names("workspace"):
            return None
        section = PluginConfig(type="files")
    if agent not in scope.workspaces:
        scope.workspaces[agent] = await scope.open("workspace", section.type, section.options, agent=agent, path="workspaces")
    return scope.workspaces[agent]


async def _open_toolsets(scope: Scope, config: RunConfig, agent: AgentConfig, where: str) -> Sequence[Any]:
    toolsets = [
        await scope.open("toolset", section.type, section.options, agent=agent.name, path=path)
        for path, section in (
            *((f"toolsets[{index}]", section) for index, section in enumerate(config.toolsets)),
            *((f"{where}.toolsets[{index}]", section) for index, section in enumerate(agent.toolsets)),
        )
    ]
    seen: dict[str, str] = {}
    for tool in (tool for toolset in toolsets for tool in toolset.tools()):
        if tool.name in seen:
            raise MassGenError(
                f"{agent.name} would have two tools named {tool.name!r}, from {seen[tool.name] or 'a toolset'} and {tool.source or 'another'}; "
                "exclude one of them"
            )
        seen[tool.name] = tool.source
    return toolsets


async def _open_middlewares(scope: Scope, config: RunConfig) -> dict[str, list[Any]]:
    sections = config.middlewares
    if sections is None:
        sections = (PluginConfig(type="retry"),) if "retry" in scope.plugins.names("middleware") else ()
    opened: list[tuple[MiddlewareSpec, Any]] = []
    for index, section in enumerate(sections):
        spec = scope.plugins.get("middleware", section.type)
        assert isinstance(spec, MiddlewareSpec)
        opened.append((spec, await scope.open("middleware", section.type, section.options, path=f"middlewares[{index}]")))
    opened.sort(key=lambda pair: pair[0].order)
    return {around: [made for spec, made in opened if spec.around == around] for around in ("model", "tool", "mcp")}
