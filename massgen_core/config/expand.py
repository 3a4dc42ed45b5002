"""References to environment variables in texts: `${NAME}` (also written `${env:NAME}`), `${NAME:-instead}`; `$$` is a dollar sign."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from massgen_core.config.structure import Expanded
from massgen_core.config.tree import KeyPath, Node, show_path
from massgen_core.errors import ConfigProblem

__all__ = ["expand"]

# What other formats write so is no variable here.
_FOLDERS = dict.fromkeys(("cwd", "workspaceFolder"), "{workspace} where an option takes the agent's folder")
_REFERENCE = re.compile(r"\$(?:(?P<dollar>\$)|\{(?:(?:env:)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<instead>:-(?:(?!\$\{)[^}])*)?\})?)")


def expand(
    data: Any,
    environment: Mapping[str, str],
    problems: list[ConfigProblem],
    *,
    path: KeyPath = (),
    root: Node | None = None,
    marked: bool = True,
) -> Any:
    """Return plain data with the references in its texts replaced; keys are left as they are.

    Args:
        data: Plain data.
        environment: Where variables are looked up.
        problems: Receives a problem for each variable that is not set and has no text instead.
        path: The key path of `data`, for messages.
        root: The whole document's tree, for the places in messages.
        marked: Make each text that had a reference an `Expanded`, so that messages show the reference and not its value.

    Returns:
        New data.
    """
    if isinstance(data, Mapping):
        return {key: expand(value, environment, problems, path=(*path, key), root=root, marked=marked) for key, value in data.items()}
    if isinstance(data, list):
        return [expand(value, environment, problems, path=(*path, index), root=root, marked=marked) for index, value in enumerate(data)]
    if not isinstance(data, str) or "$" not in data:
        return data
    used = False

    def replaced(match: re.Match[str]) -> str:
        nonlocal used
        if match["dollar"] or match[0] == "$":
            return "$"
        name, instead = match["name"], match["instead"]
        if name is None:
            wrong("`${` begins a reference such as ${NAME} or ${NAME:-instead}; write `$${` for the characters themselves")
            return ""
        used = True
        if name in environment and (environment[name] or instead is None):
            return environment[name]
        if instead is None:
            hint = f"write {_FOLDERS[name]}, or " if name in _FOLDERS else ""
            wrong(f"the environment variable {name} is not set; {hint}set it, or write ${{{name}:-instead}}")
            return ""
        return instead[2:]

    def wrong(message: str) -> None:
        place = root.at(path) if root else None
        where = {"source": place.source, "line": place.line, "column": place.column} if place else {}
        problems.append(ConfigProblem(message, path=show_path(path), **where))  # type: ignore[arg-type]

    text = _REFERENCE.sub(replaced, data)
    return Expanded(text, data) if used and marked else text
