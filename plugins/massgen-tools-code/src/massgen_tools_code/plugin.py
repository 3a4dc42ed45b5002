"""What this distribution provides."""

from __future__ import annotations

from massgen_core.api import CommandSpec, Event, ToolsetSpec, hookimpl
from massgen_tools_code.config import CodeConfig
from massgen_tools_code.events import EVENTS

__all__ = ["massgen_commands", "massgen_event_types", "massgen_toolsets"]


@hookimpl
def massgen_toolsets() -> list[ToolsetSpec]:
    """Provide `code`: commands and code in the agent's sandbox."""
    return [ToolsetSpec(name="code", summary="commands and code in a sandbox", factory="massgen_tools_code.toolset:open_code", config=CodeConfig)]


@hookimpl
def massgen_event_types() -> list[type[Event]]:
    """Provide the facts of executions."""
    return list(EVENTS)


@hookimpl
def massgen_commands() -> list[CommandSpec]:
    """Provide `massgen code audit`."""
    return [CommandSpec(name="code.audit", summary="list everything that agents ran, and what was refused", factory="massgen_tools_code.audit:Audit")]
