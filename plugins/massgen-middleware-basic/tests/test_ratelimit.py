"""How many calls go out, when, and in which order."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Sequence

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_core.api import Message, ModelAnswer, ModelCall, ModelRequest, NoticeGiven, Overloaded, RateLimited, Usage
from massgen_middleware_basic.config import RateLimitConfig, RetryConfig
from massgen_middleware_basic.ratelimit import Bucket, RateLimit, expected
from massgen_middleware_basic.retry import Retry
from massgen_testkit import Records
from massgen_testkit.simulation import simulate

Following = Callable[[ModelCall], Awaitable[ModelAnswer]]


def call(name: str, *, model: str = "m", records: Records | None = None) -> ModelCall:
    request = ModelRequest(model=model, messages=(Message.of("user", "x" * 396),))
    return ModelCall(request=request, agent=name, turn=1, backend="b", emit=(records or Records()).emit)


def answer(tokens: int = 100) -> ModelAnswer:
    return ModelAnswer(message=Message.of("assistant", "4"), stop="stop", usage=Usage(input=tokens))


def starts(config: RateLimitConfig, calls: Sequence[ModelCall], following: Following | None = None) -> list[tuple[str, float]]:
    """Make calls at once, in virtual time; return who went when."""
    went: list[tuple[str, float]] = []

    async def through(request: ModelCall) -> ModelAnswer:
        went.append((request.agent, round(anyio.current_time(), 3)))
        return await following(request) if following else answer()

    async def make(limit: RateLimit, request: ModelCall) -> None:
        with contextlib.suppress(RateLimited):
            await limit(request, through)

    async def main() -> None:
        limit = RateLimit(config)
        async with anyio.create_task_group() as group:
            for request in calls:
                group.start_soon(make, limit, request)
                await anyio.sleep(1e-3)  # one after the other, so that the order is known

    simulate(main)
    return went


def test_calls_go_evenly_and_in_the_order_in_which_they_came() -> None:
    """With 60 calls a minute and a burst of two seconds, two go at once and the rest a second apart, first come first served."""
    went = starts(RateLimitConfig(requests_per_minute=60, burst_seconds=2), [call(str(number)) for number in range(6)])

    assert [name for name, _ in went] == ["0", "1", "2", "3", "4", "5"]
    assert [round(at) for _, at in went] == [0, 0, 1, 2, 3, 4]


def test_tokens_are_settled_by_what_was_used() -> None:
    """A call that used more than was guessed delays the next one by as much."""

    async def greedy(request: ModelCall) -> ModelAnswer:
        return answer(1000)

    went = starts(RateLimitConfig(tokens_per_minute=600, burst_seconds=30), [call(str(number)) for number in range(3)], greedy)

    # 300 at once, 10 a second: 1,000 used leave a debt of 700, and the next call needs its own 100.
    assert expected(call("x").request) == 100
    assert [round(at) for _, at in went] == [0, 80, 180]


def test_each_model_has_limits_of_its_own_unless_told_otherwise() -> None:
    """Two models do not wait for each other; with `per: backend` they do."""
    calls = [call("a", model="m"), call("b", model="n")]

    assert [round(at) for _, at in starts(RateLimitConfig(requests_per_minute=6), calls)] == [0, 0]
    assert [round(at) for _, at in starts(RateLimitConfig(requests_per_minute=6, per="backend"), calls)] == [0, 10]


@pytest.mark.parametrize(("retry_after", "pause"), [(20.0, 20), (None, 10)])
def test_after_a_429_all_wait(retry_after: float | None, pause: int) -> None:
    """One refusal holds back every call for as long as the provider asks, or for the cooldown; then they go one after the other."""
    refused = [RateLimited("slow down", retry_after=retry_after)]

    async def provider(request: ModelCall) -> ModelAnswer:
        if refused:
            raise refused.pop()
        return answer()

    went = starts(RateLimitConfig(requests_per_minute=60, burst_seconds=60), [call(str(number)) for number in range(4)], provider)

    assert [round(at) for _, at in went] == [0, pause, pause + 1, pause + 2]


def test_no_storm_of_retries() -> None:
    """A hundred agents that are refused together, with retries around them, come back one after the other and all succeed."""
    times: list[float] = []

    async def provider(request: ModelCall) -> ModelAnswer:
        now = anyio.current_time()
        times.append(now)
        await anyio.sleep(0.5)  # many are under way before the first is refused
        if sum(1 for at in times if now - at < 1) > 20:
            raise RateLimited("slow down", retry_after=5)
        return answer()

    async def main() -> int:
        limit, retry = RateLimit(RateLimitConfig(requests_per_minute=600)), Retry(RetryConfig(), lambda: 0.5)
        done = 0

        async def agent(number: int) -> None:
            nonlocal done
            await retry(call(str(number)), lambda request: limit(request, provider))
            done += 1

        async with anyio.create_task_group() as group:
            for number in range(100):
                group.start_soon(agent, number)
        return done

    assert simulate(main) == 100
    assert len(times) <= 170  # the burst of 60 was refused, and hardly anybody a second time
    assert not [at for at in times if 0.5 < at < 5.5]


def test_long_waits_are_told_once() -> None:
    """A wait that a person would notice is a notice; short ones are not."""
    records = Records()
    starts(RateLimitConfig(requests_per_minute=6), [call(str(number), records=records) for number in range(3)])

    assert [event.text for event in records.of(NoticeGiven)] == ["calls of b wait 10 s for the rate limit"] * 2


def test_cancelling_gives_up_the_place() -> None:
    """Whoever is cancelled in the queue does not hold up those behind."""

    async def main() -> list[float]:
        limit, went = RateLimit(RateLimitConfig(requests_per_minute=6)), []

        async def through(request: ModelCall) -> ModelAnswer:
            went.append(anyio.current_time())
            return answer()

        await limit(call("a"), through)
        with anyio.move_on_after(3):
            await limit(call("b"), through)
        await limit(call("c"), through)
        return went

    assert [round(at) for at in simulate(main)] == [0, 10]


def test_other_faults_pass_and_close_nothing() -> None:
    """An overloaded provider is a matter for retries."""

    async def provider(request: ModelCall) -> ModelAnswer:
        raise Overloaded("busy")

    async def main() -> float:
        limit = RateLimit(RateLimitConfig())
        for _ in range(3):
            with pytest.raises(Overloaded):
                await limit(call("a"), provider)
        return anyio.current_time()

    assert simulate(main) == 0


@given(
    st.floats(0.1, 50),
    st.floats(1, 20),
    st.lists(st.tuples(st.sampled_from([0.0, 0.0, 10.0]) | st.floats(0, 5), st.just(1.0) | st.floats(0.01, 1)), min_size=1, max_size=40),
)
def test_a_bucket_never_gives_more_than_it_says(rate: float, size: float, wishes: list[tuple[float, float]]) -> None:
    """Taken as soon as possible, in any stretch of time no more goes out than the size and what came in since."""
    bucket, now, taken = Bucket(rate, size, size, 0.0), 0.0, []
    for later, amount in wishes:
        now += later
        now += bucket.wait(now, amount)
        bucket.take(now, amount)
        taken.append((now, amount))
    for first, (begin, _) in enumerate(taken):
        total = 0.0
        for at, amount in taken[first:]:
            total += amount
            assert total <= size + rate * (at - begin) + 1e-6


@given(st.floats(0.1, 50), st.floats(1, 20), st.floats(0, 500))
def test_nothing_waits_for_ever(rate: float, size: float, amount: float) -> None:
    """Even what is larger than the bucket goes as soon as it is full."""
    bucket = Bucket(rate, size, 0.0, 0.0)

    assert bucket.wait(bucket.wait(0.0, amount), amount) <= 1e-6
    assert bucket.wait(0.0, amount) <= size / rate + 1e-6
