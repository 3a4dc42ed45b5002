"""What this distribution provides."""

from __future__ import annotations

from massgen_core.api import StrategySpec, hookimpl
from massgen_strategy_majority.config import MajorityConfig


@hookimpl
def massgen_strategies() -> list[StrategySpec]:
    return [
        StrategySpec(
            name="majority",
            factory="massgen_strategy_majority.strategy:Majority",
            summary="the answer that comes most often in several samples",
            config=MajorityConfig,
            calls="massgen_strategy_majority.config:calls",
        )
    ]
