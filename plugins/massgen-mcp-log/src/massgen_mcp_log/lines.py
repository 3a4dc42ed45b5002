"""What a line of the log is: an event with its place, its level and its ids, in flat fields with one name for one thing.

Events are taken as they come, by their names and fields: this package knows no class of the MCP client.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import attrs
import msgspec

from massgen_core.api import UnknownEvent

__all__ = [
    "CATEGORIES",
    "ENVELOPE",
    "PAYLOADS",
    "VERSION",
    "Brief",
    "Fields",
    "Fixed",
    "Line",
    "Plan",
    "decode",
    "encode",
    "level_of",
    "plan_of",
    "raw_line",
    "unknown_plan",
]

VERSION = 1
CATEGORIES = ("connection", "discovery", "execution", "error", "performance")
ENVELOPE = ("v", "seq", "at", "level", "category", "event", "trace", "span", "parent")
# What crossed the wire in full; written at level debug only.
PAYLOADS = frozenset({"payload", "arguments", "result"})
# Ids that we, the SDK or a model made; they are compared with known secrets only.
IDS = frozenset({"operation", "call", "span", "parent", "trace", "digest", "era"})
# One name for one thing, whatever the event called it.
_RENAMED = {"milliseconds": "ms", "queue_milliseconds": "queue_ms"}

# Few values, often repeated: what they become is remembered.
_STABLE = frozenset({"server", "transport", "era", "agent", "tool", "method", "outcome", "what", "mode", "old", "new", "kind", "is_alive", "level"})

# As classes write them down: with postponed annotations a type is its name.
_TEXTS = (str, "str")
_NUMBERS = (int, float, bool, "int", "float", "bool")

Line = dict[str, Any]


class Fields(Protocol):
    """What people are told of a line: a dictionary, or a `Brief`."""

    def get(self, name: str, default: Any = None, /) -> Any:
        """Return a field's value."""

    def items(self) -> Iterable[tuple[str, Any]]:
        """Return the fields, in their order."""


@attrs.frozen
class Fixed:
    """What many lines have in common.

    Attributes:
        line: Fields and values.
        is_told: People are told of such lines.
        phase: `start` and `end` of what has both.
    """

    line: Line
    is_told: bool
    phase: str


class Brief(msgspec.Struct):
    """Fields that are ids and numbers only; a class for each type of event, which is made and encoded in half the time of a dictionary."""

    def get(self, name: str, default: Any = None, /) -> Any:
        """Return a field's value."""
        return getattr(self, name, default)

    def items(self) -> Iterable[tuple[str, Any]]:
        """Return the fields, in their order."""
        return [(name, getattr(self, name)) for name in self.__struct_fields__]


_OUTCOMES = {"ok": "info", "tool_error": "warning", "cancelled": "warning"}
_SERVER_LEVELS = {"debug": "debug", "info": "info", "notice": "info", "warning": "warning", "": "info"}


def _always(level: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda fields: level


_LEVELS: Mapping[str, Callable[[Any], str]] = {
    "connection.framed": _always("debug"),
    "connection.probed": lambda fields: "debug" if fields.get("is_alive", True) else "warning",
    "connection.retried": _always("warning"),
    "connection.lost": _always("error"),
    "connection.breaker": lambda fields: "info" if fields.get("new") == "closed" else "warning",
    "discovery.repaired": _always("warning"),
    "discovery.refused": _always("warning"),
    "execution.progressed": _always("debug"),
    "execution.retried": _always("warning"),
    "execution.cancelled": _always("warning"),
    "execution.returned": lambda fields: _OUTCOMES.get(fields.get("outcome", "ok"), "error"),
    "execution.answered": lambda fields: "warning" if fields.get("outcome") in ("refused", "failed") else "info",
    "execution.server_logged": lambda fields: _SERVER_LEVELS.get(str(fields.get("level", "")).lower(), "error"),
}


def level_of(operation: str, fields: Mapping[str, Any]) -> str:
    """Return the level of an event; `operation` is its name without `mcp.`."""
    found = _LEVELS.get(operation)
    if found is not None:
        return found(fields)
    return "error" if operation.startswith("error.") else "info"


@attrs.frozen
class Plan:
    """How events of one type become lines.

    Attributes:
        event: The event's name.
        operation: The same without `mcp.`.
        category: One of the five.
        names: Of the fields on the event, those first whose values come again and again.
        written: The same names in a line.
        stable: How many come first.
        varying: For each of the others its name in a line, and how its text is treated: `id`, `payload` or empty.
        has_stderr: They may carry what a server wrote to its standard error.
        plain: The varying fields but payloads, with their names in a line, where all of them are ids and numbers; None where one is a text.
    """

    event: str
    operation: str
    category: str
    names: tuple[str, ...]
    written: tuple[str, ...]
    stable: int
    varying: tuple[tuple[str, str], ...]
    has_stderr: bool
    plain: tuple[tuple[str, str], ...] | None = None


def plan_of(cls: type) -> Plan | None:
    """Return the plan of an event's class; None for what is no event of MCP."""
    name = str(getattr(cls, "type", ""))
    if not name.startswith("mcp."):
        return None
    types = {field.name: field.type for field in attrs.fields(cls)}
    plan = _plan(name, list(types))
    fields = zip(plan.names[plan.stable :], plan.varying, strict=True)
    shown = [(own, written, treatment) for own, (written, treatment) in fields if treatment != "payload"]
    if any(types[own] not in (_TEXTS if treatment == "id" else _NUMBERS) for own, _, treatment in shown):
        return plan
    return attrs.evolve(plan, plain=tuple((own, written) for own, written, _ in shown))


def unknown_plan(event: UnknownEvent) -> Plan | None:
    """Return the plan of an event whose plugin is not installed; None for what is no event of MCP."""
    return _plan(event.name, list(event.data)) if event.name.startswith("mcp.") else None


def _plan(event: str, names: Sequence[str]) -> Plan:
    operation = event.removeprefix("mcp.")
    first = operation.partition(".")[0]
    ordered = sorted(names, key=lambda name: name not in _STABLE)
    written = tuple(f"own_{name}" if name in ENVELOPE else _RENAMED.get(name, name) for name in ordered)
    stable = len(_STABLE.intersection(names))
    treatments = ("id" if name in IDS else "payload" if name in PAYLOADS else "" for name in ordered[stable:])
    return Plan(
        event,
        operation,
        first if first in CATEGORIES else "execution",
        tuple(ordered),
        written,
        stable,
        tuple(zip(written[stable:], treatments, strict=True)),
        "stderr" in names or "logger" in names,
    )


def raw_line(raw: Mapping[str, Any], trace: str) -> Line | None:
    """Return the line of a journal's line; None for what is no event of MCP, and for what is no journal's line."""
    name, data = raw.get("type"), raw.get("data")
    if not isinstance(name, str) or not isinstance(data, dict) or not name.startswith("mcp."):
        return None
    plan = _plan(name, list(data))
    line: Line = {"v": VERSION, "seq": int(raw.get("seq", 0)), "at": float(raw.get("at", 0.0))}
    line |= {"level": level_of(plan.operation, data), "category": plan.category, "event": name}
    ids = {"trace": trace, "span": raw.get("span"), "parent": raw.get("parent")}
    fields = {written: data[own] for own, written in zip(plan.names, plan.written, strict=True)}
    return line | {key: value for key, value in (ids | fields).items() if value is not None and value not in ("", [], {})}


encode: Callable[[Any], bytes] = msgspec.json.Encoder().encode
decode: Callable[[bytes | str], Any] = msgspec.json.Decoder().decode
