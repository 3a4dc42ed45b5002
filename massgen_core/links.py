"""The contract of MCP transports: links to servers; and what middlewares around MCP see."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import attrs

from massgen_core.events import Event

__all__ = ["Link", "LinkReport", "McpCall"]


@attrs.frozen(kw_only=True)
class LinkReport:
    """How a link to an MCP server is, or how it ended.

    Attributes:
        is_open: Messages can be sent.
        reason: Why it is not open, for a person: `exited with code 1`, `killed by signal 9`, `refused: HTTP 401`.
        pid: The server's process on this machine, where it has one.
        exit_code: As `subprocess` gives it; None while it runs and where there is no process.
        stderr: The last lines that the server wrote to its standard error; untrusted text.
        status: The last HTTP status, 0 where there is none.
    """

    is_open: bool
    reason: str = ""
    pid: int | None = None
    exit_code: int | None = None
    stderr: str = ""
    status: int = 0


class Link(Protocol):
    """An open link to an MCP server: what a transport's async context manager yields.

    Entering starts or reaches the server, leaving ends it with everything that it started. Both may be cancelled at any point. A frame that cannot be
    read is an exception among the messages, never the link's end; the end of the link closes `read`.
    """

    @property
    def read(self) -> Any:
        """The stream of messages from the server, as the MCP SDK's client takes it."""

    @property
    def write(self) -> Any:
        """The stream of messages to the server, as the MCP SDK's client takes it."""

    def report(self) -> LinkReport:
        """Say how the link is; quick, at any time, also after its end."""


@attrs.frozen(kw_only=True)
class McpCall:
    """A request to an MCP server on its way through middlewares; the result is what the server sent, plain data.

    Attributes:
        server: The server's name in the configuration.
        method: The protocol's name: `tools/call`, `resources/read`, `prompts/get`.
        name: The tool's name on the wire, the resource's address or the prompt's name.
        arguments: As they are sent.
        agent: For whom.
        emit: Puts a fact into the journal, under the request's span.
    """

    server: str
    method: str
    name: str
    arguments: Mapping[str, Any]
    agent: str
    emit: Callable[[Event], None]
