"""The laws of strategies, for `majority`."""

from __future__ import annotations

from typing import ClassVar

import pytest

from massgen_testkit.strategy import StrategySuite

pytestmark = pytest.mark.once


class TestMajority(StrategySuite):
    name = "majority"
    patience: ClassVar[dict[str, bool]] = {"early_stop": False}
    unsupported: ClassVar[dict[str, str]] = {
        "candidates": "no agent is shown another one's answer",
        "renaming": "a lot over the names says who draws one sample more",
    }

    def most_calls(self, agents: int) -> int:
        return 5
