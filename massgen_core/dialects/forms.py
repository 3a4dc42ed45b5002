"""Forms of schemas: pure rewriting of one level, and words for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from massgen_core.dialects.schemas import ANNOTATIONS, type_of
from massgen_core.terminal import clean_line

if TYPE_CHECKING:
    from massgen_core.dialects.dialect import Dialect

__all__ = ["TOLD", "guessed", "kinds_of", "said", "size_of", "split", "told_as", "with_null"]

# What describes a value of one type; a keyword that is not here holds for all.
_OF_TYPE = {
    "object": frozenset(
        {
            *("properties", "required", "additionalProperties", "patternProperties", "propertyNames", "minProperties", "maxProperties"),
            *("dependentRequired", "dependentSchemas", "unevaluatedProperties"),
        }
    ),
    "array": frozenset(
        {
            "items",
            "prefixItems",
            "minItems",
            "maxItems",
            "uniqueItems",
            "contains",
            "minContains",
            "maxContains",
            "additionalItems",
            "unevaluatedItems",
        }
    ),
    "string": frozenset({"minLength", "maxLength", "pattern", "format", "contentEncoding", "contentMediaType", "contentSchema"}),
    "number": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}),
}
_OF_TYPE["integer"] = _OF_TYPE["number"]
_SPECIFIC = frozenset().union(*_OF_TYPE.values())
# What a model can obey when it is told in words.
TOLD = frozenset(
    {
        *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "pattern", "format"),
        *("minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties", "const", "enum", "default", "dependentRequired", "propertyNames"),
    }
)
_TOLD_LENGTH = 300


def with_null(schema: Any, dialect: Dialect) -> Any:
    """Return a reduced schema that takes null too."""
    if not isinstance(schema, Mapping) or schema.get("nullable") is True:
        return schema
    made, kinds = dict(schema), kinds_of(schema)
    if "null" in kinds or (not kinds and not (schema.keys() - ANNOTATIONS)):
        return made
    if kinds and dialect.type_lists and "const" not in made:
        made["type"] = [*kinds, "null"]
    elif dialect.nullable:
        made["nullable"] = True
        return made
    elif dialect.knows("anyOf") and "anyOf" in made and not kinds:
        alternatives = made["anyOf"]
        made["anyOf"] = alternatives if {"type": "null"} in alternatives else [*alternatives, {"type": "null"}]
        return made
    elif dialect.knows("anyOf"):
        return {"anyOf": [made, {"type": "null"}]}
    if "enum" in made and None not in made["enum"]:
        made["enum"] = [*made["enum"], None]
    return made


def kinds_of(work: Mapping[str, Any]) -> list[str]:
    kinds = work.get("type", ())
    return [kinds] if isinstance(kinds, str) else list(kinds)


def guessed(work: Mapping[str, Any]) -> list[str]:
    """Return the types that a schema without one speaks of."""
    values = work.get("enum") or ([work["const"]] if "const" in work else [])
    if values:
        return list(dict.fromkeys(type_of(value) for value in values))
    return [kind for kind in ("object", "array", "string", "number") if _OF_TYPE[kind] & work.keys()]


def split(work: Mapping[str, Any], kinds: list[str]) -> dict[str, Any]:
    """Write a schema of several types as alternatives of one type each."""
    made = {key: value for key, value in work.items() if key in ANNOTATIONS}
    common = {key: value for key, value in work.items() if key not in ANNOTATIONS | _SPECIFIC and key not in ("type", "enum")}
    alternatives = []
    for kind in kinds:
        own = {key: value for key, value in work.items() if key in _OF_TYPE.get(kind, ())}
        if "enum" in work:
            values = [value for value in work["enum"] if type_of(value) == kind or (kind == "number" and type_of(value) == "integer")]
            if not values:
                continue
            own = {**own, "enum": values} if kind != "null" else own
        alternatives.append({"type": kind, **common, **own})
    if not alternatives:  # no value of the enum is of these types: nothing fits, and there is no form for that
        return {**made, **common, "type": kinds[0]}
    made["anyOf"] = alternatives
    return made


def size_of(schema: Any) -> int:
    waiting, count = [schema], 0
    while waiting:
        one = waiting.pop()
        count += 1
        if isinstance(one, Mapping):
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
    return count


def said(value: Any) -> str:
    return clean_line(str(value), 60)


def told_as(key: str, value: Any) -> str:
    """Return a constraint in words for a model; empty where it is too long."""
    try:
        text = f"{key}: {json.dumps(value, ensure_ascii=False)}"
    except (TypeError, ValueError):
        return ""
    return text if len(text) <= _TOLD_LENGTH else ""
