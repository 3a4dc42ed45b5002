"""The command is a command like any other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


class TestDoctor(CommandSuite):
    """A backend that nobody provides is a mistake."""

    name = "backend.doctor"
    unsupported: ClassVar[Mapping[str, str]] = {"example": "no backend comes with this distribution; test_doctor.py makes its own"}
    mistakes: ClassVar[Sequence[Sequence[str]]] = ((), ("no-such-backend",), ("no-such-backend", "--set", "x"))
