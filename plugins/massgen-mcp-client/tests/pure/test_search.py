"""Finding tools by what they do."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_core.api import Tool, ToolCall
from massgen_mcp_client.names import model_name
from massgen_mcp_client.schemas import listing, to_tool
from massgen_mcp_client.search import CALL, MAX_SHOWN, SEARCH, Index, shown, unwrapped, words

QUERIES = Path(__file__).with_name("search_queries.txt")


def made(name: str, description: str = "", **properties: str) -> Tool:
    schema = {"type": "object", "properties": {key: {"type": "string", "description": text} for key, text in properties.items()}}
    return Tool(name=name, description=description, parameters=schema)


TOOLS = (
    made("mcp__fs__read_file", "Read the contents of a file."),
    made("mcp__fs__write_file", "Write text to a file."),
    made("mcp__slack__postMessage", "Send a message to a channel.", channel="where to", text="what"),
    made("mcp__weather__current", "Temperature and wind at a place."),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("listFiles", ["list", "file"]),
        ("get_HTTPResponse2", ["get", "http", "respons", "2"]),
        ("creating created create creates", ["creat"] * 4),
        ("running runs", ["run", "run"]),
        ("queries query", ["quer", "quer"]),
        ("the list of the files", ["list", "file"]),
        ("Straße überall", ["straß", "überall"]),
        ("天气预报", ["天气", "气预", "预报"]),
    ],
)
def test_words_are_stems(text: str, expected: list[str]) -> None:
    """Names and prose come to the same words."""
    assert words(text) == expected


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("read file", "mcp__fs__read_file"),
        ("mcp__fs__write_file", "mcp__fs__write_file"),
        ("write_file", "mcp__fs__write_file"),
        ("posting messages in slack", "mcp__slack__postMessage"),
        ("submit something to a channel", "mcp__slack__postMessage"),
        ("weather forecast", "mcp__weather__current"),
        ("wind speed", "mcp__weather__current"),
    ],
)
def test_the_best_match_comes_first(query: str, first: str) -> None:
    """Words, their endings, their like, and exact names."""
    found = Index(TOOLS).search(query)

    assert found[0].name == first


@given(st.text(max_size=100), st.integers(-3, 30))
def test_any_query_is_answered(query: str, limit: int) -> None:
    """At most so many, each once, always the same."""
    index = Index(TOOLS)
    found = index.search(query, limit)

    assert len(found) <= max(0, limit)
    assert len({tool.name for tool in found}) == len(found)
    assert found == index.search(query, limit)


@given(st.lists(st.text(max_size=30), max_size=10, unique=True), st.text(max_size=20))
def test_any_tools_can_be_indexed(names: list[str], query: str) -> None:
    """Whatever they are called; a tool is found by its exact name."""
    tools = [Tool(name=model_name("s", name), description=name) for name in names]
    index = Index(tools)

    index.search(query)
    for tool in tools:
        assert index.search(tool.name, 1)[0] in tools
    assert len(index) == len(tools)


def test_five_thousand_tools_are_quick() -> None:
    """Indexing takes about a second of CPU at most, a search a few milliseconds."""
    tools = [made(f"mcp__s{number % 50}__do_thing_{number}", "Does one of many things. " * 20, a="first", b="second") for number in range(5000)]
    began = time.process_time()
    index = Index(tools)
    built = time.process_time()
    for number in range(20):
        index.search(f"do one of many things with thing {number}")

    assert built - began < 5.0
    assert (time.process_time() - built) / 20 < 0.25


def test_what_is_shown_is_bounded() -> None:
    """Schemas are shortened before anything is left out; each tool is a line of JSON."""
    huge = Tool(
        name="mcp__s__huge",
        description="x" * 5000,
        parameters={"type": "object", "properties": {f"p{i}": {"type": "string", "description": "y" * 500} for i in range(500)}, "required": ["p1"]},
    )
    lines = shown([*TOOLS, huge], total=100).splitlines()

    assert lines[0] == "5 of 100 tools, the best match first. Call one with mcp_call_tool."
    assert [json.loads(line)["name"] for line in lines[1:]] == [tool.name for tool in (*TOOLS, huge)]
    assert json.loads(lines[1])["parameters"] == TOOLS[0].parameters
    assert len("\n".join(lines)) < MAX_SHOWN + 10_000
    assert json.loads(lines[-1])["parameters"]["required"] == ["p1"]
    assert "None of the 100 tools fits" in shown([], total=100)


def test_a_schema_keeps_properties_that_are_called_description() -> None:
    """Prose is shortened, parameters are not."""
    tool = Tool(
        name="mcp__s__t",
        parameters={
            "type": "object",
            "properties": {"description": {"type": "string", "description": "z" * 30_000}, "title": {"type": "string"}},
            "required": ["description"],
        },
    )
    parameters = json.loads(shown([tool], total=1).splitlines()[1])["parameters"]

    assert parameters["properties"] == {"description": {"type": "string"}, "title": {"type": "string"}}


def test_a_call_is_the_call_that_it_stands_for() -> None:
    """So that permissions, events and logs are about the tool itself."""
    call = ToolCall(id="7", name=CALL.name, arguments='{"name": "mcp__fs__read_file", "arguments": {"path": "a"}}')

    assert unwrapped(call) == ToolCall(id="7", name="mcp__fs__read_file", arguments='{"path": "a"}')
    assert unwrapped(ToolCall(id="7", name=CALL.name, arguments='{"name": "x"}')).arguments == "{}"
    assert unwrapped(ToolCall(id="7", name=CALL.name, arguments='{"name": "x", "arguments": null}')).arguments == "{}"
    assert unwrapped(ToolCall(id="7", name=CALL.name, arguments='{"name": "x", "arguments": "{\\"a\\": 1}"}')).arguments == '{"a": 1}'


@pytest.mark.parametrize(
    "arguments", ["{", "[]", "{}", '{"name": 5}', '{"name": ""}', '{"name": "x", "arguments": []}', '{"name": "x", "arguments": "{"}']
)
def test_a_wrong_call_is_told(arguments: str) -> None:
    """In words for the model."""
    with pytest.raises(ValueError, match=r"."):
        unwrapped(ToolCall(id="1", name=CALL.name, arguments=arguments))


def test_the_two_tools_are_ordinary_tools() -> None:
    """With names and schemas that every provider takes."""
    for tool in (SEARCH, CALL):
        assert tool.parameters["type"] == "object"
        assert len(tool.name) <= 64
    assert SEARCH.annotations
    assert SEARCH.annotations.read_only
    assert CALL.annotations is None


def test_real_tools_are_found(real_tools: dict[str, list[dict[str, Any]]]) -> None:
    """Of more than a hundred wishes in plain words, at least nine in ten have their tool among the first five of all real tools."""
    known, tools = {}, []
    for server, raw in real_tools.items():
        for one in listing(raw).tools:
            tool = to_tool(one, name=model_name(server, one["name"]), server=server)
            known[tool.name] = (server, one["name"])
            tools.append(tool)
    index, hits, wishes = Index(tools), 0, 0
    for line in QUERIES.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            wish, _, answers = line.partition(" = ")
            wanted = [tuple(answer.strip().split(":")) for answer in answers.split(",")]
            found = [known[tool.name] for tool in index.search(wish, 5)]
            wishes += 1
            hits += any(server.endswith(end) and name == own for server, name in found for end, own in wanted)

    assert wishes > 100
    assert hits / wishes >= 0.9
