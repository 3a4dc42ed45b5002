"""JSON text to a tree with places; the standard library's parser gives no positions."""

from __future__ import annotations

import json
import math
import re
from bisect import bisect_right
from typing import Any

from massgen_core.config.document import MAX_DEPTH, MAX_VALUES
from massgen_core.config.tree import Node, Place
from massgen_core.errors import ConfigProblem, ConfigProblems

__all__ = ["parse_json"]

_SPACE = re.compile(r"[ \t\r\n]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?P<rest>(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)")
_DECODER = json.JSONDecoder()
# Texts and comments that do not end are taken as far as they go, so that no character is looked at twice.
_TEXT = r'"(?:[^"\\\n]|\\.)*+"?'
_COMMENT = re.compile(rf"{_TEXT}|(?P<blank>//[^\n]*|/\*(?:[^*]|\*(?!/))*+(?:\*/)?)")
_TRAILING = re.compile(rf"{_TEXT}|(?P<blank>,)(?=\s*[}}\]])")
_WORDS = {"true": True, "false": False, "null": None}


def parse_json(text: str, source: str, *, comments: bool = False) -> Node:
    """Parse one JSON document.

    Args:
        text: The document.
        source: What problems call it.
        comments: It may hold comments of C's two kinds, and commas after the last item.

    Raises:
        ConfigProblems: It is not JSON, repeats a key, or is larger than a configuration can be.
    """
    reader = _Json(_blanked(text) if comments else text, source)
    node, end = reader.value(reader.skip(0), 0)
    if (end := reader.skip(end)) < len(reader.text):
        raise reader.stop("something follows the document's end", end)
    if reader.problems:
        raise ConfigProblems(reader.problems)
    return node


def _blanked(text: str) -> str:
    """Return `text` with spaces for comments and trailing commas, so that everything else stays in its place."""

    def blank(found: re.Match[str]) -> str:
        return re.sub(r"[^\n]", " ", found[0]) if found["blank"] else found[0]

    return _TRAILING.sub(blank, _COMMENT.sub(blank, text))


class _Json:
    def __init__(self, text: str, source: str) -> None:
        self.text, self.source, self.values = text, source, 0
        self.problems: list[ConfigProblem] = []
        self.starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def place(self, position: int) -> Place:
        line = bisect_right(self.starts, position)
        return Place(self.source, line, position - self.starts[line - 1] + 1)

    def problem(self, message: str, position: int) -> ConfigProblem:
        place = self.place(position)
        return ConfigProblem(message, source=place.source, line=place.line, column=place.column)

    def stop(self, message: str, position: int) -> ConfigProblems:
        return ConfigProblems([*self.problems, self.problem(f"not JSON: {message}", position)])

    def skip(self, position: int) -> int:
        match = _SPACE.match(self.text, position)
        return match.end() if match else position

    def value(self, position: int, depth: int) -> tuple[Node, int]:
        self.values += 1
        if self.values > MAX_VALUES or depth > MAX_DEPTH:
            raise self.stop(f"more than {MAX_VALUES} values, or nested more than {MAX_DEPTH} deep", position)
        place = self.place(position)
        first = self.text[position : position + 1]
        if first == "{":
            return self.mapping(position + 1, depth, place)
        if first == "[":
            return self.sequence(position + 1, depth, place)
        if first == '"':
            text, end = self.string(position)
            return Node(text, place), end
        for word, meaning in _WORDS.items():
            if self.text.startswith(word, position):
                return Node(meaning, place), position + len(word)
        if match := _NUMBER.match(self.text, position):
            number: Any = math.inf if len(match[0]) > 400 else float(match[0]) if match["rest"] else int(match[0])
            if number in (math.inf, -math.inf):
                raise self.stop("the number is too large", position)
            return Node(number, place), match.end()
        raise self.stop("a value is missing here (text stands in double quotes, and the last item has no comma after it)", position)

    def string(self, position: int) -> tuple[str, int]:
        try:
            text, end = _DECODER.raw_decode(self.text, position)
            text.encode()
        except json.JSONDecodeError as error:
            raise self.stop(error.msg, error.pos) from None
        except UnicodeEncodeError:
            raise self.stop("half of a surrogate pair", position) from None
        return text, end

    def sequence(self, position: int, depth: int, place: Place) -> tuple[Node, int]:
        items: list[Node] = []
        position = self.skip(position)
        if self.text[position : position + 1] == "]":
            return Node(items, place), position + 1
        while True:
            node, position = self.value(self.skip(position), depth + 1)
            items.append(node)
            position = self.skip(position)
            if self.text[position : position + 1] == "]":
                return Node(items, place), position + 1
            position = self.expect(",", position)

    def mapping(self, position: int, depth: int, place: Place) -> tuple[Node, int]:
        value: dict[str, Node] = {}
        position = self.skip(position)
        if self.text[position : position + 1] == "}":
            return Node(value, place), position + 1
        while True:
            begin = self.skip(position)
            if self.text[begin : begin + 1] != '"':
                raise self.stop("a key in double quotes is missing here (the last item has no comma after it)", begin)
            key, position = self.string(begin)
            node, position = self.value(self.skip(self.expect(":", self.skip(position))), depth + 1)
            node.key = self.place(begin)
            if key in value:
                first = value[key].key or place
                self.problems.append(self.problem(f"the key {key!r} is given twice, first in line {first.line}; remove one", begin))
            value.setdefault(key, node)
            position = self.skip(position)
            if self.text[position : position + 1] == "}":
                return Node(value, place), position + 1
            position = self.expect(",", position)

    def expect(self, character: str, position: int) -> int:
        if self.text[position : position + 1] != character:
            raise self.stop(f"`{character}` is missing here", position)
        return position + 1
