"""The conformance suite, run on this toolset."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from massgen_testkit import ToolsetSuite

FILE = str(Path(__file__).with_name("functions.py"))


class TestPython(ToolsetSuite):
    """What every toolset must do."""

    name = "python"
    example = ("add", {"first": 1})
    slow = ("sleeps", {})

    options: ClassVar[Mapping[str, Any]] = {"functions": [{"path": FILE, "function": name} for name in ("add", "sleeps")]}
