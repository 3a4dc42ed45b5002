"""The laws of strategies, for `consensus`."""

from __future__ import annotations

from typing import ClassVar

import pytest

from massgen_testkit.strategy import StrategySuite

pytestmark = pytest.mark.once


class TestConsensus(StrategySuite):
    name = "consensus"
    patience: ClassVar[dict[str, bool]] = {"early_stop": False}

    def most_calls(self, agents: int) -> int:
        return 1 if agents == 1 else 2 * agents + 1
