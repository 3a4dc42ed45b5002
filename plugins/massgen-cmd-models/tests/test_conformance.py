"""The command is a command like any other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from massgen_testkit import CommandSuite


class TestModels(CommandSuite):
    """Whatever backends are installed, none included, listing succeeds."""

    name = "models"
    mistakes: ClassVar[Sequence[Sequence[str]]] = (
        ("pull", "no-such-model"),
        ("pull", "a", "--small"),
        ("list", "a"),
        ("--backend", "no-such-backend"),
        ("push",),
    )
