"""TOML to trees: the values are those of the standard library's parser, and each stands where its place says."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massgen_core.config.document import MAX_DEPTH, parse, read
from massgen_core.config.tree import leaves
from massgen_core.errors import ConfigProblems

WORDS = st.text("ab.#[]{}'\"=, ü\n\\", max_size=6)
SCALARS = st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | WORDS
DATA: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3), max_leaves=10
)


def written(value: Any, draw: Any) -> str:
    """Write a value as TOML, in one of the forms that there are."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key_of(name)} = {written(inner, draw)}" for name, inner in value.items()) + " }"
    if isinstance(value, list):
        between: str = draw(st.sampled_from([", ", " ,\n  ", ", # ] }\n"]))
        return "[ " + between.join(written(inner, draw) for inner in value) + " ]"
    if isinstance(value, str) and "'" not in value and draw(st.booleans()):
        return f"'''\n{value}'''" if "\n" in value or draw(st.booleans()) else f"'{value}'"
    return json.dumps(value, ensure_ascii=False)


def key_of(name: str) -> str:
    quoted: str = json.dumps(name, ensure_ascii=False)
    return name if re.fullmatch("[ab]+", name) else quoted


def whole(data: dict[str, Any], draw: Any, above: str = "") -> Iterator[str]:
    """Write a document: plain entries, then tables and lists of tables below their headers, or entries with dots."""
    for name, value in data.items():
        if not isinstance(value, dict) and not is_tables(value):
            yield f"{draw(st.sampled_from(['', '  ']))}{key_of(name)} = {written(value, draw)}  # a.b = [1]"
    for name, value in data.items():
        path = f"{above}{key_of(name)}"
        if isinstance(value, dict):
            yield f"[{path}]"
            yield from whole(value, draw, f"{path}.")
        elif is_tables(value):
            for item in value:
                yield f"[[ {path} ]]"
                yield from whole(item, draw, f"{path}.")


def is_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


@settings(max_examples=80, deadline=None)
@given(st.dictionaries(WORDS, DATA, max_size=4), st.data())
def test_values_are_those_of_the_standard_library_and_stand_where_they_are(data: dict[str, Any], chance: st.DataObject) -> None:
    """Whatever form a value has: in a table, in a list of tables, in a list, with dots, over several lines."""
    text = "\n".join(whole(data, chance.draw))
    root = parse(text, "x.toml")

    assert root.plain() == tomllib.loads(text) == data
    lines = text.split("\n")
    for path, value in leaves(data):
        if path and not isinstance(value, dict | list):
            node = root.find(path)
            assert node is not None
            rest = lines[node.place.line - 1][node.place.column - 1 :]
            assert rest.startswith(("'", '"')) if isinstance(value, str) else rest.startswith(json.dumps(value)[:5])


def test_keys_have_places() -> None:
    """A key with dots, a table and an item of a list of tables."""
    root = parse("version = 1\nlimits.money = 0.5\n[[agents]]\nname = 'ann'\n[agents.backend]\ntype = \"scripted\"\n[[agents]]\n", "m.toml")

    assert root.plain()["agents"] == [{"name": "ann", "backend": {"type": "scripted"}}, {}]
    assert str(root.at(("limits", "money"), key=True)) == "m.toml:2:1"
    assert str(root.at(("limits", "money"))) == "m.toml:2:16"
    assert str(root.at(("agents", 0, "backend", "type"))) == "m.toml:6:8"
    assert str(root.at(("agents", 1))) == "m.toml:7:3"


def test_dates_are_texts() -> None:
    """As in YAML and JSON, where a configuration has none."""
    assert parse("a = 2026-11-20\nb = 07:32:00\n", "x.toml").plain() == {"a": "2026-11-20", "b": "07:32:00"}


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("a = 1\nb = yes\n", "x.toml:2:5", "Invalid value"),
        ("a = 1\na = 2\n", "x.toml:2:6", "Cannot overwrite"),
        ("a = [1,\n", "x.toml:2:1", ""),
        ("a = inf\n", "x.toml:1:5", "neither inf nor nan"),
        (f"a = 1\n{'b.' * 5_000}c = 1\n", "x.toml:2:1", f"nested more than {MAX_DEPTH} deep"),
        (f"[{chr(34)}b{chr(34)} . 'b' . {'b .' * MAX_DEPTH} c]\n", "x.toml:1:2", f"nested more than {MAX_DEPTH} deep"),
        (f"a = {'[' * 100}{']' * 100}\n", "x.toml", f"nested more than {MAX_DEPTH} deep"),
        (f"a = {'[' * 20_000}", "x.toml", "deep"),
    ],
)
def test_mistakes_have_places(text: str, place: str, said: str) -> None:
    """What the standard library refuses is told with its line; so is what no configuration can be."""
    with pytest.raises(ConfigProblems) as caught:
        parse(text, "x.toml")

    assert str(caught.value.problems[0]).startswith(place)
    assert said in caught.value.problems[0].message


def test_a_file_is_known_by_its_name(tmp_path: Path) -> None:
    """With a byte order mark and the line ends of another system, too."""
    file = tmp_path / "massgen.toml"
    file.write_bytes('\ufeffversion = 1\r\nseed = 7\r\ntext = """a\r\nb"""\r\n'.encode())

    assert read(file).plain() == {"version": 1, "seed": 7, "text": "a\nb"}
    assert read(file).at(("seed",)).line == 2
