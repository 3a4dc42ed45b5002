"""What hooks return: frozen descriptions that cost nothing to make, with lazy factories.

A factory is named as `"module:attribute"` and called as `factory(config, context)`: `config` is an instance of the spec's `config` class (None
where the spec has none), `context` is a `massgen_core.contracts.Context`. It returns the object, or an async context manager that yields it; it
is synchronous and cheap, work is done on entering.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import attrs

__all__ = [
    "KINDS",
    "BackendSpec",
    "Capabilities",
    "ClassifierSpec",
    "CommandSpec",
    "CredentialStoreSpec",
    "DisplaySpec",
    "ExecutorSpec",
    "Kind",
    "MiddlewareSpec",
    "MigrationSpec",
    "PresetSpec",
    "RunnerSpec",
    "SinkSpec",
    "Spec",
    "StrategySpec",
    "ToolsetSpec",
    "TransportSpec",
    "WorkspaceSpec",
]

Around: TypeAlias = Literal["model", "tool", "mcp"]

# Of a preset's document.
_DEEPEST = 50
_MOST = 100_000


@attrs.frozen(kw_only=True)
class Spec:
    """What every spec has.

    Attributes:
        name: The name in configurations; the entry point is `<kind>.<name>`.
        factory: `"module:attribute"`, imported on first use.
        summary: One line for listings.
        config: A frozen attrs class whose fields are the plugin's options; each field has `metadata={"help": "..."}`. None: no options.
    """

    name: str
    factory: str
    summary: str = ""
    config: type | None = None


@attrs.frozen(kw_only=True)
class Capabilities:
    """What a backend can do; a request that needs more is refused before it is sent.

    Attributes:
        tools: It takes tools and returns calls.
        images: It takes images.
        files: It takes files.
        reasoning: It takes a reasoning effort.
        response_schema: It takes a schema for the text.
        streaming: Text comes in pieces.
    """

    tools: bool = True
    images: bool = False
    files: bool = False
    reasoning: bool = False
    response_schema: bool = False
    streaming: bool = True


@attrs.frozen(kw_only=True)
class BackendSpec(Spec):
    """A source of model answers; the factory returns a `Backend`.

    Attributes:
        capabilities: What it can do.
        catalogue: `"module:attribute"` of a `Catalogue` that lists, and where it can pulls, models; empty where there is none.
        keys: References to the secrets that it asks for where its options name none, each with what for; empty texts are fine.
            `reference` of its configuration, where it has one, is the one that its options lead to; empty where no key is sent.
        acts: It starts programs or changes files by itself; a project's file that names it must be trusted.
    """

    capabilities: Capabilities = Capabilities()
    catalogue: str = ""
    keys: Mapping[str, str] = attrs.field(factory=dict)
    acts: bool = False


@attrs.frozen(kw_only=True)
class TransportSpec(Spec):
    """A way to reach an MCP server; the factory returns an async context manager of a `Link`.

    Attributes:
        principal: `"module:attribute"` of a function `(config, context) -> str` that says, without reaching the server, who the client is for it:
            texts are equal for those who may share what the server shows. Nobody writes it anywhere. Empty: the options alone decide.
    """

    principal: str = ""


@attrs.frozen(kw_only=True)
class ExecutorSpec(Spec):
    """A sandbox for commands; the factory returns an `Executor`."""


@attrs.frozen(kw_only=True)
class SinkSpec(Spec):
    """A reader of a run's records; the factory returns a `Sink`."""


@attrs.frozen(kw_only=True)
class ClassifierSpec(Spec):
    """An opinion on tool calls; the factory returns a `Classifier`."""


@attrs.frozen(kw_only=True)
class MiddlewareSpec(Spec):
    """Something around calls; the factory returns a `Middleware`.

    Attributes:
        around: Which calls.
        order: Lower is further outside. The standard ones: cache 10, budget 20, retry 30, rate limit 40.
    """

    around: Around
    order: int = 50


@attrs.frozen(kw_only=True)
class ToolsetSpec(Spec):
    """Tools that agents can call; the factory is called once for each agent and returns a `Toolset`."""


@attrs.frozen(kw_only=True)
class WorkspaceSpec(Spec):
    """An agent's files; the factory returns a `Workspace`."""


@attrs.frozen(kw_only=True)
class StrategySpec(Spec):
    """A way to come to one answer; the factory returns a `Strategy`.

    Attributes:
        calls: `"module:attribute"` of a function `(config, agents) -> (usual, most)` that says how many model calls a run of so many agents has:
            where everybody keeps to the rules and no mind changes, and at most. Calls that follow those of tools are not counted. Empty: unknown.
    """

    calls: str = ""


@attrs.frozen(kw_only=True)
class DisplaySpec(Spec):
    """A live user interface; the factory returns a `Display`."""


@attrs.frozen(kw_only=True)
class CommandSpec(Spec):
    """A subcommand of `massgen`; the factory is called as `factory()` and returns a `Command`. The name `mcp.list` is typed as `massgen mcp list`.

    Attributes:
        takes_run_options: It conducts runs with `App.run`; the options by which `massgen run` is configured are added to its own.
    """

    takes_run_options: bool = False


def _plain(instance: object, attribute: object, value: object) -> None:
    """Refuse what no file could hold; whoever shows or loads a preset relies on it."""
    if not isinstance(value, Mapping):
        raise TypeError(f"a preset's document is a mapping, not {type(value).__name__}")
    inside, seen = [(value, 0)], 0
    while inside:
        data, depth = inside.pop()
        seen += 1
        if depth > _DEEPEST or seen > _MOST:
            raise ValueError(f"a preset's document is at most {_DEEPEST} levels deep, has at most {_MOST} values, and does not hold itself")
        if isinstance(data, Mapping):
            if not all(isinstance(key, str) for key in data):
                raise TypeError("the keys of a preset's document are texts")
            inside += [(item, depth + 1) for item in data.values()]
        elif isinstance(data, list | tuple):
            inside += [(item, depth + 1) for item in data]
        elif isinstance(data, str):
            data.encode()
        elif not isinstance(data, int | float | bool | None):
            raise TypeError(f"a preset's document is plain data; {type(data).__name__} is none")


@attrs.frozen(kw_only=True)
class PresetSpec(Spec):
    """A start configuration. The preset named `default` is used when nothing is configured.

    Attributes:
        document: Plain data of a configuration, with `version`.
        factory: Not used; a preset is data.
    """

    factory: str = ""
    document: Mapping[str, Any] = attrs.field(factory=dict, validator=_plain)


@attrs.frozen(kw_only=True)
class MigrationSpec(Spec):
    """A step from one configuration format to the next; the factory is a function from plain data to plain data.

    Attributes:
        source: The format it reads: `0` is a document without `version`.
        target: The format it returns.
        warns: The function takes a second argument, `warn(problem)`. It is given a `ConfigProblem`, with a key path of the document that was read,
            for each thing that is read differently or left out without harm.
    """

    source: int
    target: int
    warns: bool = False


@attrs.frozen(kw_only=True)
class CredentialStoreSpec(Spec):
    """A store of secrets; the factory returns a `CredentialStore`.

    Attributes:
        order: Of stores that are asked for a name without a store, the lowest is asked first. The standard ones: keyring 20, dotenv 40.
        is_protected: Values are guarded by more than a file's mode, so that what plugins keep by themselves may go here.
    """

    order: int = 50
    is_protected: bool = False


@attrs.frozen(kw_only=True)
class RunnerSpec(Spec):
    """An engine for many runs; reserved."""


@attrs.frozen(kw_only=True)
class Kind:
    """A kind of plugin.

    Attributes:
        name: The first half of entry-point names.
        hook: The hook that provides its specs.
        spec: The class of its specs.
        summary: One line for listings.
    """

    name: str
    hook: str
    spec: type[Spec]
    summary: str = ""


KINDS: tuple[Kind, ...] = (
    Kind(name="backend", hook="massgen_backends", spec=BackendSpec, summary="a source of model answers"),
    Kind(name="classifier", hook="massgen_safety_classifiers", spec=ClassifierSpec, summary="an opinion on tool calls"),
    Kind(name="command", hook="massgen_commands", spec=CommandSpec, summary="a subcommand of massgen"),
    Kind(name="credentials", hook="massgen_credential_stores", spec=CredentialStoreSpec, summary="a store of secrets"),
    Kind(name="display", hook="massgen_displays", spec=DisplaySpec, summary="a live user interface"),
    Kind(name="executor", hook="massgen_executors", spec=ExecutorSpec, summary="a sandbox for commands"),
    Kind(name="middleware", hook="massgen_middlewares", spec=MiddlewareSpec, summary="something around model, tool or MCP calls"),
    Kind(name="migration", hook="massgen_migrations", spec=MigrationSpec, summary="a step between configuration formats"),
    Kind(name="preset", hook="massgen_presets", spec=PresetSpec, summary="a start configuration"),
    Kind(name="runner", hook="massgen_runners", spec=RunnerSpec, summary="an engine for many runs"),
    Kind(name="sink", hook="massgen_log_sinks", spec=SinkSpec, summary="a reader of a run's records"),
    Kind(name="strategy", hook="massgen_strategies", spec=StrategySpec, summary="a way to come to one answer"),
    Kind(name="toolset", hook="massgen_toolsets", spec=ToolsetSpec, summary="tools that agents can call"),
    Kind(name="transport", hook="massgen_mcp_transports", spec=TransportSpec, summary="a way to reach an MCP server"),
    Kind(name="workspace", hook="massgen_workspaces", spec=WorkspaceSpec, summary="an agent's files"),
)
