"""The laws of strategies, for `judge`."""

from __future__ import annotations

from typing import ClassVar

import pytest

from massgen_testkit.strategy import StrategySuite

pytestmark = pytest.mark.once


class TestJudge(StrategySuite):
    name = "judge"
    unsupported: ClassVar[dict[str, str]] = {
        "early stop": "one agent votes, and its vote is needed",
        "renaming": "a lot over the names draws the judge",
        "ties": "one vote cannot be a tie",
    }

    def most_calls(self, agents: int) -> int:
        return 1 if agents == 1 else agents + 1


class TestJudgeWithPresentation(TestJudge):
    options: ClassVar[dict[str, str]] = {"final": "present"}

    def most_calls(self, agents: int) -> int:
        return 1 if agents == 1 else agents + 2
