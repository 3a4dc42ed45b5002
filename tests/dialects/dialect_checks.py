"""Dialects as providers have them, and a second opinion on what fits into one, which shares no code with the first."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema

from massgen_core.dialects import Dialect, fit

BASE = frozenset({"type", "properties", "items", "required", "description", "enum"})
ALL = Dialect()
# What is strict, what is old, what is hardly more than types.
STRICT = Dialect(
    keywords=BASE | {"anyOf", "$ref", "$defs", "const", "additionalProperties", "pattern", "format", "minimum", "maximum", "minItems", "maxItems"},
    lone_refs=True,
    root_unions=False,
    open_values=False,
    closed=True,
    all_required=True,
    items_required=True,
    formats=frozenset({"date-time", "uuid"}),
    booleans=False,
    anything={"type": "string"},
)
OPENAPI = Dialect(
    keywords=BASE | {"anyOf", "nullable", "format", "title", "minimum", "maximum", "minItems", "maxItems", "pattern", "default"},
    refs=False,
    type_lists=False,
    nullable=True,
    typed=True,
    booleans=False,
    root_unions=False,
    lone_unions=True,
    items_required=True,
    formats=frozenset({"date-time", "enum"}),
    enum_types=frozenset({"string"}),
    anything={"type": "string"},
)
UNIONLESS = Dialect(keywords=BASE | {"additionalProperties", "minItems"}, refs=False, min_items=1, depth=8)
SPLIT = Dialect(keywords=BASE | {"anyOf", "oneOf", "not", "minimum"}, refs=False, type_lists=False, lone_unions=True)
DIALECTS = {"all": ALL, "strict": STRICT, "openapi": OPENAPI, "unionless": UNIONLESS, "split": SPLIT}

MAPPINGS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
SINGLE = ("items", "additionalProperties", "propertyNames", "contains", "not", "if", "then", "else", "unevaluatedProperties")


def below(schema: Any) -> Iterator[tuple[Any, int, str]]:
    """Yield each schema of a schema, its depth and the keyword that it stands under."""
    waiting: list[tuple[Any, int, str]] = [(schema, 0, "")]
    while waiting:
        one, depth, under = waiting.pop()
        yield one, depth, under
        if isinstance(one, dict):
            for key, value in one.items():
                if key in MAPPINGS:
                    waiting += [(inner, depth + 1, key) for inner in value.values()]
                elif key in LISTS:
                    waiting += [(inner, depth + 1, key) for inner in value]
                elif key in SINGLE:
                    waiting.append((value, depth + 1, key))


_SOUND: set[str] = set()


def check_each(schema: Any) -> None:
    """Raise where a schema is none: each of its schemas by itself, and each shape once, for it is what takes long."""
    for one, _, _ in below(schema):
        if isinstance(one, dict):
            hollow = {key: _hollow(key, value) for key, value in one.items()}
            shape = json.dumps(hollow, sort_keys=True)
            if shape not in _SOUND:
                jsonschema.Draft202012Validator.check_schema(hollow)
                _SOUND.add(shape)
        else:
            jsonschema.Draft202012Validator.check_schema(one)


def _hollow(key: str, value: Any) -> Any:
    """Return what stands at a keyword with nothing in it that `below` comes to by itself, and with words that say nothing."""
    if key in MAPPINGS and isinstance(value, dict):
        return dict.fromkeys(["a"] if value else [], True)
    if key in LISTS and isinstance(value, list):
        return [True for _ in value]
    if key in SINGLE and isinstance(value, dict):
        return True
    return "" if key in ("title", "description") and isinstance(value, str) else value


def strays(schema: dict[str, Any], dialect: Dialect) -> list[str]:
    """Return where a schema is outside of a dialect."""
    found = []
    for one, depth, under in below(schema):
        if isinstance(one, bool):
            if not (dialect.booleans or under == "additionalProperties"):
                found.append(f"boolean under {under}")
            continue
        unknown = [key for key in one if dialect.keywords is not None and key not in dialect.keywords]
        kinds = one.get("type", [])
        is_list, kinds = isinstance(kinds, list), kinds if isinstance(kinds, list) else [kinds]
        beside = one.keys() - {"title", "description", "default", "$defs"}
        checks = {
            f"unknown {unknown}": unknown,
            "reference": "$ref" in one and not dialect.refs,
            "company of a reference": dialect.lone_refs and "$ref" in one and len(one) > 1,
            "list of types": "type" in one and is_list and not dialect.type_lists,
            "no type": dialect.typed and not kinds and not {"anyOf", "oneOf", "$ref"} & one.keys(),
            "company of a union": dialect.lone_unions and any(key in one and len(beside) > 1 for key in ("anyOf", "oneOf")),
            "format": dialect.formats is not None and one.get("format", next(iter(dialect.formats), None)) not in dialect.formats,
            "open object": dialect.closed and "object" in kinds and one.get("additionalProperties") is not False,
            "optional": dialect.all_required and "properties" in one and set(one["properties"]) != set(one.get("required", ())),
            "no items": dialect.items_required and "array" in kinds and "items" not in one,
            "schema of other keys": not dialect.open_values and isinstance(one.get("additionalProperties"), dict),
            "minItems": dialect.min_items is not None and one.get("minItems", 0) > dialect.min_items,
            "deep": depth > dialect.depth + 1,
            "enum": any(type(value) is not str for value in one.get("enum", ())) and dialect.enum_types == {"string"} and None not in one["enum"],
        }
        found += [name for name, is_so in checks.items() if is_so]
    if not dialect.root_unions:
        found += [f"root {key}" for key in ("anyOf", "oneOf", "allOf", "enum", "not") if key in schema]
    return found


def check(schema: Any, dialect: Dialect) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Fit a schema, and check what holds for every schema."""
    before = json.dumps(schema, sort_keys=True)
    fitted, notes = fit(schema, dialect)

    assert before == json.dumps(schema, sort_keys=True), "the argument was changed"
    check_each(fitted)
    assert fitted["type"] == "object"
    assert strays(fitted, dialect) == []
    assert fit(fitted, dialect) == (fitted, ())
    resolved = jsonschema.Draft202012Validator(fitted)
    for instance in ({}, {"a": 1}):
        resolved.is_valid(instance)  # raises where a reference leads nowhere
    assert all(note.isprintable() for note in notes)
    return fitted, notes
