"""The classifier and its command are like any others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from massgen_testkit import ClassifierSuite, CommandSuite


class TestCommands(ClassifierSuite):
    """It has no opinion on tools that it does not know."""

    name = "commands"


class TestTrusting(ClassifierSuite):
    """The same where what no rule names is allowed."""

    name = "commands"
    options: ClassVar[Mapping[str, Any]] = {"otherwise": "allow", "disable": ["power"], "levels": {"miners": "warn"}}


class TestRules(CommandSuite):
    """`massgen safety rules`."""

    name = "safety.rules"
    example = ("rm -rf /",)
    mistakes = (("--no-such-option",),)
