"""What configuration classes hold: their keys, types and defaults, for all who read, write or describe them."""

from __future__ import annotations

import enum
import functools
import types
import typing
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import attrs

from massgen_core.config.sections import PluginConfig

__all__ = ["LISTS", "MAPPINGS", "default_of", "is_section", "keys", "members", "said", "unstructure"]

LISTS = (tuple, list, frozenset, set, Sequence, Collection, Iterable)
MAPPINGS = (dict, Mapping, typing.Mapping)

_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text", Path: "a path", type(None): "null"}


@functools.cache
def keys(cls: type) -> Mapping[str, tuple[attrs.Attribute[Any], Any]]:
    """Return a class's keys, each with its field and its resolved type.

    Raises:
        TypeError: A field's type cannot be resolved, or is one that no configuration can hold.
    """
    try:
        hints = typing.get_type_hints(cls, include_extras=True)
    except Exception as error:  # the annotations are a plugin's text, anything can be wrong with them
        raise TypeError(f"the annotations of {cls.__qualname__} do not resolve: {error}") from error
    found = {field.alias or field.name: (field, hints.get(field.name, Any)) for field in attrs.fields(cls) if field.init}
    for key, (_, kind) in found.items():
        if not _is_plain(kind):
            raise TypeError(f"{cls.__qualname__}.{key} is of a type that no configuration can hold: {kind}")
    return found


def _is_plain(kind: Any) -> bool:
    for part in members(kind):
        origin, arguments = get_origin(part) or part, [argument for argument in get_args(part) if argument is not Ellipsis]
        if origin in LISTS or origin in MAPPINGS:
            if not all(_is_plain(argument) for argument in arguments):
                return False
        elif not (part in _WORDS or part in (Any, object) or origin is typing.Literal or attrs.has(origin) or _is_enum(part)):
            return False
    return True


def _is_enum(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, enum.Enum)


def members(kind: Any) -> tuple[Any, ...]:
    """Return the types of a union, without Annotated and NewType; a type that is no union is its own only member."""
    while True:
        if get_origin(kind) is typing.Annotated:
            kind = get_args(kind)[0]
        elif isinstance(kind, typing.NewType):
            kind = kind.__supertype__
        else:
            break
    if get_origin(kind) in (Union, types.UnionType):
        return tuple(member for part in get_args(kind) for member in members(part))
    return (type(None) if kind is None else kind,)


def is_section(kind: Any) -> bool:
    """Say whether a type is a configuration class that is written as a mapping of its own keys."""
    return bool(attrs.has(kind)) and kind is not PluginConfig


def default_of(field: attrs.Attribute[Any]) -> Any:
    """Return a field's default as plain data; NOTHING where there is none, where it depends on other fields, and where it cannot be made."""
    default: Any = field.default
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        try:
            default = attrs.NOTHING if default.takes_self else default.factory()
        except Exception:  # a plugin's own code
            default = attrs.NOTHING
    return default if default is attrs.NOTHING else unstructure(default)


def said(kind: Any) -> str:
    """Return a type in words, for messages and references."""
    parts = members(kind)
    if len(parts) > 1:
        return " or ".join(said(part) for part in sorted(parts, key=lambda part: part is type(None)))
    (kind,) = parts
    origin, arguments = get_origin(kind) or kind, get_args(kind)
    if origin is typing.Literal:
        return "one of " + ", ".join(str(unstructure(value)) for value in arguments)
    if kind is PluginConfig:
        return "a plugin's name, or a mapping with `type`"
    if _is_enum(kind):
        return "one of " + ", ".join(str(member.value) for member in kind)
    if origin in LISTS:
        inner = [argument for argument in arguments if argument is not Ellipsis]
        return f"a list of {_many(inner[0])}" if len(inner) == 1 else "a list"
    if origin in MAPPINGS or attrs.has(origin):
        return f"a mapping to {said(arguments[1])}" if len(arguments) == 2 and arguments[1] is not Any else "a mapping"
    return _WORDS.get(kind, "anything")


def _many(kind: Any) -> str:
    parts = members(kind)
    if len(parts) == 1 and is_section(parts[0]):
        return "mappings"
    plural = {str: "texts", int: "whole numbers", float: "numbers", Path: "paths", PluginConfig: "plugins (a name, or a mapping with `type`)"}
    return plural.get(parts[0], said(kind)) if len(parts) == 1 else said(kind)


def unstructure(value: Any) -> Any:
    """Return plain data from which `structure` makes an equal value."""
    if isinstance(value, PluginConfig):
        return {"type": value.type, **{key: unstructure(option) for key, option in value.options.items()}}
    cls: type = type(value)
    if attrs.has(cls):
        return {key: unstructure(getattr(value, field.name)) for key, (field, _) in keys(cls).items()}
    if isinstance(value, Mapping):
        return {key: unstructure(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [unstructure(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted((unstructure(item) for item in value), key=repr)
    if isinstance(value, enum.Enum):
        return value.value
    return str(value) if isinstance(value, Path) else value
