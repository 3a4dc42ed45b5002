"""Thousands of seeded faulty runs in virtual time, with crashes and resumptions, against what must hold in every one of them."""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from simulated import World, records, run_once

from massgen_core.api import Outcome, Record, Strategy
from massgen_core.config.sections import LimitsConfig, PluginConfig
from massgen_core.plugins.manager import Plugins
from massgen_core.runtime.run import open_strategy

STRATEGIES = ["consensus", "single", "majority", "judge"]
AGENTS = ["ada", "bob", "cyd"]
LIMITS = LimitsConfig(seconds=3600)
ENDS = {"turn.ended", "turn.failed", "turn.interrupted"}


def strategy_named(name: str, **options: object) -> Strategy:
    return open_strategy(Plugins.discover(), PluginConfig(type=name, options=options))


def check(outcome: Outcome, journal: Sequence[Record], world: World) -> None:
    """Assert what holds in every run."""
    events = [record.event for record in journal]
    types = [event.type for event in events]

    assert [record.seq for record in journal] == list(range(1, len(journal) + 1))
    assert types[0] == "run.started"
    assert types[-1] == "run.ended"
    assert types.count("run.ended") == 1
    answered = [event.agent for event in events if event.type == "answer.given"]
    if answered:
        assert outcome.status in ("answered", "partial")
        assert outcome.winner in answered
        assert outcome.answer
    else:
        assert outcome.status in ("failed", "partial")
    assert not [event for event in events if event.type == "notice.given" and event.level == "error"]
    # Nothing that was recorded is asked for, or done, again.
    calls = [(event.agent, event.call) for event in events if event.type == "model.answered"]
    assert len(set(calls)) == len(calls)
    returned = [(event.agent, event.turn, event.result.call) for event in events if event.type == "tool.returned"]
    assert len(set(returned)) == len(returned)
    assert len(set(world.effects)) == len(world.effects)
    assert not [call for call in world.effects if call.startswith("cut")]
    # Phases are entered and left in turn, and the conductor measured them.
    phases = [event for event in events if event.type in ("phase.entered", "phase.left")]
    for entered, left in zip(phases[::2], phases[1::2], strict=False):
        assert (entered.type, left.type) == ("phase.entered", "phase.left")
        assert entered.phase == left.phase
    # Every turn ends exactly once, and nothing happens in it afterwards.
    over: set[tuple[str, int]] = set()
    for event in events:
        key = (getattr(event, "agent", ""), getattr(event, "turn", 0))
        assert not (key[1] and key in over), event
        if event.type in ENDS:
            over.add(key)
    started = [(event.agent, event.turn) for event in events if event.type == "turn.started"]
    assert set(started) == over
    assert len(set(started)) == len(started)


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("trouble", ["none", "faults", "hangs", "tools", "garbage", "everything"])
def test_runs_end_well_whatever_happens(name: str, trouble: str) -> None:
    """Every run ends, with an answer wherever an agent gave one."""
    strategy = strategy_named(name)
    for seed in range(60):
        world = World(
            seed,
            faults=0.15 if trouble in ("faults", "everything") else 0.0,
            hangs=0.1 if trouble in ("hangs", "everything") else 0.0,
            tools=0.3 if trouble in ("tools", "everything") else 0.0,
            garbage=0.3 if trouble in ("garbage", "everything") else 0.0,
        )
        lines: list[bytes] = []

        outcome = run_once(strategy, name, world, AGENTS, lines, limits=LIMITS, seed=seed)

        assert outcome is not None
        check(outcome, records(lines), world)


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_run_survives_death_at_any_record(name: str) -> None:
    """A process that dies after any record, again and again, is resumed to a proper end, and its journal only grows."""
    strategy = strategy_named(name)
    for seed in range(150):
        draw = random.Random(seed)
        world = World(seed, faults=0.1, hangs=0.03, tools=0.2, garbage=0.1)
        lines: list[bytes] = []
        outcome = None
        for attempt in range(6):
            before = list(lines)
            crash_after = len(lines) + draw.randrange(2, 60) if attempt < 5 else None
            outcome = run_once(strategy, name, world, AGENTS, lines, limits=LIMITS, seed=seed * 10 + attempt, crash_after=crash_after)
            assert lines[: len(before)] == before
            if outcome is not None:
                break

        assert outcome is not None
        check(outcome, records(lines), world)


@pytest.mark.parametrize("name", STRATEGIES)
def test_one_seed_is_one_run(name: str) -> None:
    """The same seed gives the same journal, times aside."""
    strategy = strategy_named(name)

    def story(seed: int) -> list[object]:
        lines: list[bytes] = []
        run_once(strategy, name, World(seed, faults=0.1, tools=0.2), AGENTS, lines, limits=LIMITS, seed=seed)
        return [record.event for record in records(lines)]

    for seed in range(20):
        assert story(seed) == story(seed)


def test_limits_end_a_run_with_what_exists() -> None:
    """Calls, tokens and time stop a run; an answer that exists is not lost."""
    strategy = strategy_named("consensus")
    statuses: Counter[str] = Counter()
    for seed in range(100):
        for limits in (LimitsConfig(calls=5), LimitsConfig(tokens=60), LimitsConfig(seconds=50)):
            world = World(seed, faults=0.0)
            lines: list[bytes] = []

            outcome = run_once(strategy, "consensus", world, AGENTS, lines, limits=limits, seed=seed)

            assert outcome is not None
            check(outcome, records(lines), world)
            statuses[outcome.status] += 1
            if limits.calls:
                assert world.model_calls <= limits.calls
    assert statuses["partial"] > 200


@pytest.mark.parametrize("name", STRATEGIES)
def test_phases_take_their_time(name: str) -> None:
    """A phase in which models are called has a duration."""
    lines: list[bytes] = []
    run_once(strategy_named(name), name, World(1, faults=0.0), AGENTS, lines, limits=LIMITS)

    left = [record.event for record in records(lines) if record.event.type == "phase.left"]
    assert sum(event.seconds for event in left) > 1


def test_a_model_that_never_says_anything_is_given_up() -> None:
    """Empty answers are asked again a few times, never without end."""
    world = World(1, faults=0.0, garbage=0.0)
    world.is_mute = True
    lines: list[bytes] = []

    outcome = run_once(strategy_named("consensus"), "consensus", world, AGENTS, lines, limits=LIMITS)

    assert outcome is not None
    assert outcome.status == "failed"
    assert world.model_calls == 3 * len(AGENTS)


def test_an_agent_alone_in_its_trouble_does_not_stop_the_others() -> None:
    """With many agents and many faults somebody still answers."""
    strategy = strategy_named("consensus")
    agents = [f"agent-{number}" for number in range(20)]
    statuses = []
    for seed in range(10):
        world = World(seed, faults=0.2, hangs=0.1, garbage=0.2)
        lines: list[bytes] = []

        outcome = run_once(strategy, "consensus", world, agents, lines, limits=LIMITS, seed=seed)

        assert outcome is not None
        check(outcome, records(lines), world)
        statuses.append(outcome.status)
    # Where every agent breaks sooner or later, what exists is the answer.
    assert statuses.count("answered") >= 8
    assert "failed" not in statuses
