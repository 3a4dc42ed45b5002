"""What this distribution provides."""

from __future__ import annotations

from massgen_core.api import TransportSpec, hookimpl
from massgen_mcp_http.config import HttpConfig

__all__ = ["massgen_mcp_transports"]


@hookimpl
def massgen_mcp_transports() -> list[TransportSpec]:
    """Provide the ways to servers over HTTP."""
    return [
        TransportSpec(
            name="http",
            factory="massgen_mcp_http.streamable:open_http",
            summary="a server over streamable HTTP",
            config=HttpConfig,
            principal="massgen_mcp_http.principal:principal",
        ),
        TransportSpec(
            name="sse",
            factory="massgen_mcp_http.legacy:open_sse",
            summary="a server over HTTP in the way of 2024",
            config=HttpConfig,
            principal="massgen_mcp_http.principal:principal",
        ),
    ]
