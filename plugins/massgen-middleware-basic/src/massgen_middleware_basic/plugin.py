"""What this distribution provides.

The order has reasons. An answer from the cache costs nothing, so the cache is outside the budget. A budget is asked once for each call that the agent
makes, so it is outside the retries. Each retry is a call of its own for the provider, so the rate limit is inside them.
"""

from __future__ import annotations

from massgen_core.api import MiddlewareSpec, hookimpl
from massgen_middleware_basic.config import BudgetConfig, CacheConfig, RateLimitConfig, RetryConfig

__all__ = ["massgen_middlewares"]


@hookimpl
def massgen_middlewares() -> list[MiddlewareSpec]:
    """Provide `cache`, `budget`, `retry` and `ratelimit`, from the outermost to the innermost."""
    return [
        MiddlewareSpec(
            name="cache",
            around="model",
            order=10,
            summary="answers a request that was answered before from disk",
            factory="massgen_middleware_basic.cache:open_cache",
            config=CacheConfig,
        ),
        MiddlewareSpec(
            name="budget",
            around="model",
            order=20,
            summary="refuses calls once tokens or money are used up",
            factory="massgen_middleware_basic.budget:open_budget",
            config=BudgetConfig,
        ),
        MiddlewareSpec(
            name="retry",
            around="model",
            order=30,
            summary="makes failed calls again, with growing random pauses",
            factory="massgen_middleware_basic.retry:open_retry",
            config=RetryConfig,
        ),
        MiddlewareSpec(
            name="ratelimit",
            around="model",
            order=40,
            summary="keeps to a number of calls and tokens a minute",
            factory="massgen_middleware_basic.ratelimit:open_ratelimit",
            config=RateLimitConfig,
        ),
    ]
