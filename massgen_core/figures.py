"""What model calls used, cost and how quick they were, per agent and model: a fold over a run's events."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from massgen_core.events import Event, ModelAnswered, ModelFailed, ModelRequested
from massgen_core.messages import Usage
from massgen_core.prices import cost_text
from massgen_core.rates import RateLimits

__all__ = ["Figures", "ModelFigures"]

_COUNTED = frozenset({ModelRequested, ModelAnswered, ModelFailed})


@attrs.define
class ModelFigures:
    """Figures of one agent's calls of one model, or of several models together.

    Attributes:
        model: As the provider names it; empty for several together.
        calls: Calls that ended well, those from a cache included.
        failures: Attempts that failed.
        usage: Of all of them.
        limits: The provider's limits, as it told them last.
    """

    agent: str
    model: str = ""
    calls: int = 0
    failures: int = 0
    usage: Usage = Usage()
    limits: RateLimits | None = None
    _waited: float = 0.0
    _begun: int = 0
    _written: float = 0.0
    _tokens: int = 0

    @property
    def first(self) -> float | None:
        """Seconds to the first token, on average; None where nothing streamed."""
        return self._waited / self._begun if self._begun else None

    @property
    def rate(self) -> float | None:
        """Output tokens a second while the answers streamed; None where that is not known."""
        return self._tokens / self._written if self._written and self._tokens else None

    @property
    def words(self) -> tuple[str, ...]:
        """What is known of it, for a person: calls, tokens, cost, seconds to the first token, tokens a second, what is left of limits."""
        calls = f"{self.calls} call{'' if self.calls == 1 else 's'}" + (f", {self.failures} failed" if self.failures else "")
        tokens = f"{self.usage.total:,} token{'' if self.usage.total == 1 else 's'}" if self.usage.total else ""
        first = f"first token {self.first:.1f} s" if self.first is not None else ""
        rate = f"{self.rate:.0f} tokens/s" if self.rate is not None else ""
        left = self.limits.words if self.limits is not None else ()
        return tuple(word for word in (calls, tokens, cost_text(self.usage), first, rate, *left) if word)

    def take(self, event: ModelAnswered) -> None:
        """Count a call."""
        self.calls += 1
        self.usage = self.usage + event.usage
        self.limits = event.limits or self.limits
        if event.first > 0:
            self._waited += event.first
            self._begun += 1
        # What comes in one piece says nothing about speed.
        if event.writing >= 0.05 * event.first and event.writing > 0:
            self._written += event.writing
            self._tokens += event.usage.output + event.usage.reasoning

    def add(self, other: ModelFigures) -> None:
        """Count another one's calls too."""
        self.calls += other.calls
        self.failures += other.failures
        self.usage = self.usage + other.usage
        self._waited, self._begun = self._waited + other._waited, self._begun + other._begun
        self._written, self._tokens = self._written + other._written, self._tokens + other._tokens


class Figures:
    """The fold; memory grows with agents and models, not with calls."""

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self._rows: dict[tuple[str, str], ModelFigures] = {}
        self._asked: dict[str, str] = {}
        for event in events:
            self.take(event)

    def take(self, event: Event) -> None:
        """Take the next event; most say nothing about models."""
        if type(event) not in _COUNTED:  # each streamed piece comes by here
            return
        if isinstance(event, ModelRequested):
            self._asked[event.agent] = event.model
        elif isinstance(event, ModelAnswered):
            self._row(event.agent, event.model).take(event)
        elif isinstance(event, ModelFailed):
            row = self._row(event.agent, self._asked.get(event.agent, ""))
            row.failures += 1
            row.usage = row.usage + event.usage

    def _row(self, agent: str, model: str) -> ModelFigures:
        row = self._rows.get((agent, model))
        if row is None:
            row = self._rows[agent, model] = ModelFigures(agent, model)
        return row

    @property
    def rows(self) -> tuple[ModelFigures, ...]:
        """One of each agent and model, in the order of their first answers."""
        return tuple(self._rows.values())

    def of(self, agent: str) -> ModelFigures:
        """Return an agent's figures, all its models together."""
        whole = ModelFigures(agent)
        for row in self._rows.values():
            if row.agent == agent:
                whole.add(row)
        return whole
