"""What can be written in a configuration, as data: rows for references and listings, and JSON Schema for editors."""

from __future__ import annotations

import enum
import inspect
import json
import typing
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_origin

import attrs

from massgen_core.config.classes import LISTS, MAPPINGS, default_of, is_section, keys, members, said, unstructure
from massgen_core.config.sections import BUILT_IN, PluginConfig, RunConfig
from massgen_core.config.structure import options_class
from massgen_core.errors import PluginProblem

if TYPE_CHECKING:
    from massgen_core.plugins.manager import Plugins

__all__ = ["Row", "describe", "schema"]

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}


@attrs.frozen(kw_only=True)
class Row:
    """One key that can be written.

    Attributes:
        path: The key path below the class, items of lists as `[]` and keys of open mappings as `*`: `agents[].sampling.top_p`.
        type: The type in words.
        default: As it would be written in JSON; empty where the key is required.
        help: What it is for.
        is_required: It must be written.
        kind: The kind of plugin that it names, where it names one.
    """

    path: str
    type: str
    default: str = ""
    help: str = ""
    is_required: bool = False
    kind: str = ""


def describe(cls: type) -> tuple[Row, ...]:
    """Return a row for every key of a configuration class, sections followed by their own keys, in the order of the class.

    Raises:
        TypeError: The class cannot be read; the message says where.
    """
    return tuple(_rows(cls, "", ()))


def schema(plugins: Plugins | None = None, cls: type = RunConfig) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a configuration.

    Args:
        plugins: The plugins whose options it shall describe; each is loaded, and one that fails is described by its name alone.
        cls: The class of the whole document.
    """
    writer = _Writer(plugins)
    body = writer.section(cls)
    return {"$schema": DIALECT, "title": "MassGen configuration", **body, "$defs": dict(sorted(writer.definitions.items()))}


def _rows(cls: type, prefix: str, outer: tuple[type, ...]) -> Iterator[Row]:
    outer = (*outer, cls)
    for key, (field, kind) in keys(cls).items():
        path = f"{prefix}{key}"
        default = default_of(field)
        sections = [(part, at) for part, at in _sections(kind, path) if part not in outer]
        yield Row(
            path=path,
            type=said(kind),
            default="" if default is attrs.NOTHING or (sections and default) else json.dumps(default, ensure_ascii=False, default=str),
            help=field.metadata.get("help", ""),
            is_required=field.default is attrs.NOTHING,
            kind=field.metadata.get("kind", ""),
        )
        for part, at in sections:
            yield from _rows(part, f"{at}.", outer)


def _sections(kind: Any, path: str) -> Iterator[tuple[type, str]]:
    """Yield the configuration classes of which a value consists, with their paths."""
    for part in members(kind):
        origin, arguments = get_origin(part), get_args(part)
        if is_section(part):
            yield part, path
        elif origin in LISTS and arguments:
            yield from _sections(arguments[0], f"{path}[]")
        elif origin in MAPPINGS and len(arguments) == 2:
            yield from _sections(arguments[1], f"{path}.*")


class _Writer:
    """Writes schemas; what is used more than once goes into `definitions`."""

    def __init__(self, plugins: Plugins | None) -> None:
        self.plugins = plugins
        self.definitions: dict[str, Any] = {}

    def section(self, cls: type, *, is_open: bool = False, name: str = "") -> dict[str, Any]:
        properties: dict[str, Any] = {"type": {"const": name}} if name else {}
        required = ["type"] if name else []
        for key, (field, kind) in keys(cls).items():
            note = {"description": field.metadata["help"]} if field.metadata.get("help") else {}
            default = default_of(field)
            if default is not attrs.NOTHING:
                note["default"] = default
            properties[key] = {**self.value(kind, field.metadata.get("kind", ""), is_open=is_open), **note}
            if field.default is attrs.NOTHING:
                required.append(key)
        described = {"description": text} if (text := (inspect.getdoc(cls) or "").partition("\n")[0]) else {}
        needed = {"required": required} if required else {}
        return {"type": "object", **described, "properties": properties, **needed, "additionalProperties": False}

    def value(self, kind: Any, plugin: str, *, is_open: bool) -> dict[str, Any]:
        """Return the schema of a type; where `is_open`, a reference to the environment may stand for any scalar."""
        made = [self.single(part, plugin, is_open=is_open) for part in members(kind)]
        if is_open and not any(one.get("type") == "string" or one == {} for one in made) and any("type" in one or "enum" in one for one in made):
            made.append({"type": "string", "pattern": r"\$\{"})
        return made[0] if len(made) == 1 else {"anyOf": made}

    def single(self, kind: Any, plugin: str, *, is_open: bool) -> dict[str, Any]:
        origin, arguments = get_origin(kind) or kind, get_args(kind)
        if kind in _TYPES:
            return {"type": _TYPES[kind]}
        if origin is typing.Literal:
            return {"enum": [unstructure(value) for value in arguments]}
        if isinstance(kind, type) and issubclass(kind, enum.Enum):
            return {"enum": [member.value for member in kind]}
        if kind is Path:
            return {"type": "string", "minLength": 1}
        if kind is PluginConfig:
            return self.plugin(plugin)
        if attrs.has(origin):
            return self.named(origin, is_open=is_open)
        if origin in LISTS:
            return self.items(origin, arguments, plugin, is_open=is_open)
        if origin in MAPPINGS:
            return {"type": "object", "additionalProperties": self.value(arguments[1], "", is_open=is_open) if len(arguments) == 2 else True}
        return {}

    def items(self, origin: Any, arguments: tuple[Any, ...], plugin: str, *, is_open: bool) -> dict[str, Any]:
        if origin is tuple and arguments and arguments[-1] is not Ellipsis:
            each = [self.value(argument, plugin, is_open=is_open) for argument in arguments]
            return {"type": "array", "prefixItems": each, "items": False, "minItems": len(each), "maxItems": len(each)}
        return {"type": "array", "items": self.value(arguments[0] if arguments else Any, plugin, is_open=is_open)}

    def named(self, cls: type, *, is_open: bool) -> dict[str, Any]:
        name = f"{cls.__module__}.{cls.__qualname__}{'.open' if is_open else ''}"
        if name not in self.definitions:
            self.definitions[name] = {}  # the class may hold itself
            self.definitions[name] = self.section(cls, is_open=is_open)
        return {"$ref": f"#/$defs/{name}"}

    def plugin(self, kind: str) -> dict[str, Any]:
        if self.plugins is None or not kind:
            by_mapping = {"type": "object", "properties": {"type": {"type": "string"}}, "required": ["type"]}
            return {"anyOf": [{"type": "string"}, by_mapping]}
        if kind not in self.definitions:
            names = sorted({*self.plugins.names(kind), *(name for other, name in BUILT_IN if other == kind)})
            self.definitions[kind] = {"anyOf": [{"enum": list(names)}, *(self.options(kind, name) for name in names)]}
        return {"$ref": f"#/$defs/{kind}"}

    def options(self, kind: str, name: str) -> dict[str, Any]:
        by_name: dict[str, Any] = {"type": "object", "properties": {"type": {"const": name}}, "required": ["type"]}
        assert self.plugins is not None
        with suppress(PluginProblem, TypeError):  # a broken plugin is reported where it is used
            cls = options_class(self.plugins, kind, name)
            if cls is None:
                return {**by_name, "additionalProperties": False}
            summary = self.plugins.get(kind, name).summary
            return {**self.section(cls, is_open=True, name=name), **({"description": summary} if summary else {})}
        return by_name
