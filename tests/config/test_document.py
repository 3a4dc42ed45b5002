"""YAML and JSON to trees: what values mean, where they stand, and what is refused."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from massgen_core.config import document
from massgen_core.config.document import MAX_CHARACTERS, MAX_DEPTH, parse, read, scalar
from massgen_core.config.tree import Place
from massgen_core.errors import ConfigProblem, ConfigProblems

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=20)
SCALARS = st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False) | TEXT
DATA = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=20)
YAMLISH = st.text(st.sampled_from("ab:-[]{}&*!|>'\"%@`#?,~<.01 \t\n\\") | st.characters(), max_size=60)


def mistakes(text: str | bytes, source: str = "f.yaml") -> tuple[ConfigProblem, ...]:
    with pytest.raises(ConfigProblems) as caught:
        parse(text, source)
    return caught.value.problems


def places(text: str | bytes, source: str = "f.yaml") -> list[tuple[int, int]]:
    return [(problem.line, problem.column) for problem in mistakes(text, source)]


def test_every_value_has_its_place() -> None:
    """Lines and columns count from 1, in characters; a key has a place of its own."""
    root = parse("a: 1\nü:\n  - x\n  - {k: v}\n", "f.yaml")

    assert root.plain() == {"a": 1, "ü": ["x", {"k": "v"}]}
    assert root.at(("a",)) == Place("f.yaml", 1, 4)
    assert root.at(("ü",), key=True) == Place("f.yaml", 2, 1)
    assert root.at(("ü", 1, "k")) == Place("f.yaml", 4, 9)
    assert root.at(("ü", 1, "k"), key=True) == Place("f.yaml", 4, 6)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((word, None) for word in ("", "~", "null", "Null", "NULL")),
        *((word, True) for word in ("true", "True", "TRUE")),
        *((word, False) for word in ("false", "False", "FALSE")),
        *((word, word) for word in ("yes", "no", "on", "off", "y", "N", "Yes", "tRue")),
        *((word, word) for word in ("007", "0644", "1_000", "12:30", "2024-01-01", "1.2.3", ".inf", ".nan", "1e999", "0b1", "=", "<<")),
        ("0", 0),
        ("-17", -17),
        ("+5", 5),
        ("0o17", 15),
        ("0xfF", 255),
        ("1.5", 1.5),
        ("1.", 1.0),
        (".5", 0.5),
        ("-2e3", -2000.0),
        ("'1'", "1"),
        ('"true"', "true"),
        ("!!str 5", "5"),
        ("! 5", "5"),
    ],
)
def test_plain_values_mean_what_yaml_1_2_says(text: str, value: Any) -> None:
    """No country is false, no time is a number, and no number changes its base."""
    made = parse(f"k: {text}", "f.yaml").plain()["k"]

    assert made == value
    assert type(made) is type(value)


def test_keys_are_text() -> None:
    """A key is what was written, as it is in JSON."""
    assert parse("on: 1\n8080: 2\nnull: 3\n1.50: 4", "f.yaml").plain() == {"on": 1, "8080": 2, "null": 3, "1.50": 4}


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", (3, 1), "the key 'a' is given twice, first in line 1"),
        ("a:\n\tb: 1\n", (2, 1), "a tab"),
        ("a:\n  b: 1\n\tc: 2\n", (3, 1), "a tab"),
        ("a: b: c\n", (1, 5), "quotes"),
        ("a: @x\n", (1, 4), "quotes"),
        ("a: `x`\n", (1, 4), "quotes"),
        ("a: [1, 2\nb: 3\n", (2, 2), "bracket"),
        ("a: 'x\n", (2, 1), "a quote is not closed"),
        ('a: "\\d"\n', (1, 5), "backslash"),
        ("a: *x\n", (1, 4), "`&x` is not defined"),
        ("a: &x [*x]\n", (1, 8), "inside the value that it names"),
        ("a: !!python/object/apply:os.system [id]\n", (1, 4), "plain data"),
        ("a: !!int '5'\n", (1, 4), "plain data"),
        ("a: 1\n---\nb: 2\n", (2, 1), "second document"),
        ("? [a]\n: 1\n", (1, 3), "a key must be a single text"),
        ("<<: 1\n", (1, 5), "`<<` takes a mapping"),
        ("a: x\x07y\n", (1, 5), "U+0007"),
        ("a: 1\n b: 2\n", (2, 3), "indented too deep"),
        ("a: 1\nbc\nd: 2\n", (3, 1), "a key without"),
        ("- a\nb: 1\n", (2, 1), "list"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, place: tuple[int, int], said: str) -> None:
    """Every trap of YAML is explained where it is."""
    (problem,) = mistakes(text)

    assert (problem.line, problem.column) == place
    assert said in problem.message
    assert problem.source == "f.yaml"


def test_several_mistakes_are_named_together() -> None:
    """What does not stop the reading is collected."""
    assert places("a: 1\na: 2\nb: !x 1\nc: {d: 1, d: 2}\n") == [(2, 1), (3, 4), (4, 11)]


def test_what_is_no_utf_8_is_named_with_its_place() -> None:
    """A file of another encoding says where it stops making sense."""
    (problem,) = mistakes(b"a: 1\nb: \xff")

    assert (problem.line, problem.column) == (2, 4)
    assert "UTF-8" in problem.message


def test_a_byte_order_mark_is_passed_over() -> None:
    """Some editors write one."""
    assert parse(b"\xef\xbb\xbfa: 1", "f.yaml").plain() == {"a": 1}
    assert parse(b"\xef\xbb\xbf[1]", "f.json").plain() == [1]


def test_aliases_and_merge_keys_work() -> None:
    """Several agents can share their settings; own keys win, and each use can be changed by itself."""
    root = parse("x: &x {a: 1, b: [2]}\ny: {<<: *x, a: 3}\nz: {<<: [{c: 4}, *x]}\nw: *x\n", "f.yaml")

    assert root.plain() == {"x": {"a": 1, "b": [2]}, "y": {"a": 3, "b": [2]}, "z": {"a": 1, "b": [2], "c": 4}, "w": {"a": 1, "b": [2]}}
    assert root.at(("y", "b")) == root.at(("x", "b")) == Place("f.yaml", 1, 17)
    assert root.find(("w", "b")) is not root.find(("x", "b"))


def test_aliases_cannot_blow_up() -> None:
    """Ten lists of ten aliases each would be ten thousand million values."""
    bomb = "a0: &a0 x\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 11))

    assert "more than 100000 values" in mistakes(bomb)[0].message


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "{a: " * 50_000, "- " * 50_000, "? " * 50_000, "a:\n" + "".join(" " * n + "- \n" for n in range(1, 200))]
)
def test_deep_nesting_is_refused(text: str) -> None:
    """Nothing recurses without a limit."""
    assert mistakes(text)


@pytest.mark.parametrize("name", ["f.yaml", "f.json"])
def test_depth_has_one_limit_for_both_languages(name: str) -> None:
    """What is just deep enough is read, what is deeper is refused."""
    parse("[" * MAX_DEPTH + "1" + "]" * MAX_DEPTH, name)
    deeper = "[" * (MAX_DEPTH + 1) + "1" + "]" * (MAX_DEPTH + 1)

    assert "deep" in mistakes(deeper, name)[0].message


@pytest.mark.parametrize("name", ["f.yaml", "f.json"])
def test_size_is_limited(name: str) -> None:
    """A file that cannot be a configuration is not parsed."""
    assert "larger" in mistakes('"' + "x" * MAX_CHARACTERS + '"', name)[0].message


@given(DATA)
def test_what_yaml_writes_is_read_back(data: Any) -> None:
    """Plain data survives being dumped by PyYAML, whatever it quotes."""
    text = yaml.safe_dump(data, allow_unicode=True)

    assert parse(text, "f.yaml").plain() == data


@given(DATA, st.sampled_from([None, 1, "\t"]))
def test_what_json_writes_is_read_back(data: Any, indent: int | str | None) -> None:
    """Plain data survives JSON, indented with tabs or not, escaped or not."""
    for plain in (True, False):
        assert parse(json.dumps(data, indent=indent, ensure_ascii=plain), "f.json").plain() == data


@given(DATA)
def test_json_is_read_as_yaml_too(data: Any) -> None:
    """A document that somebody wrote as JSON into a YAML file means the same."""
    assert parse(json.dumps(data, indent=1, ensure_ascii=False), "f.yaml").plain() == data


@settings(max_examples=500)
@given(YAMLISH, st.sampled_from(["f.yaml", "f.json"]))
@example("\udc00", "f.yaml")
@example("\x00", "f.yaml")
@example("%YAML 3.0\n---\na", "f.yaml")
@example("%TAG ! x\n--- !y", "f.yaml")
@example("&a : *a", "f.yaml")
@example('"\\ud800"', "f.json")
@example("9" * 5000, "f.yaml")
@example("9" * 5000, "f.json")
@example("1e999", "f.json")
@example("NaN", "f.json")
def test_no_text_is_too_odd(text: str, name: str) -> None:
    """Every text is either a tree of plain values or a list of problems with places in it."""
    try:
        root = parse(text, name)
    except ConfigProblems as error:
        lines = text.removeprefix("\ufeff").split("\n")
        for problem in error.problems:
            assert problem.message.isprintable()
            assert problem.line <= len(lines) + text.count("\r") + text.count("\x85") + text.count("\u2028") + text.count("\u2029") + 1
        return
    for _, node in root.walk():
        assert isinstance(node.value, (dict, list, str, int, float, bool, type(None)))
        assert not isinstance(node.value, float) or math.isfinite(node.value)
        assert node.place.line >= 1
        assert node.place.column >= 1


@settings(max_examples=300)
@given(st.binary(max_size=40))
def test_no_bytes_are_too_odd(content: bytes) -> None:
    """Bytes are text in UTF-8, or a problem."""
    problems: tuple[ConfigProblem, ...] = ()
    try:
        root = parse(content, "f.yaml")
    except ConfigProblems as error:
        problems, root = error.problems, None

    assert problems or root is not None


@given(st.text(max_size=20))
def test_scalars_of_the_environment_read_as_those_of_files(text: str) -> None:
    """`scalar` is the one rule for plain values."""
    value = scalar(text)

    assert value is None or isinstance(value, (bool, int, float)) or value == text


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ('{"a": 1,\n "a": 2}', (2, 2), "given twice, first in line 1"),
        ('{"a": 1,}', (1, 9), "a key in double quotes"),
        ("[1,\n2,]", (2, 3), "a value is missing"),
        ('{"a" 1}', (1, 6), "`:` is missing"),
        ("[1 2]", (1, 4), "`,` is missing"),
        ("{'a': 1}", (1, 2), "double quotes"),
        ('{"a": yes}', (1, 7), "a value is missing"),
        ('"a\nb"', (1, 3), "control character"),
        ("1 2", (1, 3), "follows"),
        ("", (1, 1), "a value is missing"),
        ("1e400", (1, 1), "too large"),
    ],
)
def test_mistakes_in_json_have_places_too(text: str, place: tuple[int, int], said: str) -> None:
    """JSON is read as strictly."""
    (problem,) = mistakes(text, "f.json")

    assert (problem.line, problem.column) == place
    assert said in problem.message


def test_places_in_json() -> None:
    """Lines and columns are those of the text, tabs count as one."""
    root = parse('{\n\t"a": [1,\n\t\t"x"]\n}', "f.json")

    assert root.at(("a",), key=True) == Place("f.json", 2, 2)
    assert root.at(("a", 1)) == Place("f.json", 3, 3)


def test_a_missing_file_names_those_beside_it(tmp_path: Path) -> None:
    """A mistyped name is found at a glance."""
    (tmp_path / "other.yaml").write_text("a: 1")

    with pytest.raises(ConfigProblems, match=r"does not exist; .* other\.yaml"):
        read(tmp_path / "mine.yaml")
    with pytest.raises(ConfigProblems, match="does not exist"):
        read(tmp_path / "none" / "mine.yaml")
    with pytest.raises(ConfigProblems, match="cannot be read"):
        read(tmp_path)
    assert read(tmp_path / "other.yaml", name="it").at(("a",)) == Place("it", 1, 4)


def test_the_parser_in_python_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where PyYAML comes without libyaml, its own parser is used."""
    text = "a: 1\nb: [x, {c: 'd'}]\n"
    expected = parse(text, "f.yaml")
    monkeypatch.delattr(yaml, "CSafeLoader")

    assert document.parse(text, "f.yaml") == expected
    assert places("a: 1\na: 2\n") == [(2, 1)]


@pytest.mark.parametrize("odd", ["\x85", "\u2028", "\u2029"])
def test_lines_are_counted_as_editors_count_them(odd: str) -> None:
    """YAML ends a line at some characters that no editor shows as an end."""
    text = f"# a{odd}\na: 1\r\nb: '{odd}'\nc:\n  - x\n"
    root = parse(text, "f.yaml")

    assert (root.at(("a",)), root.at(("c", 0)), root.at(("b",), key=True)) == (Place("f.yaml", 2, 4), Place("f.yaml", 5, 5), Place("f.yaml", 3, 1))
    with pytest.raises(ConfigProblems) as caught:
        parse(f"{text}\td: 1\n", "f.yaml")
    assert (caught.value.problems[0].line, caught.value.problems[0].column) == (6, 1)
