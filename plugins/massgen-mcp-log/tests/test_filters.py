from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_mcp_log.filters import LIMITS, And, Compare, Filter, FilterProblem, Has, Node, Not, OneOf, Or, Value, Words, evaluate, parse, show

LINE: dict[str, Any] = {
    "server": "github",
    "category": "execution",
    "level": "warning",
    "event": "mcp.execution.returned",
    "tool": "merge_pull_request",
    "ms": 612.5,
    "bytes": 2048,
    "at": 1_795_161_730.0,
    "is_cached": False,
    "names": ["read_file", "write_file"],
    "message": "Connection reset by peer",
}

names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True).filter(lambda name: name not in {"and", "or", "not", "in", "has"})
values = st.builds(Value, st.text(max_size=12), st.just(True)) | st.builds(
    Value, st.from_regex(r"[A-Za-z0-9_./:*?@+%#-]{1,10}", fullmatch=True).filter(lambda text: text.lower() not in {"and", "or", "not", "in", "has"})
)
tests = (
    st.builds(Compare, names, st.sampled_from(["=", "!=", "<", "<=", ">", ">=", "~", "!~"]), values)
    | st.builds(OneOf, names, st.lists(values, min_size=1, max_size=4).map(tuple), st.booleans())
    | st.builds(Has, names)
    | st.builds(Words, st.text(max_size=12))
)


def deeper(parts: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    several = st.lists(parts, min_size=2, max_size=3).map(tuple)
    return st.builds(Not, parts) | st.builds(And, several) | st.builds(Or, several)


trees = st.recursive(tests, deeper, max_leaves=12)
known = st.fixed_dictionaries({}, optional={name: st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4) for name in "abc"})
small = st.recursive(
    st.builds(Compare, st.sampled_from("abc"), st.sampled_from(["=", "!=", "<", "~"]), st.sampled_from([Value("1"), Value("x"), Value("*")]))
    | st.builds(Has, st.sampled_from("abc")),
    deeper,
    max_leaves=8,
)


@given(trees)
def test_printing_and_parsing_give_the_same_tree(tree: Node) -> None:
    """What is shown is read back as it was, however deep."""
    assert parse(show(tree)) == tree


@given(st.text(max_size=60))
def test_any_text_is_a_filter_or_a_problem_with_a_place(text: str) -> None:
    """Nothing else is ever raised, and the place lies within the text."""
    problem = None
    try:
        shown = show(parse(text))
    except FilterProblem as raised:
        problem = raised

    assert show(parse(shown)) == shown if problem is None else 0 <= problem.column <= len(text)


@given(small, small, known)
def test_laws_of_three_values(left: Node, right: Node, line: dict[str, Any]) -> None:
    """Negation keeps what is unknown, De Morgan holds, and order does not matter."""
    a, b = evaluate(left, line), evaluate(right, line)

    assert evaluate(Not(left), line) == (None if a is None else not a)
    assert evaluate(Not(Not(left)), line) == a
    assert evaluate(Not(And((left, right))), line) == evaluate(Or((Not(left), Not(right))), line)
    assert evaluate(And((left, right)), line) == evaluate(And((right, left)), line)
    assert evaluate(Or((left, right)), line) == (True if True in (a, b) else None if None in (a, b) else False)


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("server=github and ms>500 and category in (execution, error)", True),
        ("server = GitHub", True),
        ("ms > 0.6s and ms < 1s", True),
        ("bytes >= 2kib and bytes < 3kb", True),
        ("level >= warning", True),
        ("level < warning", False),
        ("tool ~ merge_*", True),
        ("tool ~ pull", True),
        ("tool !~ pull", False),
        ('"reset by PEER"', True),
        ("names = read_file and names != delete_file", True),
        ("is_cached = false", True),
        ('at >= "2026-11-20" and at < "2026-11-21T00:00:00+00:00"', True),
        ("agent = ann", None),
        ("not agent = ann", None),
        ("agent = ann or server = github", True),
        ("agent != ann and server = gitlab", False),
        ("has agent", False),
        ("not has agent", True),
        ("agent not in (ann)", None),
        ("server not in (a, b)", True),
        ("server > 5", None),
    ],
)
def test_meaning(text: str, verdict: bool | None) -> None:
    """Each construct of the language means what its page says."""
    assert evaluate(parse(text), LINE) is verdict


@pytest.mark.parametrize(
    ("text", "column", "hint"),
    [
        ("server=", 7, "a value"),
        ("server github", 7, "= != <"),
        ("server=github ms>5", 14, "'and', 'or'"),
        ("(server=github", 14, "')'"),
        ('server="git', 7, "does not end"),
        ("server=git;rm", 10, "quotes"),
        ("category in execution", 12, "'('"),
        ("", 0, "a field's name"),
        ("and=3", 0, "a field's name"),
    ],
)
def test_errors_show_where(text: str, column: int, hint: str) -> None:
    """The message has a caret under the mistake and says what could stand there."""
    with pytest.raises(FilterProblem) as caught:
        parse(text)

    assert caught.value.column == column
    assert hint in str(caught.value)
    assert str(caught.value).splitlines()[-1] == "  " + " " * column + "^"


def test_size_is_bounded() -> None:
    """Length, depth, number of tests and of values have limits, and what is at a limit is quick."""
    deep = LIMITS["depth"] - 1
    parse("(" * deep + "a=1" + ")" * deep)
    for text in ("(" * 40 + "a=1" + ")" * 40, "not " * 40 + "a=1", " or ".join(["a=1"] * 257), f"a in ({','.join('1' * 300)})", "a" * 5000):
        with pytest.raises(FilterProblem):
            parse(text)


def test_patterns_with_many_stars_stay_quick() -> None:
    """A pattern made to be slow is not."""
    assert Filter("tool ~ " + "*a" * 40 + "b")({"tool": "a" * 60}) is False


def test_a_filter_knows_its_fields_and_an_empty_one_chooses_everything() -> None:
    """For warnings about fields that no line has."""
    assert Filter('b=1 and not (a in (1) or has c) and "x"').fields() == ["a", "b", "c"]
    assert Filter("  ")({}) is True
    assert str(Filter("a=1 AND  b=2")) == "a = 1 and b = 2"
