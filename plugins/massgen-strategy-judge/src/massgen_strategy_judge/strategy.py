"""All agents answer, one of them chooses."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from massgen_core import api
from massgen_strategy_judge.config import REMINDERS, JudgeConfig
from massgen_strategy_judge.prompts import ask, draw, labels
from massgen_strategy_judge.state import Member, State, changed_by

__all__ = ["Judge"]


class Judge:
    """Has one agent choose among the answers of all; N agents cost N+1 model calls, one more where the author presents."""

    def __init__(self, config: JudgeConfig | None = None, context: api.Context | None = None) -> None:
        self._config = config or JudgeConfig()

    def start(self, task: api.Task, agents: Sequence[str]) -> State:
        """Return the first state; agents are in the order of their lots, so that the order of registration decides nothing."""
        if not agents:
            raise ValueError("judge needs at least one agent")
        judge = self._config.judge
        if judge and judge not in agents:
            raise api.ConfigProblem(f"there is no agent {judge!r}; there are: {', '.join(agents)}", path="strategy.judge", allowed=tuple(agents))
        return State(task=task, members={name: Member() for name in sorted(agents, key=lambda name: draw("lot", task.seed, name))})

    def apply(self, state: State, event: api.Event) -> State:
        """Return the next state."""
        match event:
            case api.LimitReached(agent=""):
                return attrs.evolve(state, limit="somebody stopped it" if event.what == "person" else f"its limit of {event.what} was reached")
            case api.PhaseEntered() | api.PhaseLeft():
                return attrs.evolve(state, done=state.done | {("+" if isinstance(event, api.PhaseEntered) else "-") + event.phase})
            case api.WinnerChosen() | api.RunEnded():
                return attrs.evolve(state, done=state.done | {event.type})
            case api.VoteCast():
                state = attrs.evolve(state, vote=event)
            case api.AnswerPresented():
                state = attrs.evolve(state, final=event.content)
        name = getattr(event, "agent", getattr(event, "voter", ""))
        member = state.members.get(name)
        changed = changed_by(member, event) if member else None
        return state if member is None or changed is None else attrs.evolve(state, members={**state.members, name: attrs.evolve(member, **changed)})

    def decide(self, state: State) -> Sequence[api.Decision]:
        """Return the next step."""
        decision = None if "run.ended" in state.done else self._next(state)
        return () if decision is None else (decision,)

    def _next(self, state: State) -> api.Decision | None:
        if "+answering" not in state.done:
            return api.Declare(event=api.PhaseEntered(phase="answering"))
        for name, member in state.members.items():
            if decision := _serve(state, name, member):
                return decision
        if any(member.is_open for member in state.members.values()):
            return None
        is_over = {"answering": True, "judging": bool(state.vote or not self._judges(state)), "presenting": bool(state.final)}
        for phase, over in is_over.items():
            if over and "+" + phase in state.done and "-" + phase not in state.done:
                return api.Declare(event=api.PhaseLeft(phase=phase))
        return self._choose(state)

    def _judges(self, state: State) -> list[str]:
        """Return who can choose, the named one last."""
        present = [name for name, member in state.members.items() if not member.left and not state.limit]
        return sorted(present, key=lambda name: name == self._config.judge)

    def _choose(self, state: State) -> api.Decision:
        candidates = [name for name, member in state.members.items() if member.answer]
        reasons = {name: member.left for name, member in state.members.items() if member.left}
        if not candidates:
            text = max((member.text for member in state.members.values()), key=len)
            why = state.limit or "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
            return api.Finish(outcome=api.Outcome(status="failed", answer=text, reason=f"the run has no answer: {why}", reasons=reasons))
        if len(candidates) > 1 and not state.vote and (judges := self._judges(state)):
            return (
                api.Declare(event=api.PhaseEntered(phase="judging"))
                if "+judging" not in state.done
                else ask(state.task, judges[-1], "judge", state.members)
            )
        winner = state.vote.choice if state.vote else candidates[0]
        reason = "nobody was left to choose, a lot was drawn" if candidates[1:] else "it is the only answer"
        if state.vote:
            reason = f"chosen by {state.vote.voter}: {state.vote.reason}"
        if "winner.chosen" not in state.done:
            return api.Declare(event=api.WinnerChosen(agent=winner, votes={winner: 1} if state.vote else {}, reason=reason))
        if not state.final and self._config.final == "present" and candidates[1:] and not state.limit and not state.members[winner].left:
            return (
                api.Declare(event=api.PhaseEntered(phase="presenting"))
                if "+presenting" not in state.done
                else ask(state.task, winner, "present", state.members)
            )
        if not state.final:
            return api.Declare(event=api.AnswerPresented(agent=winner, content=state.members[winner].answer))
        is_whole = not state.limit and (state.vote or not candidates[1:])
        reason = f"{reason}; {state.limit}" if state.limit else reason
        return api.Finish(
            outcome=api.Outcome(status="answered" if is_whole else "partial", winner=winner, answer=state.final, reason=reason, reasons=reasons)
        )


def _serve(state: State, name: str, member: Member) -> api.Decision | None:
    """Return what an agent needs next."""
    turn, heard = member.turns, member.heard
    if member.is_open and (member.left or member.is_settled or state.limit):
        return api.Release(agent=name, turn=turn) if heard else api.Interrupt(agent=name, turn=turn, reason=member.left or "the run is ending")
    if heard is not None:
        fact, problem = _fact(state, name, member, heard)
        if fact is None and member.reminders >= REMINDERS:
            fact = api.AgentLeft(agent=name, reason=f"it was reminded {REMINDERS} times: {problem}")
        if fact is not None:
            return api.Declare(event=fact)
        results = tuple(api.ToolResult(call=call.id, content=(api.Text(text=problem),), is_error=True) for call in heard.calls)
        return api.Reply(agent=name, turn=turn, results=results, text="" if results else problem)
    if member.left and not member.is_out:
        return api.Declare(event=api.AgentLeft(agent=name, reason=member.left))
    return ask(state.task, name, "answer", state.members) if not turn and not member.left and not state.limit else None


def _fact(state: State, name: str, member: Member, heard: api.TurnResponded) -> tuple[api.Event | None, str]:
    """Return what a response amounts to, or what is wrong with it."""
    if member.purpose != "judge":
        if not member.text or (heard.calls and member.reminders < REMINDERS):
            return None, "Write your answer as plain text, without a tool."
        given = api.AnswerGiven(agent=name, number=1, content=member.text)
        return given if member.purpose == "answer" else api.AnswerPresented(agent=name, content=member.text), ""
    choices = labels(state.task, name, state.members)
    problem = f"Call the tool `vote` once; `agent` is one of: {', '.join(choices)}."
    if [call.name for call in heard.calls] != ["vote"]:
        return None, problem
    try:
        arguments = heard.calls[0].parsed()
    except (ValueError, RecursionError):
        return None, problem
    label = str(arguments.get("agent")).strip().lower()
    if label not in choices:
        return None, problem
    return api.VoteCast(voter=name, choice=choices[label], number=1, reason=str(arguments.get("reason", "")), shown_as=label), ""
