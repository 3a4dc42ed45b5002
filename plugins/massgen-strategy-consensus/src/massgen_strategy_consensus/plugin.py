"""What this distribution provides."""

from __future__ import annotations

from massgen_core.api import StrategySpec, hookimpl
from massgen_strategy_consensus.config import ConsensusConfig


@hookimpl
def massgen_strategies() -> list[StrategySpec]:
    return [
        StrategySpec(
            name="consensus",
            factory="massgen_strategy_consensus.strategy:Consensus",
            summary="agents answer in parallel, vote for the best answer, and the winner presents it",
            config=ConsensusConfig,
            calls="massgen_strategy_consensus.config:calls",
        )
    ]
