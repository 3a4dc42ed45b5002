"""The hook of installed servers."""

from __future__ import annotations

from collections.abc import Sequence

from massgen_core.api import hookspec
from massgen_mcp_memory.config import ServerSpec

__all__ = ["massgen_mcp_servers"]


@hookspec
def massgen_mcp_servers() -> Sequence[ServerSpec]:  # type: ignore[empty-body]
    """Provide MCP servers that run inside the process.

    Example:
        @hookimpl
        def massgen_mcp_servers():
            return [ServerSpec(name="clock", factory="massgen_clock.server:make_clock")]
    """
