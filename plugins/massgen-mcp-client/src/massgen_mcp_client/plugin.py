"""What this distribution provides."""

from __future__ import annotations

from massgen_core.api import Event, ToolsetSpec, hookimpl
from massgen_mcp_client.config import McpOptions
from massgen_mcp_client.events import EVENTS

__all__ = ["massgen_event_types", "massgen_toolsets"]


@hookimpl
def massgen_event_types() -> list[type[Event]]:
    """Provide the facts of MCP."""
    return list(EVENTS)


@hookimpl
def massgen_toolsets() -> list[ToolsetSpec]:
    """Provide `mcp`: the tools of MCP servers."""
    return [ToolsetSpec(name="mcp", summary="tools of MCP servers", factory="massgen_mcp_client.toolset:open_mcp", config=McpOptions)]
