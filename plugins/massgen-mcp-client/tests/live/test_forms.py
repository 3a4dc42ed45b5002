"""What servers ask, as questions, and the answers as servers want them."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_mcp_client.forms import FIELDS, Field, fields

ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(
    ["type", "title", "description", "default", "enum", "enumNames", "oneOf", "anyOf", "items", "minimum", "maximum", "minLength", "maxLength"]
)
PROPERTY = st.dictionaries(KEYS, ANY | st.sampled_from(["string", "number", "integer", "boolean", "array"]), max_size=6)


def one(**schema: Any) -> Field:
    (field,) = fields({"type": "object", "properties": {"it": schema}, "required": ["it"]})
    return field


@given(
    st.dictionaries(st.text(max_size=8), ANY, max_size=4)
    | st.fixed_dictionaries({"properties": st.dictionaries(st.text(), PROPERTY), "required": ANY})
)
def test_whatever_a_server_asks_is_a_form(schema: Any) -> None:
    """No schema breaks the client; each field can be answered, or says why not."""
    for field in fields(schema):
        assert "\x1b" not in field.text
        for answer in ("", "7", "yes", field.shown_default, "\x00"):
            try:
                field.read(answer)
            except ValueError:
                continue


@given(PROPERTY)
def test_a_default_is_an_answer(schema: Any) -> None:
    """Saying nothing where there is a default gives the default."""
    field = one(**schema)
    if field.default is not None:
        assert field.read("") == field.default


@given(st.integers(-50, 50), st.integers(-50, 50), st.integers(-100, 100))
def test_numbers_keep_their_bounds(low: int, high: int, number: int) -> None:
    """A number outside is refused, one inside is taken."""
    field = one(type="integer", minimum=low, maximum=high)
    if low <= number <= high:
        assert field.read(str(number)) == number
    else:
        with pytest.raises(ValueError, match="from"):
            field.read(str(number))


@pytest.mark.parametrize(
    ("schema", "answer", "value"),
    [
        ({"type": "boolean"}, "Yes", True),
        ({"type": "boolean"}, "off", False),
        ({"type": "number"}, "2.5", 2.5),
        ({"type": "string"}, " text ", "text"),
        ({"type": "string", "enum": ["r", "g"], "enumNames": ["Red", "Green"]}, "Green", "g"),
        ({"type": "string", "oneOf": [{"const": "r", "title": "Red"}]}, "r", "r"),
        ({"type": "array", "items": {"type": "string", "enum": ["a", "b", "c"]}}, "a, c", ["a", "c"]),
        ({"type": "array", "items": {"anyOf": [{"const": "a", "title": "A"}]}}, "A", ["a"]),
    ],
)
def test_answers(schema: dict[str, Any], answer: str, value: object) -> None:
    """Each kind of the protocol's forms."""
    assert one(**schema).read(answer) == value


@pytest.mark.parametrize(
    ("schema", "answer", "text"),
    [
        ({"type": "boolean"}, "perhaps", "yes or no"),
        ({"type": "integer"}, "2.5", "whole number"),
        ({"type": "number"}, "nan", "from"),
        ({"type": "string", "enum": ["r", "g"]}, "b", "one of: r, g"),
        ({"type": "string", "minLength": 3}, "ab", "at least 3"),
        ({"type": "string"}, "", "needed"),
    ],
)
def test_wrong_answers_say_what_is_right(schema: dict[str, Any], answer: str, text: str) -> None:
    """The person is told what is wanted."""
    with pytest.raises(ValueError, match=text):
        one(**schema).read(answer)


def test_forms_have_an_end() -> None:
    """A server cannot ask thousands of questions at once; what is not required may be left out."""
    asked = fields({"properties": {f"f{number}": {} for number in range(1000)}})

    assert len(asked) == FIELDS
    assert asked[0].read("") is None
    assert asked[0].bounds == (0.0, math.inf)
