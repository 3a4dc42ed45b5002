"""The options of the four middlewares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import attrs

from massgen_core.api import Price

__all__ = ["BudgetConfig", "CacheConfig", "RateLimitConfig", "RetryConfig"]


def _option(default: Any, text: str) -> Any:
    return attrs.field(default=default, metadata={"help": text})


@attrs.frozen(kw_only=True)
class RetryConfig:
    """How often, and how patiently, a failed call is made again."""

    attempts: int = _option(5, "calls in all, the first one included")
    first_delay: float = _option(1.0, "seconds: the longest wait after the first failure; it doubles with each further one")
    longest_delay: float = _option(30.0, "seconds that the doubling stops at")
    longest_retry_after: float = _option(60.0, "seconds that a provider may ask to wait; if it asks for more, the call fails at once")
    deadline: float = _option(300.0, "seconds since the first attempt after which no further one begins")


@attrs.frozen(kw_only=True)
class RateLimitConfig:
    """How many calls and tokens a minute."""

    requests_per_minute: float | None = _option(None, "model calls a minute; unset: no limit")
    tokens_per_minute: float | None = _option(None, "tokens a minute, input and output; unset: no limit")
    burst_seconds: float = _option(6.0, "how many seconds' worth of either limit may be used at once")
    per: Literal["backend", "model"] = _option("model", "what has limits of its own: a backend, or each model of it")
    cooldown: float = _option(10.0, "seconds for which all calls wait after a 429 that does not say how long")


@attrs.frozen(kw_only=True)
class BudgetConfig:
    """What may be spent before calls are refused."""

    tokens: int | None = _option(None, "tokens of the whole run")
    money: float | None = _option(None, "US dollars of the whole run")
    agent_tokens: int | None = _option(None, "tokens of each agent")
    agent_money: float | None = _option(None, "US dollars of each agent")
    prices: Mapping[str, Price] = attrs.field(
        factory=dict, metadata={"help": "of models whose cost neither the backend nor `prices` of the configuration tells, by name"}
    )


@attrs.frozen(kw_only=True)
class CacheConfig:
    """Where answers are kept, and which."""

    folder: str = _option("", "where; unset: massgen/answers in the user's cache folder")
    megabytes: float = _option(64.0, "size of all entries together; the longest unused go first")
    always: bool = _option(False, "keep answers to requests that draw lots, too: neither temperature 0 nor a seed")
