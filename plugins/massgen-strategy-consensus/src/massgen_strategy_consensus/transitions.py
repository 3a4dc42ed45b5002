"""What each event changes in the state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from massgen_core.api import (
    AgentLeft,
    AnswerGiven,
    AnswerPresented,
    AnswerRejected,
    DecisionMade,
    Event,
    LimitReached,
    ModelRequested,
    PhaseEntered,
    PhaseLeft,
    RunEnded,
    TurnEnded,
    TurnFailed,
    TurnInjected,
    TurnInterrupted,
    TurnReplied,
    TurnResponded,
    TurnStarted,
    VoteCast,
    VoteRejected,
    VotesCleared,
    WinnerChosen,
)
from massgen_strategy_consensus.ballot import certain_winner, tally
from massgen_strategy_consensus.config import ConsensusConfig
from massgen_strategy_consensus.state import Member, Need, State, evolve

__all__ = ["CHANGES"]


def _in_turn(state: State, agent: str, turn: int) -> Member | None:
    member = state.members.get(agent)
    return member if member is not None and member.is_open and member.turn == turn else None


def _turn_started(_: ConsensusConfig, state: State, event: TurnStarted) -> State:
    member = state.members.get(event.agent)
    if member is None:
        return state
    revision = state.revision
    begun = evolve(member, turn=event.turn, purpose=event.purpose, is_open=True, offences=0, text="", sent=revision, seen=revision)
    return state.put(begun, None)


def _turn_responded(_: ConsensusConfig, state: State, event: TurnResponded) -> State:
    member = _in_turn(state, event.agent, event.turn)
    if member is None:
        return state
    return state.put(evolve(member, heard=event, text=event.text.strip() or member.text), "judge")


def _rejected(_: ConsensusConfig, state: State, event: AnswerRejected | VoteRejected) -> State:
    member = state.members.get(event.agent if isinstance(event, AnswerRejected) else event.voter)
    if member is None or member.heard is None:
        return state
    return state.put(evolve(member, objection=event.reason), "reply")


def _turn_replied(_: ConsensusConfig, state: State, event: TurnReplied) -> State:
    member = _in_turn(state, event.agent, event.turn)
    if member is None:
        return state
    # Who did not know of a new answer did nothing wrong; new answers are few, so turns end all the same.
    offences = member.offences + (member.seen == state.revision)
    return state.put(evolve(member, heard=None, objection="", offences=offences, sent=state.revision, seen=state.revision), None)


def _turn_injected(_: ConsensusConfig, state: State, event: TurnInjected) -> State:
    member = _in_turn(state, event.agent, event.turn)
    if member is None:
        return state
    need = state.needs.get(member.name)
    return state.put(evolve(member, sent=state.revision), None if need == "update" else need)


def _model_requested(_: ConsensusConfig, state: State, event: ModelRequested) -> State:
    member = _in_turn(state, event.agent, event.turn)
    if member is None or member.seen == member.sent:
        return state
    return state.put(evolve(member, seen=member.sent), state.needs.get(member.name))


def _turn_closed(_: ConsensusConfig, state: State, event: TurnEnded | TurnInterrupted) -> State:
    member = _in_turn(state, event.agent, event.turn)
    if member is None:
        return state
    partial = event.partial.strip() if isinstance(event, TurnInterrupted) else ""
    need: Need | None = None
    left = member.left
    if not left and member.name in state.owing:
        if state.phase == "voting":
            need = "ask"
        else:
            left = "its turn was stopped"
    if left and not member.is_out:
        need = "leave"
    return state.put(evolve(member, is_open=False, heard=None, objection="", text=partial or member.text, left=left), need)


def _turn_failed(_: ConsensusConfig, state: State, event: TurnFailed) -> State:
    member = _in_turn(state, event.agent, event.turn)
    if member is None:
        return state
    left = member.left or f"{event.fault}: {event.reason}"
    member = evolve(member, is_open=False, heard=None, objection="", text=event.partial.strip() or member.text, left=left)
    return state.put(member, None if member.is_out else "leave")


def _limit_reached(_: ConsensusConfig, state: State, event: LimitReached) -> State:
    if not event.agent:
        return evolve(state, limit=state.limit or event, is_closing=True)
    member = state.members.get(event.agent)
    if member is None or member.left:
        return state
    need: Need | None = "stop" if member.is_open else "leave"
    if member.heard is not None:
        need = state.needs.get(member.name)
    return state.put(evolve(member, left=f"it reached its limit of {event.what} ({event.limit:g})"), need)


def _agent_left(config: ConsensusConfig, state: State, event: AgentLeft) -> State:
    member = state.members.get(event.agent)
    if member is None:
        return state
    need: Need | None = None
    if member.is_open:
        need = "stop" if member.heard is None else "release"
    member = evolve(member, is_out=True, left=member.left or event.reason)
    return _settle(config, state.put(member, need, owing=state.owing - {member.name}))


def _answer_given(_: ConsensusConfig, state: State, event: AnswerGiven) -> State:
    author = state.members.get(event.agent)
    if author is None:
        return state
    is_voting = state.phase == "voting"
    revision = state.revision + is_voting
    author = evolve(author, answers=event.number, content=event.content, revised=revision)
    state = state.put(author, "release" if author.heard is not None else state.needs.get(author.name), owing=state.owing - {author.name})
    if not is_voting:
        return state
    needs = dict(state.needs)
    for member in state.members.values():
        if not member.left and member.heard is None:
            needs[member.name] = "update" if member.is_open else "ask"
    return evolve(
        state, revision=revision, votes={}, cleared=state.cleared + len(state.votes), needs=needs, owing=state.present, certain="", is_closing=False
    )


def _vote_cast(config: ConsensusConfig, state: State, event: VoteCast) -> State:
    voter = state.members.get(event.voter)
    if voter is None or event.choice not in state.members:
        return state
    needs = state.needs if voter.heard is None else state.needing(voter.name, "release")
    return _settle(config, evolve(state, votes={**state.votes, event.voter: event}, owing=state.owing - {event.voter}, needs=needs))


def _decision_made(config: ConsensusConfig, state: State, event: DecisionMade) -> State:
    state = evolve(state, told=state.told | {event.point})
    member = state.members.get(event.chosen)
    if member is None or member.heard is None:
        return state
    if event.point == "plain_text":
        return state.put(member, "take")
    if event.point == "abstention":
        return _settle(config, state.put(member, "release", owing=state.owing - {member.name}))
    return state


def _votes_cleared(_: ConsensusConfig, state: State, event: VotesCleared) -> State:
    return evolve(state, cleared=0)


def _phase_entered(config: ConsensusConfig, state: State, event: PhaseEntered) -> State:
    if event.phase == "presenting":
        return evolve(state, phase=event.phase)
    asked = [name for name, member in state.members.items() if not member.left]
    return _settle(config, evolve(state, phase=event.phase, owing=frozenset(asked), needs={**state.needs, **dict.fromkeys(asked, "ask")}))


def _phase_left(_: ConsensusConfig, state: State, event: PhaseLeft) -> State:
    state = evolve(state, phase="", past=(*state.past, event.phase))
    if event.phase != "answering" or len(state.candidates) > 1:
        return state
    return evolve(state, certain="".join(state.candidates), is_closing=True)


def _settle(config: ConsensusConfig, state: State) -> State:
    """Note the winner if nothing can change it any more."""
    if state.phase != "voting" or (state.owing and not config.early_stop):
        return state
    counts = tally(state.candidates, [vote.choice for vote in state.votes.values()])
    winner = certain_winner(counts, state.ranks, state.owing, self_vote=config.self_vote == "allow")
    is_closing = bool(winner) or state.limit is not None
    if winner == state.certain and is_closing == state.is_closing:
        return state
    return evolve(state, certain=winner, is_closing=is_closing)


def _winner_chosen(_: ConsensusConfig, state: State, event: WinnerChosen) -> State:
    return evolve(state, winner=event, is_closing=True)


def _answer_presented(_: ConsensusConfig, state: State, event: AnswerPresented) -> State:
    return evolve(state, final=event.content)


def _run_ended(_: ConsensusConfig, state: State, event: RunEnded) -> State:
    return evolve(state, has_ended=True)


_Change: TypeAlias = Callable[[ConsensusConfig, State, Any], State]
# For each kind of event that changes something: what the state is after it; the same object where it changes nothing after all.
CHANGES: dict[type[Event], _Change] = {
    TurnStarted: _turn_started,
    TurnResponded: _turn_responded,
    AnswerRejected: _rejected,
    VoteRejected: _rejected,
    TurnReplied: _turn_replied,
    TurnInjected: _turn_injected,
    ModelRequested: _model_requested,
    TurnEnded: _turn_closed,
    TurnInterrupted: _turn_closed,
    TurnFailed: _turn_failed,
    LimitReached: _limit_reached,
    AgentLeft: _agent_left,
    AnswerGiven: _answer_given,
    VoteCast: _vote_cast,
    DecisionMade: _decision_made,
    VotesCleared: _votes_cleared,
    PhaseEntered: _phase_entered,
    PhaseLeft: _phase_left,
    WinnerChosen: _winner_chosen,
    AnswerPresented: _answer_presented,
    RunEnded: _run_ended,
}
