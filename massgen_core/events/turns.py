"""Facts of agents and their turns."""

from __future__ import annotations

from typing import ClassVar, Literal, TypeAlias

import attrs

from massgen_core.events.base import Event
from massgen_core.messages import Brief, Message, Purpose, StopReason, Tool, ToolCall, ToolResult

__all__ = [
    "AgentLeft",
    "AgentState",
    "AgentStateChanged",
    "TurnEnded",
    "TurnFailed",
    "TurnInjected",
    "TurnInterrupted",
    "TurnReplied",
    "TurnResponded",
    "TurnStarted",
]

AgentState: TypeAlias = Literal["waiting", "thinking", "using_tools", "answered", "voted", "presenting", "done", "out"]


@attrs.frozen(kw_only=True)
class AgentStateChanged(Event):
    """An agent's state for people to see; strategies do not read it."""

    type: ClassVar[str] = "agent.state"
    agent: str
    state: AgentState


@attrs.frozen(kw_only=True)
class AgentLeft(Event):
    """An agent takes no further part; the others go on."""

    type: ClassVar[str] = "agent.left"
    agent: str
    reason: str


@attrs.frozen(kw_only=True)
class TurnStarted(Event):
    """An agent was asked: one conversation, of one or more model calls, begins."""

    type: ClassVar[str] = "turn.started"
    agent: str
    turn: int
    purpose: Purpose
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: str = "auto"
    brief: Brief | None = None
    uses_toolsets: bool = True


@attrs.frozen(kw_only=True)
class TurnResponded(Event):
    """The model called one of the strategy's tools, or no tool at all; the strategy now decides how the turn goes on.

    Attributes:
        text: The text beside the calls.
        calls: The calls of the strategy's tools, and of tools that do not exist, in order.
        stop: Why the model stopped.
    """

    type: ClassVar[str] = "turn.responded"
    agent: str
    turn: int
    text: str
    calls: tuple[ToolCall, ...] = ()
    stop: StopReason = "stop"


@attrs.frozen(kw_only=True)
class TurnReplied(Event):
    """The strategy sent results or a reminder into the conversation, and the model is called again."""

    type: ClassVar[str] = "turn.replied"
    agent: str
    turn: int
    results: tuple[ToolResult, ...] = ()
    text: str = ""
    tools: tuple[Tool, ...] | None = None
    brief: Brief | None = None


@attrs.frozen(kw_only=True)
class TurnInjected(Event):
    """The strategy put a message into a running conversation; the model sees it at its next call."""

    type: ClassVar[str] = "turn.injected"
    agent: str
    turn: int
    text: str
    tools: tuple[Tool, ...] | None = None
    brief: Brief | None = None


@attrs.frozen(kw_only=True)
class TurnEnded(Event):
    """A turn ended as the strategy wished."""

    type: ClassVar[str] = "turn.ended"
    agent: str
    turn: int
    seconds: float = 0.0


@attrs.frozen(kw_only=True)
class TurnInterrupted(Event):
    """A turn was stopped before its end. `partial` is the text that had come of the call under way."""

    type: ClassVar[str] = "turn.interrupted"
    agent: str
    turn: int
    reason: str
    partial: str = ""


@attrs.frozen(kw_only=True)
class TurnFailed(Event):
    """A turn broke.

    Attributes:
        fault: The error's class name, for instance `RateLimited`; `Refused`, `Filtered` or `Empty` for answers that are none.
        reason: For a person.
        partial: What the model had said before.
    """

    type: ClassVar[str] = "turn.failed"
    agent: str
    turn: int
    fault: str
    reason: str
    partial: str = ""
