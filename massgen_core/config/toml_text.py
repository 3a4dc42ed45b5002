"""TOML text to a tree with places. The standard library's parser says what is wrong and what values are, but not where those stand."""

from __future__ import annotations

import datetime
import math
import re
import tomllib
from bisect import bisect_right
from typing import Any

from massgen_core.config.document import MAX_DEPTH, MAX_VALUES
from massgen_core.config.tree import KeyPath, Node, Place
from massgen_core.errors import ConfigProblem, ConfigProblems

__all__ = ["parse_toml"]

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_KEY = re.compile(r"""(?P<bare>[A-Za-z0-9_-]+)|(?P<basic>"(?:[^"\\\n]|\\.)*")|'(?P<literal>[^'\n]*)'""")
_TEXT = re.compile(r'"""(?:[^"\\]|\\.|"(?!""))*+"{3,5}|' r"'''(?:[^']|'(?!''))*+'{3,5}|" r'"(?:[^"\\\n]|\\.)*+"|' r"'[^'\n]*'", re.DOTALL)
_OTHER = re.compile(r"[^,\]}\r\n#]+")
# The standard library's parser needs memory with the square of a dotted key's length.
_DEEP = re.compile(
    r"""(?:(?:(?<![A-Za-z0-9_-])[A-Za-z0-9_-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){%d}""" % MAX_DEPTH  # noqa: UP031 - braces
)
_WHERE = re.compile(r"(?P<said>.*) \(at (?:line (?P<line>[0-9]+), column (?P<column>[0-9]+)|end of document)\)", re.DOTALL)


def parse_toml(text: str, source: str) -> Node:
    """Parse one TOML document; dates and times are texts, as they are in YAML and JSON.

    Args:
        text: The document.
        source: What problems call it.

    Raises:
        ConfigProblems: It is not TOML, or is larger than a configuration can be.
    """
    text = text.replace("\r\n", "\n")
    if deep := _DEEP.search(text):
        line, begin = text.count("\n", 0, deep.start()) + 1, text.rfind("\n", 0, deep.start())
        raise ConfigProblems([ConfigProblem(f"nested more than {MAX_DEPTH} deep", source=source, line=line, column=deep.start() - begin)])
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigProblems([_explained(str(error), text, source)]) from None
    except RecursionError:
        raise ConfigProblems([ConfigProblem(f"nested more than {MAX_DEPTH} deep", source=source)]) from None
    reader = _Toml(text, source)
    reader.places[()] = (Place(source, 1, 1), None)
    _count(data, source)
    reader.document()
    return reader.node(data, ())


def _explained(said: str, text: str, source: str) -> ConfigProblem:
    match = _WHERE.fullmatch(said)
    message = f"not TOML: {match['said'] if match else said}"
    if match is None:
        return ConfigProblem(message, source=source)
    lines = text.split("\n")
    line, column = (int(match["line"]), int(match["column"])) if match["line"] else (len(lines), len(lines[-1]) + 1)
    return ConfigProblem(message, source=source, line=line, column=column)


def _count(data: Any, source: str) -> None:
    """Refuse what is too large or too deep, without recursion."""
    waiting, values = [(data, 0)], 0
    while waiting:
        value, depth = waiting.pop()
        values += 1
        if values > MAX_VALUES or depth > MAX_DEPTH:
            raise ConfigProblems([ConfigProblem(f"more than {MAX_VALUES} values, or nested more than {MAX_DEPTH} deep", source=source)])
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        waiting += [(item, depth + 1) for item in inner]


class _Toml:
    """Finds where keys and values of a document stand that is known to be sound."""

    def __init__(self, text: str, source: str) -> None:
        self.text, self.source = text, source
        self.starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self.places: dict[KeyPath, tuple[Place, Place | None]] = {}
        self.lengths: dict[KeyPath, int] = {}  # of arrays of tables

    def document(self) -> None:
        table: KeyPath = ()
        at = self.skip(0)
        while at < len(self.text):
            if self.text[at] == "[":
                is_item = self.text.startswith("[[", at)
                (steps, place), end = self.key(at + 1 + is_item)
                table = self.header(steps, place, is_item=is_item)
                at = self.skip(end + 1 + is_item)
            else:
                at = self.skip(self.entry(at, table))

    def header(self, steps: list[str], place: Place, *, is_item: bool) -> KeyPath:
        path: KeyPath = ()
        for number, step in enumerate(steps):
            path = (*path, step)
            self.places.setdefault(path, (place, place))
            if is_item and number == len(steps) - 1:
                self.lengths[path] = self.lengths.get(path, 0) + 1
            if path in self.lengths:
                path = (*path, self.lengths[path] - 1)
                self.places.setdefault(path, (place, None))
        return path

    def entry(self, at: int, table: KeyPath) -> int:
        """Take a key and its value, and return where they end."""
        (steps, place), end = self.key(at)
        path = table
        for step in steps:
            path = (*path, step)
            self.places.setdefault(path, (place, place))
        begin = self.blank(end + 1)
        self.places[path] = (self.place(begin), place)
        return self.value(begin, path)

    def key(self, at: int) -> tuple[tuple[list[str], Place], int]:
        """Return the parts of a key, its place, and where the character stands that follows it."""
        at = self.blank(at)
        place, steps = self.place(at), list[str]()
        while match := _KEY.match(self.text, at):
            steps.append(match["bare"] or (next(iter(tomllib.loads(f"{match[0]} = 0"))) if match["basic"] else match["literal"]))
            at = self.blank(match.end())
            if self.text[at : at + 1] != ".":
                break
            at = self.blank(at + 1)
        return (steps, place), at

    def value(self, at: int, path: KeyPath) -> int:
        """Take a value, and return where it ends."""
        first = self.text[at]
        if first == "[":
            at, index = self.skip(at + 1), 0
            while self.text[at] != "]":
                self.places[(*path, index)] = (self.place(at), None)
                at, index = self.comma(self.value(at, (*path, index))), index + 1
            return at + 1
        if first == "{":
            at = self.skip(at + 1)
            while self.text[at] != "}":
                at = self.comma(self.entry(at, path))
            return at + 1
        match = (_TEXT if first in "\"'" else _OTHER).match(self.text, at)
        return match.end() if match else at + 1

    def comma(self, at: int) -> int:
        at = self.skip(at)
        return self.skip(at + 1) if self.text[at] == "," else at

    def skip(self, at: int) -> int:
        match = _BLANK.match(self.text, at)
        return match.end() if match else at

    def blank(self, at: int) -> int:
        match = _SPACE.match(self.text, at)
        return match.end() if match else at

    def place(self, at: int) -> Place:
        line = bisect_right(self.starts, at)
        return Place(self.source, line, at - self.starts[line - 1] + 1)

    def node(self, data: Any, path: KeyPath) -> Node:
        place, key = self.places.get(path) or (self.places[()][0], None)
        if isinstance(data, dict):
            return Node({name: self.node(value, (*path, name)) for name, value in data.items()}, place, key)
        if isinstance(data, list):
            return Node([self.node(value, (*path, index)) for index, value in enumerate(data)], place, key)
        if isinstance(data, datetime.date | datetime.time):
            return Node(data.isoformat(), place, key)
        if isinstance(data, float) and not math.isfinite(data):
            message = "a number here has an end: neither inf nor nan"
            raise ConfigProblems([ConfigProblem(message, source=place.source, line=place.line, column=place.column)])
        return Node(data, place, key)
