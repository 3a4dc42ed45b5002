"""Facts of requests, and of what servers ask and tell meanwhile."""

from __future__ import annotations

from typing import ClassVar, Literal

import attrs

from massgen_mcp_client.events.base import McpEvent

__all__ = [
    "CallCalled",
    "CallCancelled",
    "CallProgressed",
    "CallRetried",
    "CallReturned",
    "ServerAnswered",
    "ServerAsked",
    "ServerLogged",
]


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
