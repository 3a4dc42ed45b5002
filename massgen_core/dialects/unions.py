"""Alternatives of a JSON Schema, in the form that a dialect has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from massgen_core.dialects.schemas import ANNOTATIONS, meet, type_of

if TYPE_CHECKING:
    from massgen_core.dialects.reduction import Place, Reduction

__all__ = ["united"]

_UNIONS = ("anyOf", "oneOf")
_OBJECT = frozenset({"properties", "required", "additionalProperties", "patternProperties", "minProperties", "maxProperties"})


def united(reduction: Reduction, work: dict[str, Any], place: Place) -> tuple[dict[str, Any], Place]:
    """Return a schema whose alternatives the dialect can say, and the references that were followed for it."""
    dialect, path = reduction.dialect, place.path
    # At the root the type must stand, so that nothing can be alone there.
    may_stand = bool(path) or (dialect.root_unions and not dialect.lone_unions)
    if "oneOf" in work and not dialect.knows("oneOf") and dialect.knows("anyOf") and may_stand and "anyOf" not in work:
        work["anyOf"] = work.pop("oneOf")
        reduction.note(path, "oneOf is written as anyOf")
    for _ in range(dialect.depth):  # one that is joined may bring the next
        key = next((key for key in _UNIONS if key in work and not (dialect.knows(key) and may_stand)), "")
        if not key:
            break
        place = _merge(reduction, work, key, place)
    else:
        reduction.note(path, "its alternatives are too deep; they are left out")
        work = {key: value for key, value in work.items() if key not in _UNIONS}
    for key in _UNIONS:
        if key in work:
            beside = {name: value for name, value in work.items() if name != key and name not in ANNOTATIONS}
            has_list = isinstance(work.get("type"), list) and not dialect.type_lists
            if beside and (dialect.lone_unions or has_list):
                work = _spread(reduction, work, key, beside, path)
    return work, place


def _spread(reduction: Reduction, work: Mapping[str, Any], key: str, beside: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Write what stands beside alternatives into each of them."""
    reduction.note(path, f"what stood beside {key} is written into its alternatives")
    made = {name: value for name, value in work.items() if name in ANNOTATIONS}
    alternatives = []
    for one in work[key]:
        if one is False or not isinstance(one, (Mapping, bool)):
            continue
        inner = reduction.sound(one, path) if isinstance(one, Mapping) else {}
        reduction.left -= len(beside)
        if reduction.left < 0:
            reduction.note(path, "its alternatives are too many; some are left out")
            break
        if lost := meet(inner, beside):
            reduction.note(path, f"{', '.join(lost)} beside {key} cannot be joined with an alternative; they are left out")
        alternatives.append(inner)
    made[key] = alternatives or [dict(beside)]
    return made


def _merge(reduction: Reduction, work: dict[str, Any], key: str, place: Place) -> Place:
    """Write alternatives as one schema that takes each of them, and perhaps more."""
    found: list[dict[str, Any]] = []
    has_null, path, after = False, place.path, place.trail
    waiting = [(one, place.deeper) for one in reversed(work.pop(key))]
    while waiting and reduction.left > 0:
        one, seen = waiting.pop()
        reduction.left -= 1
        if not isinstance(one, Mapping):
            found += [{}] if one is not False else []
            continue
        inner, seen = reduction.flat(reduction.sound(one, path), seen)
        after |= seen.trail
        nested = next((name for name in _UNIONS if name in inner), "")
        if nested and inner.keys() - ANNOTATIONS == {nested}:
            waiting += [(each, seen) for each in reversed(inner[nested])]
        elif inner.get("type") == "null" or inner.get("enum") == [None] or ("const" in inner and inner["const"] is None):
            has_null = True
        else:
            found.append(inner)
    whole = _whole(found, is_object=work.get("type") == "object")
    if has_null and "type" in whole:
        kinds = whole["type"]
        whole["type"] = list(dict.fromkeys([*([kinds] if isinstance(kinds, str) else kinds), "null"]))
        if None not in whole.get("enum", (None,)):
            whole["enum"] = [*whole["enum"], None]
    elif has_null and not found:
        whole = {"type": "null"}
    elif has_null and found[0]:
        reduction.note(path, f"null, one of the alternatives of {key}, is not taken")
    if len(found) > 1:
        reduction.note(path, f"the alternatives of {key} are one schema that takes each of them")
    elif not (has_null or found):
        reduction.note(path, f"{key} allows nothing; it is left out")
    if lost := meet(work, whole):
        reduction.note(path, f"{', '.join(lost)} of {key} cannot be joined with what stands beside; they are left out")
    return place.after(after)


def _whole(found: list[dict[str, Any]], *, is_object: bool) -> dict[str, Any]:
    if len(found) == 1:
        return {name: value for name, value in found[0].items() if name not in ("$defs", "definitions")}
    choices = [one["enum"] if "enum" in one else [one["const"]] if "const" in one else None for one in found]
    if found and all(choices):
        values = {(type_of(value), repr(value)): value for choice in choices for value in choice or ()}
        return {"type": list(dict.fromkeys(type_of(value) for value in values.values())), "enum": list(values.values())}
    if found and all(one.get("type", "object" if is_object or one.keys() & _OBJECT else "") == "object" for one in found):
        return _objects(found)
    kinds: list[str] = []
    for one in found:
        kind = one.get("type")
        if kind is None:
            return {}
        kinds += [kind] if isinstance(kind, str) else kind
    return {"type": list(dict.fromkeys(kinds))} if kinds else {}


def _objects(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Return an object that may be any of these: all their properties, of which those are required that each one requires."""
    properties: dict[str, list[Any]] = {}
    for one in found:
        for name, inner in one.get("properties", {}).items():
            known = properties.setdefault(name, [])
            if inner not in known:
                known.append(inner)
    made: dict[str, Any] = {"type": "object"}
    made["properties"] = {name: inner[0] if len(inner) == 1 else {"anyOf": inner} for name, inner in properties.items()}
    if wanted := [name for name in found[0].get("required", ()) if all(name in one.get("required", ()) for one in found)]:
        made["required"] = wanted
    if all(one.get("additionalProperties") is False for one in found):
        made["additionalProperties"] = False
    return made
