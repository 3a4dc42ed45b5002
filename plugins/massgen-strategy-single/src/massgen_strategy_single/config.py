"""The options of `single`."""

from __future__ import annotations

import attrs

__all__ = ["SingleConfig"]


@attrs.frozen(kw_only=True)
class SingleConfig:
    """Who answers."""

    agent: str = attrs.field(default="", metadata={"help": "the agent that answers; empty: the first of the configuration"})
