"""What this distribution provides."""

from __future__ import annotations

from massgen_core.api import Event, hookimpl
from massgen_mcp_client.events import EVENTS

__all__ = ["massgen_event_types"]


@hookimpl
def massgen_event_types() -> list[type[Event]]:
    """Provide the facts of MCP."""
    return list(EVENTS)
