"""Writes a configuration as YAML again, with the comments of the file that it was made from.

Each comment belongs to the line of the value behind it, or beside it. Where that value went, the comment goes; where it went nowhere, the comment
goes to the next one that is still there. So none is lost, and each stands once.
"""

from __future__ import annotations

import bisect
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from massgen_core.api import Document
    from massgen_core.config.tree import Place

__all__ = ["Comment", "comments", "rewritten"]

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*(?: [A-Za-z0-9_./-]+)*")
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n", "none", "nan", "inf"})
# What double quotes cannot hold as it is, though JSON leaves it alone.
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]")
_UNFIT = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_WIDTH = 100
_GAP = "\0"  # an empty line that is not a text's


@attrs.frozen
class Comment:
    """A comment.

    Attributes:
        line: Its line, from 1.
        text: With its `#`; empty for an empty line.
        column: From 0.
        is_beside: Something else stands before it in its line.
    """

    line: int
    text: str
    column: int = 0
    is_beside: bool = False


def comments(text: str) -> list[Comment]:
    """Return the comments and the empty lines of a YAML document, in order.

    Raises:
        yaml.YAMLError: It is none.
    """
    import yaml  # noqa: PLC0415 - for this one command

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    tokens = [token for token in yaml.scan(text, Loader=loader) if isinstance(token, yaml.ScalarToken)]
    # Behind the `|` of a block there may be a comment.
    spans = [
        (text.find("\n", token.start_mark.index) if token.style in ("|", ">") else token.start_mark.index, token.end_mark.index) for token in tokens
    ]
    starts = [start for start, _ in spans]
    found, offset = [], 0
    for number, line in enumerate(text.split("\n"), 1):
        inside = _span(spans, starts, offset)
        if not line.strip():
            if not inside:
                found.append(Comment(number, ""))
        else:
            for match in re.finditer(r"(?:^|(?<=[\s]))#", line):
                if not _span(spans, starts, offset + match.start()):
                    found.append(Comment(number, line[match.start() :].rstrip(), match.start(), bool(line[: match.start()].strip())))
                    break
        offset += len(line) + 1
    return found


def _span(spans: Sequence[tuple[int, int]], starts: Sequence[int], offset: int) -> bool:
    """Say whether a scalar covers an offset."""
    index = bisect.bisect_right(starts, offset) - 1
    return index >= 0 and spans[index][0] <= offset < spans[index][1]


def rewritten(document: Document, text: str) -> str:
    """Return a document as YAML.

    Args:
        document: What is written; its places lead into `text`.
        text: The file that it was made from.
    """
    return _Writer(_lines(document), comments(text)).whole(document.data)


def _lines(document: Document) -> dict[tuple[str | int, ...], int]:
    """Return the line of each value, that of its key where it has one; 0 for what a migration made and the file does not have.

    What is made has the place of a neighbour, for its key, too; what was moved has a key before it. A list or mapping that is made has the first
    line of what is in it.
    """
    places = document.places()
    lines = {path: key.line if key and key != place else 0 for path, (place, key) in places.items()}
    for path in sorted(places, key=len, reverse=True):
        place, key = places[path]
        if path and key is None and not lines[path]:
            lines[path] = place.line  # an item of a list
        if path and lines[path] and (not lines[path[:-1]] or (_is_made(places, path[:-1]) and lines[path] < lines[path[:-1]])):
            lines[path[:-1]] = lines[path]
    return lines


def _is_made(places: Mapping[tuple[str | int, ...], tuple[Place, Place | None]], path: tuple[str | int, ...]) -> bool:
    place, key = places[path]
    return key is None or key == place


class _Writer:
    """Writes the lines of a document, each after the comments that belong to it."""

    def __init__(self, lines: Mapping[tuple[str | int, ...], int], found: Sequence[Comment]) -> None:
        self.lines = lines
        self.before: defaultdict[int, list[Comment]] = defaultdict(list)
        self.beside: defaultdict[int, list[Comment]] = defaultdict(list)
        self.left = Counter(line for path, line in lines.items() if path)
        known = sorted({line for path, line in lines.items() if path and line})
        self.first = known[0] if known else 0
        self.last = (known[-1] if known else 0) + 1
        for comment in found:
            index = bisect.bisect_left(known, comment.line)
            line = known[index] if index < len(known) else self.last
            (self.beside if comment.is_beside else self.before)[line].append(comment)

    def whole(self, data: Mapping[str, Any]) -> str:
        # What stands at the top stays there, though a migration may begin with a key of its own.
        made = [*self.above(self.first, "", is_entry=False), *self.mapping(data, (), 0)]
        rest = [comment for line in sorted({*self.before, *self.beside}) for comment in (*self.before.pop(line, ()), *self.beside.pop(line, ()))]
        made += [comment.text or _GAP for comment in rest]
        return "".join(f"{line}\n" for line in _single_gaps(made))

    def mapping(self, data: Mapping[str, Any], path: tuple[str | int, ...], indent: int, start: str = "") -> Iterator[str]:
        for number, (key, value) in enumerate(data.items()):
            lead = start if start and number == 0 else " " * indent
            yield from self.entry(f"{lead}{_scalar(key)}:", value, (*path, key), indent)

    def entry(self, head: str, value: Any, path: tuple[str | int, ...], indent: int) -> Iterator[str]:
        """Yield a key, or a dash, and what stands behind it."""
        line = self.lines.get(path, 0)
        flow = self.flow(value, path, head) if isinstance(value, list) and value else ""
        if flow:
            self.left.subtract(self.lines.get((*path, index), 0) for index in range(len(value)))
        yield from self.above(line, head)
        aside = self.aside(line)
        if isinstance(value, str) and (block := _block(value, indent + 2)):
            yield f"{head} {block[0]}{aside}"
            yield from block[1:]
        elif flow or not isinstance(value, dict | list) or not value:
            yield f"{head} {flow or _scalar(value)}{aside}"
        else:
            yield f"{head}{aside}"
            yield from self.inside(value, path, indent + 2)

    def inside(self, value: Any, path: tuple[str | int, ...], indent: int) -> Iterator[str]:
        if isinstance(value, dict):
            yield from self.mapping(value, path, indent)
            return
        dash = f"{' ' * indent}- "
        for index, item in enumerate(value):
            here = (*path, index)
            if isinstance(item, dict) and item:
                yield from self.above(self.lines.get(here, 0), dash)
                yield from self.mapping(item, here, indent + 2, dash)
            else:
                yield from self.entry(dash.rstrip(), item, here, indent)

    def flow(self, value: list[Any], path: tuple[str | int, ...], head: str) -> str:
        """Return a short list of scalars in brackets, where it stood in one line before; else an empty text."""
        if any(isinstance(item, dict | list) for item in value) or any("\n" in item for item in value if isinstance(item, str)):
            return ""
        lines = {self.lines.get((*path, index), 0) for index in range(len(value))}
        text = f"[{', '.join(_scalar(item, is_flow=True) for item in value)}]"
        return text if len(lines) == 1 and (len(value) > 1 or lines == {self.lines.get(path, 0)}) and len(head) + len(text) < _WIDTH else ""

    def above(self, line: int, head: str, *, is_entry: bool = True) -> Iterator[str]:
        """Yield the comments above an entry: of several that come from one line, each gets those that are not indented deeper than it is."""
        if not line:
            return
        indent = len(head) - len(head.lstrip())
        self.left[line] -= is_entry
        waiting = self.before[line]
        while waiting and (waiting[0].column <= indent or self.left[line] <= 0):
            comment = waiting.pop(0)
            yield f"{' ' * indent}{comment.text}" if comment.text else _GAP

    def aside(self, line: int) -> str:
        """Return the comments beside a line, for the last entry that comes from it."""
        return "".join(f"  {comment.text}" for comment in (self.beside.pop(line, ()) if line and self.left[line] <= 0 else ()))


def _single_gaps(lines: Sequence[str]) -> Iterator[str]:
    """Yield lines with at most one empty one between two comments or keys, and none at the ends; texts keep theirs."""
    gap = False
    for number, line in enumerate(lines):
        if line != _GAP:
            yield from [""] if gap and number > 1 else []
            yield line
        gap = line == _GAP


def _scalar(value: Any, *, is_flow: bool = False) -> str:
    if isinstance(value, dict | list):
        return "{}" if isinstance(value, dict) else "[]"
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS and len(value) < _WIDTH and not (is_flow and "," in value):
        return value
    text = json.dumps(value, ensure_ascii=False)
    return _ESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _block(value: str, indent: int) -> list[str]:
    """Return a text of several lines as a literal block, its header first; an empty list where it must be quoted."""
    body = value.rstrip("\n")
    lines = body.split("\n")
    if len(lines) < 2 or _UNFIT.search(value) or not body or lines[0][:1] in ("", " ", "\t") or any(line != line.rstrip() for line in lines):
        return []
    ends = len(value) - len(body)
    return [f"|{('-', '', '+')[min(ends, 2)]}", *(" " * indent + line if line else "" for line in lines), *([""] * max(0, ends - 1))]
