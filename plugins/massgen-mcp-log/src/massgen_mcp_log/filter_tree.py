"""Filters as trees: what they mean for a line, and how they are written."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from fnmatch import translate
from functools import lru_cache
from operator import ge, gt, le, lt
from typing import Any, TypeAlias

import attrs

__all__ = ["And", "Compare", "Has", "Node", "Not", "OneOf", "Or", "Value", "Words", "evaluate", "show"]

_UNITS = {"ms": 1.0, "s": 1000.0, "m": 60_000.0, "h": 3_600_000.0, "b": 1.0, "kb": 1e3, "mb": 1e6, "gb": 1e9, "kib": 1024.0, "mib": 1024.0**2}
_NUMBER = re.compile(r"([+-]?\d{1,18}(?:\.\d{1,18})?)(ms|s|m|h|b|kb|mb|gb|kib|mib)?", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z0-9_./:*?@+%#-]+")
_KEYWORDS = frozenset({"and", "or", "not", "in", "has"})
_LEVELS = {"debug": 0.0, "info": 1.0, "warning": 2.0, "error": 3.0}
_ORDER: Mapping[str, Callable[[float, float], bool]] = {"<": lt, "<=": le, ">": gt, ">=": ge}


@attrs.frozen
class Value:
    """A value as it was written; `is_text`: in quotes, and so no number."""

    text: str
    is_text: bool = False

    @property
    def number(self) -> float | None:
        """The number that it means, units applied; None where it is none."""
        found = None if self.is_text else _NUMBER.fullmatch(self.text)
        return None if found is None else float(found[1]) * _UNITS[(found[2] or "ms").lower()]


@attrs.frozen
class Compare:
    """A field against a value."""

    field: str
    operator: str
    value: Value


@attrs.frozen
class OneOf:
    """A field against several values, equal to one of them."""

    field: str
    values: tuple[Value, ...]
    is_negated: bool = False


@attrs.frozen
class Has:
    """The line has this field."""

    field: str


@attrs.frozen
class Words:
    """A text stands in some field."""

    text: str


@attrs.frozen
class Not:
    """The part does not hold."""

    part: Node


@attrs.frozen
class And:
    """All parts hold."""

    parts: tuple[Node, ...]


@attrs.frozen
class Or:
    """One part holds."""

    parts: tuple[Node, ...]


Node: TypeAlias = Compare | OneOf | Has | Words | Not | And | Or


# What a filter means


def evaluate(node: Node, line: Mapping[str, Any]) -> bool | None:
    """Return whether the line is chosen; None: a field is missing, so that it cannot be told."""
    if isinstance(node, Compare):
        return _compare(node.operator, node.field, line.get(node.field), node.value)
    if isinstance(node, And):
        return _all(node.parts, line, stop=False)
    if isinstance(node, Or):
        return _all(node.parts, line, stop=True)
    if isinstance(node, Not):
        held = evaluate(node.part, line)
        return None if held is None else not held
    if isinstance(node, OneOf):
        value = line.get(node.field)
        if value is None:
            return None
        return any(_compare("=", node.field, value, each) for each in node.values) is not node.is_negated
    if isinstance(node, Has):
        return line.get(node.field) is not None
    return _found(node.text.casefold(), line)


def _all(parts: tuple[Node, ...], line: Mapping[str, Any], *, stop: bool) -> bool | None:
    """Join parts in Kleene's logic: `stop` decides at once (true for or, false for and), else anything unknown makes the whole unknown."""
    is_unknown = False
    for part in parts:
        held = evaluate(part, line)
        if held is stop:
            return stop
        is_unknown = is_unknown or held is None
    return None if is_unknown else not stop


def _compare(operator: str, field: str, value: Any, wanted: Value) -> bool | None:
    if value is None:
        return None
    if operator == "!=":
        return not _equal(field, value, wanted)
    if operator == "=":
        return _equal(field, value, wanted)
    if operator in ("~", "!~"):
        return _like(value, wanted.text) is (operator == "~")
    left, right = _rank(field, value), _rank(field, wanted)
    return None if left is None or right is None else _ORDER[operator](left, right)


def _equal(field: str, value: Any, wanted: Value) -> bool:
    if isinstance(value, list | tuple):
        return any(_equal(field, item, wanted) for item in value)
    if isinstance(value, bool):
        return wanted.text.casefold() == ("true" if value else "false")
    if isinstance(value, int | float):
        return _rank(field, wanted) == value
    return str(value).casefold() == wanted.text.casefold()


def _rank(field: str, value: Any) -> float | None:
    """Return what is compared by size: a number, a level's rank, a time in seconds since the epoch; None for what has no size."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    text = value.text if isinstance(value, Value) else value
    if not isinstance(text, str):
        return None
    if field == "level":
        return _LEVELS.get(text.casefold())
    number = value.number if isinstance(value, Value) else None
    return _moment(text) if number is None and field == "at" else number


@lru_cache(64)
def _moment(text: str) -> float | None:
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _like(value: Any, wanted: str) -> bool:
    if isinstance(value, list | tuple):
        return any(_like(item, wanted) for item in value)
    text = str(value).casefold()
    return _pattern(wanted.casefold())(text)


@lru_cache(256)
def _pattern(wanted: str) -> Callable[[str], bool]:
    if not any(char in wanted for char in "*?"):
        return lambda text: wanted in text
    # Several stars in a row mean one; `[` is only itself.
    pattern = re.compile(translate(re.sub(r"\*+", "*", wanted).replace("[", "[[]")))
    return lambda text: pattern.match(text[:100_000]) is not None


def _found(wanted: str, value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_found(wanted, item) for item in value.values())
    if isinstance(value, list | tuple):
        return any(_found(wanted, item) for item in value)
    return isinstance(value, str) and wanted in value.casefold()


# How a filter is written


def show(node: Node) -> str:
    """Return the filter in the language; parsing that gives the same tree."""
    if isinstance(node, Compare):
        return f"{node.field} {node.operator} {_value(node.value)}"
    if isinstance(node, OneOf):
        return f"{node.field} {'not in' if node.is_negated else 'in'} ({', '.join(map(_value, node.values))})"
    if isinstance(node, Has):
        return f"has {node.field}"
    if isinstance(node, Words):
        return _quoted(node.text)
    if isinstance(node, Not):
        return f"not {_inner(node.part, And, Or)}"
    if isinstance(node, And):
        return " and ".join(_inner(part, And, Or) for part in node.parts)
    return " or ".join(_inner(part, Or) for part in node.parts)


def _inner(node: Node, *weaker: type) -> str:
    return f"({show(node)})" if isinstance(node, weaker) else show(node)


def _value(value: Value) -> str:
    if value.is_text or not _WORD.fullmatch(value.text) or value.text.lower() in _KEYWORDS:
        return _quoted(value.text)
    return value.text


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
