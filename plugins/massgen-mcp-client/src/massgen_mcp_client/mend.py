"""Mends results that are slightly off the protocol before the SDK, which is strict, sees them: one bad tool costs one tool, not the list."""

from __future__ import annotations

from typing import Any

import mcp.types as wire

from massgen_core.api import clean_line
from massgen_mcp_client.schemas import listing
from massgen_mcp_client.tap import Operation

__all__ = ["mend"]

_CACHED = frozenset({"server/discover", "tools/list", "resources/list", "resources/templates/list", "prompts/list", "resources/read"})
_ENTRIES: dict[str, tuple[str, Any]] = {
    "tools/list": ("tools", wire.Tool),
    "resources/list": ("resources", wire.Resource),
    "resources/templates/list": ("resourceTemplates", wire.ResourceTemplate),
    "prompts/list": ("prompts", wire.Prompt),
}


def mend(operation: Operation, result: dict[str, Any]) -> None:
    """Change a result in place, and note at the operation what was mended and refused."""
    method = operation.method
    operation.has_ttl = "ttlMs" in result
    if operation.is_modern:
        # The first servers of this era leave out what it requires; what it says of absence is the same as these values.
        result.setdefault("resultType", "complete")
        if method in _CACHED and result["resultType"] == "complete":
            result.setdefault("ttlMs", 0)
            result.setdefault("cacheScope", "private")
    if method == "initialize":  # small servers have no name
        result.setdefault("capabilities", {})
        result.setdefault("serverInfo", {"name": "", "version": ""})
        return
    if method == "tools/call":
        if result.get("content") is None and result.get("resultType", "complete") == "complete":
            result["content"] = []
        if "isError" in result and not isinstance(result["isError"], bool):
            result["isError"] = bool(result["isError"])
        return
    found = _ENTRIES.get(method)
    if found is None:
        return
    key, model = found
    if key == "tools":
        usable = listing(result.get("tools"))
        operation.repairs.update(usable.repairs)
        operation.refused += usable.refused
        result["tools"] = list(usable.tools)
    elif not isinstance(result.get(key), list):
        result[key] = []
    if "nextCursor" in result and not isinstance(result["nextCursor"], str):
        del result["nextCursor"]
    if operation.is_strict:
        result[key] = [entry for entry in result[key] if _fits(operation, model, entry)]


def _fits(operation: Operation, model: Any, entry: Any) -> bool:
    try:
        model.model_validate(entry, by_name=False)
    except ValueError as error:  # pydantic's
        name = entry.get("name", "?") if isinstance(entry, dict) else "?"
        operation.refused.append((clean_line(str(name), 100), clean_line(str(error), 300)))
        return False
    return True
