"""`massgen config test`: tries what a configuration names, thing by thing, and sends nothing to a model."""

from __future__ import annotations

import argparse
import difflib
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import attrs

from massgen_cmd_config.options import add_options, loaded
from massgen_core.api import (
    App,
    AuthenticationFailed,
    BackendSpec,
    BadRequest,
    Check,
    Checkable,
    ConnectionLost,
    Context,
    ExecCommand,
    ExecutorUnavailable,
    ImageMissing,
    MassGenError,
    ModelInfo,
    ModelMissing,
    SecretMissing,
    Task,
    TimedOut,
    UsageProblem,
    base_name,
    clean_line,
)

if TYPE_CHECKING:
    import anyio

    from massgen_core.config.load import Loaded
    from massgen_core.config.sections import AgentConfig, PluginConfig

__all__ = ["Item", "Trial"]

T = TypeVar("T")
_Of: TypeAlias = Callable[[str], Context]

_SHOWN = 600
_TOOLS = 12  # names in one line
_REMEDIES: Mapping[type[MassGenError], str] = {
    SecretMissing: "keep the key where the message says; `massgen auth set` of massgen-cmd-auth keeps one",
    AuthenticationFailed: "see that the key is the provider's own, is not withdrawn, and that its account has credit",
    ConnectionLost: "see that the address is right, the server runs, and a proxy lets you through",
    TimedOut: "try again, with more --seconds",
    ExecutorUnavailable: "start the engine, or name another executor",
    ImageMissing: "make the image, or name another one; `massgen docker images` lists those that are here",
}


@attrs.frozen(kw_only=True)
class Item:
    """One thing that was tried, and how long that took, in seconds.

    Attributes:
        tools: The names of the tools that it lists.
    """

    check: Check
    seconds: float
    tools: tuple[str, ...] = ()


class Trial:
    """The command."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add arguments and options."""
        parser.description = (
            "Try what a configuration names: whether keys are found and taken, models are there, MCP servers and sandboxes start, which tools they "
            "have. Nothing is sent to a model, and nothing is paid for. Exit code 1: something failed."
        )
        parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="the configuration; none: what a run would use here")
        parser.add_argument("--offline", action="store_true", help="do not ask providers for their models")
        parser.add_argument(
            "--seconds", type=float, default=60.0, metavar="N", help="give up on one thing that opens, or on one answer, after so many seconds (60)"
        )
        parser.add_argument("--json", action="store_true", help="print JSON")
        add_options(parser)

    def run(self, arguments: argparse.Namespace, app: App) -> int:
        """Try everything, and return 0 where nothing failed, else 1."""
        import anyio  # noqa: PLC0415 - for this one command

        if arguments.file is not None:
            if arguments.config is not None:
                raise UsageProblem("the configuration is given twice, as FILE and by --config; leave one out")
            arguments.config = arguments.file
        found = loaded(arguments, app.plugins)
        items: list[Item] = []

        def tell(item: Item) -> None:
            if any(item.check == known.check for known in items):
                return  # agents share servers
            items.append(item)
            if not arguments.json:
                _print(app, item)

        anyio.run(_Attempts(app, found, tell, is_offline=arguments.offline, seconds=arguments.seconds).all)
        failed = sum(item.check.state == "failed" for item in items)
        if arguments.json:
            app.out(json.dumps([{**attrs.asdict(item.check), "seconds": round(item.seconds, 3), "tools": item.tools} for item in items], indent=2))
        else:
            app.err(f"{len(items)} tried, {failed} failed; nothing was sent to a model")
        return int(failed > 0)


def _print(app: App, item: Item) -> None:
    mark = {"ok": "ok     ", "skipped": "skipped", "failed": "FAILED "}[item.check.state]
    app.out(f"{mark} {item.check.what} ({item.seconds:.1f} s): {item.check.text}".rstrip(": "))
    if item.check.remedy:
        app.out(f"        > {item.check.remedy}")


class _Attempts:
    """Tries one thing after the other; what fails ends nothing but itself."""

    def __init__(self, app: App, loaded: Loaded, tell: Callable[[Item], None], *, is_offline: bool, seconds: float) -> None:
        self.app, self.loaded, self.tell_of, self.is_offline, self.seconds = app, loaded, tell, is_offline, seconds
        self.plugins, self.config = loaded.plugins, loaded.config
        self.of: _Of
        self.scope: anyio.CancelScope  # of everything that is open
        self.what = ""
        self.listed: dict[str, set[str]] = {}  # tools by agent

    async def all(self) -> None:
        """Try everything; where an opening takes too long, all that is open is closed, since nobody knows what the opening holds, and it goes on."""
        import anyio  # noqa: PLC0415 - for this one command

        waiting = self.steps()
        while waiting:
            with anyio.CancelScope() as self.scope:
                async with self.app.contexts(self.loaded) as self.of:
                    while waiting:
                        await waiting.pop(0)()
            if self.scope.cancelled_caught:
                problem = TimedOut(f"it did not open within {self.seconds:g} s")
                self.tell_of(Item(check=failed(self.what, problem), seconds=self.seconds))

    def steps(self) -> list[Callable[[], Awaitable[object]]]:
        """Return what there is to try, in order."""
        made: list[Callable[[], Awaitable[object]]] = [partial(self.attempt, f"strategy {self.config.strategy.type}", self.strategy)]
        groups: dict[str, list[AgentConfig]] = {}
        for agent in self.config.agents:
            groups.setdefault(repr((agent.backend.type, sorted(agent.backend.options.items(), key=lambda item: item[0]))), []).append(agent)
        for agents in groups.values():
            made.append(partial(self.attempt, f"backend {agents[0].backend.type} of {_names(agents)}", partial(self.backend, agents)))
        for agent in self.config.agents:
            made += [partial(self.toolset, agent.name, section) for section in (*self.config.toolsets, *agent.toolsets)]
        for kind, sections in (
            ("middleware", self.config.middlewares or ()),
            ("classifier", self.config.classifiers),
            ("sink", self.config.sinks),
        ):
            made += [partial(self.attempt, f"{kind} {section.type}", partial(self.opened, kind, section)) for section in sections]
        return made

    def tell(self, item: Item) -> None:
        """Tell without secrets and control sequences."""
        self.tell_of(attrs.evolve(item, check=attrs.evolve(item.check, text=clean_line(self.of("").redact(item.check.text), _SHOWN))))

    async def open(self, agent: str, kind: str, name: str, options: Mapping[str, Any]) -> Any:
        """Open a plugin's object, within the time that is given."""
        import anyio  # noqa: PLC0415 - for this one command

        self.scope.deadline = anyio.current_time() + self.seconds
        made = await self.of(agent).open(kind, name, options)
        self.scope.deadline = float("inf")
        return made

    async def attempt(self, what: str, work: Callable[[], Awaitable[Sequence[Check]]], tools: Sequence[str] = ()) -> bool:
        """Do something, tell what came of it, and return whether it could be done."""
        began, self.what = time.monotonic(), what
        is_done = True
        try:
            checks = await work()
        except MassGenError as error:
            is_done, checks = False, [failed(what, error)]
        except Exception as error:  # a plugin's defect; the others are tried all the same
            text = f"the plugin broke: {type(error).__name__}: {error}"
            is_done, checks = False, [Check(what=what, state="failed", text=text, remedy="report it to the plugin's author")]
        seconds = time.monotonic() - began
        for check in checks or (Check(what=what),):
            self.tell(Item(check=attrs.evolve(check, what=check.what or what), seconds=seconds, tools=tuple(tools)))
        return is_done

    async def opened(self, kind: str, section: PluginConfig) -> Sequence[Check]:
        made = await self.open("", kind, section.type, section.options)
        return await self.bounded(made.check()) if isinstance(made, Checkable) else ()

    async def bounded(self, work: Awaitable[T]) -> T:
        import anyio  # noqa: PLC0415 - for this one command

        try:
            with anyio.fail_after(self.seconds):
                return await work
        except TimeoutError:
            raise TimedOut(f"nothing came back within {self.seconds:g} s") from None

    async def strategy(self) -> Sequence[Check]:
        section = self.config.strategy
        made = await self.open("", "strategy", section.type, section.options)
        made.start(Task(question="Is anybody there?"), [agent.name for agent in self.config.agents])
        return ()

    async def backend(self, agents: Sequence[AgentConfig]) -> Sequence[Check]:
        """Open a backend, which looks its key up, and ask its server for its models, which costs nothing."""
        section = agents[0].backend
        made = await self.open(agents[0].name, "backend", section.type, section.options)
        if isinstance(made, Checkable):
            return await self.bounded(made.check())
        spec = self.plugins.get("backend", section.type)
        assert isinstance(spec, BackendSpec)
        catalogue: Any = self.plugins.resolve(spec.catalogue, kind="backend", name=section.type) if spec.catalogue else None
        if catalogue is None or not hasattr(catalogue, "remote"):
            return [Check(what="", text="it opens; there is nothing to ask without a model call"), *_local(catalogue, agents)]
        if self.is_offline:
            return [Check(what="", state="skipped", text="a key is there where it needs one; its server was not asked")]

        async def asked() -> Sequence[Check]:
            try:
                models = await catalogue.remote(section.options, self.of(agents[0].name))
            except (BadRequest, ModelMissing) as error:
                return [Check(what="", state="skipped", text=f"its server answers, and lists no models: {error}")]
            wanted = {agent.model for agent in agents if agent.model}
            return [
                Check(what="", text=f"its server answers and takes the key; it has {len(models)} models"),
                *(_missing(model, models) for model in sorted(wanted) if models and not _has(models, model)),
            ]

        return await self.bounded(asked())

    async def toolset(self, agent: str, section: PluginConfig) -> None:
        """Open a toolset, which starts its servers, list its tools, and try its sandbox."""
        what = f"tools {section.type} of {agent}"
        tools: list[str] = []

        async def work() -> Sequence[Check]:
            made = await self.open(agent, "toolset", section.type, section.options)
            checks = await self.bounded(made.check()) if isinstance(made, Checkable) else ()
            tools.extend(tool.name for tool in made.tools())
            if twice := sorted(set(tools) & self.listed.get(agent, set())):
                text = f"another toolset of {agent} has these tools, too: {', '.join(twice)}"
                checks = [*checks, Check(what=what, state="failed", text=text, remedy="exclude them from one of the two")]
            self.listed.setdefault(agent, set()).update(tools)
            more = f" and {len(tools) - _TOOLS} more" if len(tools) > _TOOLS else ""
            return [
                *checks,
                Check(what="", text=f"{len(tools)} tool{'s' * (len(tools) != 1)}: {', '.join(tools[:_TOOLS])}{more}" if tools else "no tools"),
            ]

        if await self.attempt(what, work, tools) and (executor := section.options.get("executor")) is not None:
            await self.attempt(f"sandbox of {what}", partial(self.executor, agent, executor))

    async def executor(self, agent: str, section: Any) -> Sequence[Check]:
        """Run a command that does nothing."""
        name = section if isinstance(section, str) else section.get("type", "")
        options = {} if isinstance(section, str) else {key: value for key, value in section.items() if key != "type"}
        made = await self.open(agent, "executor", name, options)
        result = await self.bounded(made.run(ExecCommand(argv=("true",))))
        if result.status == "exited" and result.exit_code == 0:
            return [Check(what="", text=f"{name} runs a command")]
        said = result.stderr.decode(errors="replace").strip()
        return [Check(what="", state="failed", text=f"{name}: {result.status}, exit code {result.exit_code}: {said}")]


def _names(agents: Sequence[AgentConfig]) -> str:
    return ", ".join(agent.name for agent in agents)


def _has(models: Sequence[ModelInfo], model: str) -> bool:
    return any(model in (one.name, one.name.rpartition("/")[2]) or base_name(one.name) == base_name(model) for one in models)


def _missing(model: str, models: Sequence[ModelInfo]) -> Check:
    near = difflib.get_close_matches(model, [one.name for one in models], n=3)
    remedy = f"choose another one, for instance {' or '.join(near)}" if near else "choose another one; massgen models BACKEND --remote lists them"
    return Check(what=f"model {model}", state="failed", text="its server does not have it", remedy=remedy)


def _local(catalogue: Any, agents: Sequence[AgentConfig]) -> list[Check]:
    """Return what is wrong with models that must be on this machine."""
    here = {one.name: one for one in catalogue.models()} if catalogue is not None else {}
    return [
        Check(what=f"model {name}", state="failed", text="it is not on this machine yet", remedy=f"massgen models pull {name}")
        for name in sorted({agent.model for agent in agents})
        if name in here and here[name].size and not here[name].is_local and agents[0].backend.type == "local"
    ]


def failed(what: str, error: MassGenError) -> Check:
    """Return a failure with what to do about it."""
    remedy = next((text for cls, text in _REMEDIES.items() if isinstance(error, cls)), "")
    return Check(what=what, state="failed", text=str(error), remedy=remedy)
