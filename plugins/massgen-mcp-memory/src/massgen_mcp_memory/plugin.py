"""What this distribution provides."""

from __future__ import annotations

from massgen_core.api import Kind, TransportSpec, hookimpl
from massgen_mcp_memory import hookspecs
from massgen_mcp_memory.config import MemoryConfig, ServerSpec

__all__ = ["massgen_hookspecs", "massgen_kinds", "massgen_mcp_transports"]


@hookimpl
def massgen_mcp_transports() -> list[TransportSpec]:
    """Provide the way to servers inside the process."""
    return [
        TransportSpec(
            name="memory", factory="massgen_mcp_memory.transport:open_memory", summary="a server object of this process", config=MemoryConfig
        )
    ]


@hookimpl
def massgen_kinds() -> list[Kind]:
    """Provide the kind of installed servers."""
    return [Kind(name="server", hook="massgen_mcp_servers", spec=ServerSpec, summary="an MCP server that runs inside the process")]


@hookimpl
def massgen_hookspecs() -> list[object]:
    """Provide where the kind's hook is specified."""
    return [hookspecs]
