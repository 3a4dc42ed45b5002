"""Trying what is configured, before anything is paid for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, runtime_checkable

import attrs

__all__ = ["Check", "Checkable"]


@attrs.frozen(kw_only=True)
class Check:
    """One thing that was tried.

    Attributes:
        what: The thing, for instance `server files`.
        text: What was found.
        remedy: What to do.
    """

    what: str
    state: Literal["ok", "skipped", "failed"] = "ok"
    text: str = ""
    remedy: str = ""


@runtime_checkable
class Checkable(Protocol):
    """What a factory returns may also be able to try itself: `massgen config test` asks every object that is."""

    async def check(self) -> Sequence[Check]:
        """Try each part, and say how it is. It costs nothing, and sends nothing to a model."""
