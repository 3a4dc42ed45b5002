"""Folders that a configuration gives to agents: made absolute where they are read, checked when the whole is known."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeAlias

from massgen_core.config.sections import AgentConfig, ContextPath, RunConfig
from massgen_core.config.tree import KeyPath, Node
from massgen_core.folders import folder_refusal, is_beneath, resolved

__all__ = ["check", "locate"]

Wrong: TypeAlias = Callable[[str, KeyPath], None]


def locate(root: Node, base: Path, wrong: Wrong, *, is_confined: bool = False) -> None:
    """Make the folders of a layer absolute, in place.

    Args:
        root: The layer.
        base: What relative ones are relative to.
        wrong: Receives what is wrong with the value at a key path.
        is_confined: Whoever wrote the layer can name only what lies in `base`.
    """
    home = resolved(str(base))
    for path, node in _given(root):
        text = os.path.expanduser(node.value)
        full = os.path.normpath(os.path.join(home, text))
        reason = _misplaced(text, full, home, is_confined=is_confined)
        if reason:
            wrong(reason, path)
        node.value = home if reason else full  # told once: layers are looked at again as a whole


def _misplaced(text: str, full: str, home: str, *, is_confined: bool) -> str:
    if "\0" in text:
        return "no folder can have this name"
    if is_confined and not (is_beneath(full, home) and is_beneath(resolved(full), home)):
        return "a project's file can name only what lies in the project; name the rest in a file of your own, or by --set"
    # What is written relative to a folder stays in it, unless it says so: the folder may come from a stranger, with links in it.
    if not os.path.isabs(text) and is_beneath(full, home) and not is_beneath(resolved(full), home):
        return f"a link in {text!r} leads out of {home}; write where it leads to"
    return ""


def _given(root: Node) -> Iterator[tuple[KeyPath, Node]]:
    """Yield the nodes that name folders; what has another shape is a mistake that is found elsewhere."""
    agents = root.find(("agents",))
    sections: list[KeyPath] = [(), *(("agents", index) for index in range(len(agents.value) if agents and isinstance(agents.value, list) else 0))]
    for section in sections:
        granted = root.find((*section, "context_paths"))
        paths: list[KeyPath] = [(*section, "workspace")] if section else []
        if granted and isinstance(granted.value, list):
            paths += [(*section, "context_paths", index, "path") for index in range(len(granted.value))]
        for path in paths:
            node = root.find(path)
            if node is not None and isinstance(node.value, str) and node.value.strip():
                yield path, node


def check(config: RunConfig, environment: Mapping[str, str], wrong: Wrong) -> None:
    """Check the folders of a whole configuration; see `locate` for `wrong`."""
    told: set[tuple[str, KeyPath]] = set()

    def once(message: str, path: KeyPath) -> None:
        if (message, path) not in told:  # what all agents are given is looked at with each of them
            told.add((message, path))
            wrong(message, path)

    for index, agent in enumerate(config.agents):
        if agent.workspace:
            _workspace(agent.workspace, environment, partial(_at, once, ("agents", index, "workspace")))
        for path, one in (*_granted((), config.context_paths), *_granted(("agents", index), agent.context_paths)):
            _context_path(one, environment, partial(_at, once, (*path, "path")))
        _overlaps(config, index, agent, once)


def _at(wrong: Wrong, path: KeyPath, message: str) -> None:
    wrong(message, path)


def _granted(section: KeyPath, paths: Sequence[ContextPath]) -> list[tuple[KeyPath, ContextPath]]:
    return [((*section, "context_paths", number), one) for number, one in enumerate(paths)]


def _workspace(folder: str, environment: Mapping[str, str], wrong: Callable[[str], None]) -> None:
    if not os.path.isabs(folder):
        wrong("the folder could not be placed; write all of its path")
    elif reason := folder_refusal(folder, environment):
        wrong(f"{folder!r} {reason}")
    elif os.path.exists(folder) and not os.path.isdir(folder):
        wrong(f"{folder!r} is no folder")


def _context_path(one: ContextPath, environment: Mapping[str, str], wrong: Callable[[str], None]) -> None:
    if not os.path.isabs(one.path):
        wrong("the path is empty; name the folder or file" if not one.path.strip() else "the path could not be placed; write all of it")
    elif reason := folder_refusal(one.path, environment):
        wrong(f"{one.path!r} {reason}")
    elif not os.path.exists(one.path):
        wrong(f"{one.path!r} does not exist; make it first, or leave it out")


def _overlaps(config: RunConfig, index: int, agent: AgentConfig, wrong: Wrong) -> None:
    """Check an agent's folders against each other and against those of the agents before it."""
    own = resolved(agent.workspace) if agent.workspace else ""
    for other in config.agents[:index] if own else ():
        theirs = resolved(other.workspace) if other.workspace else ""
        is_shared = agent.shares_workspace and other.shares_workspace and own == theirs
        if theirs and not is_shared and (is_beneath(own, theirs) or is_beneath(theirs, own)):
            what = "in the same folder" if own == theirs else "one in the other's folder"
            remedy = "; where that is meant, write shares_workspace: true for both" if own == theirs else ""
            wrong(f"{other.name} and {agent.name} would work {what}{remedy}", ("agents", index, "workspace"))
    granted = _granted((), config.context_paths) + _granted(("agents", index), agent.context_paths)
    writable = [resolved(one.path) for _, one in granted if one.permission == "write"]
    for path, one in granted:
        place = resolved(one.path)
        if own and is_beneath(place, own):
            wrong(f"{one.path!r} lies in the working folder of {agent.name}, which can change it anyway", (*path, "path"))
        elif any(place != other and is_beneath(place, other) for other in writable):
            wrong(f"{one.path!r} lies in a folder that agents may write to, and could be replaced by them", (*path, "path"))
    if own and any(is_beneath(own, other) for other in writable):
        wrong(f"{agent.workspace!r} lies in a folder that agents may write to, and could be replaced by them", ("agents", index, "workspace"))
