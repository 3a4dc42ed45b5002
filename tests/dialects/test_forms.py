"""What becomes of each keyword that a dialect lacks, how large it may grow, and what a run is told of it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from dialect_checks import ALL, OPENAPI, SPLIT, STRICT, UNIONLESS, check

from massgen_core.dialects import Dialect, ToolFitter, fit, without_nulls
from massgen_core.events import Event, ToolReduced
from massgen_core.messages import Tool


def of(inner: Any, dialect: Dialect, **more: Any) -> tuple[Any, tuple[str, ...]]:
    fitted, notes = check({"type": "object", "properties": {"x": inner}, "required": ["x"], **more}, dialect)
    return fitted["properties"]["x"], notes


NODE = {"type": "object", "properties": {"name": {"type": "string"}, "child": {"$ref": "#/$defs/Node"}}, "required": ["name"]}


@pytest.mark.parametrize(
    ("dialect", "given_schema", "fitted", "note"),
    [
        (OPENAPI, {"const": "a"}, {"enum": ["a"], "type": "string"}, "x: const is an enum of one value"),
        (OPENAPI, {"type": ["string", "null"]}, {"type": "string", "nullable": True}, "x: null is written as nullable"),
        (SPLIT, {"type": ["string", "null"]}, {"anyOf": [{"type": "string"}, {"type": "null"}]}, "x: its types are alternatives now"),
        (
            SPLIT,
            {"type": ["string", "integer"], "minimum": 3, "description": "d"},
            {"description": "d", "anyOf": [{"type": "string"}, {"type": "integer", "minimum": 3}]},
            "x: its types are alternatives now",
        ),
        (UNIONLESS, {"anyOf": [{"type": "string"}, {"type": "null"}]}, {"type": ["string", "null"]}, ""),
        (UNIONLESS, {"oneOf": [{"const": "a"}, {"enum": ["b"]}]}, {"type": "string", "enum": ["a", "b"]}, "alternatives of oneOf"),
        (
            UNIONLESS,
            {"anyOf": [{"type": "object", "properties": {"a": {}}, "required": ["a"]}, {"type": "object", "properties": {"b": {}}}]},
            {"type": "object", "properties": {"a": {}, "b": {}}},
            "alternatives of anyOf",
        ),
        (UNIONLESS, {"allOf": [{"type": "number"}, {"type": ["integer", "string"]}]}, {"type": "integer"}, "x: allOf is joined"),
        (SPLIT, {"type": "integer", "exclusiveMinimum": 0}, {"type": "integer", "minimum": 1}, "x: exclusiveMinimum is written as minimum"),
        (SPLIT, {"type": "number", "exclusiveMinimum": 0}, {"type": "number", "description": "(exclusiveMinimum: 0)"}, "told in the description"),
        (SPLIT, {"type": "string", "pattern": "^a"}, {"type": "string", "description": '(pattern: "^a")'}, "x: pattern is told in the description"),
        (STRICT, {"type": "string", "format": "email"}, {"type": "string", "description": '(format: "email")'}, "x: format is told"),
        (OPENAPI, {"enum": [1, 2]}, {"type": "integer", "description": "(enum: [1, 2])"}, "x: enum of type integer is told in the description"),
        (UNIONLESS, {"type": "array", "minItems": 3}, {"type": "array", "minItems": 1, "description": "(minItems: 3)"}, "x: minItems is told"),
        (STRICT, {"type": "object"}, {"type": "object", "additionalProperties": False}, "x: any keys were allowed; none are now"),
        (OPENAPI, {}, {"type": "string"}, "x: it takes anything"),
        (SPLIT, {"type": "string", "default": "a"}, {"type": "string", "description": '(default: "a")'}, ""),
        (
            SPLIT,
            {"type": "object", "patternProperties": {"^a": {"type": "string"}}, "additionalProperties": False},
            {"type": "object"},
            "patternProperties",
        ),
        (
            UNIONLESS,
            {"type": "object", "patternProperties": {"^a": {"type": "string"}}, "additionalProperties": False},
            {"type": "object", "additionalProperties": {"type": "string"}},
            "x: patternProperties is joined with additionalProperties",
        ),
        (
            SPLIT,
            {"type": "array", "prefixItems": [{"type": "string"}], "items": False},
            {"type": "array", "items": {"anyOf": [{"type": "string"}]}, "description": "(maxItems: 1)"},
            "joined",
        ),
    ],
)
def test_the_nearest_form_is_taken(dialect: Dialect, given_schema: dict[str, Any], fitted: dict[str, Any], note: str) -> None:
    """What a dialect lacks is written in the nearest form that it has, with a note that says where and what."""
    found, notes = of(given_schema, dialect)

    assert fitted == found
    assert any(note in one for one in notes) if note else not notes


def test_references_are_written_out() -> None:
    """A reference becomes what it leads to, once; where it leads to itself it takes any object."""
    found, notes = of({"$ref": "#/$defs/Node"}, UNIONLESS, **{"$defs": {"Node": NODE}})

    assert {"type": "object", "properties": {"name": {"type": "string"}, "child": {"type": "object"}}, "required": ["name"]} == found
    assert notes == ("x.child: #/$defs/Node contains itself; from here on it is any object",)


def test_recursive_references_stay_where_they_may() -> None:
    """A dialect with references keeps them, and what they lead to."""
    schema = {"type": "object", "properties": {"x": {"$ref": "#/$defs/Node"}}, "$defs": {"Node": NODE}}

    assert (schema, ()) == check(schema, ALL)


def test_optional_properties_become_nullable() -> None:
    """Where all must be required, null stands for leaving a property out, and is taken out of the arguments again."""
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "integer"}, "c": {"type": ["string", "null"]}},
        "required": ["a"],
    }
    fitted, notes = check(schema, STRICT)

    assert fitted["properties"]["b"] == {"type": ["integer", "null"]}
    assert fitted["required"] == ["a", "b", "c"]
    assert "b: it is required now; null stands for leaving it out" in notes
    assert {"a": "x", "c": None} == without_nulls({"a": "x", "b": None, "c": None}, schema)


def test_alternatives_at_the_root_are_joined() -> None:
    """A tool whose schema is a union at its root becomes one object."""
    schema = {
        "type": "object",
        "properties": {"kind": {"type": "string"}},
        "anyOf": [{"properties": {"a": {"type": "string"}}, "required": ["a"]}, {"required": ["b"]}],
    }
    fitted, notes = check(schema, OPENAPI)

    assert fitted == {"type": "object", "properties": {"kind": {"type": "string"}, "a": {"type": "string"}}}
    assert notes == ("the root: the alternatives of anyOf are one schema that takes each of them",)


def test_what_all_dialects_have_stays_as_it_is() -> None:
    """A schema within a dialect comes out equal and without notes."""
    schema = {
        "type": "object",
        "properties": {"path": {"type": "string", "description": "where"}, "tags": {"type": "array", "items": {"type": "string"}}},
        "required": ["path"],
    }

    for dialect in (ALL, OPENAPI, UNIONLESS, SPLIT):
        assert (schema, ()) == check(schema, dialect)


# Size


def test_references_that_multiply_are_cut() -> None:
    """Definitions that double at each step do not make a schema of a million parts."""
    definitions: dict[str, Any] = {
        f"d{at}": {"type": "object", "properties": {"l": {"$ref": f"#/$defs/d{at + 1}"}, "r": {"$ref": f"#/$defs/d{at + 1}"}}} for at in range(30)
    }
    definitions["d30"] = {"type": "string"}
    fitted, notes = check({"type": "object", "properties": {"x": {"$ref": "#/$defs/d0"}}, "$defs": definitions}, attrs.evolve(UNIONLESS, depth=60))

    assert len(json.dumps(fitted)) < 1_000_000
    assert any("too deep or too large" in note for note in notes)


def test_deep_schemas_are_cut() -> None:
    """A schema nested a thousand deep ends where the dialect ends."""
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(500):
        schema = {"type": "array", "items": schema}

    found, notes = of(schema, UNIONLESS)
    depth = 0
    while "items" in found:
        depth, found = depth + 1, found["items"]
    assert depth <= UNIONLESS.depth
    assert any("too deep" in note for note in notes)


def mixed(count: int) -> dict[str, Any]:
    properties = {f"p{at}": {"type": ["string", "null"], "oneOf": [{"const": "a"}, {"pattern": "b"}], "default": 1} for at in range(count)}
    return {"type": "object", "properties": properties}


def many_parts(count: int) -> dict[str, Any]:
    return {"type": "object", "allOf": [{"required": [f"p{at}"], "properties": {f"p{at}": {"type": "string"}}} for at in range(count)]}


def anchored(count: int) -> dict[str, Any]:
    definitions = {f"a{at}": {"$anchor": f"a{at}", "type": "string"} for at in range(count)}
    return {"type": "object", "properties": {f"p{at}": {"$ref": f"#a{at}"} for at in range(count)}, "$defs": definitions}


@pytest.mark.parametrize("shape", [mixed, many_parts, anchored])
def test_time_grows_with_the_schema(shape: Callable[[int], dict[str, Any]]) -> None:
    """A schema ten times as long takes about ten times as long, not a hundred times."""

    def seconds(count: int) -> float:
        schema, best = shape(count), 1e9
        for _ in range(3):
            began = time.perf_counter()
            fit(schema, OPENAPI)
            best = min(best, time.perf_counter() - began)
        return best

    assert seconds(2000) < 60 * seconds(200)


# Tools of a backend's requests


def test_each_tool_is_fitted_and_told_once() -> None:
    """A backend's session tells once what was reduced of a tool, and again where the tool has changed."""
    told: list[Event] = []
    fitter = ToolFitter(SPLIT, backend="narrow", emit=told.append)
    schema: Mapping[str, Any] = {"type": "object", "properties": {"x": {"type": "string", "pattern": "^a"}}}
    plain_tool, odd = Tool(name="plain"), Tool(name="odd", parameters=schema)

    first = fitter.tools((plain_tool, odd), "a")
    assert first == fitter.tools((Tool(name="plain"), Tool(name="odd", parameters=dict(schema))), "a")
    assert first[0] == plain_tool
    assert first[1].parameters["properties"]["x"] == {"type": "string", "description": '(pattern: "^a")'}
    assert told == [ToolReduced(agent="a", backend="narrow", tool="odd", notes=("x: pattern is told in the description",))]

    fitter.tools((Tool(name="odd", parameters={"type": "object", "properties": {"y": {"const": 1}}}),), "a")
    assert len(told) == 2
