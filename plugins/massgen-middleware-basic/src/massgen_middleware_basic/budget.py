"""Refusing calls once a budget is used up."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import attrs

from massgen_core.api import (
    BudgetExceeded,
    Context,
    Event,
    LimitReached,
    ModelAnswer,
    ModelCall,
    ModelFailed,
    NoticeGiven,
    Price,
    Usage,
)
from massgen_middleware_basic.config import BudgetConfig

__all__ = ["Breach", "Budget", "Ledger", "keep", "open_budget"]


def open_budget(config: BudgetConfig | None, context: Context) -> Budget:
    """Return a middleware that keeps to a budget; what a resumed run had spent before counts."""
    return Budget(config or BudgetConfig(), context.folder / "budget" / "spent.jsonl")


@attrs.frozen
class Breach:
    """A budget that is used up; `agent` is empty where it is the run's."""

    what: Literal["tokens", "money"]
    spent: float
    limit: float
    agent: str = ""

    def __str__(self) -> str:
        whose = f"agent {self.agent!r}" if self.agent else "the run"
        unit = f"{self.spent:,.0f} of {self.limit:,.0f} tokens" if self.what == "tokens" else f"${self.spent:.4f} of ${self.limit:.4f}"
        option = f"agent_{self.what}" if self.agent else self.what
        return f"the budget of {whose} is used up ({unit}); raise {option!r} of middleware 'budget' to go on"


@attrs.define
class Ledger:
    """What was spent: tokens and US dollars, by agent."""

    tokens: dict[str, int] = attrs.field(factory=dict)
    money: dict[str, float] = attrs.field(factory=dict)

    def add(self, agent: str, tokens: int, money: float) -> None:
        """Count a call."""
        self.tokens[agent] = self.tokens.get(agent, 0) + tokens
        self.money[agent] = self.money.get(agent, 0.0) + money

    def breach(self, config: BudgetConfig, agent: str) -> Breach | None:
        """Return the first budget that this agent's next call would exceed, the agent's own before the run's."""
        checks: tuple[tuple[Literal["tokens", "money"], float, float | None, str], ...] = (
            ("tokens", self.tokens.get(agent, 0), config.agent_tokens, agent),
            ("money", self.money.get(agent, 0.0), config.agent_money, agent),
            ("tokens", sum(self.tokens.values()), config.tokens, ""),
            ("money", sum(self.money.values()), config.money, ""),
        )
        return next((Breach(what, spent, limit, whose) for what, spent, limit, whose in checks if limit is not None and spent >= limit), None)

    @classmethod
    def read(cls, path: Path) -> Ledger:
        """Return what was kept; an empty ledger where nothing was. A line that cannot be read counts as nothing."""
        ledger = cls()
        try:
            lines = path.read_bytes().splitlines()
        except OSError:
            return ledger
        for line in lines:
            with contextlib.suppress(ValueError, KeyError, TypeError):
                spent = json.loads(line)
                ledger.add(str(spent["agent"]), int(spent["tokens"]), float(spent["money"]))
        return ledger


def keep(path: Path, agent: str, tokens: int, money: float) -> None:
    """Write what one call used. The line break comes first, so that a line torn by a crash spoils no other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab", buffering=0) as file:
        file.write(b"\n" + json.dumps({"agent": agent, "tokens": tokens, "money": money}).encode())


class Budget:
    """Refuses calls that come after a budget was used up, and counts what calls use.

    Args:
        config: The budgets.
        path: Where spending is kept for a resumed run.
    """

    def __init__(self, config: BudgetConfig, path: Path) -> None:
        self._config, self._path = config, path
        self._ledger = Ledger.read(path)
        self._told: set[object] = set()

    async def __call__(self, request: ModelCall, following: Callable[[ModelCall], Awaitable[ModelAnswer]]) -> ModelAnswer:
        """Make the call, if there is something left for it.

        Raises:
            BudgetExceeded: There is not; no call was made.
        """
        breach = self._ledger.breach(self._config, request.agent)
        if breach is not None:
            if self._is_new((breach.what, breach.agent)):
                request.emit(LimitReached(what=breach.what, limit=breach.limit, agent=breach.agent))
            raise BudgetExceeded(str(breach))

        def emit(event: Event) -> None:
            # Attempts that failed were paid for, too.
            if isinstance(event, ModelFailed):
                self._count(request, event.usage, request.request.model)
            request.emit(event)

        answer = await following(attrs.evolve(request, emit=emit))
        if not answer.is_cached:
            self._count(request, answer.usage, answer.model or request.request.model)
        return answer

    def _count(self, call: ModelCall, usage: Usage, model: str) -> None:
        if not usage.total and usage.cost is None:
            return
        prices: Mapping[str, Price] = self._config.prices
        price = prices.get(model) or prices.get(call.request.model)
        money = price.of(usage) if usage.cost is None and price is not None else usage.cost
        if money is None and (self._config.money is not None or self._config.agent_money is not None) and self._is_new(("price", model)):
            text = (
                f"the price of {model or call.backend!r} is not known, so its calls do not count against the budget of money; "
                "give it in `prices` of the configuration"
            )
            call.emit(NoticeGiven(level="warning", text=text, agent=call.agent))
        self._ledger.add(call.agent, usage.total, money or 0.0)
        try:
            keep(self._path, call.agent, usage.total, money or 0.0)
        except OSError as error:
            if self._is_new("keep"):
                text = f"spending cannot be kept for a resumed run: {error.strerror} ({self._path})"
                call.emit(NoticeGiven(level="warning", text=text))

    def _is_new(self, what: Any) -> bool:
        is_new = what not in self._told
        self._told.add(what)
        return is_new
