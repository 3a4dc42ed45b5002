"""Names of tools as models know them: `mcp__server__tool`, at most 64 of `[A-Za-z0-9_-]`, and which tools are chosen by them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from hashlib import sha256

from massgen_core.api import MassGenError, clean_line

__all__ = ["LIMIT", "NameCollision", "assign", "merge", "model_name", "prefixed", "select"]

LIMIT = 64
_DIGEST = 10
_FOREIGN = re.compile(r"[^A-Za-z0-9_-]")


class NameCollision(MassGenError):
    """Two tools would have one name."""


def prefixed(server: str, tool: str) -> str:
    """Return the long name of a tool, as configurations write it: whatever its length and characters."""
    return f"mcp__{server}__{tool}"


def model_name(server: str, tool: str) -> str:
    """Return the name by which models know a tool.

    It depends on nothing but its server's and its own name, so that a permission for one tool never becomes one for another when a server changes
    its list. A name that is too long, or holds characters that providers refuse, ends in a hash of the original.
    """
    name = prefixed(server, tool)
    plain = _FOREIGN.sub("_", name)
    if plain == name and len(name) <= LIMIT:
        return name
    digest = sha256(f"{server}\0{tool}".encode(errors="surrogatepass")).hexdigest()[:_DIGEST]
    return f"{plain[: LIMIT - _DIGEST - 1]}_{digest}"


def assign(server: str, tools: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Return for each tool of a server its name for models, mapped to the server's name and its name on the wire.

    Raises:
        NameCollision: Two different tools would have one name.
    """
    return merge({model_name(server, tool): (server, tool)} for tool in tools)


def merge(parts: Iterable[Mapping[str, tuple[str, str]]]) -> dict[str, tuple[str, str]]:
    """Return the names of several servers as one mapping.

    Raises:
        NameCollision: Two different tools would have one name; the message names both and says what to do.
    """
    merged: dict[str, tuple[str, str]] = {}
    for part in parts:
        for name, (server, tool) in part.items():
            other = merged.setdefault(name, (server, tool))
            if other != (server, tool):
                raise NameCollision(
                    f"two tools would be named {name!r}: {clean_line(other[1])!r} of MCP server {clean_line(other[0])!r} and {clean_line(tool)!r} of "
                    f"{clean_line(server)!r}; rename a server, or put one of the tools into its server's exclude_tools"
                )
    return merged


def select(server: str, tools: Sequence[str], allowed: Sequence[str] | None, excluded: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Choose tools by glob patterns; a pattern matches a tool's name on the wire, `mcp__server__tool`, or its name for models.

    Args:
        server: The server's name.
        tools: The names on the wire.
        allowed: Patterns of which one must match; None: every tool is allowed.
        excluded: Patterns of which none may match.

    Returns:
        The chosen names, in their order, and the patterns that matched none of the tools.
    """
    spellings = [(tool, (tool, prefixed(server, tool), model_name(server, tool))) for tool in tools]
    used: set[str] = set()

    def matched(names: tuple[str, ...], patterns: Sequence[str]) -> bool:
        hits = [pattern for pattern in patterns if any(fnmatchcase(name, pattern) for name in names)]
        used.update(hits)
        return bool(hits)

    chosen = []
    for tool, names in spellings:
        is_allowed = allowed is None or matched(names, allowed)
        if not matched(names, excluded) and is_allowed:
            chosen.append(tool)
    return tuple(chosen), tuple(dict.fromkeys(pattern for pattern in (*(allowed or ()), *excluded) if pattern not in used))
