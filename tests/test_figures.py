"""The figures of model calls: how many, what they used and cost, and how quick they were."""

from __future__ import annotations

import attrs
import pytest

from massgen_core.events import ModelAnswered, ModelFailed, ModelRequested
from massgen_core.figures import Figures
from massgen_core.messages import Message, Usage
from massgen_core.rates import RateLimit, RateLimits


def answered(agent: str = "ada", model: str = "m", *, first: float = 0.0, writing: float = 0.0, usage: Usage = Usage()) -> ModelAnswered:  # noqa: B008 - frozen
    message = Message.of("assistant", "x")
    return ModelAnswered(
        agent=agent, turn=1, call=1, message=message, stop="stop", usage=usage, model=model, seconds=first + writing, first=first, writing=writing
    )


def test_averages_are_of_what_streamed() -> None:
    """Seconds to the first token are an average, tokens a second a ratio of sums; an answer in one piece counts for neither."""
    figures = Figures(
        [
            answered(first=1.0, writing=2.0, usage=Usage(output=50, reasoning=50)),
            answered(first=3.0, writing=1.0, usage=Usage(output=80)),
            answered(usage=Usage(output=1000)),
            answered(first=4.0, writing=0.001, usage=Usage(output=500)),
        ]
    )

    (row,) = figures.rows
    assert (row.calls, row.first) == (4, pytest.approx(8 / 3))
    assert row.rate == pytest.approx(60)
    assert row.words == ("4 calls", "1,680 tokens", "cost unknown", "first token 2.7 s", "60 tokens/s")


def test_agents_and_models_are_apart_and_add_up() -> None:
    """Each agent's models have figures of their own, failed attempts included; an agent's are their sum."""
    figures = Figures(
        [
            ModelRequested(agent="ada", turn=1, call=1, backend="b", model="m"),
            ModelFailed(agent="ada", turn=1, call=1, fault="Overloaded", reason="", usage=Usage(input=5, cost=0.5)),
            answered("ada", "m", usage=Usage(input=10, cost=1.0)),
            answered("ada", "n", first=1.0, writing=1.0, usage=Usage(output=10)),
            answered("bob", "m"),
        ]
    )

    assert [(row.agent, row.model, row.calls, row.failures) for row in figures.rows] == [("ada", "m", 1, 1), ("ada", "n", 1, 0), ("bob", "m", 1, 0)]
    ada = figures.of("ada")
    assert (ada.calls, ada.failures, ada.usage) == (2, 1, Usage(input=15, output=10, cost=1.5, unpriced=10))
    assert (ada.first, ada.rate) == (1.0, 10.0)
    assert ada.words == ("2 calls, 1 failed", "25 tokens", "at least $1.5000", "first token 1.0 s", "10 tokens/s")
    assert figures.of("nobody").words == ("0 calls",)


def test_the_last_limits_count() -> None:
    """What a provider told last about its limits stands beside the figures; who tells nothing changes nothing."""
    limits = [RateLimits(requests=RateLimit(limit=60, remaining=left), tokens=RateLimit(remaining=9000)) for left in (59, 58)]
    figures = Figures([*(attrs.evolve(answered(), limits=one) for one in limits), answered()])

    (row,) = figures.rows
    assert row.limits == limits[1]
    assert row.words == ("3 calls", "58 of 60 requests left", "9,000 tokens left")
