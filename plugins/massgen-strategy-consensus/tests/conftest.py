"""Short ways to write runs down."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from massgen_strategy_consensus.config import ConsensusConfig
from massgen_strategy_consensus.strategy import Consensus
from massgen_testkit.moves import Move, Script
from massgen_testkit.panel import Panel


@pytest.fixture
def play() -> Callable[..., Panel]:
    """Return a function that plays a run of the agents ann, bob, cyd, ... with the marks a, b, c, ...

    Its arguments are the agents' favourites as one word, for instance `play("aab")`, their moves by name, and the strategy's options.
    """

    def run(
        favourites: str,
        moves: dict[str, dict[str, tuple[Move, ...]]] | None = None,
        *,
        order: tuple[int, ...] = (0,),
        seed: int = 1,
        limits: Any = None,
        history: Any = (),
        **options: Any,
    ) -> Panel:
        names = ("ann", "bob", "cyd", "dan", "eve")
        scripts = {name: Script(name[0], favourite, (moves or {}).get(name, {})) for name, favourite in zip(names, favourites, strict=False)}
        return Panel(Consensus(ConsensusConfig(**options)), scripts, seed=seed, order=order, limits=limits, history=history).play()

    return run
