"""What a plugin's config class says about its options, as plain rows for people and programs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple, get_args, get_type_hints

import attrs

from massgen_core.plugins.rules import show
from massgen_core.terminal import clean_line

__all__ = ["Option", "classes", "options"]


class Option(NamedTuple):
    """One option of a plugin.

    Attributes:
        type: The annotation, as it is written in Python.
        default: The default's representation; `required` where there is none.
        help: What the plugin's author says about it.
    """

    name: str
    type: str
    default: str
    help: str


def options(config: type | None) -> tuple[Option, ...]:
    """Return the options of a config class, in their order; none for a plugin without one."""
    if config is None:
        return ()
    return tuple(
        Option(clean_line(field.name), _type(field.type), _default(field.default), clean_line(str(field.metadata.get("help", "")), 500))
        for field in attrs.fields(config)
        if field.init
    )


def classes(config: type | None) -> tuple[type, ...]:
    """Return a config class and the classes of its options' values, each once, in the order in which they are mentioned."""
    found: dict[type, None] = {}
    waiting = [config] if config else []
    while waiting:
        current = waiting.pop(0)
        if current not in found:
            found[current] = None
            waiting += _mentioned(current)
    return tuple(found)


def _mentioned(config: type) -> list[type]:
    try:
        hints = get_type_hints(config)
    except Exception:  # a name that only type checkers see
        hints = {}
    parts = [part for field in attrs.fields(config) for part in _parts(hints.get(field.name))]
    return [part for part in parts if isinstance(part, type) and attrs.has(part)]


def _parts(annotation: Any) -> Iterator[Any]:
    yield annotation
    for argument in get_args(annotation):
        yield from _parts(argument)


def _type(annotation: Any) -> str:
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "") if isinstance(annotation, type) else show(annotation)
    return re.sub(r"\b(?:[a-z_]\w*\.)+", "", clean_line(text or "Any"))


def _default(default: Any) -> str:
    if default is attrs.NOTHING:
        return "required"
    if not isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        return show(default)
    if default.takes_self:
        return "computed"
    try:
        return show(default.factory())
    except Exception:
        return "computed"
