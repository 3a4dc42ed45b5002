"""What a project's file asks for beyond saying who answers: whoever wrote it may be a stranger, so a person is asked first.

Nothing here knows what is dangerous. What is known to do no harm is listed, and everything else is asked for, also keys that do not exist yet.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import attrs

from massgen_core.config.tree import DEFAULT, KeyPath, Node, Place, show_path
from massgen_core.terminal import clean_line

__all__ = ["Want", "statement", "wants"]

_FREE = frozenset({"version", "seed", "model_idle_seconds", "tool_seconds", "tool_output"})
_FREE_OF_AGENTS = frozenset({"name", "system", "sampling", "reasoning_effort", "limits"})
_FREE_DISPLAYS = frozenset({"plain", "terminal"})  # those that the kernel chooses by itself
_DURABILITY = ("off", "process", "power")
_NOTHING = Node({}, DEFAULT)

_HEADS = {
    "toolsets": "gives agents tools",
    "classifiers": "chooses who judges tool calls",
    "middlewares": "chooses what stands around model and tool calls",
    "sinks": "chooses who reads the run's events",
    "plugins": "changes which plugins may be used",
    "prices": "says what models cost, which limits of money go by",
    "options": "sends further fields to the provider",
    "context_paths": "gives agents files and folders",
    "workspace": "says where agents keep their files",
}
_FOLDERS = frozenset({"add_dirs", "cwd", "file", "files", "folder", "mounts", "path", "read", "root", "roots", "source", "workspace", "write"})
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#\s]+")
_VARIABLE = re.compile(r"\$\{(?:env:)?([A-Za-z_][A-Za-z0-9_]*)")
_REFERENCE = re.compile(r"[a-z][a-z0-9_-]*:[A-Za-z_][\w./-]*")
_CERTAIN_SECRET = re.compile(r"(?:key|token|secret|passw(?:or)?d|passphrase|authorization|credentials?)$", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z0-9_-]{0,64}")
_FILE = re.compile(r"[./~\\]|.*\.gguf\Z", re.DOTALL)
_LONGEST = 2_000


@attrs.frozen(kw_only=True)
class Want:
    """One thing that a file asks for.

    Attributes:
        text: What the file does, as a sentence's end: `starts npx ...`. It holds what the file says, and is not yet fit for a terminal.
        path: The key path.
        place: Where it stands.
    """

    text: str
    path: str
    place: Place


def wants(layer: Node, below: Node, *, acts: Callable[[str], bool] = lambda name: False) -> tuple[Want, ...]:
    """Return what a layer asks for that only somebody may have who is trusted; nothing: it can be used as it is.

    What is free: agents with names, models, texts, sampling and limits; backends and strategies by name; tighter limits and permissions;
    time-outs. So a file that wants nothing opens no plugin that acts, sets no option of a backend, reads no variable, and gives no permission.

    Args:
        layer: The file as a tree, plugins written as mappings with `type`.
        below: What it is laid over.
        acts: Says of a backend's name whether it starts programs or changes files by itself.
    """
    found = _Found(layer, below, acts)
    return tuple(dict.fromkeys(found.all())) if isinstance(layer.value, dict) else (_want("is no mapping", (), layer),)


def statement(found: tuple[Want, ...]) -> str:
    """Return what a file asks for as lines that a terminal can show, each with its place."""
    return "\n".join(f"  - {clean_line(want.text, _LONGEST)}  ({clean_line(str(want.place))})" for want in found)


def _want(text: str, path: KeyPath, node: Node) -> Want:
    return Want(text=text, path=show_path(path), place=node.place)


@attrs.frozen
class _Found:
    layer: Node
    below: Node
    acts: Callable[[str], bool]

    def all(self) -> Iterator[Want]:
        for key, node in self.layer.value.items():
            path, below = (key,), self.below.find((key,))
            if key == "agents":
                yield from self.agents(node)
            elif key == "permissions":
                yield from _permissions(node, below or _NOTHING, path)
            elif key == "limits":
                yield from _limits(node, below or _NOTHING, path)
            elif key == "durability":
                yield from _durability(node, below, path)
            elif key == "strategy":
                yield from _strategy(node, path)
            elif key == "display":
                if _named(node, beside=0) not in _FREE_DISPLAYS:
                    yield from _everything(node, path)
            elif key not in _FREE:
                yield from _everything(node, path)

    def agents(self, node: Node) -> Iterator[Want]:
        if not isinstance(node.value, list):
            yield from _everything(node, ("agents",))
            return
        before = self.below.find(("agents",))
        for agent in before.value if before and isinstance(before.value, list) else ():
            if isinstance(agent.value, dict) and {"permissions", "limits"} & agent.value.keys():
                yield _want("replaces your agents, and with them the limits or permissions that you gave them", ("agents",), node)
        for index, agent in enumerate(node.value):
            path: KeyPath = ("agents", index)
            if not isinstance(agent.value, dict):
                yield from _everything(agent, path)
                continue
            for key, part in agent.value.items():
                yield from self.agent(key, part, (*path, key))

    def agent(self, key: str, node: Node, path: KeyPath) -> Iterator[Want]:
        if key == "backend":
            yield from self.backend(node, path)
        elif key == "permissions":
            yield from _permissions(node, _NOTHING, path)
        elif key == "model":
            if not isinstance(node.value, str) or _FILE.match(node.value):
                yield _want(f"opens the model file {node.plain()}", path, node)
        elif key not in _FREE_OF_AGENTS:
            yield from _everything(node, path)

    def backend(self, node: Node, path: KeyPath) -> Iterator[Want]:
        name = _named(node)
        if not name:
            yield from _everything(node, path)
            return
        if self.acts(name):
            yield _want(f"starts {name}, which runs programs and changes files", path, node.value["type"])
        for key, part in node.value.items():
            if key != "type":
                yield from _everything(part, (*path, key))


def _named(node: Node, *, beside: int | None = None) -> str:
    """Return the plugin's name, or an empty text where there is none, or where more keys than `beside` stand beside it."""
    kind = node.value.get("type") if isinstance(node.value, dict) else None
    if kind is None or not isinstance(kind.value, str) or (beside is not None and len(node.value) > beside + 1):
        return ""
    return kind.value


def _strategy(node: Node, path: KeyPath) -> Iterator[Want]:
    """Strategies are pure: numbers, switches and words only change who says how much. What could be a text or an address is asked for."""
    if not _named(node):
        yield from _everything(node, path)
        return
    for key, part in node.value.items():
        is_plain = not isinstance(part.value, dict | list) and (not isinstance(part.value, str) or _WORD.fullmatch(part.value))
        if key != "type" and not is_plain:
            yield from _everything(part, (*path, key))


def _permissions(node: Node, below: Node, path: KeyPath) -> Iterator[Want]:
    for key, part in node.value.items() if isinstance(node.value, dict) else [("", node)]:
        patterns, before = _texts(part), _texts(below.find((key,)))
        if key == "allow" and patterns is not None:
            more = [text for text in patterns if text not in (before or ())]
            if more:
                yield _want(f"lets agents use these tools without asking you: {', '.join(more)}", (*path, key), part)
        elif key in ("ask", "deny") and patterns is not None:
            gone = [text for text in before or () if text not in patterns]
            if gone:
                yield _want(f"takes away what you set under {key}: {', '.join(gone)}", (*path, key), part)
        else:
            yield from _everything(part, (*path, key) if key else path)


def _texts(node: Node | None) -> list[str] | None:
    if node is None or not isinstance(node.value, list) or not all(isinstance(item.value, str) for item in node.value):
        return None
    return [item.value for item in node.value]


def _limits(node: Node, below: Node, path: KeyPath) -> Iterator[Want]:
    for key, part in node.value.items() if isinstance(node.value, dict) else [("", node)]:
        most = below.find((key,))
        if not key:
            yield from _everything(part, path)
        elif most is not None and most.value is not None and not _is_at_most(part.value, most.value):
            yield _want(f"raises your limit of {key} from {most.plain()} to {'none' if part.value is None else part.plain()}", (*path, key), part)


def _is_at_most(value: Any, most: Any) -> bool:
    numbers = isinstance(value, int | float) and isinstance(most, int | float) and not isinstance(value, bool)
    return numbers and value <= most


def _durability(node: Node, below: Node | None, path: KeyPath) -> Iterator[Want]:
    before = below.value if below is not None and below.value in _DURABILITY else "process"
    if node.value not in _DURABILITY or _DURABILITY.index(node.value) < _DURABILITY.index(before):
        yield _want(f"keeps less of the run's journal than you: {node.plain()} instead of {before}", path, node)


def _everything(node: Node, path: KeyPath) -> Iterator[Want]:
    """Yield what a part does that may do anything: in one sentence, and then each program, address, secret and folder in it."""
    key = next((step for step in reversed(path) if isinstance(step, str)), "")
    is_plain = not isinstance(node.value, dict | list) and not _CERTAIN_SECRET.search(key)
    yield _want(f"{_HEADS.get(key, 'sets')}: {show_path(path)}{_kinds(node)}{f' = {node.plain()}' if is_plain else ''}", path, node)
    for found, part in node.walk(path):
        if isinstance(part.value, dict) and "command" in part.value:
            yield _want(f"starts {_command(part)}", found, part.value["command"])
        elif isinstance(part.value, dict) and "function" in part.value and "path" in part.value:
            yield _want(f"runs the function {part.value['function'].plain()} of {part.value['path'].plain()}", found, part.value["function"])
        elif isinstance(part.value, str):
            yield from _text(part, found)


def _text(node: Node, path: KeyPath) -> Iterator[Want]:
    key = next((step for step in reversed(path) if isinstance(step, str)), "")
    inside = {step for step in path if isinstance(step, str)}
    if address := _ADDRESS.search(node.value):
        yield _want(f"contacts {address[0].rpartition('@')[2] if '@' in address[0] else address[0]}", path, node)
    elif key in _FOLDERS:
        yield _want(f"opens {node.value}", path, node)
    if {"env", "headers"} & inside or _CERTAIN_SECRET.search(key):
        named = _REFERENCE.fullmatch(node.value)
        yield _want(f"hands over the secret {node.value}" if named else f"hands over {key}", path, node)
    yield from _variables(node, path)


def _variables(node: Node, path: KeyPath) -> Iterator[Want]:
    for name in dict.fromkeys(_VARIABLE.findall(node.value)):
        yield _want(f"reads the environment variable {name}", path, node)


def _kinds(node: Node) -> str:
    names = [_named(item) for item in (node.value if isinstance(node.value, list) else [node])]
    return f" ({', '.join(name for name in names if name)})" if any(names) else ""


def _command(node: Node) -> str:
    words = [node.value["command"].plain(), node.value["args"].plain() if "args" in node.value else []]
    flat = [str(word) for part in words for word in (part if isinstance(part, list) else [part])]
    return " ".join(flat)
