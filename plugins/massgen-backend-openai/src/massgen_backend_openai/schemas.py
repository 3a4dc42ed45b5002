"""Schemas and tools as the API takes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from massgen_core.api import Dialect, Event, Tool, ToolFitter, fit

__all__ = ["LOOSE", "STRICT", "Tools", "is_strict"]

# Without enforcement any schema goes, except at its root; arrays say what they hold.
LOOSE = Dialect(root_unions=False, items_required=True)
STRICT = Dialect(
    keywords=frozenset(
        {
            *("type", "properties", "items", "required", "description", "title", "enum", "const", "anyOf", "$ref", "$defs", "additionalProperties"),
            *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "pattern", "format", "minItems", "maxItems"),
        }
    ),
    lone_refs=True,
    typed=True,
    booleans=False,
    root_unions=False,
    open_values=False,
    closed=True,
    all_required=True,
    items_required=True,
    formats=frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}),
)


def is_strict(schema: Mapping[str, Any]) -> bool:
    """Tell whether the API can enforce a schema just as it is: each object is closed and needs all that it has, and all keywords are known."""
    made, notes = fit(schema, STRICT)
    return not notes and made == schema


class Tools:
    """Writes tools.

    Args:
        strict: Enforce the schemas that can be enforced.
        emit: Puts a fact into the journal.
    """

    def __init__(self, *, strict: bool, emit: Callable[[Event], None]) -> None:
        self._strict = strict
        self._fitter = ToolFitter(LOOSE, backend="openai", emit=emit)
        self._known: dict[str, tuple[Tool, bool]] = {}

    def written(self, tools: Sequence[Tool], agent: str) -> list[dict[str, Any]]:
        """Return the tools of one request."""
        return [self._one(tool) for tool in self._fitter.tools(tools, agent)]

    def _one(self, tool: Tool) -> dict[str, Any]:
        # Unless it is told otherwise, the API makes every schema strict by itself, which not every schema survives.
        made: dict[str, Any] = {"type": "function", "name": tool.name, "parameters": tool.parameters, "strict": self._is_enforced(tool)}
        if tool.description:
            made["description"] = tool.description
        return made

    def _is_enforced(self, tool: Tool) -> bool:
        if not self._strict:
            return False
        known = self._known.get(tool.name)
        if known is None or known[0] is not tool:
            known = self._known[tool.name] = (tool, is_strict(tool.parameters))
        return known[1]
