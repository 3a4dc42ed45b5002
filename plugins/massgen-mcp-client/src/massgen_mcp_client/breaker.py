"""A circuit breaker as a value: every change makes a new one, time is an argument, and nothing here waits."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import attrs

from massgen_mcp_client.config import BreakerConfig

__all__ = ["Breaker", "BreakerState", "Permit"]

BreakerState: TypeAlias = Literal["closed", "open", "half_open"]


@attrs.frozen
class Permit:
    """Leave to try once. It counts only as long as the breaker has not changed its state since.

    Attributes:
        generation: The breaker's generation when it was given.
        is_probe: The call decides whether the breaker closes; no other call is let through meanwhile.
    """

    generation: int
    is_probe: bool = False


@attrs.frozen(kw_only=True)
class Breaker:
    """Whether a server may be tried.

    `closed` lets every call through; so many failures in a row `open` it; after a wait it is `half_open` and lets a single probe through, which
    closes it or opens it for longer. Only failures of the machinery belong here: connects, lost links, time-outs; never a tool that says it failed.

    Attributes:
        failures: Failures in a row.
        openings: Times in a row that it opened without a success between.
        generation: Goes up whenever the state changes; reports of an older generation change nothing.
        until: The time, in seconds of the caller's clock, at which the next probe may be given; 0 where it is closed.
    """

    config: BreakerConfig = BreakerConfig()
    state: BreakerState = "closed"
    failures: int = 0
    openings: int = 0
    generation: int = 0
    until: float = 0.0

    def permit(self, now: float) -> tuple[Breaker, Permit | None]:
        """Ask whether a call may be made; None means that it must not be.

        A probe that is never reported blocks the next one only for `config.seconds`.
        """
        if self.state == "closed":
            return self, Permit(self.generation)
        if now < self.until:
            return self, None
        probing = attrs.evolve(self, state="half_open", generation=self.generation + 1, until=now + self.config.seconds)
        return probing, Permit(probing.generation, is_probe=True)

    def succeeded(self, permit: Permit, now: float) -> Breaker:
        """Report that a permitted call went well."""
        if permit.generation != self.generation:
            return self
        if self.state == "closed":
            return attrs.evolve(self, failures=0, openings=0)
        return attrs.evolve(self, state="closed", failures=0, openings=0, generation=self.generation + 1, until=0.0)

    def failed(self, permit: Permit, now: float) -> Breaker:
        """Report that a permitted call failed."""
        if permit.generation != self.generation:
            return self
        failures = self.failures + 1
        if self.state == "closed" and (not self.config.failures or failures < self.config.failures):
            return attrs.evolve(self, failures=failures)
        return attrs.evolve(
            self,
            state="open",
            failures=failures,
            openings=self.openings + 1,
            generation=self.generation + 1,
            until=now + self._wait(),
        )

    def released(self, permit: Permit, now: float) -> Breaker:
        """Report that a permitted call ended without telling anything, for instance because it was cancelled; another probe may follow at once."""
        if permit.generation != self.generation or not permit.is_probe:
            return self
        return attrs.evolve(self, state="open", generation=self.generation + 1, until=now)

    def wait(self, now: float) -> float:
        """Return the seconds until a call may be let through; 0 where one may now."""
        return 0.0 if self.state == "closed" else max(0.0, self.until - now)

    def _wait(self) -> float:
        config = self.config
        longest = max(config.seconds, config.max_seconds)
        # Compared as logarithms: the power itself overflows.
        if self.openings * math.log(config.factor) >= math.log(longest / config.seconds):
            return longest
        return min(longest, config.seconds * config.factor**self.openings)
