"""The options of the transport, and what a distribution says of a server that it brings."""

from __future__ import annotations

from typing import Any

import attrs

from massgen_core.api import Spec

__all__ = ["MemoryConfig", "ServerSpec"]


@attrs.frozen(kw_only=True)
class MemoryConfig:
    """Which server object to run."""

    server: Any = attrs.field(metadata={"help": "the name of an installed server; programs may give a server object of the MCP SDK instead"})


@attrs.frozen(kw_only=True)
class ServerSpec(Spec):
    """An MCP server that runs inside the process; the factory returns a server object of the MCP SDK: an `MCPServer` or a `Server`."""
