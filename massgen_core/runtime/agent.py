"""One turn of an agent: call the model, carry out its tool calls, hand its answer to the strategy, go on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import anyio

from massgen_core.errors import BadRequest, MassGenError
from massgen_core.events import (
    Event,
    NoticeGiven,
    ToolCalled,
    ToolJudged,
    ToolReturned,
    TurnEnded,
    TurnFailed,
    TurnInterrupted,
    TurnResponded,
    TurnStarted,
)
from massgen_core.messages import Message, ModelRequest
from massgen_core.runtime.calling import Agent, Call
from massgen_core.runtime.conversation import Conversation
from massgen_core.runtime.toolbox import unfinished

__all__ = ["Observe", "Turn"]

# A conversation that needs more model calls than this goes in circles.
CALLS_PER_TURN = 200


class Observe(Protocol):
    """Puts a fact into the journal and lets the strategy see it."""

    def __call__(self, event: Event, *, span: str = "", parent: str = "") -> None: ...


class Turn:
    """One turn, from `turn.started` to its end; it is begun, or taken up again from recorded events.

    Args:
        agent: Whose turn.
        started: The event that began it.
        span: W3C span id of the turn.
        observe: Tells the conductor.
        new_span: Makes span ids.
        idle_seconds: How long a model may be silent.
    """

    def __init__(self, agent: Agent, started: TurnStarted, *, span: str, observe: Observe, new_span: Callable[[], str], idle_seconds: float) -> None:
        self.agent, self.started, self.span = agent, started, span
        own = frozenset(tool.name for tool in agent.toolbox.tools()) if started.uses_toolsets else frozenset()
        self.conversation = Conversation(started, own)
        self._observe, self._new_span, self._idle_seconds = observe, new_span, idle_seconds
        self._wake: anyio.Event | None = None
        self._call: Call | None = None
        self.stop: Callable[[], object] = lambda: None  # cancels the task that works on it
        self.is_over = False

    @property
    def key(self) -> tuple[str, int]:
        return self.started.agent, self.started.turn

    @property
    def is_waiting(self) -> bool:
        """The turn waits for the strategy."""
        return self.conversation.step == "wait"

    @property
    def partial(self) -> str:
        """The text of the call under way."""
        return self._call.text if self._call else ""

    def take(self, event: Event) -> None:
        """Take an event of this turn that the conductor recorded."""
        self.conversation.apply(event)
        kind = type(event)
        if kind is TurnInterrupted:
            self.is_over = True
            self.stop()
        elif kind is TurnEnded or kind is TurnFailed:
            self.is_over = True
        # Whoever waits looks again; most turns never wait, since strategies answer at once.
        if self._wake is not None:
            self._wake.set()

    def _tell(self, event: Event, span: str = "") -> None:
        self.conversation.apply(event)
        self._observe(event, span=span or self.span, parent=self.span if span else "")

    def resolve_unfinished(self, events: Sequence[Event]) -> list[Event]:
        """Return results for tool calls that had started when the process ended, except those that may be repeated; for resuming."""
        idempotent = {event.call for event in events if isinstance(event, ToolJudged) and event.is_idempotent}
        begun = {event.call for event in events if isinstance(event, ToolCalled)} - idempotent
        agent, turn = self.key
        found: list[Event] = []
        for call in self.conversation.due:
            if call.id in begun:
                text = f"tool {call.name!r} was running when the program ended; it is not repeated"
                found.append(NoticeGiven(level="warning", text=text, agent=agent))
                found.append(ToolReturned(agent=agent, turn=turn, tool=call.name, result=unfinished(call)))
        for event in found:
            self.conversation.apply(event)
        return found

    async def run(self) -> None:
        """Work until the turn is over. Whatever breaks ends this turn only."""
        try:
            while not self.is_over:
                await self._step()
        except MassGenError as fault:
            self._fail(type(fault).__name__, str(fault))
        except Exception as defect:  # a plugin's defect costs its agent, not the run
            self._fail(type(defect).__name__, f"a plugin of this agent broke: {type(defect).__name__}: {defect}")

    def _fail(self, fault: str, reason: str) -> None:
        if self.is_over:
            return
        agent, turn = self.key
        last = self.conversation.last
        partial_text = self.partial or (last.message.text if last else "")
        self._observe(TurnFailed(agent=agent, turn=turn, fault=fault, reason=reason, partial=partial_text), span=self.span)

    async def _step(self) -> None:
        talk = self.conversation
        if talk.step == "model":
            if talk.requests >= CALLS_PER_TURN:
                raise BadRequest(f"{CALLS_PER_TURN} model calls in one turn led to no answer")
            await self._call_model()
        elif talk.step == "tools":
            async with anyio.create_task_group() as calls:
                for call in talk.due:
                    calls.start_soon(self.agent.toolbox.call, call, self.started.turn, self._tell, self._new_span())
        elif talk.step == "respond" and talk.last is not None:
            last = talk.last
            self._tell(
                TurnResponded(
                    agent=self.started.agent,
                    turn=self.started.turn,
                    text=last.message.text,
                    calls=talk.open_calls,
                    stop=last.stop,
                )
            )
        elif talk.step == "fail":
            fault, reason = talk.failure
            self._fail(fault, reason)
        else:
            self._wake = anyio.Event()
            await self._wake.wait()
            self._wake = None

    async def _call_model(self) -> None:
        span = self._new_span()
        if self.agent.acts:
            await self.agent.toolbox.keep(self.started.turn, self._tell, span)
            if self.is_over:
                return
        call = self._call = Call(
            self.agent, self.started.turn, lambda event: self._observe(event, span=span, parent=self.span), idle_seconds=self._idle_seconds
        )
        self._tell(call.requested(self.agent.config.model), span)
        if self.is_over:
            return
        answered = await call.make(self._request())
        self._call = None
        self._tell(answered, span)

    def _request(self) -> ModelRequest:
        config, talk = self.agent.config, self.conversation
        own = self.agent.toolbox.tools() if self.started.uses_toolsets else ()
        # Tools may come and go in the middle of a turn; what the model is shown now it may call now.
        talk.own_tools = frozenset(tool.name for tool in own)
        names = {tool.name for tool in talk.tools}
        tools = (*talk.tools, *(tool for tool in own if tool.name not in names))
        if tools and not self.agent.capabilities.tools:
            raise BadRequest(
                f"backend {config.backend.type!r} cannot call tools, which this strategy needs; choose another backend for {config.name!r}"
            )
        messages = talk.shown_to(config.backend.type)
        told = self.agent.told() if any(tool.uses_workspace for tool in own) else ""
        if config.system or told:
            messages = _with_system(messages, "\n\n".join(part for part in (config.system, told) if part))
        return ModelRequest(
            model=config.model,
            messages=messages,
            tools=tools,
            tool_choice=self.started.tool_choice,
            sampling=config.sampling,
            reasoning_effort=config.reasoning_effort,
            brief=talk.brief,
            metadata={"run": self.agent.run, "agent": config.name, "turn": str(self.started.turn)},
            options=config.options,
        )


def _with_system(messages: tuple[Message, ...], system: str) -> tuple[Message, ...]:
    """Put the agent's own system message before the strategy's: one system message, since some providers take only one."""
    if messages and messages[0].role == "system":
        return (Message.of("system", f"{system}\n\n{messages[0].text}"), *messages[1:])
    return (Message.of("system", system), *messages)
