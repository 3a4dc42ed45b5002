"""What JSON Schema (draft 2020-12) is made of: which keywords hold schemas, what values they take, what references lead to, and conjunction."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["ANNOTATIONS", "LISTS", "MAPPINGS", "SINGLE", "TYPES", "anchors_of", "is_sound", "meet", "schema_at", "type_of"]

TYPES = ("string", "number", "integer", "boolean", "object", "array", "null")
# Keywords whose value is a mapping of schemas, one schema, a list of schemas.
MAPPINGS = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
SINGLE = frozenset(
    {
        *("items", "additionalProperties", "unevaluatedProperties", "unevaluatedItems", "propertyNames", "contains", "not", "if", "then", "else"),
        *("additionalItems", "contentSchema"),
    }
)
LISTS = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
# Keywords that forbid nothing.
ANNOTATIONS = frozenset(
    {
        *(
            "title",
            "description",
            "default",
            "examples",
            "example",
            "deprecated",
            "readOnly",
            "writeOnly",
            "$comment",
            "$schema",
            "$id",
            "$vocabulary",
        ),
        *("$anchor", "$dynamicAnchor", "$defs", "definitions", "contentEncoding", "contentMediaType", "contentSchema"),
    }
)
_FLOORS = frozenset({"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains"})
_CEILINGS = frozenset({"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains"})
_BOUNDS = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})
_COUNTS = (_FLOORS | _CEILINGS) - _BOUNDS
_TEXTS = frozenset(
    {
        *("title", "description", "format", "pattern", "contentEncoding", "contentMediaType"),
        *("$comment", "$ref", "$dynamicRef", "$anchor", "$dynamicAnchor", "$schema", "$id"),
    }
)
# A schema here that is false forbids all, whatever else is said.
_CLOSING = frozenset({"items", "additionalProperties", "unevaluatedProperties", "unevaluatedItems", "additionalItems"})
_FLAGS = frozenset({"uniqueItems", "deprecated", "readOnly", "writeOnly", "nullable"})
_MEETS: Mapping[str, Callable[[Any, Any], Any]] = {**dict.fromkeys(_FLOORS, max), **dict.fromkeys(_CEILINGS, min)}


def is_sound(keyword: str, value: Any) -> bool:
    """Tell whether a keyword's value is of a form that JSON Schema knows; what is below it is not looked at, and unknown keywords take anything."""
    if keyword in SINGLE:
        return isinstance(value, (Mapping, bool))
    if keyword in MAPPINGS or keyword == "$vocabulary":
        return isinstance(value, Mapping)
    if keyword in LISTS or keyword == "enum":
        return isinstance(value, list) and bool(value)
    if keyword in _COUNTS:
        return isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if keyword in _BOUNDS:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        return is_number and (keyword != "multipleOf" or value > 0)
    if keyword in _TEXTS:
        return isinstance(value, str)
    if keyword in _FLAGS:
        return isinstance(value, bool)
    if keyword == "type":
        return value in TYPES if isinstance(value, str) else _is_names(value) and bool(value) and all(name in TYPES for name in value)
    if keyword == "required":
        return _is_names(value)
    if keyword == "dependentRequired":
        return isinstance(value, Mapping) and all(_is_names(names) for names in value.values())
    return keyword != "examples" or isinstance(value, list)


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value) and len(set(value)) == len(value)


def type_of(value: Any) -> str:
    """Return the JSON Schema type of a plain value; whole numbers are integers."""
    for cls, name in ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"), (Mapping, "object"), (type(None), "null")):
        if isinstance(value, cls):
            return name
    return "array"


def schema_at(reference: str, root: Mapping[str, Any], anchors: Mapping[str, Any] | None = None) -> Any:
    """Return what a reference within a schema leads to (`#`, `#/pointer`, `#anchor`); None where there is nothing. Addresses are never fetched.

    Args:
        reference: The value of a `$ref`.
        root: The whole schema.
        anchors: What `anchors_of` returned for it, where many references are followed.
    """
    if reference == "#":
        return root
    if not reference.startswith("#/"):
        return (anchors_of(root) if anchors is None else anchors).get(reference[1:]) if reference.startswith("#") else None
    node: Any = root
    for step in reference[2:].split("/"):
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(node, Mapping) and name in node:
            node = node[name]
        elif isinstance(node, list) and name.isdecimal() and int(name) < len(node):
            node = node[int(name)]
        else:
            return None
    return node


def anchors_of(root: Any) -> dict[str, Any]:
    """Return the schemas that have anchors, by these."""
    found: dict[str, Any] = {}
    waiting = [root]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Mapping):
            for key in ("$anchor", "$dynamicAnchor"):
                if isinstance(name := one.get(key), str):
                    found.setdefault(name, one)
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
    return found


def meet(into: dict[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Make `into` demand what `other` demands too; return the keywords that cannot be joined, of which `into` keeps its own.

    Both hold sound keywords. Where both describe one property, or the items, an `allOf` of the two is written there.
    """
    lost = []
    for key, value in other.items():
        if key not in into:
            into[key] = value
        elif (into[key] == value and type(into[key]) is type(value)) or key in ANNOTATIONS - MAPPINGS:
            continue
        elif (both := _both(key, into[key], value)) is None:
            lost.append(key)
        else:
            into[key] = both
    return lost


def _both(key: str, mine: Any, other: Any) -> Any:
    """Return what a keyword must say to demand two things; None where it cannot."""
    if key in MAPPINGS:
        joined = dict(mine)
        for name, inner in other.items():
            joined[name] = inner if name not in joined or joined[name] == inner else {"allOf": [joined[name], inner]}
        return joined
    if key == "required":
        return list(dict.fromkeys([*mine, *other]))
    if key in _MEETS:
        return _MEETS[key](mine, other)
    if key == "uniqueItems":
        return True
    if key == "type":
        kinds = _common_types(mine, other)
        return kinds[0] if len(kinds) == 1 else kinds or None
    if key == "enum":
        return _common_values(mine, other) or None
    if key in _CLOSING and (mine is False or other is False):
        return False
    return {"allOf": [mine, other]} if key == "items" else None


def _common_types(mine: Any, others: Any) -> list[str]:
    left, right = ([one] if isinstance(one, str) else one for one in (mine, others))
    both = [name for name in left if name in right or (name == "integer" and "number" in right)]
    return both + (["integer"] if "number" in left and "integer" in right and "integer" not in both and "number" not in both else [])


def _common_values(mine: list[Any], others: list[Any]) -> list[Any]:
    there = {(type_of(value), repr(value)) for value in others}
    return [value for value in mine if (type_of(value), repr(value)) in there]
