"""Every hook, on one page. A hook takes no argument, returns a list, costs nothing and returns the same each time; never `yield`.

The entry point that leads to a hook module is in the group `massgen.v1`, named `<kind>.<name>` for each spec it provides:

    [project.entry-points."massgen.v1"]
    "backend.acme" = "massgen_backend_acme.plugin"
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from massgen_core.events import Event
    from massgen_core.specs import (
        BackendSpec,
        ClassifierSpec,
        CommandSpec,
        CredentialStoreSpec,
        DisplaySpec,
        ExecutorSpec,
        Kind,
        MiddlewareSpec,
        MigrationSpec,
        PresetSpec,
        RunnerSpec,
        SinkSpec,
        StrategySpec,
        ToolsetSpec,
        TransportSpec,
        WorkspaceSpec,
    )

__all__ = ["hookimpl", "hookspec"]

hookspec = pluggy.HookspecMarker("massgen")
hookimpl = pluggy.HookimplMarker("massgen")


@hookspec
def massgen_backends() -> Sequence[BackendSpec]:  # type: ignore[empty-body]
    """Provide sources of model answers.

    Example:
        @hookimpl
        def massgen_backends():
            return [BackendSpec(name="acme", factory="massgen_backend_acme.backend:open_backend", config=AcmeConfig)]
    """


@hookspec
def massgen_mcp_transports() -> Sequence[TransportSpec]:  # type: ignore[empty-body]
    """Provide ways to reach an MCP server.

    Example:
        @hookimpl
        def massgen_mcp_transports():
            return [TransportSpec(name="pipe", factory="massgen_mcp_pipe.transport:open_pipe", config=PipeConfig)]
    """


@hookspec
def massgen_executors() -> Sequence[ExecutorSpec]:  # type: ignore[empty-body]
    """Provide sandboxes for commands.

    Example:
        @hookimpl
        def massgen_executors():
            return [ExecutorSpec(name="jail", factory="massgen_exec_jail.executor:open_jail", config=JailConfig)]
    """


@hookspec
def massgen_log_sinks() -> Sequence[SinkSpec]:  # type: ignore[empty-body]
    """Provide readers of a run's records.

    Example:
        @hookimpl
        def massgen_log_sinks():
            return [SinkSpec(name="syslog", factory="massgen_sink_syslog.sink:SyslogSink", config=SyslogConfig)]
    """


@hookspec
def massgen_safety_classifiers() -> Sequence[ClassifierSpec]:  # type: ignore[empty-body]
    """Provide opinions on tool calls; the strictest of all opinions counts.

    Example:
        @hookimpl
        def massgen_safety_classifiers():
            return [ClassifierSpec(name="readonly", factory="massgen_safety_readonly.classifier:ReadOnly")]
    """


@hookspec
def massgen_middlewares() -> Sequence[MiddlewareSpec]:  # type: ignore[empty-body]
    """Provide something around model, tool or MCP calls.

    Example:
        @hookimpl
        def massgen_middlewares():
            return [MiddlewareSpec(name="timer", around="model", order=35, factory="massgen_middleware_timer.timer:Timer")]
    """


@hookspec
def massgen_toolsets() -> Sequence[ToolsetSpec]:  # type: ignore[empty-body]
    """Provide tools that agents can call.

    Example:
        @hookimpl
        def massgen_toolsets():
            return [ToolsetSpec(name="dice", factory="massgen_tools_dice.toolset:Dice")]
    """


@hookspec
def massgen_workspaces() -> Sequence[WorkspaceSpec]:  # type: ignore[empty-body]
    """Provide stores of agents' files.

    Example:
        @hookimpl
        def massgen_workspaces():
            return [WorkspaceSpec(name="git", factory="massgen_workspace_git.workspace:open_workspace")]
    """


@hookspec
def massgen_strategies() -> Sequence[StrategySpec]:  # type: ignore[empty-body]
    """Provide ways to come to one answer.

    Example:
        @hookimpl
        def massgen_strategies():
            return [StrategySpec(name="relay", factory="massgen_strategy_relay.strategy:Relay", config=RelayConfig)]
    """


@hookspec
def massgen_displays() -> Sequence[DisplaySpec]:  # type: ignore[empty-body]
    """Provide live user interfaces.

    Example:
        @hookimpl
        def massgen_displays():
            return [DisplaySpec(name="bell", factory="massgen_display_bell.display:Bell")]
    """


@hookspec
def massgen_commands() -> Sequence[CommandSpec]:  # type: ignore[empty-body]
    """Provide subcommands of `massgen`.

    Example:
        @hookimpl
        def massgen_commands():
            return [CommandSpec(name="hello", factory="massgen_cmd_hello.command:Hello", summary="greet")]
    """


@hookspec
def massgen_presets() -> Sequence[PresetSpec]:  # type: ignore[empty-body]
    """Provide start configurations, as plain data.

    Example:
        @hookimpl
        def massgen_presets():
            return [PresetSpec(name="duo", summary="two agents", document={"version": 1, "agents": [{"backend": "acme"}] * 2})]
    """


@hookspec
def massgen_migrations() -> Sequence[MigrationSpec]:  # type: ignore[empty-body]
    """Provide steps between configuration formats.

    Example:
        @hookimpl
        def massgen_migrations():
            return [MigrationSpec(name="acme-1-2", source=1, target=2, factory="massgen_acme.migrate:one_to_two")]
    """


@hookspec
def massgen_credential_stores() -> Sequence[CredentialStoreSpec]:  # type: ignore[empty-body]
    """Provide stores of secrets.

    Example:
        @hookimpl
        def massgen_credential_stores():
            return [CredentialStoreSpec(name="vault", factory="massgen_credentials_vault.store:Vault")]
    """


@hookspec
def massgen_runners() -> Sequence[RunnerSpec]:  # type: ignore[empty-body]
    """Provide engines for many runs.

    Example:
        @hookimpl
        def massgen_runners():
            return [RunnerSpec(name="queue", factory="massgen_runner_queue.runner:Queue")]
    """


@hookspec
def massgen_event_types() -> Sequence[type[Event]]:  # type: ignore[empty-body]
    """Provide events of the plugin's own, so that journals which hold them can be read. Their `type` begins with the plugin's own noun.

    Example:
        @hookimpl
        def massgen_event_types():
            return [DiceRolled]
    """


@hookspec
def massgen_kinds() -> Sequence[Kind]:  # type: ignore[empty-body]
    """Provide kinds that the kernel never thought of; other plugins can then provide specs of them.

    Example:
        @hookimpl
        def massgen_kinds():
            return [Kind(name="referee", hook="massgen_referees", spec=RefereeSpec)]
    """


@hookspec
def massgen_hookspecs() -> Sequence[object]:  # type: ignore[empty-body]
    """Provide modules or classes with `hookspec`-marked functions, for kinds of the plugin's own.

    Example:
        @hookimpl
        def massgen_hookspecs():
            return [massgen_referee.hookspecs]
    """
