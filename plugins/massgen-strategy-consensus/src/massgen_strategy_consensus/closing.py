"""The way to the end: stop what goes on, choose the winner, have it present, finish."""

from __future__ import annotations

from massgen_core.api import (
    AnswerPresented,
    Decision,
    DecisionMade,
    Declare,
    Finish,
    Interrupt,
    LimitReached,
    Outcome,
    PhaseEntered,
    PhaseLeft,
    Release,
    Reply,
    Text,
    ToolResult,
    WinnerChosen,
)
from massgen_strategy_consensus.ballot import leader, tally
from massgen_strategy_consensus.config import ConsensusConfig
from massgen_strategy_consensus.prompts import ask_for_text
from massgen_strategy_consensus.state import Member, State

__all__ = ["close"]

_RULES = {"lot": "the lot drawn from the run's seed", "registration": "the order of the configuration"}


def _votes(number: int) -> str:
    return "1 vote" if number == 1 else f"{number} votes"


def close(config: ConsensusConfig, state: State) -> Decision | None:
    """Return the next step to the end; None while the winner writes."""
    is_early = bool(state.certain and state.owing and state.limit is None)
    if is_early and "end_of_voting" not in state.told:
        missing = "one that is" if len(state.owing) == 1 else f"{len(state.owing)} that are"
        reason = f"{_votes(len(state.votes))} in; the {missing} missing cannot change the winner"
        return Declare(event=DecisionMade(point="end_of_voting", options=("wait", "stop"), chosen="stop", reason=reason))
    if open_turn := _open_turn(state):
        return _end(open_turn, "the run is ending" if state.limit else "the vote is over")
    if state.phase in {"answering", "voting"}:
        return Declare(event=PhaseLeft(phase=state.phase))
    if state.winner is None:
        return _choose(config, state)
    if state.final is None:
        return _present(config, state, state.members[state.winner.agent])
    if state.phase:
        return Declare(event=PhaseLeft(phase=state.phase))
    return Finish(outcome=_outcome(state, state.winner, state.final))


def _open_turn(state: State) -> Member | None:
    """Return an agent whose turn is to be ended: any but the one that writes the final text."""
    for member in state.members.values():
        if member.is_open and (member.purpose != "present" or state.limit is not None or member.left or state.final is not None):
            return member
    return None


def _end(member: Member, reason: str) -> Decision:
    if member.heard is not None:
        return Release(agent=member.name, turn=member.turn)
    return Interrupt(agent=member.name, turn=member.turn, reason=reason)


def _choose(config: ConsensusConfig, state: State) -> Decision:
    candidates = state.candidates
    if not candidates:
        return Finish(outcome=_failure(state))
    counts = tally(candidates, [vote.choice for vote in state.votes.values()])
    winner = leader(counts, state.ranks)
    if state.limit is not None and "limit" not in state.told:
        reason = f"{_limit(state.limit)}; the answer with most votes so far is taken"
        return Declare(event=DecisionMade(point="limit", options=candidates, chosen=winner, reason=reason))
    tied = tuple(name for name in candidates if counts[name] == counts[winner])
    if len(tied) > 1 and "tie" not in state.told:
        reason = f"{_votes(counts[winner])} each; {_RULES[config.tie]} decides"
        return Declare(event=DecisionMade(point="tie", options=tied, chosen=winner, reason=reason))
    if len(candidates) == 1:
        reason = "it is the only answer"
    else:
        reason = f"{counts[winner]} of {len(state.votes)} votes"
        if len(tied) > 1:
            reason += f", as many as {', '.join(name for name in tied if name != winner)}; {_RULES[config.tie]} decided"
    return Declare(event=WinnerChosen(agent=winner, votes=counts, reason=reason))


def _present(config: ConsensusConfig, state: State, winner: Member) -> Decision | None:
    has_begun = winner.purpose == "present"
    if has_begun and winner.is_open:
        if winner.heard is None:
            return None
        if winner.heard.calls and winner.offences < config.reminders:
            text = "This tool cannot be called now. Write the final answer itself as plain text."
            results = tuple(ToolResult(call=call.id, content=(Text(text=text),), is_error=True) for call in winner.heard.calls)
            return Reply(agent=winner.name, turn=winner.turn, results=results)
        # A text that was cut off is worse than the whole answer that was voted for.
        if winner.text and winner.heard.stop != "length":
            return Declare(event=AnswerPresented(agent=winner.name, content=winner.text))
    elif not has_begun and config.final == "present" and state.limit is None and not winner.left and len(state.candidates) > 1:
        return Declare(event=PhaseEntered(phase="presenting")) if state.phase != "presenting" else ask_for_text(state, winner)
    if has_begun and "final_text" not in state.told:
        reason = "the winner wrote no final text; the answer that was voted for is taken"
        return Declare(event=DecisionMade(point="final_text", options=("presented", "voted for"), chosen="voted for", reason=reason))
    return Declare(event=AnswerPresented(agent=winner.name, content=winner.content))


def _outcome(state: State, winner: WinnerChosen, answer: str) -> Outcome:
    reasons = _reasons(state)
    if state.limit is not None:
        return Outcome(status="partial", winner=winner.agent, answer=answer, reason=f"{_limit(state.limit)}; {winner.reason}", reasons=reasons)
    if not state.votes and len(state.candidates) > 1 and not state.present:
        reason = f"no agent was left to vote; {winner.reason}"
        return Outcome(status="partial", winner=winner.agent, answer=answer, reason=reason, reasons=reasons)
    return Outcome(status="answered", winner=winner.agent, answer=answer, reason=winner.reason, reasons=reasons)


def _failure(state: State) -> Outcome:
    """Return the end without an answer: the longest text that any agent had written, if one had."""
    best = min(state.members.values(), key=lambda member: (-len(member.text), state.ranks[member.name]))
    reasons = _reasons(state)
    why = _limit(state.limit) if state.limit is not None else "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
    return Outcome(status="failed", answer=best.text, reason=f"no agent gave an answer: {why}", reasons=reasons)


def _reasons(state: State) -> dict[str, str]:
    return {member.name: member.left for member in state.members.values() if member.left}


def _limit(limit: LimitReached) -> str:
    return "somebody stopped the run" if limit.what == "person" else f"the run's limit of {limit.what} ({limit.limit:g}) was reached"
