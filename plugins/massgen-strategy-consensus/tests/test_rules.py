"""What counts as an answer or a vote, and what a model is told about the rest."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from massgen_core.api import AgentLeft, AnswerGiven, AnswerRejected, DecisionMade, Reply, TurnReplied, TurnResponded, VoteCast, VoteRejected
from massgen_strategy_consensus.strategy import Consensus
from massgen_testkit.moves import Call, Give, Say
from massgen_testkit.panel import Panel

Play = Callable[..., Panel]
WORDS = "one two three four five six seven eight nine ten"


def use(*calls: tuple[str, Any], text: str = "") -> Call:
    return Call(tuple((name, arguments if isinstance(arguments, str) else json.dumps(arguments)) for name, arguments in calls), text)


VOTE = ("vote", {"agent": "agent1", "reason": "it is right"})
ANSWER = ("new_answer", {"content": "something else altogether"})


@pytest.mark.parametrize(
    ("move", "words"),
    [
        (use(VOTE, VOTE), "2 times at once"),
        (use(ANSWER, ANSWER), "2 times at once"),
        (use(VOTE, ANSWER), "together"),
        (use(("vote", {"agent": "agent9", "reason": "x"})), "agent1, agent2, agent3"),
        (use(("vote", {"agent": 1, "reason": "x"})), "agent1, agent2, agent3"),
        (use(("vote", {"agent": "agent1", "reason": ["x"]})), "`reason` must be text"),
        (use(("vote", "{agent: agent1}")), "cannot be read"),
        (use(("vote", "[1]")), "must be a JSON object"),
        (use(("new_answer", {"text": "x"})), "`content` must be text"),
        (use(("new_answer", {"content": "  "})), "`content` must be text"),
        (use(("search", {})), "no tool `search`"),
        (use(("search", {}), VOTE), "no tool `search`"),
    ],
)
def test_broken_rule_is_explained_in_every_result(play: Play, move: Call, words: str) -> None:
    """A response that breaks a rule does not count; each of its calls gets the reason as an error, and the turn goes on."""
    panel = play("aaa", {"bob": {"vote": (move,)}}, early_stop=False)
    (rejected,) = panel.of(VoteRejected, AnswerRejected)
    (replied,) = panel.of(TurnReplied)
    (responded,) = [event for event in panel.of(TurnResponded) if event.calls and event.calls[0].id == replied.results[0].call]

    assert words in rejected.reason
    assert [(result.call, result.is_error, result.text) for result in replied.results] == [
        (call.id, True, rejected.reason) for call in responded.calls
    ]
    assert panel.calls == 8
    assert panel.outcome is not None
    assert panel.outcome.winner == "ann"


def test_vote_without_answers(play: Play) -> None:
    """Who votes before there are answers is asked for one."""
    panel = play("aaa", {"ann": {"answer": (use(VOTE),)}})

    assert [event.reason for event in panel.of(VoteRejected)] == ["There are no answers to vote on yet. Call `new_answer` with your complete answer."]
    assert len(panel.of(AnswerGiven)) == 3


def test_label_in_other_letters_counts(play: Play) -> None:
    """Case and white space around a label do not matter, and a missing reason costs no vote."""
    panel = play("aa", {"bob": {"vote": (use(("vote", {"agent": " Agent2 "})),)}}, early_stop=False)
    (vote,) = [event for event in panel.of(VoteCast) if event.voter == "bob"]

    assert (vote.shown_as, vote.reason) == ("agent2", "")


def test_answer_limit(play: Play) -> None:
    """Answers over the limit do not count, and an agent at its limit is offered the vote alone."""
    give = Give()
    panel = play("aaa", {"bob": {"vote": (give, give, give)}}, max_answers_per_agent=2)
    offered = [event.tools for event in panel.events if event.type == "turn.started" and event.agent == "bob"]  # type: ignore[attr-defined]

    assert [event.number for event in panel.of(AnswerGiven) if event.agent == "bob"] == [1, 2]
    assert [event.reason for event in panel.of(AnswerRejected)] == ["You have given 2 answers, and more do not count. Please vote."] * 2
    assert [[tool.name for tool in tools] for tools in offered] == [["new_answer"], ["vote", "new_answer"], ["vote"]]


@pytest.mark.parametrize(
    ("sensitivity", "content", "is_new"),
    [
        ("lenient", f"  {WORDS}\n", False),
        ("lenient", WORDS.replace("ten", "eleven"), True),
        ("balanced", WORDS.upper(), False),
        ("balanced", WORDS.replace("ten", "eleven"), False),
        ("balanced", "one two three four five six seven a b", True),
        ("strict", "one two three four five six seven a b", False),
        ("strict", "one two three four five a b c", True),
    ],
)
def test_new_answers_must_be_new(play: Play, sensitivity: str, content: str, is_new: bool) -> None:
    """A new answer that is, or nearly is, one that exists is refused; how nearly is the sensitivity's."""
    moves = {"ann": {"answer": (Give(WORDS),)}, "bob": {"vote": (Give(content),)}}
    panel = play("bbb", moves, voting_sensitivity=sensitivity)

    assert [event.content for event in panel.of(AnswerGiven)[3:]] == ([content.strip()] if is_new else [])
    assert ["differ" in event.reason for event in panel.of(AnswerRejected)] == ([] if is_new else [True])


def test_first_answers_may_agree(play: Play) -> None:
    """Agents that agree from the start are not refused: each of the equal answers counts."""
    panel = play("aaa", {name: {"answer": (Give("forty-two"),)} for name in ("ann", "bob", "cyd")})

    assert [event.content for event in panel.of(AnswerGiven)] == ["forty-two"] * 3
    assert not panel.of(AnswerRejected)


def test_plain_text_is_reminded_then_taken(play: Play) -> None:
    """A text without the tool is answered by a reminder three times; then the last text is the answer, and the journal says so."""
    panel = play("aaa", {"bob": {"answer": (Say("first"), Say("second"), Say(""), Say("last"))}})

    assert [event.text for event in panel.of(TurnReplied)] == [
        "Your answer does not count yet. Call the tool `new_answer` with your complete answer."
    ] * 3
    assert [(event.point, event.chosen) for event in panel.of(DecisionMade) if event.point == "plain_text"] == [("plain_text", "bob")]
    assert [event.content for event in panel.of(AnswerGiven) if event.agent == "bob"] == ["last"]


def test_plain_text_can_be_accepted(play: Play) -> None:
    """With `plain_text: accept` a text is the answer at once."""
    panel = play("aaa", {"bob": {"answer": (Say("forty-two"),)}}, plain_text="accept", early_stop=False)

    assert [event.content for event in panel.of(AnswerGiven) if event.agent == "bob"] == ["forty-two"]
    assert panel.calls == 7


def test_text_beside_broken_calls_is_taken(play: Play) -> None:
    """Where the reminders are used up, the text beside the calls is the answer."""
    panel = play("aaa", {"bob": {"answer": (use(("new_answer", "{"), text="forty-two"),) * 2}}, reminders=1)

    assert [event.content for event in panel.of(AnswerGiven) if event.agent == "bob"] == ["forty-two"]


def test_silence_is_the_end_of_an_agent(play: Play) -> None:
    """Who writes nothing, whatever it is told, is out; the others go on."""
    panel = play("aab", {"cyd": {"answer": (use(("new_answer", "{")),) * 4}})

    assert [event.agent for event in panel.of(AgentLeft)] == ["cyd"]
    assert "after 3 reminders" in panel.of(AgentLeft)[0].reason
    assert panel.outcome is not None
    assert panel.outcome.status == "answered"


def test_who_cannot_vote_abstains(play: Play) -> None:
    """After the reminders a voter abstains, which is recorded, and the other votes decide."""
    panel = play("bbb", {"ann": {"vote": (Say("agent1"),) * 4}}, early_stop=False)

    assert [(event.point, event.chosen) for event in panel.of(DecisionMade)] == [("abstention", "ann")]
    assert sorted(event.voter for event in panel.of(VoteCast)) == ["bob", "cyd"]
    assert panel.outcome is not None
    assert panel.outcome.winner == "bob"


def test_cut_off_text_is_called_so(play: Play) -> None:
    """A message that reached the model's limit is no answer; the reminder says that it was cut off."""
    strategy, panel = Consensus(), play("aa")
    state = panel.states[[event.type for event in panel.events].index("model.requested") + 1]
    (decision,) = strategy.decide(strategy.apply(state, TurnResponded(agent="ann", turn=1, text="and so on and", stop="length")))

    assert isinstance(decision, Reply)
    assert decision.text.startswith("Your last message was too long and was cut off")
