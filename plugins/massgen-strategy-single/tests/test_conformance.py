"""The laws of strategies, for `single`."""

from __future__ import annotations

from typing import ClassVar

import pytest

from massgen_testkit import PresetSuite
from massgen_testkit.games import NAMES
from massgen_testkit.strategy import StrategySuite

pytestmark = pytest.mark.once


class TestSingle(StrategySuite):
    name = "single"
    options: ClassVar[dict[str, str]] = {"agent": NAMES[0]}
    unsupported: ClassVar[dict[str, str]] = {
        "candidates": "nobody chooses among answers",
        "early stop": "it asks only once",
        "renaming": "the agent is named in the configuration",
        "several": "the others take no part",
        "ties": "there is nothing to choose from",
    }

    def most_calls(self, agents: int) -> int:
        return 1


class TestSingleAgent(PresetSuite):
    """What every preset must be."""

    name = "single-agent"
