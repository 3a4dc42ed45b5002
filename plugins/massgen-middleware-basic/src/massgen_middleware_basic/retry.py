"""Making failed calls again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random

import anyio
import attrs

from massgen_core.api import BackendFault, Context, ModelAnswer, ModelCall, ModelRetried, RateLimited
from massgen_middleware_basic.config import RetryConfig

__all__ = ["Retry", "open_retry", "pause"]


def open_retry(config: RetryConfig | None, context: Context) -> Retry:
    """Return a middleware that retries; its pauses are drawn from the run's id, so that a simulated run can be repeated."""
    return Retry(config or RetryConfig(), Random(context.run).random)  # noqa: S311 - pauses are no secret


def pause(config: RetryConfig, attempt: int, elapsed: float, fault: BackendFault, draw: Callable[[], float]) -> float | None:
    """Return how long to wait before the next attempt, None where there is none.

    The wait is drawn evenly between nothing and a bound that doubles ("full jitter", after Marc Brooker, "Exponential Backoff And Jitter", 2015), so
    that agents which failed together do not come back together. A provider's own `retry_after` is waited for in full, and the draw comes on top.

    Args:
        attempt: The attempt that failed, from 1.
        elapsed: Seconds since the first attempt began.
        draw: Returns numbers from 0 up to 1.
    """
    if not fault.is_retryable or attempt >= config.attempts:
        return None
    asked = fault.retry_after if isinstance(fault, RateLimited) else None
    if asked is not None and asked > config.longest_retry_after:
        return None
    # Doubling stops by itself before the power becomes too large for a float.
    bound = min(config.longest_delay, config.first_delay * 2.0 ** min(attempt - 1, 60))
    delay = draw() * bound
    if asked is not None:
        delay = max(asked, 0.0) + draw() * min(bound, config.first_delay)
    return delay if elapsed + delay <= config.deadline else None


@attrs.define
class Retry:
    """Makes a call again after a fault that may pass.

    Args:
        config: How often and how long.
        draw: Returns numbers from 0 up to 1.
    """

    config: RetryConfig
    draw: Callable[[], float]

    async def __call__(self, request: ModelCall, following: Callable[[ModelCall], Awaitable[ModelAnswer]]) -> ModelAnswer:
        """Make the call until it succeeds, a fault cannot pass, or patience ends; the last fault is raised then."""
        start = anyio.current_time()
        attempt = 1
        while True:
            try:
                return await following(request)
            except BackendFault as fault:
                delay = pause(self.config, attempt, anyio.current_time() - start, fault, self.draw)
                if delay is None:
                    raise self._last(fault, attempt) from fault.__cause__
                reason, kind = str(fault), type(fault).__name__
            attempt += 1
            request.emit(ModelRetried(agent=request.agent, turn=request.turn, attempt=attempt, delay=delay, fault=kind, reason=reason))
            await anyio.sleep(delay)

    def _last(self, fault: BackendFault, attempt: int) -> BackendFault:
        asked = fault.retry_after if isinstance(fault, RateLimited) else None
        if asked is None or asked <= self.config.longest_retry_after or attempt >= self.config.attempts:
            return fault
        longest = self.config.longest_retry_after
        message = f"{fault}; the provider asks to wait {asked:.0f} s, longer than longest_retry_after of middleware 'retry' allows ({longest:.0f} s)"
        return RateLimited(message, retry_after=asked, status=fault.status)
