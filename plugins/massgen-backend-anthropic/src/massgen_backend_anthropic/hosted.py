"""What the provider's own tools did, in words for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["cited", "did", "found"]

SHOWN = 4000  # characters of one account


def did(block: Mapping[str, Any]) -> str:
    """Return what a tool was asked to do."""
    asked = block.get("input")
    asked = asked if isinstance(asked, Mapping) else {}
    for key in ("query", "url", "code", "command", "path"):
        if isinstance(value := asked.get(key), str):
            return _line(f"{block.get('name', 'tool')}: {value}")
    return _line(str(block.get("name", "tool")))


def found(block: Mapping[str, Any]) -> str:
    """Return what a tool gave back."""
    content = block.get("content")
    if isinstance(content, list):
        return _line("found: " + ("; ".join(_page(entry) for entry in content if isinstance(entry, Mapping)) or "nothing"))
    if not isinstance(content, Mapping):
        return ""
    if isinstance(code := content.get("error_code"), str):
        return _line(f"failed: {code}")
    said = [content[name].rstrip() for name in ("stdout", "stderr") if isinstance(content.get(name), str) and content[name].strip()]
    if code := content.get("return_code"):
        said.append(f"exit code {code}")
    if isinstance(content.get("url"), str):
        said.append(content["url"])
    return _line("\n".join(said)) if said else ""


def cited(citation: Mapping[str, Any]) -> str:
    """Return where a statement comes from."""
    return _line(f"source: {_page(citation)}") if citation.get("url") else ""


def _page(entry: Mapping[str, Any]) -> str:
    title, url = entry.get("title"), entry.get("url")
    return f"{title} ({url})" if title and url else str(title or url or entry.get("text") or "")


def _line(text: str) -> str:
    return f"[{text[:SHOWN]}]\n"
