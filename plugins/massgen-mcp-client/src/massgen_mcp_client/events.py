"""Facts of MCP: `mcp.<category>.<verbed>`, in exactly five categories: connection, discovery, execution, error, performance.

A start and its end are separate events that share an operation id; a start alone is a hang or a crash. Text that a server wrote is untrusted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import attrs

from massgen_core.api import Event

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


# Connection


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


# Discovery


@attrs.frozen(kw_only=True)
class ToolsRequested(McpEvent):
    """A listing began. `what` is `tools`, `resources`, `resource_templates` or `prompts`."""

    type: ClassVar[str] = "mcp.discovery.requested"
    what: str = "tools"


@attrs.frozen(kw_only=True)
class ToolsListed(McpEvent):
    """A listing ended well.

    Attributes:
        what: `tools`, `resources`, `resource_templates` or `prompts`.
        count: How many the agents can use.
        names: Their names on the wire; for tools only.
        pages: Requests that it took.
        is_cached: It came from the discovery cache.
        digest: Of the whole listing, to see whether two are equal.
    """

    type: ClassVar[str] = "mcp.discovery.listed"
    what: str = "tools"
    count: int
    names: tuple[str, ...] = ()
    pages: int = 1
    is_cached: bool = False
    digest: str = ""
    milliseconds: float = 0.0


@attrs.frozen(kw_only=True)
class ToolsChanged(McpEvent):
    """A later listing differs from the one before; names as on the wire."""

    type: ClassVar[str] = "mcp.discovery.changed"
    what: str = "tools"
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class ToolRepaired(McpEvent):
    """A tool's definition, or a result, was off the protocol and was mended. `fixes` says how."""

    type: ClassVar[str] = "mcp.discovery.repaired"
    tool: str = ""
    fixes: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class ToolRefused(McpEvent):
    """A tool is not offered to agents: `reason` says why, `rule` which rule, so that it can be changed."""

    type: ClassVar[str] = "mcp.discovery.refused"
    tool: str
    reason: str
    rule: str = ""


# Execution


@attrs.frozen(kw_only=True)
class CallCalled(McpEvent):
    """A request to a server began.

    Attributes:
        method: `tools/call`, `resources/read`, `prompts/get`.
        tool: The tool's name on the wire, the resource's address or the prompt's name.
        call: The id of the agent's tool call.
        bytes: Length of the arguments as JSON.
        arguments: The arguments as JSON; only where the server's log level is `debug`.
    """

    type: ClassVar[str] = "mcp.execution.called"
    method: str = "tools/call"
    tool: str
    call: str = ""
    bytes: int = 0
    arguments: str = ""


@attrs.frozen(kw_only=True)
class CallReturned(McpEvent):
    """A request to a server ended.

    Attributes:
        outcome: `ok`; `tool_error`: the tool said that it failed; `error`: the protocol did; `timed_out`; `cancelled`; `lost`: the connection ended;
            `refused`: it was not sent.
        bytes: Length of the result as JSON.
        attempts: Requests that it took.
        result: The result as JSON; only where the server's log level is `debug`.
    """

    type: ClassVar[str] = "mcp.execution.returned"
    method: str = "tools/call"
    tool: str
    call: str = ""
    outcome: Literal["ok", "tool_error", "error", "timed_out", "cancelled", "lost", "refused"]
    milliseconds: float = 0.0
    bytes: int = 0
    attempts: int = 1
    result: str = ""


@attrs.frozen(kw_only=True)
class CallProgressed(McpEvent):
    """A server told how far a call is. `total` is 0 where it does not know."""

    type: ClassVar[str] = "mcp.execution.progressed"
    tool: str
    call: str = ""
    progress: float
    total: float = 0.0
    message: str = ""


@attrs.frozen(kw_only=True)
class CallCancelled(McpEvent):
    """A call was given up and the server was told so."""

    type: ClassVar[str] = "mcp.execution.cancelled"
    tool: str
    call: str = ""
    reason: str = ""


@attrs.frozen(kw_only=True)
class CallRetried(McpEvent):
    """A call that is safe to repeat failed and is made again after `delay` seconds."""

    type: ClassVar[str] = "mcp.execution.retried"
    tool: str
    call: str = ""
    attempt: int
    delay: float
    reason: str = ""


@attrs.frozen(kw_only=True)
class ServerAsked(McpEvent):
    """A server asked the client for something.

    Attributes:
        what: `elicitation`, `sampling` or `roots`.
        text: The question, shortened; untrusted.
    """

    type: ClassVar[str] = "mcp.execution.asked"
    what: str
    text: str = ""


@attrs.frozen(kw_only=True)
class ServerAnswered(McpEvent):
    """The client answered a server. `outcome` is `accepted`, `declined`, `cancelled`, `refused` (by the configuration) or `failed`."""

    type: ClassVar[str] = "mcp.execution.answered"
    what: str
    outcome: str
    milliseconds: float = 0.0


@attrs.frozen(kw_only=True)
class ServerLogged(McpEvent):
    """A server wrote to its log through the protocol; untrusted."""

    type: ClassVar[str] = "mcp.execution.server_logged"
    level: str
    logger: str = ""
    text: str = ""


# Errors and performance


@attrs.frozen(kw_only=True)
class ErrorRaised(McpEvent):
    """Something failed.

    Attributes:
        kind: `connect`, `lost`, `timeout`, `protocol`, `tool`, `refused`, `frame`, `auth`, `list`, `defect`.
        message: For a person, with what to do.
        code: The JSON-RPC code; 0 where there is none.
        exit_code: Of the server's process; None where there is none.
        status: The last HTTP status; 0 where there is none.
        stderr: The server's last lines; untrusted.
        is_retryable: The same may succeed later.
    """

    type: ClassVar[str] = "mcp.error.raised"
    kind: str
    message: str
    tool: str = ""
    code: int = 0
    exit_code: int | None = None
    status: int = 0
    stderr: str = ""
    is_retryable: bool = False


@attrs.frozen(kw_only=True)
class PerformanceMeasured(McpEvent):
    """What one request cost.

    Attributes:
        method: The protocol's name of the request: `initialize`, `tools/list`, `tools/call`.
        milliseconds: From the wish to the result, waiting and retries included.
        queue_milliseconds: Of these, before the last attempt was sent: connecting, waiting, earlier attempts.
        bytes_out: Length of the arguments as JSON.
        bytes_in: Length of the result as JSON.
        retries: Attempts before the last one.
        counts: More figures by name.
    """

    type: ClassVar[str] = "mcp.performance.measured"
    method: str
    tool: str = ""
    milliseconds: float = 0.0
    queue_milliseconds: float = 0.0
    bytes_out: int = 0
    bytes_in: int = 0
    retries: int = 0
    counts: Mapping[str, float] = attrs.field(factory=dict)


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
