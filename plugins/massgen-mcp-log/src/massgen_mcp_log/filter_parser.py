"""Filters from text to trees: a parser by recursive descent, with bounds and errors that show where."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NoReturn

import attrs

from massgen_core.api import UsageProblem
from massgen_mcp_log.filter_tree import And, Compare, Has, Node, Not, OneOf, Or, Value, Words

__all__ = ["LIMITS", "FilterProblem", "parse"]

LIMITS: Mapping[str, int] = {"characters": 4096, "tests": 256, "depth": 32, "values": 256}
_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\]|\\["\\])*")|(?P<operator><=|>=|!=|!~|==|[=<>~])|(?P<mark>[(),])|(?P<word>[A-Za-z0-9_./:*?@+%#-]+)|(?P<end>$))"""
)
_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_KEYWORDS = frozenset({"and", "or", "not", "in", "has"})


class FilterProblem(UsageProblem):
    """A filter that makes no sense.

    Attributes:
        column: Where, from 0.
    """

    def __init__(self, message: str, source: str, column: int) -> None:
        self.column = column
        start = max(0, column - 60)
        line = re.sub(r"\s", " ", source[start : column + 40])
        super().__init__(f"the filter makes no sense at column {column + 1}: {message}\n  {line}\n  {' ' * (column - start)}^")


@attrs.frozen
class _Token:
    kind: str
    text: str
    column: int

    def is_word(self, *words: str) -> bool:
        return self.kind == "word" and self.text.lower() in words


def parse(source: str) -> Node:
    """Return the tree of a filter.

    Raises:
        FilterProblem: It makes no sense, or is larger than `LIMITS`; the message shows where and what could stand there.
    """
    if len(source) > LIMITS["characters"]:
        raise FilterProblem(f"it is longer than {LIMITS['characters']} characters", source, LIMITS["characters"])
    parser = _Parser(source)
    node = parser.either()
    if parser.token.kind != "end":
        parser.fail("expected 'and', 'or' or the end")
    return node


class _Parser:
    def __init__(self, source: str) -> None:
        self._source = source
        self._place = 0
        self._tests = self._depth = 0
        self.token = self._next()

    def _next(self) -> _Token:
        found = _TOKEN.match(self._source, self._place)
        if found is None:
            place = self._place + len(self._source[self._place :]) - len(self._source[self._place :].lstrip())
            message = (
                'a text that does not end; close it with "' if self._source[place] == '"' else 'this character has no meaning; put it in "quotes"'
            )
            raise FilterProblem(message, self._source, place)
        self._place = found.end()
        kind = str(found.lastgroup)
        return _Token(kind, found[kind], found.start(kind))

    def fail(self, message: str) -> NoReturn:
        raise FilterProblem(message, self._source, self.token.column)

    def _take(self) -> _Token:
        taken, self.token = self.token, self._next()
        return taken

    def either(self) -> Node:
        parts = [self._both()]
        while self.token.is_word("or"):
            self._take()
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _both(self) -> Node:
        parts = [self._negation()]
        while self.token.is_word("and"):
            self._take()
            parts.append(self._negation())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _negation(self) -> Node:
        self._depth += 1
        if self._depth > LIMITS["depth"]:
            self.fail(f"more than {LIMITS['depth']} levels of parentheses and 'not'")
        node = self._primary()
        self._depth -= 1
        return node

    def _primary(self) -> Node:
        if self.token.is_word("not"):
            self._take()
            return Not(self._negation())
        if self.token.kind == "mark" and self.token.text == "(":
            self._take()
            node = self.either()
            self._close("expected 'and', 'or' or ')'")
            return node
        return self._test()

    def _close(self, message: str) -> None:
        if self.token.text != ")" or self.token.kind != "mark":
            self.fail(message)
        self._take()

    def _test(self) -> Node:
        self._tests += 1
        if self._tests > LIMITS["tests"]:
            self.fail(f"more than {LIMITS['tests']} tests")
        if self.token.kind == "text":
            return Words(_unquoted(self._take().text))
        if self.token.is_word("has"):
            self._take()
            return Has(self._field())
        field = self._field()
        if self.token.kind == "operator":
            operator = self._take().text
            return Compare(field, "=" if operator == "==" else operator, self._value())
        is_negated = self.token.is_word("not")
        if is_negated:
            self._take()
        if not self.token.is_word("in"):
            self.fail("expected 'in'" if is_negated else "expected one of = != < <= > >= ~ !~ 'in' after a field's name")
        self._take()
        return OneOf(field, self._values(), is_negated)

    def _values(self) -> tuple[Value, ...]:
        if self.token.text != "(" or self.token.kind != "mark":
            self.fail("expected '(' and values")
        self._take()
        values = [self._value()]
        while self.token.kind == "mark" and self.token.text == ",":
            self._take()
            values.append(self._value())
            if len(values) > LIMITS["values"]:
                self.fail(f"more than {LIMITS['values']} values")
        self._close("expected ',' or ')'")
        return tuple(values)

    def _field(self) -> str:
        if self.token.kind != "word" or not _FIELD.fullmatch(self.token.text) or self.token.text.lower() in _KEYWORDS:
            self.fail("expected a field's name, for instance server, tool, category, ms")
        return self._take().text

    def _value(self) -> Value:
        if self.token.kind == "text":
            return Value(_unquoted(self._take().text), is_text=True)
        if self.token.kind != "word" or self.token.text.lower() in _KEYWORDS:
            self.fail('expected a value; put it in "quotes" if it has spaces or other characters')
        return Value(self._take().text)


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)
