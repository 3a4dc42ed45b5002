"""The commands are commands like any other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from massgen_testkit import CommandSuite


class TestSet(CommandSuite):
    """Without a value, or with one on the command line, nothing is set."""

    name = "auth.set"
    mistakes: ClassVar[Sequence[Sequence[str]]] = (("A_KEY",), ("A_KEY=x",), ("A_KEY", "x"), ("env:A_KEY",), ("no-such-store:A KEY",), ("",))
    unsupported: ClassVar[Mapping[str, str]] = {"example": "it needs a store, which another distribution brings"}


class TestDelete(CommandSuite):
    """What is nowhere cannot be deleted."""

    name = "auth.delete"
    mistakes: ClassVar[Sequence[Sequence[str]]] = (("A_KEY",), ("env:A_KEY",), ("A_KEY", "--store", "no-such-store"))
    unsupported: ClassVar[Mapping[str, str]] = {"example": "it needs a store, which another distribution brings"}


class TestList(CommandSuite):
    """Listing succeeds whatever is installed."""

    name = "auth.list"
    mistakes: ClassVar[Sequence[Sequence[str]]] = (("A_KEY",),)


class TestCheck(CommandSuite):
    """Without a reference nothing can be missing."""

    name = "auth.check"
    mistakes: ClassVar[Sequence[Sequence[str]]] = (("A_KEY",), ("no-such-store:A",), ("--config", "no-such-file.yaml"))
