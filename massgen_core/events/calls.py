"""Facts of model calls and tool calls."""

from __future__ import annotations

from typing import ClassVar

import attrs

from massgen_core.events.base import Event
from massgen_core.messages import Message, StopReason, ToolResult, Usage
from massgen_core.rates import RateLimits

__all__ = [
    "ModelAnswered",
    "ModelFailed",
    "ModelRequested",
    "ModelRetried",
    "ModelStreamed",
    "ToolApproved",
    "ToolCalled",
    "ToolJudged",
    "ToolReduced",
    "ToolReturned",
    "WorkspaceSnapshotted",
]


@attrs.frozen(kw_only=True)
class ModelRequested(Event):
    """A model call began. `call` counts the agent's calls from 1."""

    type: ClassVar[str] = "model.requested"
    agent: str
    turn: int
    call: int
    backend: str
    model: str = ""


@attrs.frozen(kw_only=True)
class ModelStreamed(Event):
    """What came in one read; it is not kept in the journal, the whole answer is.

    Attributes:
        text: Pieces of the text.
        reasoning: Pieces of visible reasoning.
        arguments: Pieces of tool calls' arguments, JSON text as it came: where an answer is a tool call, its text is in them.
    """

    type: ClassVar[str] = "model.streamed"
    agent: str
    turn: int
    call: int
    text: str = ""
    reasoning: str = ""
    arguments: str = ""


@attrs.frozen(kw_only=True)
class ModelAnswered(Event):
    """A model call ended well.

    Attributes:
        message: The whole answer, provider items included.
        seconds: From the request to the end, failed attempts and waiting between them included.
        first: Seconds from the attempt that succeeded to its first chunk; 0 where nothing streamed.
        writing: Seconds from its first chunk to its end.
        is_cached: The answer came from a cache and cost nothing.
        limits: The provider's limits, as it told them with the answer.
    """

    type: ClassVar[str] = "model.answered"
    agent: str
    turn: int
    call: int
    message: Message
    stop: StopReason
    usage: Usage = Usage()
    model: str = ""
    seconds: float = 0.0
    first: float = 0.0
    writing: float = 0.0
    is_cached: bool = False
    limits: RateLimits | None = None


@attrs.frozen(kw_only=True)
class ModelRetried(Event):
    """A model call failed and is made again after `delay` seconds."""

    type: ClassVar[str] = "model.retried"
    agent: str
    turn: int
    attempt: int
    delay: float
    fault: str
    reason: str


@attrs.frozen(kw_only=True)
class ModelFailed(Event):
    """One attempt of a model call failed; `partial` is the text that had come."""

    type: ClassVar[str] = "model.failed"
    agent: str
    turn: int
    call: int
    fault: str
    reason: str
    partial: str = ""
    usage: Usage = Usage()


@attrs.frozen(kw_only=True)
class ToolReduced(Event):
    """A tool's parameters were written in the JSON Schema that a provider takes, and mean more, less or otherwise there; told once a session.

    Attributes:
        notes: Where and what, a line each; names in them are others'.
    """

    type: ClassVar[str] = "tool.reduced"
    agent: str
    backend: str
    tool: str
    notes: tuple[str, ...]


@attrs.frozen(kw_only=True)
class ToolJudged(Event):
    """The gate in front of a tool call gave its verdict."""

    type: ClassVar[str] = "tool.judged"
    agent: str
    turn: int
    call: str
    tool: str
    level: str
    reason: str = ""
    rule: str = ""
    is_idempotent: bool = False


@attrs.frozen(kw_only=True)
class ToolApproved(Event):
    """A person was asked about a tool call."""

    type: ClassVar[str] = "tool.approved"
    agent: str
    turn: int
    call: str
    tool: str
    is_approved: bool
    comment: str = ""


@attrs.frozen(kw_only=True)
class ToolCalled(Event):
    """A tool call began. Without its `tool.returned` the process ended, or ends, in the middle of it."""

    type: ClassVar[str] = "tool.called"
    agent: str
    turn: int
    call: str
    tool: str
    arguments: str


@attrs.frozen(kw_only=True)
class ToolReturned(Event):
    """A tool call ended. `stored` is the path, within the run's folder, of output that was too long for the model."""

    type: ClassVar[str] = "tool.returned"
    agent: str
    turn: int
    tool: str
    result: ToolResult
    seconds: float = 0.0
    stored: str = ""


@attrs.frozen(kw_only=True)
class WorkspaceSnapshotted(Event):
    """What was in an agent's working folder was kept, before a call that may change it.

    Attributes:
        call: The tool call; empty, as `tool` is, for a call of a model whose backend changes files by itself.
        snapshot: Its id; the same as before where nothing had changed.
        path: The folder.
    """

    type: ClassVar[str] = "workspace.snapshotted"
    agent: str
    turn: int
    call: str
    tool: str
    snapshot: str
    path: str
    seconds: float = 0.0
