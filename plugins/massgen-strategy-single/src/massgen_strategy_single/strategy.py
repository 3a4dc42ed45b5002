"""One agent, one turn, one answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from massgen_core import api
from massgen_strategy_single.config import REMINDERS, SingleConfig

__all__ = ["Single"]

_REASON = "it is the only agent that was asked"


@attrs.frozen(kw_only=True)
class State:
    """A run. `done` holds the types of events that came; `fault` says why there will be no answer, or no more of it."""

    task: api.Task
    agent: str
    done: frozenset[type[api.Event]] = frozenset()
    is_open: bool = False
    heard: api.TurnResponded | None = None
    reminders: int = 0
    text: str = ""
    answer: str = ""
    fault: str = ""
    is_limited: bool = False


class Single:
    """Asks one agent. The rules of a turn are those of the contract; there is nothing to vote on."""

    def __init__(self, config: SingleConfig | None = None, context: api.Context | None = None) -> None:
        self._agent = config.agent if config else ""

    def start(self, task: api.Task, agents: Sequence[str]) -> State:
        """Return the first state.

        Raises:
            ConfigProblem: There is no such agent.
            ValueError: There is no agent at all.
        """
        if not agents:
            raise ValueError("single needs an agent")
        if self._agent and self._agent not in agents:
            raise api.ConfigProblem(
                f"there is no agent {self._agent!r}; there are: {', '.join(agents)}", path="strategy.agent", allowed=tuple(agents)
            )
        return State(task=task, agent=self._agent or agents[0])

    def apply(self, state: State, event: api.Event) -> State:
        """Return the next state."""
        if getattr(event, "agent", state.agent) not in (state.agent, ""):
            return state
        match event:
            case api.TurnStarted():
                changed: dict[str, Any] = {"is_open": True}
            case api.TurnResponded():
                changed = {"heard": event, "text": event.text.strip() or state.text}
            case api.TurnReplied():
                changed = {"heard": None, "reminders": state.reminders + 1}
            case api.TurnEnded():
                changed = {"is_open": False, "heard": None}
            case api.TurnInterrupted():
                changed = {"is_open": False, "heard": None, "text": event.partial.strip() or state.text}
            case api.TurnFailed():
                changed = {"is_open": False, "heard": None, "text": event.partial.strip() or state.text, "fault": f"{event.fault}: {event.reason}"}
            case api.LimitReached():
                fault = "somebody stopped the run" if event.what == "person" else f"the limit of {event.what} ({event.limit:g}) was reached"
                changed = {"fault": state.fault or fault, "is_limited": True}
            case api.AnswerGiven():
                changed = {"answer": event.content}
            case api.PhaseEntered() | api.PhaseLeft() | api.WinnerChosen() | api.AnswerPresented() | api.RunEnded():
                changed = {}
            case _:
                return state
        return attrs.evolve(state, done=state.done | {type(event)}, **changed)

    def decide(self, state: State) -> Sequence[api.Decision]:
        """Return the next step."""
        decision = None if api.RunEnded in state.done else self._next(state)
        return () if decision is None else (decision,)

    def _next(self, state: State) -> api.Decision | None:
        name, question = state.agent, state.task.question
        if api.PhaseEntered not in state.done:
            return api.Declare(event=api.PhaseEntered(phase="answering"))
        heard, is_hopeless = state.heard, bool(state.fault) or state.reminders >= REMINDERS
        if not state.answer and not state.fault and api.TurnStarted not in state.done:
            messages = (*state.task.history, api.Message.of("user", question))
            return api.Ask(agent=name, turn=1, purpose="answer", messages=messages, brief=api.Brief(purpose="answer", question=question))
        if not state.answer and heard is None and state.is_open and not state.fault:
            return None
        if not state.answer and heard is not None and state.text and (is_hopeless or not heard.calls):
            return api.Declare(event=api.AnswerGiven(agent=name, number=1, content=state.text))
        if not state.answer and heard is not None and not is_hopeless:
            results = tuple(api.ToolResult(call=call.id, content=(api.Text(text="There is no such tool."),), is_error=True) for call in heard.calls)
            return api.Reply(agent=name, turn=1, results=results, text="Write your answer as plain text.")
        if state.is_open:
            return api.Release(agent=name, turn=1) if heard is not None else api.Interrupt(agent=name, turn=1, reason=state.fault)
        if api.PhaseLeft not in state.done:
            return api.Declare(event=api.PhaseLeft(phase="answering"))
        if not state.answer:
            fault = state.fault or f"it wrote no answer, after {REMINDERS} reminders"
            return api.Finish(
                outcome=api.Outcome(status="failed", answer=state.text, reason=f"{name} gave no answer: {fault}", reasons={name: fault})
            )
        if api.WinnerChosen not in state.done:
            return api.Declare(event=api.WinnerChosen(agent=name, votes={}, reason=_REASON))
        if api.AnswerPresented not in state.done:
            return api.Declare(event=api.AnswerPresented(agent=name, content=state.answer))
        return api.Finish(outcome=api.Outcome(status="partial" if state.is_limited else "answered", winner=name, answer=state.answer, reason=_REASON))
