"""Facts of errors and of what requests cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import attrs

from massgen_mcp_client.events.base import McpEvent

__all__ = [
    "ErrorRaised",
    "PerformanceMeasured",
]


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
