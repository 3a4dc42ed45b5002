"""Plain data to frozen classes and back: strict, and with every mistake named at once.

Nothing is converted: `"no"` is no boolean, `3.7` no whole number, `5` no text. Only a whole number counts as a number with a fraction, and the text
of an environment variable as whatever it reads as. Why not cattrs: see the decision record on strict structuring.
"""

from __future__ import annotations

import enum
import math
import re
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin

import attrs

from massgen_core.config.classes import LISTS, MAPPINGS, is_section, keys, members, said, unstructure
from massgen_core.config.document import scalar
from massgen_core.config.sections import BUILT_IN, AgentConfig, PluginConfig
from massgen_core.config.tree import KeyPath, Node, Place, parse_path, show_path
from massgen_core.errors import ConfigProblem, ConfigProblems, PluginBroken
from massgen_core.messages import Sampling
from massgen_core.nearest import nearest

if TYPE_CHECKING:
    from massgen_core.plugins.manager import Plugins

__all__ = ["Expanded", "in_order", "options_class", "plugin_options", "structure", "unstructure"]

T = TypeVar("T")

_SCALARS = (bool, int, float, str)
_PLUGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SECRET = re.compile(r"(?:key|token|secret|passw(?:or)?d|passphrase|authorization|credentials?)$", re.IGNORECASE)
_YES = dict.fromkeys(("yes", "on", "y", "true"), "true") | dict.fromkeys(("no", "off", "n", "false"), "false")
_BAD: Any = object()


class Expanded(str):
    """A text that came, at least in part, from the environment.

    Attributes:
        template: The text as the document has it; messages show this one.
    """

    template: str

    def __new__(cls, text: str, template: str) -> Expanded:
        made = super().__new__(cls, text)
        made.template = template
        return made

    def __reduce__(self) -> tuple[type[Expanded], tuple[str, str]]:
        return Expanded, (str(self), self.template)


def structure(cls: type[T], data: Any, *, path: str = "", place: Node | None = None) -> T:
    """Return an instance of an attrs class.

    Args:
        cls: The class; its fields may be scalars, literals, enums, paths, tuples, mappings, other attrs classes, and unions of them.
        data: Plain data.
        path: The key path of `data` in its document, or another name for it, for messages.
        place: The whole document's tree, for the places in messages.

    Raises:
        ConfigProblems: Every mistake, in the order of their places.
        TypeError: The class has a field that no configuration can hold.
    """
    try:
        base, label = parse_path(path), ""
    except ValueError:
        base, label = (), path
    reader = _Reader(place, label)
    value = reader.value(cls, data, base)
    if reader.problems:
        raise ConfigProblems(in_order(reader.problems))
    return typing.cast(T, value)


def plugin_options(plugins: Plugins, kind: str, config: PluginConfig, *, path: str = "", place: Node | None = None) -> Any:
    """Return a plugin's options as an instance of its own class, or None where it has no options.

    Only the plugin's hook module is imported.

    Raises:
        ConfigProblems: Every mistake in the options.
        PluginProblem: The plugin is missing, broken, blocked or claimed twice.
    """
    cls = options_class(plugins, kind, config.type) or _NoOptions
    try:
        made: Any = structure(cls, config.options, path=path, place=place)
    except TypeError as error:
        message = f"the class of the options of {kind} {config.type!r} cannot be used: {error}; report it to the plugin's authors"
        raise PluginBroken(message, kind=kind, name=config.type) from error
    return None if cls is _NoOptions else made


def options_class(plugins: Plugins, kind: str, name: str) -> type | None:
    """Return the class of a plugin's options, or None where it has none.

    Raises:
        PluginProblem: The plugin is missing, broken, blocked or claimed twice.
    """
    return None if (kind, name) in BUILT_IN else plugins.get(kind, name).config


def in_order(problems: Iterable[ConfigProblem]) -> list[ConfigProblem]:
    """Return problems sorted by source and place."""
    return sorted(problems, key=lambda problem: (problem.source, problem.line, problem.column, problem.path))


def shown(data: Any, path: KeyPath) -> str:
    """Return a value as messages may show it: short, without control characters, and not if it may be secret."""
    if isinstance(data, Expanded):
        return f"the value of {data.template!r}"
    if data is None:
        return "null"
    if isinstance(data, bool):
        return str(data).lower()
    if isinstance(data, (str, int, float)) and _is_secret(path):
        return "what is written there"
    if isinstance(data, str):
        return repr(data if len(data) <= 40 else f"{data[:40]}…")
    if isinstance(data, Mapping):
        return "a mapping"
    return "a list" if isinstance(data, (list, tuple)) else str(data)[:40]


@attrs.frozen(kw_only=True)
class _NoOptions:
    pass


class _Reader:
    """One pass over plain data; mistakes are collected in `problems`."""

    def __init__(self, root: Node | None, label: str = "") -> None:
        self.root, self.label = root, label
        self.problems: list[ConfigProblem] = []

    def wrong(self, message: str, path: KeyPath, *, key: bool = False, allowed: Sequence[str] = (), near: str = "", fix: str = "") -> Any:
        place = self.root.at(path, key=key) if self.root else Place("")
        full = ": ".join(part for part in (self.label, show_path(path)) if part)
        where = {"source": place.source, "line": place.line, "column": place.column}
        self.problems.append(ConfigProblem(message, path=full, allowed=allowed, nearest=near, fix=fix, **where))  # type: ignore[arg-type]
        return _BAD

    def mistaken(self, kind: Any, data: Any, path: KeyPath) -> Any:
        return self.wrong(
            f"expected {said(kind)}, not {shown(data, path)}{_hint(kind, data)}", path, fix="" if _is_secret(path) else _fix(kind, data)
        )

    def value(self, kind: Any, data: Any, path: KeyPath) -> Any:
        parts = members(kind)
        if len(parts) > 1:
            return self.union(kind, parts, data, path)
        (kind,) = parts
        origin, arguments = get_origin(kind) or kind, get_args(kind)
        if kind is Any or kind is object:
            return data
        if kind is type(None):
            return None if data is None else self.mistaken(kind, data, path)
        if kind in _SCALARS:
            return self.scalar(kind, data, path)
        if origin is typing.Literal:
            return self.choice({value: value for value in arguments}, data, path)
        if origin in LISTS:
            return self.sequence(kind, origin, arguments, data, path)
        if origin in MAPPINGS:
            return self.mapping(kind, arguments, data, path)
        if kind is PluginConfig:
            return self.plugin(data, path)
        if attrs.has(origin):
            return self.section(origin, data, path)
        if isinstance(kind, type) and issubclass(kind, enum.Enum):
            return self.choice({member.value: member for member in kind}, data, path)
        if kind is Path:
            return Path(data) if isinstance(data, str) and data else self.mistaken(kind, data, path)
        raise TypeError(f"{show_path(path)} has the type {kind!r}, which no configuration can hold")

    def scalar(self, kind: Any, data: Any, path: KeyPath) -> Any:
        if kind is str:
            return str(data) if isinstance(data, str) else self.mistaken(kind, data, path)
        given = scalar(data) if isinstance(data, Expanded) else data
        if type(given) is kind and (kind is not float or math.isfinite(given)):
            return given
        if kind is float and type(given) is int and abs(given) < 10**300:
            return float(given)
        return self.mistaken(kind, data, path)

    def choice(self, choices: Mapping[Any, Any], data: Any, path: KeyPath) -> Any:
        given = [data, scalar(data)] if isinstance(data, Expanded) else [data]
        for value, meaning in choices.items():
            # 1 == True, so that types are compared too.
            if any(value == one and isinstance(one, type(value)) and isinstance(one, bool) == isinstance(value, bool) for one in given):
                return meaning
        allowed = tuple(str(value) for value in choices)
        near = nearest(data, allowed) if isinstance(data, str) else ""
        meant = f"; did you mean {near!r}?" if near else ""
        return self.wrong(f"expected one of {', '.join(allowed)}, not {shown(data, path)}{meant}", path, allowed=allowed, near=near)

    def union(self, kind: Any, parts: Sequence[Any], data: Any, path: KeyPath) -> Any:
        if data is None and type(None) in parts:
            return None
        parts = [part for part in parts if part is not type(None)]
        if len(parts) == 1:
            return self.value(parts[0], data, path)
        failed: list[tuple[Any, _Reader]] = []
        for part in sorted(parts, key=lambda part: part is not type(data)):
            reader = _Reader(self.root, self.label)
            value = reader.value(part, data, path)
            if not reader.problems:
                return value
            failed.append((part, reader))
        # Of several classes, the one whose literal fields (such as `type`) have the given values is meant.
        near = [reader for part, reader in failed if _fits(part, data)]
        if len(near) != 1:
            return self.mistaken(kind, data, path)
        self.problems += near[0].problems
        return _BAD

    def sequence(self, kind: Any, origin: Any, arguments: Sequence[Any], data: Any, path: KeyPath) -> Any:
        if not isinstance(data, (list, tuple)):
            return self.mistaken(kind, data, path)
        if origin is tuple and arguments and arguments[-1] is not Ellipsis:
            if len(data) != len(arguments):
                return self.wrong(f"expected a list of {len(arguments)} items, not of {len(data)}", path)
            inner: Sequence[Any] = arguments
        else:
            inner = [arguments[0] if arguments else Any] * len(data)
        items = [self.value(item, value, (*path, index)) for index, (item, value) in enumerate(zip(inner, data, strict=True))]
        return frozenset(items) if origin in (frozenset, set) else list(items) if origin is list else tuple(items)

    def mapping(self, kind: Any, arguments: Sequence[Any], data: Any, path: KeyPath) -> Any:
        if not isinstance(data, Mapping):
            return self.mistaken(kind, data, path)
        inner = arguments[1] if len(arguments) == 2 else Any
        return {key: self.value(inner, value, (*path, key)) for key, value in data.items()}

    def plugin(self, data: Any, path: KeyPath) -> Any:
        name, at = (data, path) if isinstance(data, str) else (data.get("type"), (*path, "type")) if isinstance(data, Mapping) else (None, path)
        if name is None:
            more = ": `type` is missing" if isinstance(data, Mapping) else f", not {shown(data, path)}"
            return self.wrong(f"expected {said(PluginConfig)}{more}", path)
        if not isinstance(name, str) or not _PLUGIN.fullmatch(name):
            return self.wrong(f"{shown(name, path)} is no plugin's name; plugins are named, never given as code", at)
        return PluginConfig(type=str(name), options={} if isinstance(data, str) else {key: data[key] for key in data if key != "type"})

    def section(self, cls: type, data: Any, path: KeyPath) -> Any:
        if not isinstance(data, Mapping):
            return self.mistaken(cls, data, path)
        known, before, values = keys(cls), len(self.problems), {}
        for key in data:
            if key not in known:
                self.unknown(key, known, path)
        for key, (field, kind) in known.items():
            if key in data:
                values[key] = self.value(kind, data[key], (*path, key))
            elif field.default is attrs.NOTHING:
                note = field.metadata.get("help", "")
                self.wrong(f"`{key}` is missing{f' ({note})' if note else ''}", path)
        if len(self.problems) > before:
            return _BAD
        try:
            return cls(**values)
        except (ConfigProblem, ConfigProblems) as error:
            return self.found(error, data, path)
        except (ValueError, TypeError) as error:  # a validator's refusal
            return self.refused(error, data, values, path)

    def found(self, error: ConfigProblem | ConfigProblems, data: Mapping[str, Any], path: KeyPath) -> Any:
        """Take over mistakes that a class found by itself: its paths begin at the class, those with a source are of another file."""
        for problem in error.problems if isinstance(error, ConfigProblems) else (error,):
            if problem.source:
                self.problems.append(problem)
                continue
            message = problem.message
            for text, instead in _hidden(data, path):
                message = message.replace(text, instead)
            try:
                inner = parse_path(problem.path)
            except ValueError:
                inner = ()
            self.wrong(message, (*path, *inner), allowed=problem.allowed, near=problem.nearest)
        return _BAD

    def refused(self, error: Exception, data: Mapping[str, Any], values: Mapping[str, Any], path: KeyPath) -> Any:
        message = str(error.args[0] if error.args else error)
        for text, instead in _hidden(data, path):
            message = message.replace(text, instead)
        named = re.match(r"'(\w+)'", message)
        return self.wrong(message, (*path, named[1]) if named and named[1] in values else path)

    def unknown(self, key: str, known: Mapping[str, Any], path: KeyPath) -> None:
        near = nearest(key, known)
        inner = {name: f"{outer}.{name}" for outer, (_, kind) in known.items() for part in members(kind) if is_section(part) for name in keys(part)}
        meant = near or inner.get(nearest(key, inner), "")
        meant = self.elsewhere(key, path) or (f"did you mean `{meant}`?" if meant else "")
        if not meant and "extra_body" in known:
            meant = "what only the provider knows goes into `extra_body`"
        some = ", ".join(known) if known else "none"
        message = f"unknown key {key!r}{f'; {meant}' if meant else ''} (allowed: {some})"
        self.wrong(message, (*path, key), key=True, allowed=tuple(known), near=near)

    def elsewhere(self, key: str, path: KeyPath) -> str:
        """Say where an option of an agent belongs that somebody wrote beside its backend's name."""
        if path[-1:] == ("backend",):
            for place, section in (("", AgentConfig), ("sampling.", Sampling)):
                if key in keys(section):
                    return f"it is no option of the backend but of the agent: `{place}{key}`"
        return ""


def _fits(kind: Any, data: Any) -> bool:
    origin = get_origin(kind) or kind
    if isinstance(data, Mapping):
        if not attrs.has(origin) or kind is PluginConfig:
            return origin in MAPPINGS or kind is PluginConfig
        literals = [(key, get_args(part)) for key, (_, part) in keys(origin).items() if get_origin(part) is typing.Literal]
        return all(data[key] in values for key, values in literals if key in data)
    return origin in LISTS if isinstance(data, (list, tuple)) else False


def _hint(kind: Any, data: Any) -> str:
    parts = members(kind)
    text = data.template if isinstance(data, Expanded) else data
    if bool in parts and isinstance(text, str) and text.casefold() in _YES:
        return f"; write {_YES[text.casefold()]}, without quotes"
    if str in parts and isinstance(data, (bool, int, float)):
        return "; put it in quotes"
    if isinstance(text, str) and (int in parts or float in parts):
        plain = text.replace("_", "").strip()
        if isinstance(number := scalar(plain.lstrip("0") or "0"), (int, float)) and not isinstance(number, bool):
            return f"; write {number}" + (", or 0o… for an octal number" if plain != "0" and plain.startswith("0") else ", without quotes")
    if int in parts and isinstance(data, float):
        return "; it has no fraction"
    if isinstance(data, str) and any(attrs.has(get_origin(part) or part) for part in parts) and ":" in data:
        return "; a space belongs after the `:`"
    return ""


def _fix(kind: Any, data: Any) -> str:
    """Return what to write instead, where only one thing can be meant."""
    parts = members(kind)
    if isinstance(data, Expanded):
        return ""
    if bool in parts and isinstance(data, str) and data.casefold() in _YES:
        return _YES[data.casefold()]
    if str in parts and isinstance(data, (bool, int)):
        return f'"{str(data).lower()}"'
    is_number = isinstance(data, str) and (int in parts or float in parts) and type(scalar(data)) in (int, float)
    if is_number and (float in parts or isinstance(scalar(data), int)):
        return str(data)
    return str(int(data)) if isinstance(data, float) and int in parts and data.is_integer() else ""


def _is_secret(path: KeyPath) -> bool:
    return any(isinstance(step, str) and _SECRET.search(step) for step in path)


def _hidden(data: Any, path: KeyPath) -> Iterator[tuple[str, str]]:
    """Yield the texts that must not be shown, each with what to show instead."""
    if isinstance(data, Mapping):
        for key, item in data.items():
            yield from _hidden(item, (*path, key))
    elif isinstance(data, (list, tuple)):
        for item in data:
            yield from _hidden(item, path)
    elif isinstance(data, Expanded) and data:
        yield str(data), data.template
    elif isinstance(data, (str, int, float)) and len(str(data)) > 3 and _is_secret(path):
        yield str(data), "***"
