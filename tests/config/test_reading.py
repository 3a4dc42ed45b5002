"""What the kernel lends to plugins that read files of their own."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

import massgen_core.config.structure as kernel
from massgen_core.config.document import MAX_CHARACTERS, parse
from massgen_core.config.structure import Expanded
from massgen_core.errors import ConfigProblem, ConfigProblems
from massgen_core.reading import Document, read_document, structure

SCALARS = st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(st.sampled_from('ab"\\/*,]}\n{['), max_size=12)
DATA = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("a/,*", max_size=4), inner, max_size=4), max_leaves=12
)
BLANKS = st.sampled_from(["", " ", "\n", "// x, ] }\n", '/* , " ] */', "/**/", "/* // */", "// /* \n"])


@attrs.frozen(kw_only=True)
class Door:
    """A class that knows more than its fields can say."""

    width: int
    parts: Mapping[str, Any] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        wrong = [ConfigProblem(f"no {value!r}", path=f"parts.{key}") for key, value in self.parts.items()]
        if self.width == 13:
            wrong.append(ConfigProblem("elsewhere", source="other.yaml", line=3, column=1, path="x"))
        if wrong:
            raise ConfigProblems(wrong)


def test_comments_and_trailing_commas_move_nothing(tmp_path: Path) -> None:
    """JSON of editors is read with its comments, and mistakes keep their lines and columns."""
    file = tmp_path / "mcp.json"
    file.write_text('{ // one\n  "a": [1, 2,], /* two\n three */ "url": "http://x/*y*/", \n}')

    assert {"a": [1, 2], "url": "http://x/*y*/"} == read_document(file, comments=True).data
    assert str(read_document(file, comments=True).problem("here", "url")).endswith("mcp.json:3:18: url: here")
    with pytest.raises(ConfigProblems, match="not JSON"):
        read_document(file)
    file.rename(tmp_path / "mcp.jsonc")
    assert 2 == len(read_document(tmp_path / "mcp.jsonc").data["a"])


@given(DATA, st.lists(BLANKS, min_size=40, max_size=40))
def test_comments_mean_nothing(data: Any, blanks: list[str]) -> None:
    """Whatever comments stand between its tokens, a document says the same."""
    text, waiting = "", list(blanks)
    for token in json.JSONEncoder(separators=("\x00,\x00", "\x00:\x00")).iterencode(data):
        text += token + (waiting.pop() if waiting else "")
    text = text.replace("\x00", blanks[0])

    assert data == parse(blanks[1] + text, "f.jsonc").plain()


@pytest.mark.parametrize("piece", ["/*", '"\\"', '"', "/", "/**/", ",", ", ", "//", "*/", '"\\'])
def test_reading_comments_is_linear(piece: str) -> None:
    """A file made to be slow is as quick as any other."""
    text = piece * (MAX_CHARACTERS // len(piece))
    begun = time.process_time()
    with pytest.raises(ConfigProblems):
        parse(text, "f.jsonc")

    assert time.process_time() - begun < 2.0


def test_a_class_finds_more_than_its_fields_can_say() -> None:
    """Mistakes that a class finds by itself have the places of its values; those of another file keep theirs."""
    root = parse("door:\n  width: 13\n  parts:\n    knob: gold\n", "f.yaml")
    with pytest.raises(ConfigProblems) as caught:
        kernel.structure(Door, root.plain()["door"], path="door", place=root)

    assert ["f.yaml:4:11: door.parts.knob: no 'gold'", "other.yaml:3:1: x: elsewhere"] == [str(problem) for problem in caught.value.problems]


def test_values_from_the_environment_stay_hidden() -> None:
    """A class's own message shows the reference, not the value."""
    with pytest.raises(ConfigProblems, match=r"no .*\$\{KNOB\}") as caught:
        structure(Door, {"width": 1, "parts": {"knob": Expanded("sesame-open", "${KNOB}")}})

    assert "sesame-open" not in str(caught.value)


def test_documents_without_lines_name_their_source() -> None:
    """Data of a format that has no positions still says where it is from."""
    document = Document.of({"a": {"b": "${env:X} ${Y:-z} $$"}}, "config.toml")
    problems: list[ConfigProblem] = []

    assert "config.toml: a.b: wrong" == str(document.problem("wrong", "a.b"))
    assert "1 z $" == document.expanded(document.data["a"]["b"], {"X": "1"}, problems, "a.b")
    assert [] == problems
    assert {"b": " z $"} == document.expanded(document.data["a"], {}, problems, "a")
    assert ["config.toml: a.b: the environment variable X is not set; set it, or write ${X:-instead}"] == [str(problem) for problem in problems]


@pytest.mark.parametrize("text", ["${A:-" * 60_000, "${A:-" + "x" * 300_000, "$" * 300_000, "${" * 100_000])
def test_looking_for_references_is_linear(text: str) -> None:
    """A text made to be slow is as quick as any other."""
    begun = time.process_time()
    Document.of(text, "x").expanded(text, {}, [])

    assert time.process_time() - begun < 2.0


def test_a_reference_within_a_reference_is_refused() -> None:
    """It would be taken for half of one."""
    problems: list[ConfigProblem] = []
    Document.of("", "x").expanded("${A:-${B}}", {"B": "b"}, problems)

    assert "begins a reference such as ${NAME} or ${NAME:-instead}" in str(problems[0])


def test_what_other_formats_write_for_a_folder_is_explained() -> None:
    """`${cwd}` is a variable here like any other; whoever means the agent's folder is told how to write it."""
    problems: list[ConfigProblem] = []
    Document.of({}, "config.toml").expanded({"args": ["--root=${cwd}", "${workspaceFolder}"]}, {}, problems)

    assert ["write {workspace} where an option takes the agent's folder" in problem.message for problem in problems] == [True, True]
