"""What this distribution provides."""

from __future__ import annotations

from massgen_core.api import StrategySpec, hookimpl
from massgen_strategy_single.config import SingleConfig


@hookimpl
def massgen_strategies() -> list[StrategySpec]:
    return [
        StrategySpec(
            name="single",
            factory="massgen_strategy_single.strategy:Single",
            summary="one agent answers, and its answer is the result",
            config=SingleConfig,
            calls="massgen_strategy_single.config:calls",
        )
    ]
