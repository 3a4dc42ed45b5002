"""Writes a resolved configuration as YAML, each value with its origin beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from massgen_core.config.tree import KeyPath, show_path

if TYPE_CHECKING:
    from massgen_core.config.load import Loaded

__all__ = ["render"]


def render(loaded: Loaded) -> str:
    """Return the configuration as YAML that can be loaded again; every value's origin is a comment behind it."""
    return "".join(f"{line}\n" for line in _mapping(loaded.document, (), "", loaded.origins))


def _mapping(value: Mapping[str, Any], path: KeyPath, indent: str, origins: Mapping[str, str]) -> Iterator[str]:
    for key, item in value.items():
        yield from _entry(f"{indent}{_scalar(key)}:", item, (*path, key), f"{indent}  ", origins)


def _entry(start: str, value: Any, path: KeyPath, indent: str, origins: Mapping[str, str]) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        yield start
        yield from _mapping(value, path, indent, origins)
    elif isinstance(value, list | tuple) and value:
        yield start
        for index, item in enumerate(value):
            yield from _entry(f"{indent}-", item, (*path, index), f"{indent}  ", origins)
    else:
        origin = origins.get(show_path(path), "")
        yield f"{start} {_scalar(value)}" + (f"  # {_one_line(origin)}" if origin else "")


def _scalar(value: Any) -> str:
    # JSON is YAML, and nothing in it can be misread.
    text = json.dumps(value, ensure_ascii=False)
    return value if isinstance(value, str) and value.isidentifier() and value.lower() not in _WORDS else text


def _one_line(text: str) -> str:
    return " ".join(text.split())


_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n", "none", "nan", "inf"})
