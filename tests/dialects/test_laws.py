"""What holds for every schema in every dialect, and for the tools of real servers."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from dialect_checks import ALL, DIALECTS, check, check_each

from massgen_core.dialects import Dialect, fit

pytestmark = pytest.mark.once

SHARED = Path(os.environ.get("MASSGEN_SHARED", Path(__file__).resolve().parents[3] / "shared"))

NAMES = st.sampled_from(["a", "b", "c", "long name", "x\u202ey"])
VALUES = st.sampled_from(["a", "b", "", 0, 1, 2.5, True, None, {"a": 1}, ["a"]])
TYPES = st.sampled_from(["string", "number", "integer", "boolean", "object", "array", "null"])
REFS = st.sampled_from(["#", "#/$defs/a", "#/$defs/b", "#/definitions/a", "#/properties/a", "#nowhere", "https://example.org/x"])
NUMBERS = st.integers(0, 5)


def keywords(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    schemas = st.dictionaries(NAMES, inner, max_size=3)
    lists = st.lists(inner, min_size=1, max_size=3)
    return st.fixed_dictionaries(
        {},
        optional={
            "type": TYPES | st.lists(TYPES, min_size=1, max_size=3, unique=True),
            "properties": schemas,
            "required": st.lists(NAMES, unique=True, max_size=2),
            "additionalProperties": inner | st.booleans(),
            "patternProperties": st.dictionaries(st.sampled_from(["^a", "b$"]), inner, max_size=2),
            "items": inner | st.booleans(),
            "prefixItems": lists,
            "minItems": NUMBERS,
            "maxItems": NUMBERS,
            "anyOf": lists,
            "oneOf": lists,
            "allOf": lists,
            "not": inner,
            "enum": st.lists(VALUES, min_size=1, max_size=3),
            "const": VALUES,
            "minimum": NUMBERS,
            "exclusiveMinimum": NUMBERS | st.booleans(),
            "exclusiveMaximum": NUMBERS,
            "minLength": NUMBERS,
            "format": st.sampled_from(["date-time", "email", "uuid"]),
            "pattern": st.sampled_from(["^a", "b"]),
            "default": VALUES,
            "description": st.sampled_from(["what it is", ""]),
            "$ref": REFS,
            "$defs": st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2),
            "definitions": st.dictionaries(st.just("a"), inner, max_size=1),
            "nullable": st.booleans(),
            "x-vendor": VALUES,
        },
    )


SCHEMAS: st.SearchStrategy[Any] = st.recursive(st.just({}) | st.booleans() | keywords(st.just({})), keywords, max_leaves=12)
ROOTS = keywords(SCHEMAS)
JUNK = st.recursive(
    VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "items", "anyOf", "a"]), inner, max_size=3)
)


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a": {"type": "strin"}}},
        {"properties": {"a": {"items": {"required": "a"}}}},
        {"anyOf": [{"minimum": "x"}]},
        {"not": {"enum": 3}},
        *(
            {"items": [{}]},
            {"properties": []},
            {"properties": {"a": "x"}},
            {"anyOf": []},
            {"anyOf": [3]},
            {"additionalProperties": 3},
            {"description": 3},
        ),
    ],
)
def test_what_is_no_schema_is_found(schema: Any) -> None:
    """The tests below look at each schema of a schema by itself, and miss nothing by it."""
    with pytest.raises(jsonschema.SchemaError):
        check_each(schema)


def plain(schema: Any) -> Any:
    return json.loads(json.dumps(schema))


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(schema=ROOTS)
@example(schema={"prefixItems": [{"type": ["null"]}], "items": {"type": "string", "enum": [None]}})
def test_every_schema_fits(dialect: Dialect, schema: dict[str, Any]) -> None:
    """Whatever the schema, the result is valid, within the dialect, and fitted again it stays as it is."""
    check(plain(schema), dialect)


@settings(max_examples=80, deadline=None)
@given(schema=JUNK, dialect=st.sampled_from(list(DIALECTS.values())))
def test_what_is_no_schema_becomes_one(schema: Any, dialect: Dialect) -> None:
    """Keywords with values that make no sense, and things that are no schema at all, do not get through."""
    check(plain(schema), dialect)


INSTANCES = st.recursive(VALUES, lambda inner: st.dictionaries(NAMES, inner, max_size=3) | st.lists(inner, max_size=3), max_leaves=6)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(schema=ROOTS, dialect=st.sampled_from(list(DIALECTS.values())), instance=st.dictionaries(NAMES, INSTANCES, max_size=3))
def test_no_change_of_meaning_is_silent(schema: dict[str, Any], dialect: Dialect, instance: dict[str, Any]) -> None:
    """A schema that is fitted without notes takes and refuses the same arguments as before."""
    schema = plain(schema)
    fitted, notes = fit(schema, dialect)
    if notes or dialect.closed:  # a closed dialect forbids what nobody spoke of
        return

    before = jsonschema.Draft202012Validator({"type": "object", **schema}).is_valid(instance)
    assert before == jsonschema.Draft202012Validator(fitted).is_valid(instance)


def real_tools() -> list[tuple[str, dict[str, Any]]]:
    files = sorted((SHARED / "data" / "mcp-tools").glob("*.json"))
    if not files:
        pytest.skip("not in CI: the lists of real servers are not here; set MASSGEN_SHARED to the folder that holds data/mcp-tools")
    return [(f"{file.stem}.{tool['name']}", tool["inputSchema"]) for file in files for tool in json.loads(file.read_text("utf-8"))["tools"]]


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_all_real_tools_fit(dialect: Dialect) -> None:
    """Each tool of 75 real servers fits into each dialect; all of JSON Schema needs next to no notes."""
    tools = real_tools()
    noted = 0
    for name, schema in tools:
        try:
            fitted, notes = check(schema, dialect)
        except Exception as error:
            raise AssertionError(f"{name}: {error}\n{json.dumps(schema)}") from error
        noted += bool(notes)
        assert set(schema.get("properties") or {}) <= set(fitted["properties"]), name

    assert len(tools) == 1896
    assert dialect is not ALL or noted < len(tools) / 50
