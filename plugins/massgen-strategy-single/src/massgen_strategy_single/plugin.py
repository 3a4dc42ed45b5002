"""What this distribution provides."""

from __future__ import annotations

from massgen_core.api import PresetSpec, StrategySpec, hookimpl
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


@hookimpl
def massgen_presets() -> list[PresetSpec]:
    document = {"version": 1, "agents": [{"name": "ada", "backend": "local"}], "strategy": "single"}
    return [PresetSpec(name="single-agent", summary="one agent on the local model; --backend chooses another one", document=document)]
