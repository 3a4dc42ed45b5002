"""Keeping to calls and tokens a minute."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
import anyio.lowlevel
import attrs

from massgen_core.api import Context, ModelAnswer, ModelCall, ModelRequest, NoticeGiven, RateLimited, Text, ToolCall, ToolResult
from massgen_middleware_basic.config import RateLimitConfig

__all__ = ["Bucket", "Limiter", "RateLimit", "open_ratelimit"]

# Waits below this are nobody's business; longer ones are told, or a run would seem to hang.
TOLD = 5.0
# Float seconds of a clock that has run for years still tell less than this apart; sleeping less would spin.
SHORTEST = 1e-4


def open_ratelimit(config: RateLimitConfig | None, context: Context) -> RateLimit:
    """Return a middleware that limits the rate of calls."""
    return RateLimit(config or RateLimitConfig())


@attrs.define
class Bucket:
    """A token bucket: it fills evenly up to its size. In any stretch of t seconds at most `size + rate * t` is taken out of it.

    What is larger than the bucket goes when it is full and leaves a debt: otherwise it would wait for ever.

    Attributes:
        rate: What comes in a second.
        size: What it holds.
        level: What it held at `at`.
    """

    rate: float
    size: float
    level: float
    at: float

    def wait(self, now: float, amount: float) -> float:
        """Return the seconds until `amount` can be taken."""
        missing = min(amount, self.size) - self._level(now)
        return missing / self.rate if missing > 1e-9 else 0.0

    def take(self, now: float, amount: float) -> None:
        """Take out `amount`; a negative one gives back."""
        self.level, self.at = min(self.size, self._level(now) - amount), max(now, self.at)

    def drain(self, now: float) -> None:
        """Leave one in it, so that what waits comes one after the other."""
        self.level, self.at = min(1.0, self._level(now)), max(now, self.at)

    def _level(self, now: float) -> float:
        return min(self.size, self.level + self.rate * max(0.0, now - self.at))


class Limiter:
    """What may go to one backend or model, now. Who comes first goes first."""

    def __init__(self, config: RateLimitConfig, now: float) -> None:
        def bucket(per_minute: float, least: float) -> Bucket:
            rate = per_minute / 60
            size = max(least, rate * config.burst_seconds)
            return Bucket(rate, size, size, now)

        self._requests = bucket(config.requests_per_minute, 1.0) if config.requests_per_minute else None
        self._tokens = bucket(config.tokens_per_minute, 0.0) if config.tokens_per_minute else None
        self._closed_until = now
        # Whoever holds it is the head of the queue; the lock is fair.
        self._head = anyio.Lock()

    def wait(self, now: float, tokens: float) -> float:
        """Return the seconds until a request of so many tokens may go."""
        waits = [self._closed_until - now]
        if self._requests:
            waits.append(self._requests.wait(now, 1))
        if self._tokens:
            waits.append(self._tokens.wait(now, tokens))
        return max(0.0, *waits)

    async def enter(self, tokens: float, tell: Callable[[float], None]) -> None:
        """Wait for one's turn and take it; `tell` is called with the seconds of a long wait at the head of the queue."""
        async with self._head:
            is_told = False
            while (seconds := self.wait(anyio.current_time(), tokens)) > 0:
                if seconds >= TOLD and not is_told:
                    is_told = True
                    tell(seconds)
                await anyio.sleep(max(seconds, SHORTEST))
            now = anyio.current_time()
            if self._requests:
                self._requests.take(now, 1)
            self.settle(now, tokens)

    def settle(self, now: float, tokens: float) -> None:
        """Take tokens that turn out to have been used beyond the estimate, or give back."""
        if self._tokens:
            self._tokens.take(now, tokens)

    def close(self, now: float, seconds: float) -> None:
        """Let nothing through for so long: the provider has had too much."""
        self._closed_until = max(self._closed_until, now + seconds)
        if self._requests:
            self._requests.drain(self._closed_until)


# One set for all runs of an event loop: they use the same keys.
_limiters: anyio.lowlevel.RunVar[dict[tuple[object, ...], Limiter]] = anyio.lowlevel.RunVar("massgen_middleware_basic.ratelimit")


@attrs.frozen
class RateLimit:
    """Lets calls through as the limits allow."""

    config: RateLimitConfig

    async def __call__(self, request: ModelCall, following: Callable[[ModelCall], Awaitable[ModelAnswer]]) -> ModelAnswer:
        """Make the call when it is its turn; after a 429 every call of this backend or model waits."""
        limiter = self._limiter(request)
        estimate = expected(request.request)

        def tell(seconds: float) -> None:
            text = f"calls of {request.backend} wait {seconds:.0f} s for the rate limit"
            request.emit(NoticeGiven(level="info", text=text, agent=request.agent))

        await limiter.enter(estimate, tell)
        try:
            answer = await following(request)
        except RateLimited as fault:
            asked = self.config.cooldown if fault.retry_after is None else max(0.0, fault.retry_after)
            limiter.close(anyio.current_time(), asked)
            raise
        limiter.settle(anyio.current_time(), answer.usage.total - estimate)
        return answer

    def _limiter(self, call: ModelCall) -> Limiter:
        try:
            limiters = _limiters.get()
        except LookupError:
            limiters = {}
            _limiters.set(limiters)
        key = (self.config, call.backend, call.request.model if self.config.per == "model" else "")
        if key not in limiters:
            limiters[key] = Limiter(self.config, anyio.current_time())
        return limiters[key]


def expected(request: ModelRequest) -> int:
    """Return a guess at a call's tokens: four characters for one, and nothing for the answer, which is settled when it is there."""
    characters = sum(len(tool.description) + len(repr(tool.parameters)) for tool in request.tools)
    for message in request.messages:
        for part in message.content:
            if isinstance(part, (Text, ToolResult)):
                characters += len(part.text)
            elif isinstance(part, ToolCall):
                characters += len(part.arguments)
    return 1 + characters // 4
