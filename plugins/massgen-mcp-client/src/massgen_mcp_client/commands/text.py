"""How commands show things."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from massgen_core.api import clean, clean_line, columns
from massgen_mcp_client.config import ServerConfig, shown

__all__ = ["as_json", "parameters", "table", "target"]

_LEAST = 8  # characters that stay of a cell


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table; on a terminal the widest cells are cut until it fits, anything else gets them whole."""
    lines = [heads, *rows]
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    room = columns()
    while room and sum(widths) + 2 * len(widths) - 2 > room and max(widths) > _LEAST:
        widths[widths.index(max(widths))] -= 1
    return ["  ".join(f"{clean_line(cell, width):{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip() for cells in lines]


def target(config: ServerConfig) -> str:
    """Return what a server is reached by, without what may be secret: no values of variables, no query of an address."""
    options = config.options
    if "url" in options:
        return shown(str(options["url"]).partition("?")[0], 100)
    if "command" in options:
        return clean_line(" ".join(shown(str(word)) for word in (options["command"], *options.get("args", ()))), 100)
    return config.transport


def parameters(schema: Mapping[str, Any]) -> str:
    """Return a tool's parameters on one line; those that may be left out in brackets."""
    properties = schema.get("properties")
    required = schema.get("required")
    if not isinstance(properties, Mapping):
        return ""
    needed = set(required) if isinstance(required, list) else set()
    return ", ".join(clean_line(name, 60) if name in needed else f"[{clean_line(name, 60)}]" for name in properties)


def as_json(data: Any) -> str:
    """Return plain data as indented JSON, without what could command a terminal."""
    return clean(json.dumps(data, indent=2, ensure_ascii=False, default=str))
