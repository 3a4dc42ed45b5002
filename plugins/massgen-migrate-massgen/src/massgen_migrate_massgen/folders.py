"""Working folders and context paths of the old format; both were relative to the folder in which the program was started."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Mapping
from typing import Any

from massgen_migrate_massgen.walk import Walk

__all__ = ["apart", "context_paths", "workspace"]

# Where relative working folders were.
_HOME = ".massgen/workspaces"


def workspace(value: Any, path: str, walk: Walk) -> str:
    """Return an agent's working folder; empty where there is none."""
    if value in (None, ""):
        return ""
    if not isinstance(value, str):
        walk.wrong("a working folder is a text", path)
        return ""
    return value if value.startswith(("/", "~", ".massgen/")) else f"{_HOME}/{posixpath.normpath(value)}"


def context_paths(value: Any, path: str, walk: Walk) -> list[Any]:
    """Return the folders and files that agents were given."""
    if value is None:
        return []
    if not isinstance(value, list):
        walk.wrong("expected a list of mappings with `path` and `permission`", path)
        return []
    return [made for index, one in enumerate(value) if (made := _one(one, f"{path}[{index}]", walk)) is not None]


def _one(one: Any, path: str, walk: Walk) -> Any:
    if not isinstance(one, Mapping) or not isinstance(one.get("path"), str):
        walk.wrong("expected a mapping with `path` and `permission`, read or write", path)
        return None
    if one.get("permission", "read") not in ("read", "write"):
        walk.note("this is neither read nor write; it is read, as it was in MassGen 0.1", f"{path}.permission")
        one = {**one, "permission": "read"}
    for key in one:
        if key not in ("path", "permission", "protected_paths"):
            walk.wrong(f"unknown key {str(key)[:60]!r} (known here: path, permission, protected_paths)", path)
    if one.get("protected_paths"):
        walk.note("nothing within a path can be protected; so that nothing is lost, agents may only read all of it", f"{path}.protected_paths")
        return {"path": one["path"], "permission": "read"}
    if one.get("permission") == "write":
        walk.note("agents may write there from the beginning, all of them; in MassGen 0.1 only the winner could, in the end", path)
    return one if "protected_paths" not in one else {key: one[key] for key in ("path", "permission") if key in one}


def apart(made: dict[str, Any], places: Mapping[str, list[str]], walk: Walk) -> None:
    """Give agents a folder of the run's where another agent could change theirs: it is that agent's, too, or lies where all may write.

    Args:
        made: The document of today.
        places: The key paths of working folders, agent by agent, by their value.
        walk: Receives notes.
    """
    given = made.get("agents")
    agents = given if isinstance(given, list) else []
    homes = Counter(posixpath.normpath(agent["workspace"]) for agent in agents if agent.get("workspace"))
    paths = {folder: iter(found) for folder, found in places.items()}
    for agent in agents:
        folder = agent.get("workspace", "")
        if not folder:
            continue
        path, normal = next(paths.get(folder, iter(())), ""), posixpath.normpath(folder)
        granted = (*made.get("context_paths", ()), *agent.get("context_paths", ()))
        writable = [posixpath.normpath(one["path"]) for one in granted if one.get("permission") == "write"]
        if any(normal == one or normal.startswith(f"{one}/") or (one == "." and normal[0] not in "/~") for one in writable):
            reason = "this lies in a context path that agents may write to; it works in a folder of the run instead"
        elif homes[normal] > 1:
            reason = "several agents name this folder; each works in a folder of the run instead"
        else:
            continue
        del agent["workspace"]
        walk.note(reason, path)
