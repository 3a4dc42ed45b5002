"""What hosted tools did, for people: searches, code and its output, and the pages that a text cites."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["Citations", "shown"]

SHOWN = 4000  # characters of one output


def shown(item: Mapping[str, Any]) -> str:
    """Return what a hosted tool did, in a paragraph; empty for items that are none of theirs."""
    kind = item.get("type")
    if kind == "web_search_call":
        return _paragraph("web search", _searched(item.get("action")))
    if kind == "file_search_call":
        return _paragraph("file search", _list(item.get("queries")))
    if kind == "code_interpreter_call":
        return _paragraph("code", item.get("code")) + _paragraph("output", _outputs(item.get("outputs")))
    if kind == "image_generation_call":
        return _paragraph("image", item.get("revised_prompt") or item.get("status"))
    if kind == "mcp_call":
        return _paragraph("hosted MCP", f"{item.get('server_label')}.{item.get('name')}")
    return ""


def _paragraph(title: str, text: Any) -> str:
    return f"\n[{title}] {text[:SHOWN]}\n" if isinstance(text, str) and text else ""


def _list(texts: Any) -> str:
    return "; ".join(text for text in texts if isinstance(text, str)) if isinstance(texts, list) else ""


def _searched(action: Any) -> str:
    if not isinstance(action, Mapping):
        return ""
    said = _list(action.get("queries")) or action.get("query") or ""
    page, pattern = action.get("url"), action.get("pattern")
    if isinstance(page, str):
        return f"{page}, for {pattern!r}" if isinstance(pattern, str) else page
    return said if isinstance(said, str) else ""


def _outputs(outputs: Any) -> str:
    logs = [output.get("logs") for output in outputs if isinstance(output, Mapping)] if isinstance(outputs, list) else []
    return "\n".join(log for log in logs if isinstance(log, str) and log)


class Citations:
    """The pages that a text cites, each once."""

    def __init__(self) -> None:
        self._pages: dict[str, str] = {}

    def take(self, annotations: Any) -> None:
        """Learn pages from a list of annotations; others than citations of pages are left out."""
        for annotation in annotations if isinstance(annotations, list) else ():
            if isinstance(annotation, Mapping) and annotation.get("type") == "url_citation" and isinstance(page := annotation.get("url"), str):
                title = annotation.get("title")
                self._pages.setdefault(page, title if isinstance(title, str) else "")

    def listed(self) -> str:
        """Return the list to put below the text; empty where nothing is cited."""
        if not self._pages:
            return ""
        lines = [f"- {title}: {page}" if title else f"- {page}" for page, title in self._pages.items()]
        return "\n\nSources:\n" + "\n".join(lines)
