"""When a call is made again, and when."""

from __future__ import annotations

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_core.api import (
    AuthenticationFailed,
    BackendFault,
    Message,
    ModelAnswer,
    ModelCall,
    ModelRequest,
    ModelRetried,
    Overloaded,
    RateLimited,
)
from massgen_middleware_basic.config import RetryConfig
from massgen_middleware_basic.retry import Retry, open_retry, pause
from massgen_testkit import PlainContext, Records
from massgen_testkit.simulation import simulate

ANSWER = ModelAnswer(message=Message.of("assistant", "4"), stop="stop")


class Flaky:
    """Fails with the given faults, then answers; remembers when it was called."""

    def __init__(self, *faults: Exception) -> None:
        self.faults = list(faults)
        self.times: list[float] = []

    async def __call__(self, request: ModelCall) -> ModelAnswer:
        self.times.append(anyio.current_time())
        if self.faults:
            raise self.faults.pop(0)
        return ANSWER


def call(records: Records) -> ModelCall:
    return ModelCall(request=ModelRequest(messages=()), agent="ann", turn=2, backend="b", emit=records.emit)


def run(config: RetryConfig, flaky: Flaky, draw: float = 0.5) -> Records:
    """Make one call in virtual time, with the same draw each time."""
    records = Records()

    async def main() -> None:
        assert await Retry(config, lambda: draw)(call(records), flaky) == ANSWER

    simulate(main)
    return records


def test_pauses_double_and_are_told() -> None:
    """Half of 1, 2 and 4 seconds with a draw of one half; each retry is an event with its number, pause and reason."""
    flaky = Flaky(Overloaded("busy"), Overloaded("busy"), Overloaded("still busy"))
    records = run(RetryConfig(), flaky)

    assert flaky.times == [0, 0.5, 1.5, 3.5]
    assert records.events == [
        ModelRetried(agent="ann", turn=2, attempt=2, delay=0.5, fault="Overloaded", reason="busy"),
        ModelRetried(agent="ann", turn=2, attempt=3, delay=1.0, fault="Overloaded", reason="busy"),
        ModelRetried(agent="ann", turn=2, attempt=4, delay=2.0, fault="Overloaded", reason="still busy"),
    ]


def test_retry_after_is_waited_for_in_full() -> None:
    """The provider's wait comes whole, with a little on top that differs from agent to agent."""
    flaky = Flaky(RateLimited("slow down", retry_after=20))
    run(RetryConfig(), flaky)

    assert flaky.times == [0, 20.5]


def test_too_long_a_wait_is_given_up_with_the_reason() -> None:
    """A provider that asks for an hour ends the call at once, and the error says which option decided so."""
    flaky = Flaky(RateLimited("slow down", retry_after=3600))
    with pytest.raises(RateLimited, match="slow down; the provider asks to wait 3600 s, longer than longest_retry_after") as caught:
        run(RetryConfig(), flaky)

    assert (len(flaky.times), caught.value.retry_after) == (1, 3600)


@pytest.mark.parametrize("fault", [AuthenticationFailed("no key"), ValueError("a defect")])
def test_what_cannot_pass_is_not_retried(fault: Exception) -> None:
    """A wrong key and a defect are raised as they are, after one call."""
    flaky = Flaky(fault)
    with pytest.raises(type(fault)) as caught:
        run(RetryConfig(), flaky)

    assert caught.value is fault
    assert len(flaky.times) == 1


def test_the_last_fault_is_raised_after_the_last_attempt() -> None:
    """The number of attempts holds, and what is raised is what happened last."""
    faults = [Overloaded(str(number)) for number in range(9)]
    flaky = Flaky(*faults)
    with pytest.raises(Overloaded) as caught:
        run(RetryConfig(attempts=3), flaky)

    assert caught.value is faults[2]
    assert len(flaky.times) == 3


def test_no_attempt_begins_after_the_deadline() -> None:
    """A pause that would end beyond the deadline is not begun."""
    flaky = Flaky(*[Overloaded("busy")] * 9)
    with pytest.raises(Overloaded):
        run(RetryConfig(attempts=9, deadline=4), flaky)

    assert flaky.times == [0, 0.5, 1.5, 3.5]


def test_cancelling_ends_a_pause() -> None:
    """A retry that waits can be cancelled there."""

    async def main() -> float:
        with anyio.move_on_after(5):
            await Retry(RetryConfig(), lambda: 0.0)(call(Records()), Flaky(RateLimited("slow", retry_after=30)))
        return anyio.current_time()

    assert simulate(main) == 5


def test_pauses_follow_from_the_run() -> None:
    """Two middlewares of one run draw the same pauses, those of another run others: a simulated run can be repeated."""
    drawn = [[open_retry(None, PlainContext(folder=None, run=run)).draw() for _ in range(3)] for run in ("r1", "r1", "r2")]  # type: ignore[arg-type]

    assert drawn[0] == drawn[1] != drawn[2]


seconds = st.floats(0, 1000)
configs = st.builds(
    RetryConfig, attempts=st.integers(0, 9), first_delay=seconds, longest_delay=seconds, longest_retry_after=seconds, deadline=seconds
)
faults = st.one_of(
    st.just(Overloaded("x")), st.just(AuthenticationFailed("x")), st.builds(RateLimited, st.just("x"), retry_after=st.none() | st.floats(-5, 2000))
)


@given(configs, st.integers(1, 2000), seconds, faults, st.floats(0, 1, exclude_max=True))
def test_pauses_keep_every_bound(config: RetryConfig, attempt: int, elapsed: float, fault: BackendFault, draw: float) -> None:
    """No pause is negative, shorter than asked for, longer than allowed, or reaches beyond attempts or deadline."""
    delay = pause(config, attempt, elapsed, fault, lambda: draw)
    if delay is None:
        return
    asked = getattr(fault, "retry_after", None)

    assert fault.is_retryable
    assert attempt < config.attempts
    assert elapsed + delay <= config.deadline
    if asked is None:
        assert 0 <= delay <= min(config.longest_delay, config.first_delay * 2.0 ** min(attempt - 1, 60))
    else:
        assert max(asked, 0) <= delay <= max(asked, 0) + config.first_delay
        assert asked <= config.longest_retry_after
