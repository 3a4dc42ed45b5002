"""Paths, and what happens when one tree is laid over another."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_core.config.tree import Node, Place, graft, leaves, merge, parse_path, put, show_path

NAMES = st.sampled_from(["a", "b", "type", "agents"])
SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=3)
DATA = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=8)
MAPPINGS = st.dictionaries(NAMES, DATA, max_size=4)


def tree(data: Any, source: str = "x") -> Node:
    return graft(data, Place(source))


@given(st.lists(st.integers(0, 10**9 - 1) | st.text()).map(tuple))
def test_a_path_survives_being_written(path: tuple[str | int, ...]) -> None:
    """What is shown to people can be typed in again, whatever the keys are."""
    assert parse_path(show_path(path)) == path


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("", ()),
        ("agents[0].backend.model", ("agents", 0, "backend", "model")),
        ("agents.0.model", ("agents", 0, "model")),
        ('env["A.B"]', ("env", "A.B")),
        ("grö-ße", ("grö-ße",)),
    ],
)
def test_paths_can_be_written_in_two_ways(text: str, path: tuple[str | int, ...]) -> None:
    """Items of lists take brackets or a dot."""
    assert parse_path(text) == path


@pytest.mark.parametrize("text", [".a", "a..b", "a.", "a[", "a[x]", "a[-1]", "a b", 'a["b', "a[0]b", 'a["\\x"]'])
def test_what_is_no_path_is_refused(text: str) -> None:
    """A path that cannot be read says how one is written."""
    with pytest.raises(ValueError, match="no key path"):
        parse_path(text)


@given(MAPPINGS, MAPPINGS)
def test_the_later_layer_wins(lower: dict[str, Any], upper: dict[str, Any]) -> None:
    """Every leaf of the upper layer is in the result, with its own place; every other leaf is of the lower one."""
    merged = merge(tree(lower, "lower"), tree(upper, "upper"))

    wanted = dict(leaves(upper))
    for path, value in leaves(merged.plain()):
        source = merged.at(path).source
        if source == "upper":
            # An empty mapping adds nothing where there is one already.
            assert wanted[path] == value
        else:
            assert dict(leaves(lower))[path] == value
    for path, value in wanted.items():
        found = merged.find(path)
        assert found is not None
        assert found.plain() == value or (value == {} and isinstance(found.value, dict))


@given(MAPPINGS, MAPPINGS)
def test_laying_a_layer_twice_changes_nothing(lower: dict[str, Any], upper: dict[str, Any]) -> None:
    """Merging is idempotent, and nothing over nothing is nothing."""
    once = merge(tree(lower), tree(upper))

    assert merge(once, tree(upper)) == once
    assert merge(tree({}), once).plain() == once.plain()
    assert merge(once, tree({})).plain() == once.plain()


def test_options_of_another_plugin_are_dropped() -> None:
    """A mapping of another `type` replaces the whole; one of the same, or of none, adds to it."""
    lower = tree({"strategy": {"type": "a", "x": 1}})

    assert merge(lower, tree({"strategy": {"type": "b"}})).plain() == {"strategy": {"type": "b"}}
    assert merge(lower, tree({"strategy": {"type": "a", "y": 2}})).plain() == {"strategy": {"type": "a", "x": 1, "y": 2}}
    assert merge(lower, tree({"strategy": {"x": 3}})).plain() == {"strategy": {"type": "a", "x": 3}}


@given(MAPPINGS, st.lists(NAMES | st.integers(0, 3), min_size=1, max_size=3).map(tuple), SCALARS)
def test_putting_sets_exactly_one_path(data: dict[str, Any], path: tuple[str | int, ...], value: Any) -> None:
    """Either the value is there afterwards and everything beside it unchanged, or the reason why not is told."""
    root = tree(data)
    before = dict(leaves(data))
    refusal = ""
    try:
        put(root, path, tree(value, "--set"))
    except ValueError as error:
        refusal = str(error)

    assert not refusal or "is a list" in refusal or "is a single value" in refusal
    # Compared as text: a number names an item of a list as well as a key.
    wanted = tuple(map(str, path))
    after = {tuple(map(str, other)): node.plain() for other, node in root.walk()}
    assert refusal or after[wanted] == value
    for other, one in before.items():
        key = tuple(map(str, other))
        is_on_the_way = wanted[: len(key)] == key or key[: len(wanted)] == wanted
        assert is_on_the_way or after[key] == one


def test_a_place_that_is_unknown_is_that_of_the_nearest_above() -> None:
    """A problem with a key that is missing points at the mapping that lacks it."""
    root = Node({"a": Node({}, Place("f", 2, 3), Place("f", 1, 1))}, Place("f", 1, 1))

    assert root.at(("a", "b", "c")) == Place("f", 2, 3)
    assert root.at(("a",), key=True) == Place("f", 1, 1)
    assert str(root.at(("a",))) == "f:2:3"
