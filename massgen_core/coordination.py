"""The contract of strategies: what they are given, what they decide, and how they stay pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import attrs

from massgen_core.events import Event, RunStatus
from massgen_core.messages import Brief, Message, Purpose, Tool, ToolResult

__all__ = [
    "Ask",
    "Decision",
    "Declare",
    "Finish",
    "Inject",
    "Interrupt",
    "Outcome",
    "Release",
    "Reply",
    "Strategy",
    "Task",
]


@attrs.frozen(kw_only=True)
class Task:
    """What a strategy works on.

    Attributes:
        question: The last question.
        seed: The only randomness a strategy may use.
        history: Earlier turns of the conversation.
    """

    question: str
    seed: int = 0
    history: tuple[Message, ...] = ()


@attrs.frozen(kw_only=True)
class Outcome:
    """How a run ends.

    Attributes:
        reasons: Why agents are out, by agent.
        run: The run's id; filled in by the program, not by strategies.
    """

    status: RunStatus
    winner: str = ""
    answer: str = ""
    reason: str = ""
    reasons: Mapping[str, str] = attrs.field(factory=dict)
    run: str = ""


@attrs.frozen(kw_only=True)
class Ask:
    """Start a turn: a conversation with an agent.

    The agent's own system message and its toolsets' tools are added by the conductor. The turn runs until the model calls one of `tools`
    or no tool at all (`turn.responded`); then the strategy answers with `Reply` or `Release`, at once or later.

    Attributes:
        turn: Counts the agent's turns from 1.
        tools: The strategy's own tools.
        uses_toolsets: The agent may use its other tools in this turn.
    """

    agent: str
    turn: int
    purpose: Purpose
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: str = "auto"
    brief: Brief | None = None
    uses_toolsets: bool = True


@attrs.frozen(kw_only=True)
class Reply:
    """Go on with a turn that has responded: the model is called again with these results and this text.

    Attributes:
        results: One for each call of `turn.responded`; missing ones are filled in by the conductor.
        tools: New tools of the strategy; None leaves them.
        brief: A new brief; None leaves it.
    """

    agent: str
    turn: int
    results: tuple[ToolResult, ...] = ()
    text: str = ""
    tools: tuple[Tool, ...] | None = None
    brief: Brief | None = None


@attrs.frozen(kw_only=True)
class Inject:
    """Put a message into a running turn; the model sees it at its next call. A turn that ends before that never sees it."""

    agent: str
    turn: int
    text: str
    tools: tuple[Tool, ...] | None = None
    brief: Brief | None = None


@attrs.frozen(kw_only=True)
class Release:
    """End a turn that has responded."""

    agent: str
    turn: int


@attrs.frozen(kw_only=True)
class Interrupt:
    """Stop a turn that is under way, whatever it does."""

    agent: str
    turn: int
    reason: str


@attrs.frozen(kw_only=True)
class Declare:
    """Put a fact into the journal: an answer, a vote, a phase, a winner."""

    event: Event


@attrs.frozen(kw_only=True)
class Finish:
    """End the run; every turn under way is stopped."""

    outcome: Outcome


Decision: TypeAlias = Ask | Reply | Inject | Release | Interrupt | Declare | Finish


class Strategy(Protocol):
    """A pure state machine: no clock, no I/O, no randomness but the task's seed.

    The conductor calls `decide` after each event and carries out the first decision only, which is itself an event (`turn.started`, `turn.replied`,
    `turn.injected`, `turn.ended`, `turn.interrupted`, the declared one, `run.ended`) and reaches `apply` before `decide` is called again; so
    `decide` returns what is still to be done in this state, most urgent first. Hence a strategy can be resumed, replayed and stepped from a journal.

    It receives every kernel event except `model.streamed` and `agent.state`; it must ignore those that it does not know. `run.resumed` means:
    nothing that was under way is lost, the conductor goes on with open turns by itself.
    """

    def start(self, task: Task, agents: Sequence[str]) -> Any:
        """Return the first state, a frozen value. `agents` are names in the order of the configuration."""

    def apply(self, state: Any, event: Event) -> Any:
        """Return the next state; `state` itself does not change."""

    def decide(self, state: Any) -> Sequence[Decision]:
        """Return what is to be done now; empty while there is nothing to do but wait."""
