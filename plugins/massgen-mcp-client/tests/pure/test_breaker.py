"""The circuit breaker, for every order of calls."""

from __future__ import annotations

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from massgen_mcp_client.breaker import Breaker, Permit
from massgen_mcp_client.config import BreakerConfig

SECONDS = st.floats(0, 1000, allow_nan=False)


class Calls(RuleBasedStateMachine):
    """Any number of callers, at any times, with any results."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.breaker = Breaker(config=BreakerConfig(failures=3, seconds=10, factor=2, max_seconds=60))
        self.under_way: list[Permit] = []
        self.probe_since = -1.0

    @rule(seconds=SECONDS)
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def ask(self) -> None:
        before = self.breaker
        self.breaker, permit = before.permit(self.now)
        if before.state == "closed":
            assert permit == Permit(before.generation)
            assert self.breaker is before
        elif permit is None:
            assert self.breaker is before
            assert before.wait(self.now) > 0
        else:
            assert permit.is_probe
            assert self.breaker.state == "half_open"
            # A second probe comes only when the first one was not reported for the whole wait.
            assert self.probe_since < 0 or before.state == "open" or self.now - self.probe_since >= self.breaker.config.seconds
            self.probe_since = self.now
        if permit:
            self.under_way.append(permit)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), what=st.sampled_from(["succeeded", "failed", "released"]))
    def report(self, data: st.DataObject, what: str) -> None:
        permit = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        before = self.breaker
        self.breaker = getattr(before, what)(permit, self.now)
        if permit.generation != before.generation:
            assert self.breaker is before, "an old report changes nothing"
        elif what == "succeeded":
            assert (self.breaker.state, self.breaker.failures, self.breaker.openings) == ("closed", 0, 0)
        elif what == "failed" and (permit.is_probe or before.failures + 1 >= 3):
            assert self.breaker.state == "open"
            assert 10 <= self.breaker.wait(self.now) <= 60
        elif what == "released" and permit.is_probe:
            assert self.breaker.wait(self.now) == 0
        assert self.breaker.generation - before.generation == (self.breaker.state != before.state)

    @invariant()
    def it_is_consistent(self) -> None:
        breaker = self.breaker
        assert breaker.failures >= 0
        assert (breaker.state == "closed") == (breaker.until == 0.0)
        if breaker.state == "closed":
            assert breaker.failures < breaker.config.failures


TestCalls = Calls.TestCase
TestCalls.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def test_three_failures_open_it_and_one_probe_closes_it() -> None:
    """The whole way: closed, open, a single probe, closed."""
    breaker = Breaker()
    for _ in range(3):
        breaker, permit = breaker.permit(0)
        assert permit
        breaker = breaker.failed(permit, 0)

    assert breaker.state == "open"
    assert breaker.permit(29.9)[1] is None
    breaker, probe = breaker.permit(30)
    assert probe
    assert probe.is_probe
    assert breaker.permit(31)[1] is None, "only one probe at a time"
    breaker = breaker.succeeded(probe, 32)

    assert breaker == Breaker(generation=3)


def test_waits_grow_up_to_their_limit() -> None:
    """Each failed trial makes the next wait longer, and a success makes the next one short again."""
    breaker = Breaker(config=BreakerConfig(failures=1, seconds=10, factor=3, max_seconds=100))
    waits, now = [], 0.0
    for _ in range(6):
        breaker, permit = breaker.permit(now)
        assert permit
        breaker = breaker.failed(permit, now)
        waits.append(breaker.wait(now))
        now += breaker.wait(now)

    assert waits == [10, 30, 90, 100, 100, 100]
    breaker, permit = breaker.permit(now)
    assert permit
    breaker = breaker.succeeded(permit, now)
    breaker, permit = breaker.permit(now)
    assert permit
    assert breaker.failed(permit, now).wait(now) == 10


def test_a_success_between_starts_the_count_anew() -> None:
    """Only failures in a row count."""
    breaker = Breaker()
    for result in ("failed", "failed", "succeeded", "failed", "failed"):
        breaker, permit = breaker.permit(0)
        breaker = getattr(breaker, result)(permit, 0)

    assert (breaker.state, breaker.failures) == ("closed", 2)


@given(st.integers(1, 300))
def test_without_a_limit_it_never_opens(failures: int) -> None:
    """`failures: 0` switches it off."""
    breaker = Breaker(config=BreakerConfig(failures=0))
    for _ in range(failures):
        breaker, permit = breaker.permit(0)
        assert permit
        breaker = breaker.failed(permit, 0)

    assert breaker.state == "closed"


@given(st.integers(0, 10_000))
def test_no_wait_overflows(openings: int) -> None:
    """However often it opened, the wait is a number within its bounds."""
    breaker = attrs.evolve(Breaker(config=BreakerConfig(failures=1, factor=1e9)), openings=openings)

    assert 30 <= breaker.failed(Permit(0), 5).wait(5) <= 300
