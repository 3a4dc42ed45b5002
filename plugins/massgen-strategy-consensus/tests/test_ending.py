"""The winner's text, limits, failures, and an agent that is alone."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest

from massgen_core.api import (
    AnswerGiven,
    AnswerPresented,
    DecisionMade,
    Declare,
    LimitReached,
    ModelRequested,
    TurnInterrupted,
    TurnReplied,
    TurnResponded,
    TurnStarted,
    VoteCast,
    WinnerChosen,
)
from massgen_strategy_consensus.strategy import Consensus
from massgen_testkit.moves import Break, Call, Give, Move, Say
from massgen_testkit.panel import Panel

Play = Callable[..., Panel]
LIMIT = LimitReached(what="time", limit=30.0)


def test_winner_presents(play: Play) -> None:
    """The winner writes the final text, with its own answer first and the others' after it."""
    panel = play("aaa", early_stop=False)
    (asked,) = [event for event in panel.of(TurnStarted) if event.purpose == "present"]

    assert asked.agent == "ann"
    assert asked.tools == ()
    assert "[a.]" in asked.brief.candidates[0].content
    assert len(asked.brief.candidates) == 3
    assert asked.messages[-1].text.count("because of") == 3
    assert panel.outcome is not None
    assert panel.outcome.answer == "final text of [a.]"


@pytest.mark.parametrize("move", [Break(partial="half a text"), Say("  "), Call((("new_answer", "{}"),) * 2)])
def test_stored_answer_stands_in(play: Play, move: Move) -> None:
    """When presenting fails, is empty or never stops calling tools, the answer that was voted for is the result."""
    panel = play("aaa", {"ann": {"present": (move,) * 5}})

    assert panel.outcome is not None
    assert panel.outcome.status == "answered"
    assert panel.outcome.answer == panel.of(AnswerGiven)[0].content
    assert [event.chosen for event in panel.of(DecisionMade) if event.point == "final_text"] == ["voted for"]


def test_tool_calls_while_presenting_are_answered(play: Play) -> None:
    """A winner that calls a tool of the vote is told to write, and its text is the result."""
    panel = play("aaa", {"ann": {"present": (Call((("new_answer", "{}"),)), Say("the text"))}})

    assert panel.of(TurnReplied)[0].results[0].is_error
    assert panel.outcome is not None
    assert panel.outcome.answer == "the text"


def test_text_that_was_cut_off_is_not_the_result(play: Play) -> None:
    """A final text that reached the model's limit is worse than the whole answer."""
    strategy, panel = Consensus(), play("aaa")
    place = max(place for place, event in enumerate(panel.events) if isinstance(event, TurnResponded))
    responded = panel.events[place]
    assert isinstance(responded, TurnResponded)
    (decision,) = strategy.decide(strategy.apply(panel.states[place], attrs.evolve(responded, stop="length")))

    assert isinstance(decision, Declare)
    assert isinstance(decision.event, DecisionMade)
    assert decision.event.point == "final_text"


def test_reuse_saves_the_call(play: Play) -> None:
    """With `final: reuse` the winner's answer is the result, for 2N calls."""
    panel = play("aaa", final="reuse", early_stop=False)

    assert panel.calls == 6
    assert panel.outcome is not None
    assert panel.outcome.answer == panel.of(AnswerGiven)[0].content == panel.of(AnswerPresented)[0].content


def test_one_agent_costs_one_call(play: Play) -> None:
    """An agent that is alone answers in plain text, without tools, without a vote."""
    panel = play("a", {"ann": {"answer": (Say("forty-two"),)}})
    (asked,) = panel.of(TurnStarted)

    assert panel.calls == 1
    assert asked.tools == ()
    assert panel.outcome is not None
    assert (panel.outcome.status, panel.outcome.winner, panel.outcome.answer, panel.outcome.reason) == (
        "answered",
        "ann",
        "forty-two",
        "it is the only answer",
    )


def test_one_agent_may_use_the_tool(play: Play) -> None:
    """An agent that is alone and calls the tool all the same has answered."""
    panel = play("a", {"ann": {"answer": (Call((("new_answer", '{"content": "forty-two"}'),)),)}})

    assert panel.calls == 1
    assert panel.outcome is not None
    assert panel.outcome.answer == "forty-two"


def test_only_answer_needs_no_vote(play: Play) -> None:
    """When all others fail, the one answer is the result, and the reasons are told."""
    panel = play("aaa", {"bob": {"answer": (Break(),)}, "cyd": {"answer": (Break(fault="Refused", reason="no"),)}})

    assert not panel.of(VoteCast)
    assert panel.outcome is not None
    assert (panel.outcome.status, panel.outcome.winner) == ("answered", "ann")
    assert panel.outcome.reasons == {"bob": "Overloaded: the server is busy", "cyd": "Refused: no"}


def test_all_fail(play: Play) -> None:
    """When all fail, the longest text that one had written is kept, and each agent's reason is told."""
    panel = play("aa", {"ann": {"answer": (Break(partial="a beginning"),)}, "bob": {"answer": (Break(fault="Refused", reason="no", partial="so"),)}})

    assert panel.outcome is not None
    assert (panel.outcome.status, panel.outcome.answer) == ("failed", "a beginning")
    assert panel.outcome.reason == "no agent gave an answer: ann: Overloaded: the server is busy; bob: Refused: no"


def test_all_fail_in_the_vote(play: Play) -> None:
    """When nobody is left to vote, a lot decides among the answers, and the result is called partial."""
    panel = play("abc", {name: {"vote": (Break(),)} for name in ("ann", "bob", "cyd")})

    assert panel.outcome is not None
    assert panel.outcome.status == "partial"
    assert panel.outcome.reason.startswith("no agent was left to vote; 0 of 0 votes, as many as")


def test_limit_in_the_vote_takes_the_leader(play: Play) -> None:
    """At the run's limit the answer with most votes is the result; no model is called any more."""
    panel = play("bbb", order=(0,), limits={8: LIMIT}, early_stop=False)
    before = [event.choice for event in panel.of(VoteCast)]
    after = panel.events[panel.events.index(LIMIT) :]

    assert before == ["bob"]
    assert not [event for event in after if isinstance(event, ModelRequested | TurnStarted)]
    assert [event.point for event in panel.of(DecisionMade)] == ["limit"]
    assert panel.of(WinnerChosen)[0].agent == "bob"
    assert panel.outcome is not None
    assert (panel.outcome.status, panel.outcome.reason) == ("partial", "the run's limit of time (30) was reached; 1 of 1 votes")


def test_votes_that_were_cleared_do_not_count_at_the_limit(play: Play) -> None:
    """Votes for answers that a new one made void decide nothing, also not at the limit."""
    panel = play("bbc", {"cyd": {"vote": (Give("[c.] new"),)}}, order=(0,), early_stop=False)
    cleared = panel.events[: [event.type for event in panel.events].index("votes.cleared")]
    moves = sum(isinstance(event, ModelRequested | TurnResponded) for event in cleared)
    limited = play("bbc", {"cyd": {"vote": (Give("[c.] new"),)}}, order=(0,), limits={moves: LIMIT}, early_stop=False)

    assert limited.of(VoteCast) == panel.of(VoteCast)[:2]
    assert set(limited.of(WinnerChosen)[0].votes.values()) == {0}


def test_limit_before_any_answer_keeps_partial_text(play: Play) -> None:
    """At a limit without an answer, what the agents had written so far is kept."""
    panel = play("ab", limits={1: LIMIT})

    assert [event.partial for event in panel.of(TurnInterrupted)] == ["half a", "half a"]
    assert panel.outcome is not None
    assert (panel.outcome.status, panel.outcome.answer) == ("failed", "half a")
    assert "limit of time" in panel.outcome.reason


def test_person_stops_the_run(play: Play) -> None:
    """A run that somebody stopped ends with what exists and says who ended it."""
    panel = play("ab", limits={2: LimitReached(what="person")})

    assert panel.outcome is not None
    assert panel.outcome.status == "partial"
    assert panel.outcome.reason.startswith("somebody stopped the run")
    assert panel.outcome.answer == panel.of(AnswerGiven)[0].content
