"""Facts of MCP: `mcp.<category>.<verbed>`, in exactly five categories: connection, discovery, execution, error, performance.

A start and its end are separate events that share an operation id; a start alone is a hang or a crash. Text that a server wrote is untrusted.
"""

from __future__ import annotations

from massgen_mcp_client.events.base import (
    McpEvent,
)
from massgen_mcp_client.events.connection import (
    BreakerChanged,
    ConnectionClosed,
    ConnectionFramed,
    ConnectionLost,
    ConnectionNegotiated,
    ConnectionOpened,
    ConnectionProbed,
    ConnectionRetried,
    ConnectionStateChanged,
)
from massgen_mcp_client.events.discovery import (
    ToolRefused,
    ToolRepaired,
    ToolsChanged,
    ToolsListed,
    ToolsRequested,
)
from massgen_mcp_client.events.execution import (
    CallCalled,
    CallCancelled,
    CallProgressed,
    CallRetried,
    CallReturned,
    ServerAnswered,
    ServerAsked,
    ServerLogged,
)
from massgen_mcp_client.events.trouble import (
    ErrorRaised,
    PerformanceMeasured,
)

__all__ = [
    "EVENTS",
    "BreakerChanged",
    "CallCalled",
    "CallCancelled",
    "CallProgressed",
    "CallRetried",
    "CallReturned",
    "ConnectionClosed",
    "ConnectionFramed",
    "ConnectionLost",
    "ConnectionNegotiated",
    "ConnectionOpened",
    "ConnectionProbed",
    "ConnectionRetried",
    "ConnectionStateChanged",
    "ErrorRaised",
    "McpEvent",
    "PerformanceMeasured",
    "ServerAnswered",
    "ServerAsked",
    "ServerLogged",
    "ToolRefused",
    "ToolRepaired",
    "ToolsChanged",
    "ToolsListed",
    "ToolsRequested",
]

EVENTS: tuple[type[McpEvent], ...] = (
    ConnectionStateChanged,
    ConnectionOpened,
    ConnectionNegotiated,
    ConnectionLost,
    ConnectionRetried,
    ConnectionClosed,
    ConnectionProbed,
    BreakerChanged,
    ConnectionFramed,
    ToolsRequested,
    ToolsListed,
    ToolsChanged,
    ToolRepaired,
    ToolRefused,
    CallCalled,
    CallReturned,
    CallProgressed,
    CallCancelled,
    CallRetried,
    ServerAsked,
    ServerAnswered,
    ServerLogged,
    ErrorRaised,
    PerformanceMeasured,
)
