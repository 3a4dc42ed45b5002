"""New answers while others vote, the end of the vote, and who may be chosen."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from massgen_core.api import (
    AgentLeft,
    AnswerGiven,
    AnswerPresented,
    DecisionMade,
    LimitReached,
    TurnInjected,
    TurnInterrupted,
    TurnReplied,
    TurnStarted,
    VoteCast,
    VoteRejected,
    VotesCleared,
    WinnerChosen,
)
from massgen_testkit.moves import Break, Call, Choose, Give, Hang, Work
from massgen_testkit.panel import Panel

Play = Callable[..., Panel]
# First ann and bob answer and vote to the end, whenever they can; cyd moves when nobody else does.
LAST = (0,)


def test_common_case_costs_2n_plus_1(play: Play) -> None:
    """N agents that answer and vote at once cost 2N+1 calls, and a person can read who won and why."""
    panel = play("aab", early_stop=False)
    (chosen,) = panel.of(WinnerChosen)

    assert panel.calls == 7
    assert (chosen.agent, dict(chosen.votes), chosen.reason) == ("ann", {"ann": 2, "bob": 1, "cyd": 0}, "2 of 3 votes")
    assert [event.type for event in panel.events if event.type.startswith("phase.")] == ["phase.entered", "phase.left"] * 3


def test_new_answer_clears_votes_and_all_look_again(play: Play) -> None:
    """A new answer makes all votes void; all are asked again with the newest answers, its author too."""
    panel = play("aac", {"cyd": {"vote": (Give("[c.] found after all"),)}}, order=LAST, early_stop=False)
    (cleared,) = panel.of(VotesCleared)
    after = panel.events[panel.events.index(cleared) :]
    asked = [event for event in after if isinstance(event, TurnStarted) and event.purpose == "vote"]

    assert cleared.count == 2
    assert sorted(event.agent for event in asked) == ["ann", "bob", "cyd"]
    for event in asked:
        assert event.brief is not None
        assert "[c.] found after all" in [one.content for one in event.brief.candidates]
        assert "[c.] found after all" in event.messages[-1].text
    assert len([event for event in after if isinstance(event, VoteCast)]) == 3
    assert [event.number for event in panel.of(VoteCast) if event.choice == "cyd"] == [2]


def test_first_answers_are_not_disturbed(play: Play) -> None:
    """While an agent works on its first answer nothing is injected and nothing is stopped, however many answers come."""
    panel = play("abc", {"cyd": {"answer": (Work(), Work())}}, order=LAST)
    voting = next(place for place, event in enumerate(panel.events) if event.type == "phase.left")

    assert not [event for event in panel.events[:voting] if isinstance(event, TurnInjected | TurnInterrupted)]


def test_voter_at_work_is_told(play: Play) -> None:
    """An agent that is still looking gets the new answer into its conversation, and its vote counts once the model has seen it."""
    # The order: ann's new answer comes while bob and cyd use tools.
    moves = {"ann": {"vote": (Give("[a.] better"),)}, "bob": {"vote": (Work(), Work())}, "cyd": {"vote": (Work(), Work())}}
    panel = play("aaa", moves, order=(0, 1, 2, 1, 2, 0), early_stop=False)
    injected = panel.of(TurnInjected)

    assert injected
    assert all("[a.] better" in event.text and "found b" not in event.text for event in injected)
    assert all(event.brief is not None and "[a.] better" in [one.content for one in event.brief.candidates] for event in injected)
    assert not panel.of(VoteRejected)
    assert not panel.of(TurnReplied)


def _until_stale(play: Play, **options: str) -> Panel:
    """Play until ann gave a new answer while bob's model call was under way: bob votes without having seen it."""
    moves = {"ann": {"vote": (Give("[a.] better"),)}}
    for order in [(0, 1, 0, 1), (0, 0, 0, 0, 0, 1, 0), (0, 1, 1, 0, 0, 1), (0, 0, 0, 0, 0, 1, 1, 0)]:
        panel = play("bbb", moves, order=order, early_stop=False, **options)
        given = next(place for place, event in enumerate(panel.events) if isinstance(event, AnswerGiven) and event.content == "[a.] better")
        if any(isinstance(event, TurnInjected | TurnInterrupted) for event in panel.events[given:]):
            return panel
    raise AssertionError("no order in which a voter is surprised")


def test_stale_vote_is_answered_by_look_again(play: Play) -> None:
    """A vote of a model that has not seen the new answer does not count and is no offence: it is told to look again."""
    panel = _until_stale(play)
    rejected = panel.of(VoteRejected)

    assert rejected
    assert all("new answer came in before your vote" in event.reason for event in rejected)
    replied = panel.of(TurnReplied)
    assert len(replied) == len(rejected)
    assert all(event.results[0].is_error and event.brief is not None for event in replied)
    assert len(panel.of(VoteCast)) == 3


def test_restart_stops_voters_and_asks_again(play: Play) -> None:
    """With `on_new_answer: restart` voters are stopped and begin anew."""
    panel = _until_stale(play, on_new_answer="restart")

    assert [event.reason for event in panel.of(TurnInterrupted)][:1] == ["a new answer came"]
    assert not panel.of(TurnInjected)
    assert len(panel.of(VoteCast)) == 3


def test_vote_ends_when_the_winner_is_certain(play: Play) -> None:
    """Two of three votes decide; the third voter is stopped, and the journal says why."""
    panel = play("aab", {"cyd": {"vote": (Work(), Work())}}, order=LAST)

    assert len(panel.of(VoteCast)) == 2
    assert [(event.point, event.chosen) for event in panel.of(DecisionMade)] == [("end_of_voting", "stop")]
    assert [(event.agent, event.reason) for event in panel.of(TurnInterrupted)] == [("cyd", "the vote is over")]


@pytest.mark.parametrize("seed", range(6))
def test_early_end_considers_the_tie_rule(play: Play, seed: int) -> None:
    """With two agents one vote for the one whose lot wins ties decides, and one for the other does not."""
    panel = play("ab", order=LAST, seed=seed)
    first = panel.of(VoteCast)[0]

    assert panel.outcome is not None
    assert (len(panel.of(VoteCast)) == 1) == (panel.outcome.winner == first.choice)


def test_ties_by_registration(play: Play) -> None:
    """With `tie: registration` the first agent of the configuration wins a tie, and the reason says so."""
    for seed in range(8):
        panel = play("abc", seed=seed, tie="registration")
        (chosen,) = panel.of(WinnerChosen)

        assert chosen.agent == "ann"
    panel = play("abc", tie="registration", early_stop=False)
    assert panel.of(WinnerChosen)[0].reason == "1 of 3 votes, as many as bob, cyd; the order of the configuration decided"
    assert [(event.point, event.options, event.chosen) for event in panel.of(DecisionMade)] == [("tie", ("ann", "bob", "cyd"), "ann")]


def test_agent_that_is_out_can_be_chosen(play: Play) -> None:
    """The answer of an agent that failed stays; chosen, it is the result as it stands."""
    panel = play("aaa", {"ann": {"vote": (Break(),)}})

    assert [event.agent for event in panel.of(AgentLeft)] == ["ann"]
    assert panel.outcome is not None
    assert (panel.outcome.status, panel.outcome.winner) == ("answered", "ann")
    assert panel.outcome.answer == panel.of(AnswerGiven)[0].content
    assert panel.of(AnswerPresented)
    assert panel.calls == 6


def test_own_answer_can_be_forbidden(play: Play) -> None:
    """With `self_vote: forbid` no voter can choose itself, and it sees its own answer apart."""
    panel = play("abc", self_vote="forbid", early_stop=False)
    for event in panel.of(TurnStarted):
        if event.purpose == "vote":
            contents = [one.content for one in event.brief.candidates]
            assert len(contents) == 2
            assert not any(f"[{event.agent[0]}.]" in content for content in contents)
            assert f"[{event.agent[0]}.]" in event.messages[-1].text

    assert all(event.voter != event.choice for event in panel.of(VoteCast))


def test_forbidden_label_is_refused(play: Play) -> None:
    """A vote for one's own label, which is none, is refused with the labels that exist."""
    calls = tuple(Call((("vote", json.dumps({"agent": f"agent{place}", "reason": "x"})),)) for place in (1, 2, 3))
    refused = [play("bbb", {"ann": {"vote": (call,)}}, self_vote="forbid", early_stop=False).of(VoteRejected) for call in calls]

    assert sorted(map(len, refused)) == [0, 0, 1]


def test_agents_time_limit_keeps_its_answer(play: Play) -> None:
    """Who reaches its own limit is out; its answer stays in the vote and the rest go on."""
    panel = play("aaa", {"ann": {"vote": (Hang(),)}}, early_stop=False)

    assert [event.what for event in panel.of(LimitReached)] == ["time"]
    assert panel.of(AgentLeft)[0].reason == "it reached its limit of time (60)"
    assert panel.outcome is not None
    assert (panel.outcome.status, panel.outcome.winner) == ("answered", "ann")


def test_last_voter_left_decides(play: Play) -> None:
    """When all others fail in the vote, the vote that is there decides."""
    panel = play("aab", {"ann": {"vote": (Break(),)}, "bob": {"vote": (Break(),)}, "cyd": {"vote": (Choose("b"),)}})

    assert panel.outcome is not None
    assert (panel.outcome.status, panel.outcome.winner) == ("answered", "bob")
