"""All pages of a server's lists."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import anyio
import attrs
import mcp.types as wire

from massgen_core.api import MassGenError, clean_line
from massgen_mcp_client.session import Session
from massgen_mcp_client.tap import CURRENT, Operation

__all__ = ["Listing", "What", "list_all"]

What: TypeAlias = Literal["tools", "resources", "resource_templates", "prompts"]

PAGES = 200
_KEYS = {"tools": "tools", "resources": "resources", "resource_templates": "resourceTemplates", "prompts": "prompts"}


@attrs.frozen(kw_only=True)
class Listing:
    """What a server lists.

    Attributes:
        items: As the server sent them, mended.
        ttl: Milliseconds for which the server says that it holds; None where it does not say.
        is_private: It is for this client only, as far as the server says.
        repairs: What was mended, by the tool's name.
        refused: Name and reason of each tool that was left out.
    """

    items: tuple[dict[str, Any], ...]
    pages: int = 1
    ttl: float | None = None
    is_private: bool = True
    milliseconds: float = 0.0
    repairs: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)
    refused: tuple[tuple[str, str], ...] = ()


async def list_all(session: Session, what: What, *, operation: Callable[[], Operation], seconds: float) -> Listing:
    """Return a whole list.

    Args:
        session: Whom to ask.
        what: Which list.
        operation: Makes an operation for each page.
        seconds: For each page.

    Raises:
        MassGenError: A page did not come in time, or the server pages without end.
        Exception: What the SDK raises.
    """
    began = time.monotonic()
    items: list[dict[str, Any]] = []
    cursor: str | None = None
    seen: set[str] = set()
    ttl: float | None = None
    is_private = False
    repairs: dict[str, tuple[str, ...]] = {}
    refused: list[tuple[str, str]] = []
    for number in range(1, PAGES + 1):
        page = await _page(session, what, cursor, operation, seconds)
        raw = page.raw if isinstance(page.raw, dict) else {}
        found = raw.get(_KEYS[what])
        items += [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
        repairs.update(page.repairs)
        refused += page.refused
        said = raw.get("ttlMs")
        if page.has_ttl and isinstance(said, (int, float)) and not isinstance(said, bool):
            ttl = float(said) if ttl is None else min(ttl, float(said))
        is_private = is_private or raw.get("cacheScope") != "public"
        cursor = raw.get("nextCursor")
        if not isinstance(cursor, str):
            return Listing(
                items=tuple(items),
                pages=number,
                ttl=ttl,
                is_private=is_private,
                milliseconds=(time.monotonic() - began) * 1000,
                repairs=repairs,
                refused=tuple(refused),
            )
        if cursor in seen:
            raise MassGenError(f"it lists {what} in a circle: page {number} leads back to an earlier one")
        seen.add(cursor)
    raise MassGenError(f"its list of {what} has more than {PAGES} pages")


async def _page(session: Session, what: What, cursor: str | None, operation: Callable[[], Operation], seconds: float) -> Operation:
    made = operation()
    try:
        await _ask(session, what, cursor, made, seconds)
    except ValueError:  # pydantic's
        # One entry is off in a way that nobody foresaw: ask again, and drop whatever the SDK does not take.
        made = operation()
        made.is_strict = True
        await _ask(session, what, cursor, made, seconds)
    return made


async def _ask(session: Session, what: What, cursor: str | None, operation: Operation, seconds: float) -> None:
    params = wire.PaginatedRequestParams(cursor=cursor) if cursor is not None else None
    token = CURRENT.set(operation)
    try:
        with anyio.move_on_after(seconds) as scope:
            found = await getattr(session.client.session, f"list_{what}")(params=params)
            if what == "tools" and isinstance(operation.raw, dict):
                _leave_out(operation, {tool.name for tool in found.tools})
    finally:
        CURRENT.reset(token)
        session.tap.forget(operation)
    if scope.cancelled_caught:
        raise MassGenError(f"its list of {what} did not come within {seconds:g} s")


def _leave_out(operation: Operation, kept: set[str]) -> None:
    """Leave out what the SDK left out: in the stateless era a tool whose `x-mcp-header` cannot be a header must not be used."""
    tools = operation.raw["tools"]
    operation.raw["tools"] = [tool for tool in tools if tool["name"] in kept]
    operation.refused += [(clean_line(tool["name"], 100), "its x-mcp-header cannot be a header") for tool in tools if tool["name"] not in kept]
