"""What a sound configuration refers to and is not there: files, functions, variables, what a backend cannot do."""

from __future__ import annotations

import ast
import difflib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from massgen_core.api import BackendSpec, ConfigProblem, PluginProblem, nearest

if TYPE_CHECKING:
    from massgen_core.config.load import Loaded

__all__ = ["references"]

Effect: TypeAlias = tuple[Literal["error", "warning"], ConfigProblem]
Path_: TypeAlias = tuple[str | int, ...]

_VARIABLE = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)")
_WORD = re.compile(r"[A-Za-z0-9_-]+")
_BIGGEST = 2_000_000


def references(loaded: Loaded) -> Iterator[Effect]:
    """Yield what a run would look for in vain."""
    yield from _variables(loaded, loaded.document, ())
    yield from _abilities(loaded)
    tools: list[str] = []
    for path, section in _toolsets(loaded.document):
        if section.get("type") == "python":
            yield from _functions(loaded, section, path)
            tools += [one["name"] or one["function"] for one in section["functions"]]
    yield from _tools(loaded, tools)


def _problem(loaded: Loaded, message: str, path: Path_, near: str = "", allowed: tuple[str, ...] = ()) -> ConfigProblem:
    place = loaded.place.at(path)
    shown = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")
    source = place.source if place.line else ""
    return ConfigProblem(message, path=shown, source=source, line=place.line, column=place.column, nearest=near, allowed=allowed)


def _variables(loaded: Loaded, data: Any, path: Path_) -> Iterator[Effect]:
    """Yield references to variables that are not set, where somebody wrote them."""
    if isinstance(data, Mapping):
        for key, value in data.items():
            yield from _variables(loaded, value, (*path, key))
    elif isinstance(data, list | tuple):
        for index, value in enumerate(data):
            yield from _variables(loaded, value, (*path, index))
    elif isinstance(data, str) and (match := _VARIABLE.fullmatch(data)) and match[1] not in os.environ:
        node = loaded.place.find(path)
        if node is not None and node.place.line:
            yield "warning", _problem(loaded, f"the environment variable {match[1]} is not set, and what needs it will fail", path)


def _abilities(loaded: Loaded) -> Iterator[Effect]:
    for index, agent in enumerate(loaded.config.agents):
        try:
            spec = loaded.plugins.get("backend", agent.backend.type)
        except PluginProblem:
            continue
        if not isinstance(spec, BackendSpec):
            continue
        at: Path_ = ("agents", index)
        if agent.reasoning_effort is not None and not spec.capabilities.reasoning:
            yield "warning", _problem(loaded, f"the backend {spec.name!r} has no setting for how long to think", (*at, "reasoning_effort"))
        if agent.toolsets and not spec.capabilities.tools:
            yield "warning", _problem(loaded, f"the backend {spec.name!r} calls no tools", (*at, "toolsets"))


def _toolsets(document: Mapping[str, Any]) -> Iterator[tuple[Path_, Mapping[str, Any]]]:
    for number, one in enumerate(document.get("toolsets") or ()):
        yield ("toolsets", number), one
    for index, agent in enumerate(document.get("agents") or ()):
        for number, one in enumerate(agent.get("toolsets") or ()):
            yield ("agents", index, "toolsets", number), one


def _functions(loaded: Loaded, section: Mapping[str, Any], path: Path_) -> Iterator[Effect]:
    """Yield functions that their files do not define; the files are read and not run."""
    for index, one in enumerate(section.get("functions") or ()):
        at = (*path, "functions", index)
        names = _defined(Path(one["path"]).expanduser())
        if names is None:
            yield "warning", _problem(loaded, f"there is no Python file {one['path']}; the tool will not be there", (*at, "path"))
        elif names and one["function"] not in names:
            near = nearest(one["function"], names)
            meant = f"; did you mean {near!r}?" if near else ""
            message = f"{one['path']} defines no function {one['function']!r}{meant} (it defines: {', '.join(names)})"
            yield "warning", _problem(loaded, message, (*at, "function"), near, names)


def _tools(loaded: Loaded, tools: list[str]) -> Iterator[Effect]:
    """Yield rules that name a tool which nobody has, where one has nearly that name; what other toolsets have is known when they are opened."""
    sections: list[tuple[Path_, Any]] = [((), loaded.config), *((("agents", index), one) for index, one in enumerate(loaded.config.agents))]
    for path, section in sections if tools else ():
        for level in ("allow", "ask", "deny"):
            for index, pattern in enumerate(getattr(section.permissions, level)):
                near = (difflib.get_close_matches(pattern, tools, n=1, cutoff=0.8) or [""])[0]
                if near and pattern not in tools and _WORD.fullmatch(pattern):
                    message = f"no tool is named {pattern!r}; did you mean {near!r}?"
                    yield "warning", _problem(loaded, message, (*path, "permissions", level, index), near, tuple(tools))


def _defined(path: Path) -> tuple[str, ...] | None:
    """Return the names that a file defines at its top; None where it is no Python file, nothing where they cannot be told."""
    try:
        with path.open("rb") as stream:
            tree = ast.parse(stream.read(_BIGGEST))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    names: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.append(node.name)
        elif not isinstance(node, ast.Import | ast.Expr) and not (isinstance(node, ast.ImportFrom) and node.module == "__future__"):
            return ()  # what is imported, assigned or decided there may be a function
    return tuple(name for name in names if not name.startswith("_"))
