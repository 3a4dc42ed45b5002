"""Facts of lists: what servers have, and what of it can be used."""

from __future__ import annotations

from typing import ClassVar

import attrs

from massgen_mcp_client.events.base import McpEvent

__all__ = [
    "ToolRefused",
    "ToolRepaired",
    "ToolsChanged",
    "ToolsListed",
    "ToolsRequested",
]


@attrs.frozen(kw_only=True)
class ToolsRequested(McpEvent):
    """A listing began. `what` is `tools`, `resources`, `resource_templates` or `prompts`."""

    type: ClassVar[str] = "mcp.discovery.requested"
    what: str = "tools"


@attrs.frozen(kw_only=True)
class ToolsListed(McpEvent):
    """A listing ended well.

    Attributes:
        what: `tools`, `resources`, `resource_templates` or `prompts`.
        count: How many the agents can use.
        names: Their names on the wire; for tools only.
        pages: Requests that it took.
        is_cached: It came from the discovery cache.
        digest: Of the whole listing, to see whether two are equal.
    """

    type: ClassVar[str] = "mcp.discovery.listed"
    what: str = "tools"
    count: int
    names: tuple[str, ...] = ()
    pages: int = 1
    is_cached: bool = False
    digest: str = ""
    milliseconds: float = 0.0


@attrs.frozen(kw_only=True)
class ToolsChanged(McpEvent):
    """A later listing differs from the one before; names as on the wire."""

    type: ClassVar[str] = "mcp.discovery.changed"
    what: str = "tools"
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class ToolRepaired(McpEvent):
    """A tool's definition, or a result, was off the protocol and was mended. `fixes` says how."""

    type: ClassVar[str] = "mcp.discovery.repaired"
    tool: str = ""
    fixes: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class ToolRefused(McpEvent):
    """A tool is not offered to agents: `reason` says why, `rule` which rule, so that it can be changed."""

    type: ClassVar[str] = "mcp.discovery.refused"
    tool: str
    reason: str
    rule: str = ""
