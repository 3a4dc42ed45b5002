"""Text to a tree with places: YAML, JSON and TOML, read as data and never as objects.

YAML is read as YAML 1.2 does: only `true` and `false` are booleans, `yes`, `no`, `on` and `off` are text, and so are dates, `12:30` and numbers with
leading zeros. Keys are always text. Anchors, aliases and the merge key `<<` work; tags other than `!!str` do not.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgen_core.config.tree import Node, Place
from massgen_core.errors import ConfigProblem, ConfigProblems

if TYPE_CHECKING:
    import yaml

__all__ = ["MAX_CHARACTERS", "MAX_DEPTH", "MAX_VALUES", "contents", "parse", "read", "scalar"]

MAX_CHARACTERS = 1_000_000
MAX_DEPTH = 64
MAX_VALUES = 100_000

_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
# YAML's line ends that no editor shows as such, and those that all do.
_ODD_END = re.compile("[\x85\u2028\u2029]")
_END = re.compile("\r\n?|\n")
_STRING = "tag:yaml.org,2002:str"
# What libyaml says, and what a person can do about it.
_ADVICE = (
    ("mapping values are not allowed", "a second `: ` in one value, or a line indented too deep; put text that holds `: ` in quotes"),
    ("could not find expected ':'", "a key without `: ` after it, or a quote or bracket that is not closed"),
    ("did not find expected key", "the indentation does not match the lines above, or a quoted text has something after it"),
    ("did not find expected '-' indicator", "the indentation does not match the list above, or an item lacks its `- `"),
    ("did not find expected ',' or", "a bracket that is not closed, or a comma that is missing"),
    ("block sequence entries are not allowed", "a list begins on the line of its key; begin it on the next line"),
    ("unexpected end of stream", "a quote is not closed"),
    ("unknown escape character", "a backslash inside double quotes; write two, or use single quotes"),
    ("undefined alias", "the name after `*` is not defined above with `&`; put text that begins with `*` in quotes"),
    ("cannot start any token", "put text that begins with this character in quotes"),
)


def read(path: Path, *, name: str = "", comments: bool = False) -> Node:
    """Read a file, as JSON where its name ends in `.json` or `.jsonc`, as TOML where it ends in `.toml`, as YAML otherwise.

    Args:
        path: The file.
        name: What problems call it; its path where empty.
        comments: JSON may hold comments and trailing commas, as it may in `.jsonc`.

    Raises:
        ConfigProblems: It cannot be read or is not a document.
    """
    source = name or str(path)
    return parse(contents(path, source), source, comments=comments)


def contents(path: Path, source: str) -> bytes:
    """Return what is in a file, as far as a configuration can go.

    Raises:
        ConfigProblems: It cannot be read; `source` is what the problem calls it.
    """
    try:
        with path.open("rb") as stream:
            return stream.read(4 * MAX_CHARACTERS + 4)
    except FileNotFoundError:
        beside = sorted(other.name for other in path.parent.glob("*.y*ml"))[:10] if path.parent.is_dir() else []
        there = f"; in {path.parent} there are: {', '.join(beside)}" if beside else ""
        raise _problem(f"the file does not exist{there}", Place(source)) from None
    except OSError as error:
        raise _problem(f"the file cannot be read: {error.strerror or error}", Place(source)) from None


def parse(content: str | bytes, source: str, *, comments: bool = False) -> Node:
    """Parse a document; nothing in it, an empty file included, is ever executed or made into an object.

    Args:
        content: Text, or bytes in UTF-8.
        source: What problems call it; JSON is read where it ends in `.json` or `.jsonc`, TOML where it ends in `.toml`.
        comments: JSON may hold comments and trailing commas, as it may in `.jsonc`.

    Raises:
        ConfigProblems: It is no document, repeats a key, or is larger than a configuration can be.
    """
    text = _text(content, source)
    if source.endswith((".json", ".jsonc")):
        from massgen_core.config.json_text import parse_json  # noqa: PLC0415 - it needs this module's limits

        return parse_json(text, source, comments=comments or source.endswith(".jsonc"))
    if source.endswith(".toml"):
        from massgen_core.config.toml_text import parse_toml  # noqa: PLC0415

        return parse_toml(text, source)
    return _Yaml(text, source).document()


def scalar(text: str) -> Any:
    """Return what a plain (unquoted) text means in YAML 1.2: null, a boolean, a number, or the text itself."""
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > 400:
        return text
    if _INT.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        number = float(text)
        return number if math.isfinite(number) else text
    return text


def _problem(message: str, place: Place) -> ConfigProblems:
    return ConfigProblems([ConfigProblem(message, source=place.source, line=place.line, column=place.column)])


def _text(content: str | bytes, source: str) -> str:
    text = content if isinstance(content, str) else ""
    if isinstance(content, bytes):
        try:
            text = content.decode()
        except UnicodeDecodeError as error:
            before = content[: error.start].decode()
            line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
            raise _problem("not UTF-8 from here on; save the file as UTF-8", Place(source, line, column)) from None
    text = text.removeprefix("\ufeff")
    if len(text) > MAX_CHARACTERS:
        raise _problem(f"larger than a configuration can be ({MAX_CHARACTERS} characters)", Place(source))
    if bad := _UNPRINTABLE.search(text):
        line, column = text.count("\n", 0, bad.start()) + 1, bad.start() - text.rfind("\n", 0, bad.start())
        message = f"the character U+{ord(bad[0]):04X} is not allowed; in double quotes it can be written as an escape"
        raise _problem(message, Place(source, line, column))
    return text


class _Yaml:
    """One document. It reads libyaml's events and not its nodes: libyaml builds nodes recursively, without a limit."""

    def __init__(self, text: str, source: str) -> None:
        self.text, self.source = text, source
        self.starts = [0, *(end.end() for end in _END.finditer(text))] if _ODD_END.search(text) else []
        self.problems: list[ConfigProblem] = []
        self.anchors: dict[str, tuple[Node, int] | None] = {}
        self.values = 0

    def document(self) -> Node:
        import yaml  # noqa: PLC0415 - 40 ms, for configurations only

        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        events: Iterator[yaml.Event] = yaml.parse(self.text, Loader=loader)
        root = Node(None, Place(self.source, 1, 1))
        try:
            next(events)
            if isinstance(next(events), yaml.DocumentStartEvent):
                root = self.node(next(events), events, 0)
                next(events)
                if isinstance(after := next(events), yaml.DocumentStartEvent):
                    self.wrong("a second document begins here; a configuration is one", self.place(after))
        except yaml.YAMLError as error:
            self.problems.append(self.explained(error))
        except _TooMuch as error:
            self.wrong(str(error), error.place)
        if self.problems:
            raise ConfigProblems(self.problems)
        return root

    def place(self, event: Any) -> Place:
        return Place(self.source, *self.position(event.start_mark))

    def position(self, mark: Any) -> tuple[int, int]:
        """Return line and column as editors count them, from 1."""
        if not self.starts:
            return mark.line + 1, mark.column + 1
        line = bisect_right(self.starts, mark.index)
        return line, mark.index - self.starts[line - 1] + 1

    def wrong(self, message: str, place: Place) -> None:
        self.problems.append(ConfigProblem(message, source=place.source, line=place.line, column=place.column))

    def count(self, values: int, depth: int, place: Place) -> None:
        self.values += values
        if self.values > MAX_VALUES:
            raise _TooMuch(f"more than {MAX_VALUES} values, aliases counted in full", place)
        if depth > MAX_DEPTH:
            raise _TooMuch(f"nested more than {MAX_DEPTH} deep", place)

    def node(self, event: Any, events: Iterator[Any], depth: int) -> Node:
        import yaml  # noqa: PLC0415

        place = self.place(event)
        self.count(1, depth, place)
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event.anchor or "", depth, place)
        before = self.values
        if event.anchor:
            self.anchors[event.anchor] = None
        if event.tag not in (None, "!", _STRING):
            self.wrong(f"the tag {event.tag!r} is not supported; a configuration is plain data", place)
        if isinstance(event, yaml.ScalarEvent):
            node = Node(scalar(event.value) if event.implicit[0] and not event.tag else event.value, place)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = Node([], place)
            while not isinstance(item := next(events), yaml.SequenceEndEvent):
                node.value.append(self.node(item, events, depth + 1))
        else:
            node = Node(self.mapping(events, depth), place)
        if event.anchor:
            self.anchors[event.anchor] = (node, self.values - before + 1)
        return node

    def mapping(self, events: Iterator[Any], depth: int) -> dict[str, Node]:
        import yaml  # noqa: PLC0415

        value: dict[str, Node] = {}
        merged: list[Node] = []
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            place = self.place(event)
            if not isinstance(event, yaml.ScalarEvent):
                self.node(event, events, depth + 1)
                self.node(next(events), events, depth + 1)
                self.wrong("a key must be a single text", place)
                continue
            if event.anchor:
                self.anchors[event.anchor] = (Node(event.value, place), 1)
            node = self.node(next(events), events, depth + 1)
            node.key = place
            if event.value == "<<" and event.implicit[0]:
                merged += node.value if isinstance(node.value, list) else [node]
            elif event.value in value:
                first = value[event.value].key or place
                self.wrong(f"the key {event.value!r} is given twice, first in line {first.line}; remove one", place)
            else:
                value[event.value] = node
        for node in merged:
            if isinstance(node.value, dict):
                value = {**node.value, **value}
            else:
                self.wrong("`<<` takes a mapping, or a list of mappings", node.place)
        return value

    def alias(self, anchor: str, depth: int, place: Place) -> Node:
        known = self.anchors.get(anchor)
        if known is None:
            raise _TooMuch(f"`*{anchor}` stands inside the value that it names" if anchor in self.anchors else f"`&{anchor}` is not defined", place)
        self.count(known[1], depth, place)
        return _copy(known[0], depth, place)

    def explained(self, error: yaml.YAMLError) -> ConfigProblem:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        said = str(getattr(error, "problem", "") or getattr(error, "context", "") or error).splitlines()[0]
        if mark is None:
            return ConfigProblem(f"not YAML: {said}", source=self.source)
        number, column = self.position(mark)
        lines = _END.split(self.text)
        line = lines[number - 1] if number <= len(lines) else ""
        indent = line[: len(line) - len(line.lstrip())]
        if "\t" in indent or line[column - 1 : column] == "\t":
            column = indent.find("\t") + 1 if "\t" in indent else column
            message = "a tab: YAML is indented with spaces only; replace it by spaces"
            return ConfigProblem(message, source=self.source, line=number, column=column)
        advice = next((text for begin, text in _ADVICE if begin in said), "")
        began = getattr(error, "context_mark", None)
        since = f" (in what began in line {self.position(began)[0]})" if began is not None and began.line != mark.line else ""
        message = f"not YAML: {advice or said}{since}"
        return ConfigProblem(message, source=self.source, line=number, column=column)


class _TooMuch(Exception):
    def __init__(self, message: str, place: Place) -> None:
        self.place = place
        super().__init__(message)


def _copy(node: Node, depth: int, place: Place) -> Node:
    # A copy, so that a later change of one use leaves the others alone.
    if depth > MAX_DEPTH:
        raise _TooMuch(f"nested more than {MAX_DEPTH} deep", place)
    if isinstance(node.value, dict):
        return Node({key: _copy(value, depth + 1, place) for key, value in node.value.items()}, node.place, node.key)
    if isinstance(node.value, list):
        return Node([_copy(value, depth + 1, place) for value in node.value], node.place, node.key)
    return Node(node.value, node.place, node.key)
