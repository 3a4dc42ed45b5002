"""Many samples, and the answer that comes most often: self-consistency (Wang and others, 2022), over one agent or several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import attrs

from massgen_core import api
from massgen_strategy_majority.config import REMINDERS, MajorityConfig
from massgen_strategy_majority.counting import is_certain, lot, normal, ranking
from massgen_strategy_majority.state import Member, State

__all__ = ["Majority"]

_PROMPT = "{question}\n\n---\n\nAnswer the question above. Write the result alone, as short as possible, on the last line."


class Majority:
    """Draws samples and counts which answer comes most often; among equals a lot drawn from the seed and the answer's text decides."""

    def __init__(self, config: MajorityConfig | None = None, context: api.Context | None = None) -> None:
        self._config = config or MajorityConfig()

    def start(self, task: api.Task, agents: Sequence[str]) -> State:
        """Return the first state; agents are in the order of their lots, so that the order of registration decides nothing."""
        if not agents:
            raise ValueError("majority needs at least one agent")
        return State(task=task, members={name: Member() for name in sorted(agents, key=lambda name: lot(task.seed, name))})

    def apply(self, state: State, event: api.Event) -> State:
        """Return the next state."""
        name = getattr(event, "agent", "")
        member = state.members.get(name)
        match event:
            case api.LimitReached(agent=""):
                return attrs.evolve(state, limit="somebody stopped it" if event.what == "person" else f"its limit of {event.what} was reached")
            case api.PhaseEntered() | api.PhaseLeft() | api.DecisionMade() | api.WinnerChosen() | api.AnswerPresented() | api.RunEnded():
                return attrs.evolve(state, done=state.done | {type(event)})
        if member is None:
            return state
        changed: dict[str, Any]
        match event:
            case api.TurnStarted():
                changed = {"turns": event.turn, "is_open": True, "reminders": 0, "text": ""}
            case api.TurnResponded():
                changed = {"heard": event, "text": event.text.strip() or member.text}
            case api.TurnReplied():
                changed = {"heard": None, "reminders": member.reminders + 1}
            case api.TurnEnded() | api.TurnInterrupted() | api.TurnFailed():
                changed = {"heard": None, "is_open": False, "text": getattr(event, "partial", "").strip() or member.text}
                if isinstance(event, api.TurnFailed):
                    changed["left"] = member.left or f"{event.fault}: {event.reason}"
            case api.LimitReached():
                changed = {"left": member.left or f"it reached its limit of {event.what} ({event.limit:g})"}
            case api.AgentLeft():
                changed = {"left": member.left or event.reason, "is_out": True}
            case api.AnswerGiven():
                key = normal(event.content, self._config.compare)
                state = attrs.evolve(state, groups={**state.groups, key: (*state.groups.get(key, ()), event)})
                changed = {"samples": event.number}
            case _:
                return state
        return attrs.evolve(state, members={**state.members, name: attrs.evolve(member, **changed)})

    def decide(self, state: State) -> Sequence[api.Decision]:
        """Return the next step."""
        decision = None if api.RunEnded in state.done else self._next(state)
        return () if decision is None else (decision,)

    def _next(self, state: State) -> api.Decision | None:
        if api.PhaseEntered not in state.done:
            return api.Declare(event=api.PhaseEntered(phase="answering"))
        missing = self._config.samples - sum(map(len, state.groups.values()))
        is_early = missing > 0 and self._config.early_stop and is_certain(state.task.seed, state.groups, missing)
        if missing > 0 and not is_early and not state.limit:
            wanted = missing - sum(member.is_open and member.samples < member.turns for member in state.members.values())
            present = {name: place for place, name in enumerate(name for name, member in state.members.items() if not member.left)}
            for name, member in state.members.items():
                # Lots say who draws one more; were it who is quickest, quick agents would win more ties.
                share = -((present[name] - self._config.samples) // len(present)) if wanted > 0 and not member.left else 0
                if decision := _serve(state.task, name, member, share):
                    return decision
            if present:
                return None
        elif is_early and api.DecisionMade not in state.done:
            reason = f"the {missing} samples that are missing cannot change the winner"
            return api.Declare(event=api.DecisionMade(point="end_of_sampling", options=("wait", "stop"), chosen="stop", reason=reason))
        return _close(state)


def _serve(task: api.Task, name: str, member: Member, share: int) -> api.Decision | None:
    """Return what an agent needs next."""
    if member.heard is not None:
        if member.samples == member.turns or member.left:
            return api.Release(agent=name, turn=member.turns)
        if member.text and (member.reminders >= REMINDERS or not member.heard.calls):
            return api.Declare(event=api.AnswerGiven(agent=name, number=member.samples + 1, content=member.text))
        if member.reminders >= REMINDERS:
            return api.Declare(event=api.AgentLeft(agent=name, reason=f"it wrote no answer, after {REMINDERS} reminders"))
        results = tuple(
            api.ToolResult(call=call.id, content=(api.Text(text="There is no such tool."),), is_error=True) for call in member.heard.calls
        )
        return api.Reply(agent=name, turn=member.turns, results=results, text="Write your answer as plain text.")
    if member.left:
        if member.is_open:
            return api.Interrupt(agent=name, turn=member.turns, reason=member.left)
        return None if member.is_out else api.Declare(event=api.AgentLeft(agent=name, reason=member.left))
    if member.is_open or member.turns >= share:
        return None
    messages = (*task.history, api.Message.of("user", _PROMPT.format(question=task.question)))
    brief = api.Brief(purpose="answer", question=task.question)
    return api.Ask(agent=name, turn=member.turns + 1, purpose="answer", messages=messages, brief=brief)


def _close(state: State) -> api.Decision:
    for name, member in state.members.items():
        if member.heard is not None:
            return api.Release(agent=name, turn=member.turns)
        if member.is_open:
            return api.Interrupt(agent=name, turn=member.turns, reason="no more samples are needed")
    reasons = {name: member.left for name, member in state.members.items() if member.left}
    if not state.groups:
        text = max((member.text for member in state.members.values()), key=len)
        why = state.limit or "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        return api.Finish(outcome=api.Outcome(status="failed", answer=text, reason=f"the run has no answer: {why}", reasons=reasons))
    group = state.groups[ranking(state.task.seed, state.groups)[0]]
    winner, answer = group[0].agent, group[0].content
    reason = f"{len(group)} of {sum(map(len, state.groups.values()))} samples agree" + (f"; {state.limit}" if state.limit else "")
    votes = dict(Counter(sample.agent for sample in group))
    chosen = api.WinnerChosen(agent=winner, votes=votes, reason=reason)
    for fact in (api.PhaseLeft(phase="answering"), chosen, api.AnswerPresented(agent=winner, content=answer)):
        if type(fact) not in state.done:
            return api.Declare(event=fact)
    status: api.RunStatus = "partial" if state.limit else "answered"
    return api.Finish(outcome=api.Outcome(status=status, winner=winner, answer=answer, reason=reason, reasons=reasons))
