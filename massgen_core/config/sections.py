"""The kernel's own sections of a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import attrs

from massgen_core.messages import Effort, Sampling
from massgen_core.prices import Price

__all__ = ["BUILT_IN", "AgentConfig", "ContextPath", "LimitsConfig", "PermissionsConfig", "PluginConfig", "PluginsConfig", "RunConfig"]


# What the kernel brings itself, without options: kind and name.
BUILT_IN = frozenset({("display", "plain")})

_POSITIVE = attrs.validators.gt(0)
_NOT_NEGATIVE = attrs.validators.optional(attrs.validators.ge(0))


def _help(text: str, *, kind: str = "", **field: Any) -> Any:
    # `kind`: the kind of plugin that the field names.
    return attrs.field(metadata={"help": text, "kind": kind} if kind else {"help": text}, **field)


@attrs.frozen(kw_only=True)
class PluginConfig:
    """A plugin by name, with the options that its own class will check. In a document: the name alone, or a mapping with `type`."""

    type: str = _help("the plugin's name")
    options: Mapping[str, Any] = _help("the plugin's own options, written beside `type`", factory=dict)


@attrs.frozen(kw_only=True)
class LimitsConfig:
    """What a run, or one agent, may use. Unset: no limit."""

    seconds: float | None = _help("wall time in seconds", default=None, validator=_NOT_NEGATIVE)
    tokens: int | None = _help("tokens of all model calls, input and output", default=None, validator=_NOT_NEGATIVE)
    money: float | None = _help("US dollars of all model calls whose price is known", default=None, validator=_NOT_NEGATIVE)
    calls: int | None = _help("model calls", default=None, validator=_NOT_NEGATIVE)


@attrs.frozen(kw_only=True)
class PermissionsConfig:
    """What agents may do with tools: glob patterns of tool names, strictest match wins; what no pattern names is judged by classifiers."""

    allow: tuple[str, ...] = _help("tools that need no approval", default=())
    ask: tuple[str, ...] = _help("tools that a person approves, call by call", default=())
    deny: tuple[str, ...] = _help("tools that are refused", default=())


@attrs.frozen(kw_only=True)
class ContextPath:
    """A folder or file that agents get to see, beside their working folders."""

    path: str = _help("the folder or file, relative to this file; it must exist")
    permission: Literal["read", "write"] = _help("what agents may do with it", default="read")


@attrs.frozen(kw_only=True)
class PluginsConfig:
    """Which installed plugins may be used: distributions, or `kind.name`. Blocking is stronger than allowing."""

    allow: tuple[str, ...] | None = _help("what alone may be used; unset: everything that is installed", default=None)
    block: tuple[str, ...] = _help("what must not be used", default=())


@attrs.frozen(kw_only=True)
class AgentConfig:
    """One agent."""

    name: str = _help("unique; letters, digits, '-' and '_'; unset: agent1, agent2 and so on", default="")
    backend: PluginConfig = _help("where its answers come from", kind="backend")
    model: str = _help("the provider's name of the model; empty: the backend's default", default="")
    system: str = _help("system message, put before the strategy's instructions", default="")
    sampling: Sampling = _help("temperature, top_p, max_tokens, seed, stop", default=Sampling())
    reasoning_effort: Effort | None = _help("how long to think", default=None)
    toolsets: tuple[PluginConfig, ...] = _help("tools of this agent, beside those of all agents", kind="toolset", default=())
    permissions: PermissionsConfig = _help("tool permissions of this agent, joined with those of all agents", default=PermissionsConfig())
    limits: LimitsConfig = _help("what this agent may use", default=LimitsConfig())
    workspace: str = _help("its working folder, relative to this file, made where it is missing; empty: one of the run's own", default="")
    shares_workspace: bool = _help("other agents that say so, too, may work in the same folder", default=False)
    context_paths: tuple[ContextPath, ...] = _help("what this agent gets to see, beside what all agents get", default=())
    options: Mapping[str, Any] = _help("provider options that go into each request as they are", factory=dict)


@attrs.frozen(kw_only=True)
class RunConfig:
    """A whole configuration."""

    version: Literal[1] = _help("format of this file", default=1)
    include: tuple[str, ...] = _help("files that this one lies on top of, the first the lowest; looked for beside it", default=())
    agents: tuple[AgentConfig, ...] = _help("who works on the question")
    strategy: PluginConfig = _help("how they come to one answer", kind="strategy", default=PluginConfig(type="consensus"))
    toolsets: tuple[PluginConfig, ...] = _help("tools of all agents", kind="toolset", default=())
    middlewares: tuple[PluginConfig, ...] | None = _help("around calls; unset: retry, where it is installed", kind="middleware", default=None)
    classifiers: tuple[PluginConfig, ...] = _help("opinions on tool calls", kind="classifier", default=())
    permissions: PermissionsConfig = _help("tool permissions of all agents", default=PermissionsConfig())
    sinks: tuple[PluginConfig, ...] = _help("readers of the run's events", kind="sink", default=())
    display: PluginConfig | None = _help("live interface; unset: terminal where it is installed, else plain", kind="display", default=None)
    limits: LimitsConfig = _help("what the run may use", default=LimitsConfig())
    context_paths: tuple[ContextPath, ...] = _help("folders and files that all agents get to see, beside their working folders", default=())
    workspaces: PluginConfig | None = _help(
        "who keeps what was in working folders before calls that may change it; unset: files, where it is installed", kind="workspace", default=None
    )
    prices: Mapping[str, Price] = _help(
        "of models, by `backend/model` or `model`, where `*` stands for anything; before those of the backends' own lists", factory=dict
    )
    plugins: PluginsConfig = _help("which installed plugins may be used", default=PluginsConfig())
    durability: Literal["off", "process", "power"] = _help(
        "what the journal survives: nothing, kill -9 of the process, loss of power", default="process"
    )
    seed: int | None = _help("of lots and shuffles; unset: drawn for each run and kept in its journal", default=None)
    model_idle_seconds: float = _help("seconds of silence after which a model call is given up", default=600.0, validator=_POSITIVE)
    tool_seconds: float = _help("seconds after which a tool call is given up", default=300.0, validator=_POSITIVE)
    tool_output: int = _help(
        "characters of a tool's output that a model is shown; the rest is kept beside the run", default=40_000, validator=_NOT_NEGATIVE
    )
