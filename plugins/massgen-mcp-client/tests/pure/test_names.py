"""Names of tools, and which tools are chosen by them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from massgen_mcp_client.names import LIMIT, NameCollision, assign, merge, model_name, select

SERVERS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9.-]{0,30}", fullmatch=True)
TOOLS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=120)
VALID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@given(SERVERS, TOOLS)
@example("s", "x" * 500)
@example("s", "a.b/c")
def test_every_name_is_one_that_providers_take(server: str, tool: str) -> None:
    """Whatever a server calls its tool."""
    assert VALID.fullmatch(model_name(server, tool))


@given(SERVERS, TOOLS, SERVERS, TOOLS)
def test_different_tools_have_different_names(server: str, tool: str, other: str, another: str) -> None:
    """Servers cannot make one name stand for two tools, but by `__` within names."""
    if (server, tool) != (other, another) and "__" not in f"{server} {tool} {other} {another}" and not tool.startswith("_"):
        assert model_name(server, tool) != model_name(other, another) or another.startswith("_")


@given(SERVERS, st.lists(TOOLS, max_size=8, unique=True), TOOLS)
def test_a_name_depends_on_nothing_else(server: str, tools: list[str], more: str) -> None:
    """A tool that appears or goes changes no other tool's name: permissions stay with their tools."""
    few, many = assign(server, tools), assign(server, [*tools, more])

    assert few.items() <= many.items()
    assert set(many.values()) == {(server, tool) for tool in [*tools, more]}


def test_plain_names_are_as_they_are_written() -> None:
    """The usual case needs no thought."""
    assert assign("github", ["create_issue"]) == {"mcp__github__create_issue": ("github", "create_issue")}


def test_long_names_keep_their_beginning() -> None:
    """People and patterns still recognise them."""
    name = model_name("github", "x" * 100)

    assert len(name) == LIMIT
    assert name.startswith("mcp__github__xxxx")


def test_a_collision_names_both() -> None:
    """Two tools of one name are an error that says which, and what to do."""
    with pytest.raises(NameCollision, match=r"'mcp__a__b__c': 'b__c' of MCP server 'a' and 'c' of 'a__b'; rename a server, or put one"):
        merge([assign("a", ["b__c"]), assign("a__b", ["c"])])


def test_the_same_tool_twice_is_no_collision() -> None:
    """Agents that share a server share its names."""
    assert merge([assign("a", ["b"]), assign("a", ["b", "c"])]).keys() == {"mcp__a__b", "mcp__a__c"}


@pytest.mark.parametrize(
    ("allowed", "excluded", "chosen", "unused"),
    [
        (None, (), ("read_file", "write_file", "delete"), ()),
        (["*_file"], (), ("read_file", "write_file"), ()),
        (["mcp__fs__read_file"], (), ("read_file",), ()),
        (["mcp__fs__*"], ["write_file"], ("read_file", "delete"), ()),
        (None, ["mcp__fs__delete", "nothing"], ("read_file", "write_file"), ("nothing",)),
        (["read_*", "open"], ("read_file",), (), ("open",)),
        ([], (), (), ()),
        (["READ_FILE"], (), (), ("READ_FILE",)),
    ],
)
def test_tools_are_chosen_by_patterns(allowed: Any, excluded: Any, chosen: tuple[str, ...], unused: tuple[str, ...]) -> None:
    """Prefixed and unprefixed spellings mean the same; a pattern that matches nothing is told."""
    assert select("fs", ["read_file", "write_file", "delete"], allowed, excluded) == (chosen, unused)


def test_real_tools_have_names(real_tools: dict[str, list[dict[str, Any]]]) -> None:
    """Every tool of every real server gets a valid name of its own."""
    parts = [assign(server, [tool["name"] for tool in tools]) for server, tools in real_tools.items()]
    names = merge(parts)

    assert len(names) == sum(len(tools) for tools in real_tools.values())
    assert all(VALID.fullmatch(name) for name in names)
    assert sum(len(f"mcp__{server}__{tool['name']}") > LIMIT for server, tools in real_tools.items() for tool in tools) > 20
