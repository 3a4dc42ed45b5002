"""What a hook may return. Each function says in a few words what rule is broken, or nothing."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import attrs

from massgen_core.plugins.index import RESERVED, parse
from massgen_core.specs import Kind, Spec
from massgen_core.terminal import clean_line

if TYPE_CHECKING:
    from massgen_core.events import Event

__all__ = ["EVENTS", "KINDS", "MODULE", "REFERENCE", "SPECS", "event_fault", "kind_fault", "raised", "show", "spec_fault"]

MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
EVENTS, KINDS, SPECS = "massgen_event_types", "massgen_kinds", "massgen_hookspecs"
REFERENCE = re.compile(rf"{MODULE.pattern}:{MODULE.pattern}")


def show(value: object, limit: int = 200) -> str:
    """Return a cleaned line for a value of a plugin's, whatever its `repr` does."""
    try:
        return clean_line(repr(value), limit)
    except Exception:
        return f"a {type(value).__name__} whose repr fails"


def raised(problem: BaseException) -> str:
    """Say in a cleaned line what a plugin raised, whatever its `str` does."""
    try:
        text = str(problem)
    except Exception:
        text = ""
    return clean_line(f"{type(problem).__name__}: {text}".rstrip(": "), 400)


def spec_fault(spec: object, kind: Kind, taken: Collection[str]) -> str:
    """Judge one spec of a hook's list."""
    if not isinstance(spec, kind.spec):
        return f"holds {show(spec)}, which is no {kind.spec.__name__}"
    if not isinstance(spec.name, str) or parse(f"{kind.name}.{spec.name}") is None:
        return f"holds a spec named {show(spec.name)}; a name has letters, digits, '.', '-' and '_'"
    if spec.name in taken:
        return f"holds {spec.name!r} twice"
    if not isinstance(spec.summary, str):
        return f"holds {spec.name!r} with the summary {show(spec.summary)}; a summary is one line of text"
    if not isinstance(spec.factory, str) or (spec.factory and not REFERENCE.fullmatch(spec.factory)):
        return f'holds {spec.name!r} with the factory {show(spec.factory)}; a factory is written "module:attribute"'
    if spec.config is not None and not (isinstance(spec.config, type) and attrs.has(spec.config)):
        return f"holds {spec.name!r} with the config {show(spec.config)}; a config is a frozen attrs class or None"
    return ""


def kind_fault(kind: object, present: Mapping[str, Kind]) -> str:
    """Judge one kind that a plugin adds."""
    if not isinstance(kind, Kind):
        return f"holds {show(kind)}, which is no Kind"
    if not isinstance(kind.name, str) or parse(f"{kind.name}.x") is None:
        return f"holds a kind named {show(kind.name)}; a kind's name has lower-case letters, digits, '-' and '_'"
    if kind.name in present or kind.name in RESERVED:
        return f"holds the kind {kind.name!r}, which exists already"
    if not (isinstance(kind.spec, type) and issubclass(kind.spec, Spec)):
        return f"holds the kind {kind.name!r} with the spec class {show(kind.spec)}; it must inherit from Spec"
    if not isinstance(kind.hook, str) or kind.hook in {EVENTS, KINDS, SPECS, *(other.hook for other in present.values())}:
        return f"holds the kind {kind.name!r} with the hook {show(kind.hook)}, which has another use"
    return ""


def event_fault(event: object, present: Mapping[str, type[Event]]) -> str:
    """Judge one event class that a plugin adds."""
    from massgen_core import events  # noqa: PLC0415 - few plugins have events of their own

    if not (isinstance(event, type) and issubclass(event, events.Event)):
        return f"holds {show(event)}, which is no subclass of Event"
    if not isinstance(event.type, str) or parse(event.type) is None:
        return f"holds {event.__name__} with the type {show(event.type)}; a type is written noun.verbed"
    if any(event.type == getattr(own, "type", None) for own in vars(events).values()) or present.get(event.type, event) is not event:
        return f"holds {event.__name__} with the type {event.type!r}, which is taken"
    return ""
