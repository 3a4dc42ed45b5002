"""Facts of containers."""

from __future__ import annotations

from typing import ClassVar

import attrs

from massgen_core.api import Event

__all__ = ["EVENTS", "SandboxOpened", "SandboxRequested"]


@attrs.frozen(kw_only=True)
class SandboxOpened(Event):
    """A container was started. `opened` lists what its configuration opens that is closed by default."""

    type: ClassVar[str] = "docker.opened"
    agent: str
    container: str
    image: str
    network: str
    opened: tuple[str, ...] = ()
    seconds: float = 0.0


@attrs.frozen(kw_only=True)
class SandboxRequested(Event):
    """A command asked the proxy for a connection to a host; `reason` says why it got none, and is empty where it did."""

    type: ClassVar[str] = "docker.requested"
    agent: str
    target: str
    method: str
    is_allowed: bool
    reason: str = ""


EVENTS: tuple[type[Event], ...] = (SandboxOpened, SandboxRequested)
