"""One language to choose lines of the log, for commands, programs and interfaces. Pure: text to tree, tree to text, tree and line to a verdict.

    filter = or ;
    or     = and { "or" and } ;
    and    = not { "and" not } ;
    not    = "not" not | "(" or ")" | test ;
    test   = "has" field | text | field operator value | field [ "not" ] "in" "(" value { "," value } ")" ;
    operator = "=" | "!=" | "<" | "<=" | ">" | ">=" | "~" | "!~" ;
    field  = letter { letter | digit | "_" } ;
    value  = word | text ;
    word   = wordchar { wordchar } ;                (letters, digits and  _ . / : * ? @ + % # - )
    text   = '"' { character | '\\"' | '\\\\' } '"' ;

A line that lacks a field is neither chosen by a test of it nor by the test's negation: such a test is unknown, and `not`, `and` and `or` carry that
on as Kleene's logic does; `has field` is never unknown. `=` compares words without regard to case and numbers as numbers; `~` means "contains", or a
whole match where the value has `*` or `?`; a text alone is looked for in every field. `level` is ordered: debug < info < warning < error. Numbers may
carry a unit (`1.5s` is 1500 milliseconds, `2kb` is 2000 bytes); `at` takes a time of day or a date in UTC (`at >= "2026-11-20T08:00"`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from massgen_mcp_log.filter_parser import LIMITS, FilterProblem, parse
from massgen_mcp_log.filter_tree import And, Compare, Has, Node, Not, OneOf, Or, Value, Words, evaluate, show

__all__ = ["LIMITS", "And", "Compare", "Filter", "FilterProblem", "Has", "Node", "Not", "OneOf", "Or", "Value", "Words", "evaluate", "parse", "show"]


class Filter:
    """A filter that is ready to be asked.

    Args:
        text: In the language; empty chooses everything.

    Raises:
        FilterProblem: It makes no sense; the message shows where.
    """

    def __init__(self, text: str = "") -> None:
        self.node: Final[Node | None] = parse(text) if text.strip() else None

    def __call__(self, line: Mapping[str, Any]) -> bool:
        """Whether the line is chosen."""
        return self.node is None or evaluate(self.node, line) is True

    def __str__(self) -> str:
        return "" if self.node is None else show(self.node)

    def fields(self) -> Sequence[str]:
        """Return the fields that it asks for, in order of their names."""
        return sorted(_fields(self.node))


def _fields(node: Node | None) -> set[str]:
    if isinstance(node, And | Or):
        return set().union(*map(_fields, node.parts))
    if isinstance(node, Not):
        return _fields(node.part)
    return {node.field} if isinstance(node, Compare | OneOf | Has) else set()
