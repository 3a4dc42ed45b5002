"""Writing YAML again: the same data, and comments told from texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from massgen_cmd_config.findings import _lines, token_at
from massgen_cmd_config.keys import masked
from massgen_cmd_config.rewrite import comments, rewritten
from massgen_core.api import Document
from massgen_core.config.document import parse

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    ["a\nb", "a\nb\n", " a\nb", "a # b", "# a", "yes", "1.0", "- a", "a: b", "a\n\n# b\n", "a\nb\n\n", "\x85", "\u2028", "\ufeff", "x\ny \nz"]
)
DATA: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(TEXTS, DATA, min_size=1, max_size=4))
def test_whatever_is_written_reads_the_same(data: dict[str, Any]) -> None:
    """Texts of any kind, in any nesting."""
    made = rewritten(Document.of(data, "x"), "")

    assert parse(made, "x.yaml").plain() == data


WORDS = st.text("ab #:'\"-|", max_size=8)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["plain", "quoted", "block", "note", "beside"]), WORDS), max_size=8))
def test_comments_are_told_from_texts(parts: list[tuple[str, str]]) -> None:
    """A `#` within a text is none."""
    lines, wanted = [], []
    for number, (kind, text) in enumerate(parts):
        if kind == "note":
            lines.append(f"# {text}")
            wanted.append(f"# {text}".rstrip())
        elif kind == "beside":
            lines.append(f"k{number}: 1 # {text}")
            wanted.append(f"# {text}".rstrip())
        elif kind == "block":
            lines += [f"k{number}: |", f"  x # {text}", f"  # {text}"]
        elif kind == "quoted":
            lines.append(f"k{number}: {yaml.safe_dump(text, default_style=chr(34)).strip()}")
        else:
            lines.append(f"k{number}: x#y")

    assert [one.text for one in comments("\n".join(lines)) if one.text] == wanted


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("  key: sk-abcdefghijklmnopqrstuvwx  # mine", "  key: ***************************  # mine"),
        ("  url: https://user:hunter2@example.org", "  url: https://************@example.org"),
        ("  password: hunter2, user: me", "  password: *******, user: me"),
        ("  api_key: ${OPENAI_API_KEY}", "  api_key: ${OPENAI_API_KEY}"),
        ('  Authorization: "Bearer ${TOKEN}"', '  Authorization: "Bearer ${TOKEN}"'),
        ('  args: ["--api-key=abcdef"]', '  args: ["--api-key=******"]'),
        ("  key: GROQ_API_KEY", "  key: GROQ_API_KEY"),
        ("  max_tokens: 4096", "  max_tokens: 4096"),
        ("  name: known", "  name: *****"),
    ],
)
def test_a_line_is_shown_without_its_secrets(line: str, shown: str) -> None:
    """At the same length, so that carets stay in place; references are shown."""
    assert masked(line, ["known"]) == shown


@pytest.mark.parametrize(
    ("line", "column", "token"),
    [
        ("a: bcd", 4, "bcd"),
        ("a: bcd", 1, "a"),
        ("a: 'b c' # x", 4, "'b c'"),
        ("[x, y]", 2, "x"),
        ("a: b c # d", 4, "b c"),
        ("a: |", 4, ""),
        ("", 1, ""),
    ],
)
def test_the_caret_covers_what_is_meant(line: str, column: int, token: str) -> None:
    """One key or one scalar."""
    assert token_at((line,), 1, column) == token


def test_lines_are_shown_of_files_only() -> None:
    """A stranger's configuration may name a device as one of its files; some have no end."""
    assert _lines(Path(__file__))[0].startswith('"""')
    assert _lines(Path("/dev/null")) == ()
