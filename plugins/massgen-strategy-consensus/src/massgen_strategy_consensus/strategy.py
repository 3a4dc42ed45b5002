"""The strategy itself: from a state to the next decision."""

from __future__ import annotations

from collections.abc import Sequence

from massgen_core.api import (
    AgentLeft,
    AnswerGiven,
    Context,
    Decision,
    Declare,
    Event,
    Inject,
    Interrupt,
    PhaseEntered,
    PhaseLeft,
    Release,
    Task,
    VotesCleared,
)
from massgen_strategy_consensus.ballot import lots
from massgen_strategy_consensus.closing import close
from massgen_strategy_consensus.config import ConsensusConfig
from massgen_strategy_consensus.prompts import ask_for_answer, ask_for_vote, update, vote_brief
from massgen_strategy_consensus.rules import judge, reply
from massgen_strategy_consensus.state import Member, Need, State
from massgen_strategy_consensus.transitions import CHANGES

__all__ = ["Consensus"]


class Consensus:
    """Agents answer in parallel, look at each other's answers and vote; the winner presents.

    See docs/explanation/coordination.md for the rules and their reasons.
    """

    def __init__(self, config: ConsensusConfig | None = None, context: Context | None = None) -> None:
        self.config = config or ConsensusConfig()

    def start(self, task: Task, agents: Sequence[str]) -> State:
        """Return the first state.

        Raises:
            ValueError: There is no agent.
        """
        if not agents:
            raise ValueError("consensus needs at least one agent")
        ranks = lots(task.seed, agents) if self.config.tie == "lot" else {name: place for place, name in enumerate(agents)}
        return State(task=task, members={name: Member(name=name) for name in agents}, ranks=ranks)

    def apply(self, state: State, event: Event) -> State:
        """Return the next state; the same object where the event changes nothing."""
        change = CHANGES.get(type(event))
        return state if change is None else change(self.config, state, event)

    def decide(self, state: State) -> Sequence[Decision]:
        """Return the most urgent decision alone: the next one may depend on it."""
        decision = self._next(state)
        return () if decision is None else (decision,)

    def _next(self, state: State) -> Decision | None:
        if state.has_ended:
            return None
        if not state.phase and not state.past:
            return Declare(event=PhaseEntered(phase="answering"))
        if state.cleared:
            return Declare(event=VotesCleared(reason="a new answer came", count=state.cleared))
        if state.is_closing:
            return close(self.config, state)
        for name, need in state.needs.items():
            return self._serve(state, state.members[name], need)
        if state.owing:
            return None
        return Declare(event=PhaseLeft(phase="answering") if state.phase == "answering" else PhaseEntered(phase="voting"))

    def _serve(self, state: State, member: Member, need: Need) -> Decision:
        if member.heard is not None:
            if need == "judge":
                return judge(self.config, state, member, member.heard)
            if need == "reply":
                return reply(self.config, state, member, member.heard)
            if need == "take":
                return Declare(event=AnswerGiven(agent=member.name, number=member.answers + 1, content=member.text))
            return Release(agent=member.name, turn=member.turn)
        if need == "ask":
            return ask_for_answer(state, member) if state.phase == "answering" else ask_for_vote(self.config, state, member)
        if need == "leave":
            return Declare(event=AgentLeft(agent=member.name, reason=member.left))
        if need == "update" and self.config.on_new_answer == "inject":
            text = "A new answer came in. " + update(self.config, state, member)
            return Inject(agent=member.name, turn=member.turn, text=text, brief=vote_brief(self.config, state, member))
        reason = "a new answer came" if need == "update" else member.left or "it takes no further part"
        return Interrupt(agent=member.name, turn=member.turn, reason=reason)
