"""What a response amounts to: an answer, a vote, or a broken rule."""

from __future__ import annotations

from typing import Any

from massgen_core.api import (
    AgentLeft,
    AnswerGiven,
    AnswerRejected,
    Decision,
    DecisionMade,
    Declare,
    Event,
    Release,
    Reply,
    Text,
    ToolResult,
    TurnResponded,
    VoteCast,
    VoteRejected,
)
from massgen_strategy_consensus.config import ConsensusConfig
from massgen_strategy_consensus.prompts import STALE, ballot, remind, update, vote_brief
from massgen_strategy_consensus.state import Member, State

__all__ = ["judge", "reply"]

# The share of common words above which a new answer is too similar; `lenient` refuses only what is the same but for white space.
_SIMILARITY = {"lenient": 1.0, "balanced": 0.7, "strict": 0.5}


def judge(config: ConsensusConfig, state: State, member: Member, heard: TurnResponded) -> Decision:
    """Return the first thing to be done about a response to a request for an answer or a vote."""
    fact = _fact(config, state, member, heard)
    if isinstance(fact, (AnswerGiven, VoteCast)):
        return Declare(event=fact)
    if member.seen == state.revision and member.offences >= config.reminders:
        return Declare(event=_give_up(member, "it used no tool" if fact is None else fact.reason))
    return reply(config, state, member, heard) if fact is None else Declare(event=fact)


def reply(config: ConsensusConfig, state: State, member: Member, heard: TurnResponded) -> Decision:
    """Return the answer to a response that broke a rule or came too late."""
    is_stale = member.seen < state.revision
    if member.left or (is_stale and config.on_new_answer == "restart"):
        return Release(agent=member.name, turn=member.turn)
    results = tuple(ToolResult(call=call.id, content=(Text(text=member.objection),), is_error=True) for call in heard.calls)
    texts = [] if heard.calls else [remind(config, member, is_alone=len(state.members) == 1)]
    if is_stale and (news := update(config, state, member)):
        texts.append(news)
    brief = vote_brief(config, state, member) if is_stale else None
    return Reply(agent=member.name, turn=member.turn, results=results, text="\n\n".join(texts), brief=brief)


def _give_up(member: Member, why: str) -> Event:
    """Return how a turn ends that broke the rules too often."""
    times = f"after {member.offences} reminders; the last reason: {why}"
    if member.purpose == "vote":
        return DecisionMade(point="abstention", options=("vote", "abstain"), chosen=member.name, reason=f"{member.name} abstains {times}")
    if member.text:
        return DecisionMade(point="plain_text", chosen=member.name, reason=f"the plain text of {member.name} is taken as its answer {times}")
    return AgentLeft(agent=member.name, reason=f"it gave no answer {times}")


def _fact(
    config: ConsensusConfig, state: State, member: Member, heard: TurnResponded
) -> AnswerGiven | VoteCast | AnswerRejected | VoteRejected | None:
    """Return what the response amounts to; None for one without a tool."""
    names = [call.name for call in heard.calls]
    if not names:
        is_accepted = member.purpose == "answer" and (config.plain_text == "accept" or len(state.members) == 1)
        text = heard.text.strip()
        return AnswerGiven(agent=member.name, number=member.answers + 1, content=text) if is_accepted and text else None
    is_vote = "vote" in names or (member.purpose == "vote" and "new_answer" not in names)
    if problem := _problem(member, names, is_alone=len(state.members) == 1):
        return _refuse(member, problem, is_vote=is_vote)
    try:
        arguments = heard.calls[0].parsed()
    except (ValueError, RecursionError) as error:
        return _refuse(member, f"The arguments of `{names[0]}` cannot be read: {error}.", is_vote=is_vote)
    return _vote(config, state, member, arguments) if is_vote else _answer(config, state, member, arguments)


def _problem(member: Member, names: list[str], *, is_alone: bool) -> str:
    todo = "call `new_answer`" if member.purpose == "answer" else "call `vote` or `new_answer`"
    for name in names:
        if name not in {"vote", "new_answer"}:
            return f"There is no tool `{name[:64]}`. To finish, {'write your answer as plain text' if is_alone else todo}."
    if "vote" in names and "new_answer" in names:
        return "You called `vote` and `new_answer` together; neither counts. Decide for one of them."
    if len(names) > 1:
        return f"You called `{names[0]}` {len(names)} times at once; none of them counts. Call it once."
    if names == ["vote"] and member.purpose == "answer":
        return "There are no answers to vote on yet. Call `new_answer` with your complete answer."
    return ""


def _vote(config: ConsensusConfig, state: State, member: Member, arguments: dict[str, Any]) -> VoteCast | VoteRejected:
    if member.seen < state.revision:
        return VoteRejected(voter=member.name, reason=STALE)
    choices = ballot(config, state, member.name)
    label, reason = arguments.get("agent"), arguments.get("reason", "")
    choice = choices.get(label.strip().lower()) if isinstance(label, str) else None
    if choice is None:
        return VoteRejected(voter=member.name, reason=f"`agent` must be one of: {', '.join(choices)}.")
    if not isinstance(reason, str):
        return VoteRejected(voter=member.name, reason="`reason` must be text.")
    number = state.members[choice].answers
    return VoteCast(voter=member.name, choice=choice, number=number, reason=reason.strip(), shown_as=str(label).strip().lower())


def _answer(config: ConsensusConfig, state: State, member: Member, arguments: dict[str, Any]) -> AnswerGiven | AnswerRejected:
    content = arguments.get("content")
    if not isinstance(content, str) or not content.strip():
        return AnswerRejected(agent=member.name, reason="`content` must be text: your complete answer.")
    content = content.strip()
    if member.answers >= config.max_answers_per_agent:
        reason = f"You have given {member.answers} answers, and more do not count. Please vote."
        return AnswerRejected(agent=member.name, reason=reason, content=content)
    if member.purpose == "vote" and (problem := _sameness(config, state, content)):
        return AnswerRejected(agent=member.name, reason=problem, content=content)
    return AnswerGiven(agent=member.name, number=member.answers + 1, content=content)


def _sameness(config: ConsensusConfig, state: State, content: str) -> str:
    """Return why a new answer is none; first answers are not asked, agents may agree from the start."""
    words = content.split()
    kinds = {word.lower() for word in words}
    for member in state.members.values():
        others = member.content.split()
        if not others:
            continue
        if words == others:
            return "There is an answer with the same words already. Vote for it, or give an answer that differs."
        known = {word.lower() for word in others}
        if len(kinds & known) / len(kinds | known) > _SIMILARITY[config.voting_sensitivity]:
            return "There is nearly the same answer already. Vote for it, or give an answer that differs in substance."
    return ""


def _refuse(member: Member, reason: str, *, is_vote: bool) -> AnswerRejected | VoteRejected:
    return VoteRejected(voter=member.name, reason=reason) if is_vote else AnswerRejected(agent=member.name, reason=reason)
