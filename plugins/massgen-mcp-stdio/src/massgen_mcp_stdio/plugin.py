"""What this distribution provides."""

from __future__ import annotations

from massgen_core.api import TransportSpec, hookimpl
from massgen_mcp_stdio.config import StdioConfig

__all__ = ["massgen_mcp_transports"]


@hookimpl
def massgen_mcp_transports() -> list[TransportSpec]:
    """Provide the way to servers that are processes."""
    return [TransportSpec(name="stdio", factory="massgen_mcp_stdio.transport:open_stdio", summary="a server that is a process", config=StdioConfig)]
