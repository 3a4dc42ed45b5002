"""What this distribution provides."""

from __future__ import annotations

from massgen_core.api import StrategySpec, hookimpl
from massgen_strategy_judge.config import JudgeConfig


@hookimpl
def massgen_strategies() -> list[StrategySpec]:
    return [
        StrategySpec(
            name="judge",
            factory="massgen_strategy_judge.strategy:Judge",
            summary="all agents answer, and one of them chooses",
            config=JudgeConfig,
            calls="massgen_strategy_judge.config:calls",
        )
    ]
