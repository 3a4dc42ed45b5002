"""What one server has, as agents may use it: tools under their names for models, resources, prompts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from massgen_core.api import Tool, clean_line
from massgen_mcp_client import names
from massgen_mcp_client.config import ServerConfig
from massgen_mcp_client.events import ToolRefused, ToolRepaired, ToolsChanged
from massgen_mcp_client.listing import Listing, What
from massgen_mcp_client.memory import Memory
from massgen_mcp_client.schemas import to_tool
from massgen_mcp_client.text import digest, findings

__all__ = ["Inventory", "ServerTool"]


@attrs.frozen(kw_only=True)
class ServerTool:
    """A tool of a server.

    Attributes:
        wire: Its name there.
        tool: As models know it.
        digest: Of its definition.
    """

    wire: str
    tool: Tool
    digest: str


class Inventory:
    """The lists of one server.

    Args:
        config: Its section.
        memory: How its tools were defined before.
        tell: Puts a fact into the journal.
        notice: Tells a person.
        uses_workspace: Its tools may work on files of the agent's workspace.

    Attributes:
        version: Goes up whenever a list changes.
        is_known: There was a list of tools, of this run or of an earlier one.
    """

    def __init__(
        self, config: ServerConfig, memory: Memory, tell: Callable[..., None], notice: Callable[[str, str], None], *, uses_workspace: bool = False
    ) -> None:
        self._config, self._memory, self._tell, self._notice = config, memory, tell, notice
        self.tools: Mapping[str, ServerTool] = {}
        self.entries: dict[str, tuple[Mapping[str, Any], ...]] = {}
        self.version = 0
        self.is_known = False
        self._told: set[str] = set()
        self._uses_workspace = uses_workspace

    def take(self, what: What, found: Listing) -> int:
        """Take a new list and return how much of it agents can use."""
        if what == "tools":
            return self._take_tools(found)
        old, new = self.entries.get(what), found.items
        self.entries[what] = new
        if old is not None and old != new:
            before, after = {_key(item): item for item in old}, {_key(item): item for item in new}
            self._changed(what, before, after)
        elif old is None and new:
            self.version += 1
        return len(new)

    def _take_tools(self, found: Listing) -> int:
        for name, reason in found.refused:
            self._once("refused", name, reason, lambda name=name, reason=reason: self._tell(ToolRefused, tool=name, reason=reason, rule="schema"))  # type: ignore[misc]
        for name, fixes in found.repairs.items():
            self._once("repaired", name, str(fixes), lambda name=name, fixes=fixes: self._tell(ToolRepaired, tool=name, fixes=fixes))  # type: ignore[misc]
        by_name = {str(item["name"]): item for item in found.items}
        config = self._config
        chosen, unused = names.select(config.name, tuple(by_name), config.allowed_tools, config.exclude_tools)
        for pattern in unused:
            text = f"MCP server {config.name!r}: {pattern!r} in allowed_tools or exclude_tools matches none of its tools"
            self._once("pattern", pattern, "", lambda text=text: self._notice("info", text))  # type: ignore[misc]
        made: dict[str, ServerTool] = {}
        for model, (_, wire) in names.assign(config.name, chosen).items():
            raw = by_name[wire]
            self._look_at(wire, raw)
            tool = to_tool(raw, name=model, server=config.name, uses_workspace=self._uses_workspace)
            made[wire] = ServerTool(wire=wire, tool=tool, digest=digest(raw))
        for name in self._memory.changed(config, {name: one.digest for name, one in made.items()}) if config.pin != "off" else ():
            self._take_changed(name, made)
        old, self.tools = self.tools, made
        if not self.is_known or {name: one.digest for name, one in old.items()} != {name: one.digest for name, one in made.items()}:
            was_known, self.is_known = self.is_known, True
            self.version += 1
            if was_known:
                self._tell_changed("tools", {name: one.digest for name, one in old.items()}, {name: one.digest for name, one in made.items()})
        return len(made)

    def _take_changed(self, name: str, made: dict[str, ServerTool]) -> None:
        text = f"MCP server {self._config.name!r}: tool {clean_line(name, 100)!r} is defined in another way than before"
        if self._config.pin == "refuse":
            del made[name]
            reason = "its definition is not the one of before"
            self._once("pin", name, "", lambda: self._tell(ToolRefused, tool=name, reason=reason, rule="pin"))
            text += "; it is left out, see: massgen mcp tools; with `pin: report` it is used"
        self._once("changed", name, "", lambda: self._notice("warning", text))

    def _look_at(self, name: str, raw: Mapping[str, Any]) -> None:
        """Report what does not belong into a definition; what is invisible or commands a terminal has been taken out of what models see."""
        for finding in findings(raw):
            text = f"{finding.path} {finding.message}"
            self._once("finding", name, text, lambda text=text: self._tell(ToolRepaired, tool=name, fixes=(text,)))  # type: ignore[misc]
            if finding.kind == "injection":
                said = f"MCP server {self._config.name!r}: the definition of tool {clean_line(name, 100)!r} {finding.message} ({finding.path})"
                self._once("warning", name, text, lambda said=said: self._notice("warning", said))  # type: ignore[misc]

    def _once(self, kind: str, name: str, text: str, tell: Callable[[], None]) -> None:
        # A server that lists again says the same again.
        key = f"{kind}\0{name}\0{text}"
        if key not in self._told:
            self._told.add(key)
            tell()

    def _changed(self, what: What, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        self.version += 1
        self._tell_changed(what, before, after)

    def _tell_changed(self, what: What, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        self._tell(
            ToolsChanged,
            what=what,
            added=tuple(name for name in after if name not in before),
            removed=tuple(name for name in before if name not in after),
            changed=tuple(name for name in after if name in before and after[name] != before[name]),
        )

    def digest(self, what: What) -> str:
        """Return a hash of a list, to see whether two are equal."""
        if what == "tools":
            return digest({"name": "tools", "inputSchema": {name: one.digest for name, one in self.tools.items()}})[:16]
        return digest({"name": what, "inputSchema": {"items": [dict(item) for item in self.entries.get(what, ())]}})[:16]


def _key(item: Mapping[str, Any]) -> str:
    return str(item.get("uri") or item.get("uriTemplate") or item.get("name") or "?")
