"""What every fact of MCP has."""

from __future__ import annotations

import attrs

from massgen_core.api import Event

__all__ = ["McpEvent"]


@attrs.frozen(kw_only=True)
class McpEvent(Event):
    """What every fact of MCP has.

    Attributes:
        server: The server's name in the configuration.
        transport: The transport's name: `stdio`, `http`.
        era: The protocol revision once it is negotiated, for instance `2026-07-28`; empty before.
        agent: For whom; empty where it is for all agents that share the connection.
        operation: Joins the events of one operation, for instance the start and the end of a call.
    """

    server: str
    transport: str = ""
    era: str = ""
    agent: str = ""
    operation: str = ""
