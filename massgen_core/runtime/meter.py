"""Counts what a run and its agents use, and says when a limit is reached."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from massgen_core.config.sections import LimitsConfig
from massgen_core.events import Event, LimitReached, ModelAnswered, ModelFailed, ModelRequested
from massgen_core.messages import Usage

__all__ = ["Meter"]


_UNLIMITED = LimitsConfig()
_ENDED = (ModelAnswered, ModelFailed)


def _is_free(limits: LimitsConfig) -> bool:
    return limits.calls is None and limits.tokens is None and limits.money is None


@attrs.define
class _Count:
    limits: LimitsConfig
    usage: Usage = Usage()
    calls: int = 0
    told: set[str] = attrs.field(factory=set)


class Meter:
    """Counts tokens, money and calls; time is the conductor's.

    Args:
        run: The limits of the whole run.
        agents: The limits of each agent.
    """

    def __init__(self, run: LimitsConfig, agents: Mapping[str, LimitsConfig]) -> None:
        self._counts = {name: _Count(limits) for name, limits in agents.items() if not _is_free(limits)}
        self._counts[""] = _Count(_UNLIMITED if _is_free(run) else run)

    @property
    def usage(self) -> Usage:
        """All model calls so far, failed ones included."""
        return self._counts[""].usage

    def take(self, event: Event) -> None:
        """Count an event."""
        if isinstance(event, ModelRequested):
            for count in self._of(event.agent):
                count.calls += 1
        elif isinstance(event, _ENDED):
            for count in self._of(event.agent):
                count.usage = count.usage + event.usage

    def _of(self, agent: str) -> list[_Count]:
        return [self._counts[name] for name in ("", agent) if name in self._counts]

    def reached(self, agent: str) -> list[LimitReached]:
        """Return the limits that this agent, or the run, has reached, each one once."""
        found = []
        for name in (agent, ""):
            count = self._counts.get(name)
            if count is None or count.limits is _UNLIMITED:
                continue
            limits, usage = count.limits, count.usage
            for what, used, limit in (
                ("calls", count.calls, limits.calls),
                ("tokens", usage.total, limits.tokens),
                ("money", usage.cost or 0.0, limits.money),
            ):
                # Calls are counted when they begin: the last one that is allowed may end.
                over = limit is not None and (used > limit if what == "calls" else used >= limit)
                if over and what not in count.told and limit is not None:
                    count.told.add(what)
                    found.append(LimitReached(what=what, limit=float(limit), agent=name))  # type: ignore[arg-type]
        return found
