"""An agent's own Python functions, as the toolset `python` of today."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from massgen_migrate_massgen.walk import Walk, is_on

__all__ = ["toolset_of_functions"]

_KEYS = ("name", "function", "path", "category", "description", "preset_args", "default_params", "defer_loading")
_FUNCTION = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]+")
_OWN = "massgen/"


def toolset_of_functions(data: Any, path: str, walk: Walk) -> dict[str, Any] | None:
    """Return the toolset that `custom_tools` asks for, or None where no function of it is a person's own.

    Args:
        data: The list.
        path: Its key path.
        walk: Is told of what is left out, and of mistakes.
    """
    if not is_on(data):
        return None
    if not isinstance(data, list):
        walk.wrong("expected a list of functions", path)
        return None
    made: list[dict[str, Any]] = []
    for index, section in enumerate(data):
        place = f"{path}[{index}]"
        if isinstance(section, str):
            walk.note(f"{section[:60]}: functions without a file are parts of MassGen 0.1 itself, and are not there; name a file of yours", place)
            continue
        if not isinstance(section, Mapping):
            walk.wrong("expected a mapping with `path` and `function`", place)
            continue
        for key in section:
            if key not in _KEYS:
                walk.unknown(str(key), f"{place}.{key}" if str(key).isidentifier() else place, _KEYS, None)
        for one in _functions(section, place, walk):
            if any(one["name"] == other["name"] for other in made):
                walk.note(f"the tool {one['name']!r} is given twice; this one is not used", place)
            else:
                made.append(one)
    # They ran within MassGen, and saw what it saw.
    return {"type": "python", "functions": made, "pass_env": ["*"]} if made else None


def _functions(section: Mapping[str, Any], place: str, walk: Walk) -> Iterator[dict[str, Any]]:
    names, functions = _texts(section.get("name")), _texts(section.get("function"))
    functions = functions or names
    if not functions or not all(_FUNCTION.fullmatch(name) for name in functions):
        walk.wrong("`function` is the name of a function, or a list of names", f"{place}.function" if "function" in section else place)
        return
    file = section.get("path")
    if not isinstance(file, str) or not file:
        walk.note(f"{', '.join(functions)}: functions without a file are parts of MassGen 0.1 itself, and are not there; name a file of yours", place)
        return
    if file.startswith(_OWN):
        walk.note("this file is a part of MassGen 0.1 itself; its functions are there only where it is", f"{place}.path")
    for number, function in enumerate(functions):
        name = _nth(names, number) or function
        one: dict[str, Any] = {"path": file, "function": function, "name": _NOT_IN_NAMES.sub("_", name)[:64]}
        described = section.get("description")
        text = _nth(described, number) if isinstance(described, list) else described
        if is_on(text):
            one["description"] = text
        arguments = _arguments(section, number, place, walk)
        if arguments:
            one["arguments"] = arguments
        yield one


def _arguments(section: Mapping[str, Any], number: int, place: str, walk: Walk) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key in ("default_params", "preset_args"):
        given = section.get(key)
        one = _nth(given, number) if isinstance(given, list) else given
        if isinstance(one, Mapping):
            made |= one
        elif one is not None:
            walk.wrong("expected a mapping of arguments", f"{place}.{key}")
    return made


def _texts(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [str(one) for one in value] if isinstance(value, list) else []


def _nth(values: Sequence[Any], number: int) -> Any:
    return values[number] if number < len(values) else None
