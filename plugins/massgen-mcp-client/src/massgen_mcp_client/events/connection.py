"""Facts of connections: their states, their ends, their breakers, their wires."""

from __future__ import annotations

from typing import ClassVar, Literal

import attrs

from massgen_mcp_client.events.base import McpEvent

__all__ = [
    "BreakerChanged",
    "ConnectionClosed",
    "ConnectionFramed",
    "ConnectionLost",
    "ConnectionNegotiated",
    "ConnectionOpened",
    "ConnectionProbed",
    "ConnectionRetried",
    "ConnectionStateChanged",
]


@attrs.frozen(kw_only=True)
class ConnectionStateChanged(McpEvent):
    """A connection is in another state.

    Attributes:
        old: The state before: `idle`, `connecting`, `ready`, `waiting` (for its next attempt), `closing`, `closed`.
        new: The state now.
        reason: Why, for a person.
    """

    type: ClassVar[str] = "mcp.connection.state_changed"
    old: str
    new: str
    reason: str = ""


@attrs.frozen(kw_only=True)
class ConnectionOpened(McpEvent):
    """A link to the server stands; nothing has been said yet.

    Attributes:
        attempt: From 1, since the last time the connection was ready.
        pid: The server's process on this machine; 0 where it has none.
        milliseconds: From the start of the attempt.
    """

    type: ClassVar[str] = "mcp.connection.opened"
    attempt: int = 1
    pid: int = 0
    milliseconds: float = 0.0


@attrs.frozen(kw_only=True)
class ConnectionNegotiated(McpEvent):
    """Client and server agreed on a protocol; the connection is ready.

    Attributes:
        mode: How it was agreed: `legacy` (a handshake) or `modern` (discovery).
        name: The server's own name; untrusted.
        version: The server's own version; untrusted.
        capabilities: What it declared: `tools`, `resources`, `prompts`, `logging`.
        milliseconds: From the link's opening.
    """

    type: ClassVar[str] = "mcp.connection.negotiated"
    mode: str
    name: str = ""
    version: str = ""
    capabilities: tuple[str, ...] = ()
    milliseconds: float = 0.0


@attrs.frozen(kw_only=True)
class ConnectionLost(McpEvent):
    """A connection ended although nobody closed it.

    Attributes:
        reason: `exited with code 1`, `killed by signal 9`, `session not found`.
        pid: The server's process; 0 where it has none.
        exit_code: As `subprocess` gives it; None where there is no process.
        status: The last HTTP status; 0 where there is none.
        stderr: The server's last lines; untrusted.
        pending: Calls that were under way.
    """

    type: ClassVar[str] = "mcp.connection.lost"
    reason: str
    pid: int = 0
    exit_code: int | None = None
    status: int = 0
    stderr: str = ""
    pending: int = 0


@attrs.frozen(kw_only=True)
class ConnectionRetried(McpEvent):
    """Another attempt to connect is made after `delay` seconds."""

    type: ClassVar[str] = "mcp.connection.retried"
    attempt: int
    delay: float
    reason: str = ""


@attrs.frozen(kw_only=True)
class ConnectionClosed(McpEvent):
    """A connection was closed on purpose.

    Attributes:
        reason: `the run ended`, `idle`, `reconfigured`.
        milliseconds: What closing took.
        exit_code: Of the server's process, where it has one.
        calls: Requests since the connection was first opened.
    """

    type: ClassVar[str] = "mcp.connection.closed"
    reason: str = ""
    milliseconds: float = 0.0
    exit_code: int | None = None
    calls: int = 0


@attrs.frozen(kw_only=True)
class ConnectionProbed(McpEvent):
    """A health check was made.

    Attributes:
        method: `ping` or `server/discover`.
        is_alive: The server answered, be it with an error.
        attempt: 1, or 2 where the first probe had no answer.
    """

    type: ClassVar[str] = "mcp.connection.probed"
    method: str
    is_alive: bool
    attempt: int = 1
    milliseconds: float = 0.0


@attrs.frozen(kw_only=True)
class BreakerChanged(McpEvent):
    """A server's circuit breaker is in another state.

    Attributes:
        old: `closed`, `open` or `half_open`.
        new: The same.
        failures: Failures in a row.
        seconds: Until the next probe is let through, where it is open.
    """

    type: ClassVar[str] = "mcp.connection.breaker"
    old: str
    new: str
    failures: int = 0
    seconds: float = 0.0


@attrs.frozen(kw_only=True)
class ConnectionFramed(McpEvent):
    """A message crossed the wire; only where the server's log level is `debug`.

    Attributes:
        direction: `in` from the server, `out` to it.
        bytes: The length of `payload` before it was cut.
        payload: JSON; untrusted, secrets removed. Empty for a frame that could not be read: then `fault` says why.
    """

    type: ClassVar[str] = "mcp.connection.framed"
    direction: Literal["in", "out"]
    bytes: int
    payload: str = ""
    fault: str = ""
