"""A configuration as a tree: plain values, each with the place that it came from, and paths through it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import attrs

__all__ = ["DEFAULT", "KeyPath", "Node", "Place", "graft", "leaves", "merge", "parse_path", "put", "show_path"]

KeyPath: TypeAlias = tuple[str | int, ...]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_STEP = re.compile(r'\.?(?:\[(?P<index>[0-9]{1,9})\]|\[(?P<quoted>"(?:[^"\\]|\\.)*")\]|(?P<name>[^.\[\]="\s]+))')


@attrs.frozen
class Place:
    """Where a value stands.

    Attributes:
        source: A file's name, `preset NAME`, `default` or an option such as `--set`.
        line: From 1; 0 where there is none.
        column: From 1, in characters; 0 where there is none.
    """

    source: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source


DEFAULT = Place("default")


@attrs.define
class Node:
    """A value and its place.

    Attributes:
        value: A scalar, a list of nodes, or a mapping of nodes.
        place: Where the value begins.
        key: Where the key before it begins; None for items of lists and for the root.
    """

    value: Any
    place: Place
    key: Place | None = None

    def plain(self) -> Any:
        """Return the value as plain data: scalars, lists, dicts."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def find(self, path: KeyPath) -> Node | None:
        """Return the node at a path, or None."""
        node = self
        for step in path:
            value = node.value
            is_item = isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value)
            if not is_item and not (isinstance(value, dict) and step in value):
                return None
            node = value[step]
        return node

    def at(self, path: KeyPath, *, key: bool = False) -> Place:
        """Return the place of a path, or of the nearest value above it.

        Args:
            path: From this node.
            key: Return the place of the key instead of the value's.
        """
        for length in range(len(path), -1, -1):
            node = self.find(path[:length])
            if node is not None:
                return node.key if key and length == len(path) and node.key else node.place
        return self.place

    def walk(self, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Node]]:
        """Yield every path and node, this one first."""
        yield path, self
        if isinstance(self.value, dict):
            for key, node in self.value.items():
                yield from node.walk((*path, key))
        elif isinstance(self.value, list):
            for index, node in enumerate(self.value):
                yield from node.walk((*path, index))


def graft(data: Any, place: Place) -> Node:
    """Return plain data as a tree whose nodes all stand at one place."""
    if isinstance(data, Mapping):
        return Node({str(key): graft(value, place) for key, value in data.items()}, place)
    if isinstance(data, (list, tuple)):
        return Node([graft(value, place) for value in data], place)
    return Node(data, place)


def merge(lower: Node, upper: Node) -> Node:
    """Lay one tree over another.

    Mappings are merged key by key, everything else is replaced. A mapping whose `type` differs from the lower one's replaces it whole: options of
    one plugin mean nothing to another.
    """
    below, above = lower.value, upper.value
    if not isinstance(below, dict) or not isinstance(above, dict):
        return upper
    if "type" in below and "type" in above and below["type"].value != above["type"].value:
        return upper
    merged = {**below, **{key: merge(below[key], node) if key in below else node for key, node in above.items()}}
    return Node(merged, upper.place, upper.key)


def put(root: Node, path: KeyPath, node: Node) -> None:
    """Set the node at a path, in place; mappings and lists on the way are made where they are missing.

    Raises:
        ValueError: The path leads through a scalar, or names an item that a list does not have.
    """
    for position, step in enumerate(path):
        is_last = position == len(path) - 1
        made = node if is_last else Node([] if path[position + 1] == 0 else {}, node.place, node.place)
        value = root.value
        if isinstance(value, dict):
            key = str(step)
            if is_last or key not in value:
                value[key] = made
            root = value[key]
        elif isinstance(value, list):
            if not isinstance(step, int) or step > len(value):
                have = f"0 to {len(value) - 1}, and {len(value)} to add one" if value else "none yet, and 0 to add one"
                raise ValueError(f"{show_path(path[:position])} is a list; name an item by its number ({have}), not by {step!r}")
            if is_last or step == len(value):
                value[step : step + 1] = [made]
            root = value[step]
        else:
            raise ValueError(f"{show_path(path[:position]) or 'the document'} is a single value; it has no {show_path(path[position:])}")


def leaves(data: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Yield the path and value of every scalar and every empty list or mapping of plain data."""
    if isinstance(data, Mapping) and data:
        for key, value in data.items():
            yield from leaves(value, (*path, key))
    elif isinstance(data, (list, tuple)) and data:
        for index, value in enumerate(data):
            yield from leaves(value, (*path, index))
    else:
        yield path, data


def show_path(path: KeyPath) -> str:
    """Return a path as people write it: `agents[0].backend.model`; unusual keys are quoted: `env["A.B"]`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _NAME.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f"[{json.dumps(step)}]"
    return text


def parse_path(text: str) -> KeyPath:
    """Return the path that a text names; list items are written `agents[0]` or `agents.0`.

    Raises:
        ValueError: The text is no path.
    """
    path: list[str | int] = []
    position = 0
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None or (position == 0 and text[0] == ".") or (position and match["name"] and text[position] != "."):
            raise ValueError(f"{text!r} is no key path; write it like agents[0].backend.type")
        if match["index"] is not None:
            path.append(int(match["index"]))
        elif match["quoted"] is not None:
            path.append(_unquoted(match["quoted"], text))
        else:
            name = match["name"]
            path.append(int(name) if name.isascii() and name.isdigit() and len(name) < 10 else name)
        position = match.end()
    return tuple(path)


def _unquoted(quoted: str, text: str) -> str:
    try:
        return str(json.loads(quoted, strict=False))
    except ValueError:
        raise ValueError(f"{text!r} is no key path: {quoted} is not a quoted key") from None
