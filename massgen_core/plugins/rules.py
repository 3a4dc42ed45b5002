"""What a hook may return. Each function says in a few words what rule is broken, or nothing."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

import attrs

from massgen_core.events import Event
from massgen_core.plugins.index import parse
from massgen_core.specs import Kind, Spec
from massgen_core.terminal import clean_line

__all__ = ["MODULE", "REFERENCE", "RESERVED", "event_fault", "kind_fault", "spec_fault"]

MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
REFERENCE = re.compile(rf"{MODULE.pattern}:{MODULE.pattern}")
RESERVED = ("events", "kind")


def spec_fault(spec: object, kind: Kind, taken: Collection[str]) -> str:
    """Judge one spec of a hook's list."""
    if not isinstance(spec, kind.spec):
        return f"holds {clean_line(repr(spec))}, which is no {kind.spec.__name__}"
    if not isinstance(spec.name, str) or parse(f"{kind.name}.{spec.name}") is None:
        return f"holds a spec named {clean_line(repr(spec.name))}; a name has letters, digits, '.', '-' and '_'"
    if spec.name in taken:
        return f"holds {spec.name!r} twice"
    if not isinstance(spec.summary, str):
        return f"holds {spec.name!r} with the summary {clean_line(repr(spec.summary))}; a summary is one line of text"
    if not isinstance(spec.factory, str) or (spec.factory and not REFERENCE.fullmatch(spec.factory)):
        return f'holds {spec.name!r} with the factory {clean_line(repr(spec.factory))}; a factory is written "module:attribute"'
    if spec.config is not None and not (isinstance(spec.config, type) and attrs.has(spec.config)):
        return f"holds {spec.name!r} with the config {clean_line(repr(spec.config))}; a config is a frozen attrs class or None"
    return ""


def kind_fault(kind: object, present: Mapping[str, Kind]) -> str:
    """Judge one kind that a plugin adds."""
    if not isinstance(kind, Kind):
        return f"holds {clean_line(repr(kind))}, which is no Kind"
    if not isinstance(kind.name, str) or parse(f"{kind.name}.x") is None:
        return f"holds a kind named {clean_line(repr(kind.name))}; a kind's name has lower-case letters, digits, '-' and '_'"
    if kind.name in present or kind.name in RESERVED:
        return f"holds the kind {kind.name!r}, which exists already"
    if not (isinstance(kind.spec, type) and issubclass(kind.spec, Spec)):
        return f"holds the kind {kind.name!r} with the spec class {clean_line(repr(kind.spec))}; it must inherit from Spec"
    if not isinstance(kind.hook, str) or kind.hook in {other.hook for other in present.values()}:
        return f"holds the kind {kind.name!r} with the hook {clean_line(repr(kind.hook))}, which another kind has"
    return ""


def event_fault(event: object, kernel: Collection[str], present: Mapping[str, type[Event]]) -> str:
    """Judge one event class that a plugin adds."""
    if not (isinstance(event, type) and issubclass(event, Event)):
        return f"holds {clean_line(repr(event))}, which is no subclass of Event"
    if not isinstance(event.type, str) or parse(event.type) is None:
        return f"holds {event.__name__} with the type {clean_line(repr(event.type))}; a type is written noun.verbed"
    if event.type in kernel or present.get(event.type, event) is not event:
        return f"holds {event.__name__} with the type {event.type!r}, which is taken"
    return ""
