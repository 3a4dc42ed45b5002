from __future__ import annotations

from massgen_testkit import DisplaySuite


class TestTerminal(DisplaySuite):
    """What every display must do."""

    name = "terminal"
