"""Lots, labels and counting."""

from __future__ import annotations

from itertools import product

import pytest

from massgen_strategy_consensus.ballot import certain_winner, labels_of, leader, lots, tally


@pytest.mark.parametrize("self_vote", [True, False])
@pytest.mark.parametrize("agents", [("a",), ("a", "b"), ("a", "b", "c"), ("a", "b", "c", "d")])
def test_certain_winner_is_exact(agents: tuple[str, ...], self_vote: bool) -> None:
    """A winner is certain exactly when every way to cast the missing votes leads to it."""
    ranks = lots(3, agents)
    for cast in product((*agents, None), repeat=len(agents)):
        votes = {voter: choice for voter, choice in zip(agents, cast, strict=True) if choice is not None}
        missing = [voter for voter in agents if voter not in votes]
        ways = product(*([None, *(one for one in agents if self_vote or one != voter)] for voter in missing))
        winners = {leader(tally(agents, [*votes.values(), *(one for one in way if one is not None)]), ranks) for way in ways}

        found = certain_winner(tally(agents, votes.values()), ranks, missing, self_vote=self_vote)

        assert found == ("".join(winners) if len(winners) == 1 else "")


def test_labels_are_a_renaming() -> None:
    """Each agent has one label, whoever looks and in whatever order the agents were registered."""
    for seed in range(20):
        labels = labels_of(seed, "a", ["a", "b", "c"])

        assert labels == labels_of(seed, "a", ["c", "a", "b"])
        assert list(labels) == ["agent1", "agent2", "agent3"]
        assert sorted(labels.values()) == ["a", "b", "c"]


def test_lots_ignore_registration() -> None:
    """A lot depends on the seed and the name."""
    assert lots(1, ["a", "b", "c"]) == lots(1, ["c", "b", "a"])
    assert {tuple(lots(seed, ["a", "b"]).values()) for seed in range(20)} == {(0, 1)}
    assert {next(iter(lots(seed, ["a", "b"]))) for seed in range(20)} == {"a", "b"}
