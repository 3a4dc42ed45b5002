"""Definitions of tools: what is mended, what is refused, and that one bad tool costs one tool."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from mcp.types import Tool as WireTool

from massgen_mcp_client.names import model_name
from massgen_mcp_client.schemas import MAX_BYTES, listing, repaired, to_tool

pytestmark = pytest.mark.once  # no dependency takes part

OBJECT = {"type": "object", "properties": {}}
KEYWORDS = [
    *("type", "properties", "items", "required", "enum", "anyOf", "allOf", "$ref", "$defs", "additionalProperties", "nullable", "minimum", "default"),
    *("exclusiveMinimum", "minLength", "pattern", "format", "description", "title", "const", "prefixItems", "not", "if", "uniqueItems", "multipleOf"),
]
JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["object", "string", "int", "#/$defs/a", "#", "any"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYWORDS) | st.text(max_size=4), inner, max_size=5),
    max_leaves=25,
)
# Nonsense in the places where it matters.
SCHEMAS = st.recursive(
    JUNK,
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            **dict.fromkeys(("items", "not", "if", "additionalProperties", "contains", "propertyNames", "type", "enum", "required", "$ref"), inner),
            **{
                key: st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
                for key in ("properties", "$defs", "patternProperties", "dependentSchemas")
            },
            **{key: st.lists(inner, max_size=3) for key in ("anyOf", "allOf", "prefixItems", "items")},
        },
    ),
    max_leaves=6,
)


def mended(schema: Any) -> tuple[Any, tuple[str, ...]]:
    tool, notes = repaired({"name": "t", "inputSchema": schema})
    return (tool or {}).get("inputSchema"), notes


@pytest.mark.parametrize(
    ("schema", "expected", "said"),
    [
        (
            {"$schema": "http://json-schema.org/draft-07/schema#"},
            {"$schema": "http://json-schema.org/draft-07/schema#", **OBJECT},
            "type was missing",
        ),
        ({}, OBJECT, "type was missing"),
        (None, OBJECT, "had no inputSchema"),
        ({"properties": {"a": {"type": "str"}}}, {"type": "object", "properties": {"a": {"type": "string"}}}, "properties.a.type was 'str'"),
        ({"type": ["object", "null"]}, OBJECT, "a list of types"),
        (
            {"$ref": "#/$defs/A", "$defs": {"A": {"type": "object", "properties": {"x": {"type": "integer"}}}}},
            {
                "type": "object",
                "properties": {"x": {"type": "integer"}},
                "$defs": {"A": {"type": "object", "properties": {"x": {"type": "integer"}}}},
            },
            "the root of inputSchema was a reference",
        ),
        ({**OBJECT, "required": True}, OBJECT, ""),
        (
            {"type": "object", "properties": {"a": {"type": "string", "required": True}}},
            {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
            "required was 'None'",
        ),
        ({**OBJECT, "required": ["a", 5, "a"]}, {**OBJECT, "required": ["a"]}, "required was"),
        ({"type": "object", "properties": ["a"]}, OBJECT, "properties made no sense (a list)"),
        (
            {"type": "object", "properties": {"a": {"type": "array", "items": [{"type": "int"}]}}},
            {"type": "object", "properties": {"a": {"type": "array", "prefixItems": [{"type": "integer"}]}}},
            "it is prefixItems now",
        ),
        (
            {"type": "object", "properties": {"a": {"type": "string", "nullable": True, "enum": ["x"]}}},
            {"type": "object", "properties": {"a": {"type": ["string", "null"], "enum": ["x", None]}}},
            "nullable is a type of its own",
        ),
        (
            {"type": "object", "properties": {"a": {"minimum": 0, "exclusiveMinimum": True, "enum": [], "pattern": 5, "minLength": -1}}},
            {"type": "object", "properties": {"a": {"minimum": 0}}},
            "exclusiveMinimum was True, as in an old draft",
        ),
        ({"type": "object", "properties": {"a": {"$ref": "https://evil.example/x"}}}, {"type": "object", "properties": {"a": {}}}, "leads nowhere"),
        ({"type": "object", "properties": {"a": {"$ref": "#/$defs/none"}}}, {"type": "object", "properties": {"a": {}}}, "leads nowhere"),
        (
            {"type": "object", "properties": {"a": {"type": "any"}, "b": "string"}},
            {"type": "object", "properties": {"a": {}, "b": {}}},
            "b was a text",
        ),
        (
            {"type": "object", "properties": {"a": {"type": ["string", "float"]}}},
            {"type": "object", "properties": {"a": {"type": ["string", "number"]}}},
            "a.type",
        ),
    ],
)
def test_schemas_are_mended(schema: Any, expected: Any, said: str) -> None:
    """What only widens what is allowed, and each repair is told."""
    before = copy.deepcopy(schema)
    made, notes = mended(schema)

    assert made == expected
    assert said in "\n".join(notes)
    assert schema == before, "the argument is left as it is"


@pytest.mark.parametrize(
    ("tool", "said"),
    [
        (None, "no mapping"),
        ([], "no mapping"),
        ({}, "no name"),
        ({"name": 5}, "no name"),
        ({"name": ""}, "empty"),
        ({"name": "a\x1b[2J"}, "invisible characters"),
        ({"name": "t", "inputSchema": "x"}, "no mapping but a text"),
        ({"name": "t", "inputSchema": {"type": "string"}}, "no object but of type 'string'"),
        ({"name": "t", "inputSchema": OBJECT, "description": "x" * MAX_BYTES}, "longer than"),
        ({"name": "t", "inputSchema": {"type": "object", "properties": {"a": {"minimum": math.nan}}}, "x": object()}, "cannot be written as JSON"),
    ],
)
def test_what_cannot_be_used_is_refused(tool: Any, said: str) -> None:
    """One tool, with the reason."""
    made, notes = repaired(tool)

    assert made is None
    assert said in notes[0]


def test_depth_is_bounded() -> None:
    """A schema that is nested without end costs its tool, not the program."""
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(60):
        deep = {"type": "array", "items": deep}
    assert "nested more than" in repaired({"name": "t", "inputSchema": {"type": "object", "properties": {"a": deep}}})[1][0]
    for _ in range(5000):
        deep = {"not": deep}
    assert repaired({"name": "t", "inputSchema": deep})[0] is None


def test_a_schema_may_hold_itself() -> None:
    """References in a circle are references."""
    schema = {"type": "object", "properties": {"a": {"$ref": "#"}, "b": {"$ref": "#/$defs/B"}}, "$defs": {"B": {"$ref": "#/$defs/B"}}}

    assert mended(schema) == (schema, ())


@settings(max_examples=300, deadline=None)
@given(JUNK | SCHEMAS)
@example({"type": "object", "properties": {"a": {"required": True, "type": []}}})
@example({"type": "object", "nullable": True, "enum": []})
def test_what_comes_out_is_a_valid_schema(schema: Any) -> None:
    """Whatever a server sends: a schema that validators and the SDK take, or a refusal; what is mended once is not mended again."""
    made, notes = repaired({"name": "t", "inputSchema": schema})
    if made is None:
        assert notes
        return
    assert made["inputSchema"]["type"] == "object"
    Draft202012Validator.check_schema(_without_patterns(made["inputSchema"]))
    WireTool.model_validate(made, by_name=False)
    again, more = repaired(made)
    assert (again, more) == (made, ())


def _without_patterns(node: Any) -> Any:
    # A pattern is of another dialect than Python's; whether it is one is for whoever uses it.
    if isinstance(node, dict):
        return {key: _without_patterns(value) for key, value in node.items() if key != "pattern"}
    return [_without_patterns(value) for value in node] if isinstance(node, list) else node


@given(JUNK, JUNK, JUNK, JUNK)
def test_what_stands_beside_the_schema_is_made_fit(title: Any, annotations: Any, icons: Any, execution: Any) -> None:
    """Titles, hints, icons: of the right type, or left out."""
    raw = {"name": "t", "inputSchema": OBJECT, "title": title, "annotations": annotations, "icons": icons, "execution": execution, "_meta": title}
    made, _ = repaired(raw)
    if made is not None:
        WireTool.model_validate({**made, "icons": None}, by_name=False)
        to_tool(made, name="mcp__s__t", server="s")


def test_one_bad_tool_costs_one_tool() -> None:
    """A list with nonsense in it is a list without the nonsense; a name counts once."""
    good, other = {"name": "a", "inputSchema": OBJECT}, {"name": "a", "description": "another", "inputSchema": OBJECT}
    found = listing([good, None, {"name": "b"}, {"name": "c", "inputSchema": []}, good, other, {"name": "d", "inputSchema": {"type": "dict"}}])

    assert [tool["name"] for tool in found.tools] == ["a", "b", "d"]
    assert found.repairs == {"b": ("it had no inputSchema; it takes no arguments",), "d": ("inputSchema.type was 'dict'",)}
    assert [name for name, _ in found.refused] == ["?", "c", "a"]
    assert "the first one counts" in found.refused[2][1]
    assert listing("nonsense").tools == listing(None).tools == ()


def test_a_tool_as_agents_know_it() -> None:
    """Hints become claims, descriptions are made safe, the source names the server."""
    raw = {
        "name": "wipe",
        "title": "Wipe",
        "description": "Wipes\x1b[31m the \u200bdisk",
        "inputSchema": {"type": "object", "properties": {"a": {"type": "string", "description": "x\u202ey"}}},
        "annotations": {"readOnlyHint": False, "destructiveHint": True, "idempotentHint": True},
    }
    tool = to_tool(raw, name=model_name("s", "wipe"), server="s")

    assert (tool.name, tool.description, tool.source) == ("mcp__s__wipe", "Wipes the disk", "mcp.s")
    assert tool.parameters["properties"]["a"]["description"] == "xy"
    assert tool.annotations is not None
    assert (tool.annotations.read_only, tool.annotations.destructive, tool.annotations.idempotent) == (False, True, True)
    assert to_tool({"name": "x", "title": "Only a title", "inputSchema": OBJECT}, name="n", server="s").description == "Only a title"
    assert to_tool({"name": "x", "inputSchema": OBJECT, "annotations": {"title": "t"}}, name="n", server="s").annotations is None


def test_real_tools_survive(real_tools: dict[str, list[dict[str, Any]]]) -> None:
    """Every tool of every real server is offered, with a schema that validators and the SDK take; only one server needs mending."""
    mended_servers = set()
    for server, tools in real_tools.items():
        found = listing(tools)
        assert found.refused == ()
        assert len(found.tools) == len(tools)
        if found.repairs:
            mended_servers.add(server)
        for tool in found.tools:
            Draft202012Validator.check_schema(_without_patterns(tool["inputSchema"]))
            WireTool.model_validate(tool, by_name=False)
            assert to_tool(tool, name=model_name(server, tool["name"]), server=server).parameters["type"] == "object"

    assert mended_servers == {"modelcontextprotocol-server-gitlab"}
    assert len(listing(real_tools["modelcontextprotocol-server-gitlab"]).repairs) == 9
