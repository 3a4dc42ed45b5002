"""What is installed here, as the questions of `massgen config new` need it: plain data, so that questions can be asked of anything."""

from __future__ import annotations

import functools
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from massgen_core.api import (
    App,
    BackendSpec,
    ConfigProblems,
    MassGenError,
    ModelInfo,
    PluginProblem,
    PresetSpec,
    clean_line,
    config_rows,
    load_config,
    structure,
)

if TYPE_CHECKING:
    from massgen_core.plugins.manager import Plugins

__all__ = ["Facts", "Installed", "Option", "facts"]

# Backends that play answers are for trying out, and come last.
_PLAYED = ("scripted", "replay")
_STORES_ASKED = 3  # a backend with more keys than these is asked of the environment only


@attrs.frozen(kw_only=True)
class Option:
    """A key of a configuration class that a person is asked for.

    Attributes:
        key: The key.
        text: What is asked.
        help: What the class says of it.
        type: Its type in words, as references write it.
        default: What is taken where nothing is said; empty: there is none.
        choices: The only values that there are; empty: any.
    """

    key: str
    text: str
    help: str = ""
    type: str = "text"
    default: str = ""
    choices: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Installed:
    """A plugin.

    Attributes:
        said: What to say of it in a list.
        is_ready: It can be used as things are.
        options: The keys that must be asked for.
        takes: All keys of its class.
    """

    name: str
    said: str = ""
    is_ready: bool = True
    options: tuple[Option, ...] = ()
    takes: frozenset[str] = frozenset()


@attrs.frozen(kw_only=True)
class Facts:
    """What questions may look at.

    Attributes:
        backends: Those that can be used first, those that only play answers last.
        presets: Their documents and what is said of them, by name.
        limits: The keys of limits.
        keys: The keys of a whole configuration.
        refuses: Says what is wrong with options of a plugin: kind, name, options; empty where nothing is.
        models: Returns the models that are known of a backend, with the options that they need.
        withheld: Says why agents cannot be given a folder or file, as a path from the file that is made; empty where they can.
    """

    backends: tuple[Installed, ...] = ()
    strategies: tuple[Installed, ...] = ()
    toolsets: tuple[Installed, ...] = ()
    executors: tuple[Installed, ...] = ()
    displays: tuple[Installed, ...] = ()
    classifiers: tuple[Installed, ...] = ()
    presets: Mapping[str, tuple[str, Mapping[str, Any]]] = attrs.field(factory=dict)
    limits: tuple[Option, ...] = ()
    keys: frozenset[str] = frozenset()
    refuses: Callable[[str, str, Mapping[str, Any]], str] = attrs.field(default=lambda kind, name, options: "", eq=False, repr=False)
    models: Callable[[str], Sequence[ModelInfo]] = attrs.field(default=lambda backend: (), eq=False, repr=False)
    withheld: Callable[[str], str] = attrs.field(default=lambda path: "", eq=False, repr=False)


def facts(app: App, folder: Path) -> Facts:
    """Look at what is installed and at which keys are set; values of keys are not kept.

    Args:
        app: The program.
        folder: Where the file is made.
    """
    plugins = app.plugins
    rows = config_rows(plugins)
    keys = _keys_found(app)
    backends = [_backend(plugins, name, keys) for name in plugins.names("backend")]
    return Facts(
        backends=tuple(sorted(backends, key=lambda one: (one.name in _PLAYED, not one.is_ready, one.name != "local", one.name))),
        strategies=_all(plugins, "strategy"),
        toolsets=_all(plugins, "toolset"),
        executors=_all(plugins, "executor"),
        displays=_all(plugins, "display"),
        classifiers=_all(plugins, "classifier"),
        presets={name: _preset(plugins, name) for name in plugins.names("preset")},
        limits=tuple(
            Option(key=row.path.removeprefix("limits."), text=row.help, help=row.help, type=row.type.removesuffix(" or null"))
            for row in rows
            if row.path.startswith("limits.")
        ),
        keys=frozenset(row.path for row in rows),
        refuses=lambda kind, name, options: _refusal(plugins, kind, name, options),
        models=functools.cache(lambda backend: _models(plugins, backend)),
        withheld=functools.cache(lambda path: _withheld(plugins, folder, path)),
    )


def _models(plugins: Plugins, backend: str) -> Sequence[ModelInfo]:
    try:
        spec = plugins.get("backend", backend)
        assert isinstance(spec, BackendSpec)
        return tuple(plugins.resolve(spec.catalogue, kind="backend", name=backend).models()) if spec.catalogue else ()
    except Exception:  # a plugin's defect costs a hint, and no answer
        return ()


def _all(plugins: Plugins, kind: str) -> tuple[Installed, ...]:
    return tuple(_installed(plugins, kind, name) for name in plugins.names(kind))


def _installed(plugins: Plugins, kind: str, name: str) -> Installed:
    try:
        said = clean_line(plugins.get(kind, name).summary, 200)
        rows = [row for row in config_rows(plugins, kind, name) if "." not in row.path and "[" not in row.path]
        return Installed(name=name, said=said, options=tuple(_options(plugins, kind, name)), takes=frozenset(row.path for row in rows))
    except (PluginProblem, TypeError) as error:
        return Installed(name=name, said=f"cannot be used: {clean_line(str(error), 200)}", is_ready=False)


def _options(plugins: Plugins, kind: str, name: str) -> Iterator[Option]:
    """Yield the keys of a plugin's class that have no default, or that it wants asked: `metadata={"ask": "Which server?"}`."""
    spec = plugins.get(kind, name)
    asked = {} if spec.config is None else {field.alias or field.name: field.metadata.get("ask") for field in attrs.fields(spec.config)}
    values = dict(reversed(list(_told(plugins, kind, name, spec)))) if isinstance(spec, BackendSpec) and _refusal(plugins, kind, name, {}) else {}
    for row in config_rows(plugins, kind, name):
        if "." in row.path or not (row.is_required or asked.get(row.path) or row.path in values):
            continue
        text = asked.get(row.path)
        is_choice, kinds = row.type.startswith("one of "), row.type.removesuffix(" or null")
        yield Option(
            key=row.path,
            text=text if isinstance(text, str) else f"Which {row.path.replace('_', ' ')} for {name}?",
            help=row.help,
            type=kinds,
            default=values.get(row.path) or ("" if row.is_required else _answer(json.loads(row.default or "null"))),
            choices=tuple(kinds.removeprefix("one of ").split(", ")) if is_choice else ("true", "false") if kinds == "true or false" else (),
        )


def _answer(value: Any) -> str:
    """Return the answer that stands for a value; `none` for nothing."""
    if isinstance(value, list):
        return ", ".join(map(_answer, value)) or "none"
    return str(value).lower() if isinstance(value, bool) else "none" if value in (None, "", {}) else str(value)


def _told(plugins: Plugins, kind: str, name: str, spec: BackendSpec) -> Iterator[tuple[str, str]]:
    """Yield an option and its value, where a backend says so of a key: that of `preset groq` goes with preset: groq. Keys that are set come first."""
    for _, text in sorted(spec.keys.items(), key=lambda one: not (os.environ.get(one[0].removeprefix("env:")))):
        option, separator, value = text.partition(" ")
        if separator and " " not in value and not _refusal(plugins, kind, name, {option: value}):
            yield option, value


def _backend(plugins: Plugins, name: str, found: Mapping[str, str]) -> Installed:
    installed = _installed(plugins, "backend", name)
    if not installed.is_ready:
        return installed
    if name in _PLAYED:
        return attrs.evolve(installed, said="plays answers, for trying out")
    keys = _names_of_keys(plugins, name)
    ready = [key for key in keys if key in found]
    if ready:
        return attrs.evolve(installed, said=f"ready: {ready[0]} is {found[ready[0]]}")
    # Claude Code can be logged in by itself, and others may need no key at their address: what is not found is said, not forbidden.
    missing = f"none of its {len(keys)} keys is set" if len(keys) > _STORES_ASKED else f"{' or '.join(keys)} is not set"
    said = missing if keys else "ready: needs no key"
    return attrs.evolve(installed, said=said, is_ready=not keys)


def _names_of_keys(plugins: Plugins, name: str) -> list[str]:
    try:
        spec = plugins.get("backend", name)
    except PluginProblem:
        return []
    return [key.removeprefix("env:") for key in spec.keys] if isinstance(spec, BackendSpec) else []


def _keys_found(app: App) -> dict[str, str]:
    """Return where the keys of backends are found, by name."""
    names = {backend: _names_of_keys(app.plugins, backend) for backend in app.plugins.names("backend")}
    found = {key: "set" for keys in names.values() for key in keys if os.environ.get(key)}
    asked = [key for keys in names.values() if len(keys) <= _STORES_ASKED for key in keys if key not in found]
    if not asked or not app.plugins.names("credentials"):
        return found

    import anyio  # noqa: PLC0415 - for this one use

    async def look() -> None:
        async with app.context() as context:
            for key in dict.fromkeys(asked):
                try:
                    context.secret(key)
                except MassGenError:
                    continue
                found[key] = "stored"

    anyio.run(look)
    return found


def _preset(plugins: Plugins, name: str) -> tuple[str, Mapping[str, Any]]:
    try:
        spec = plugins.get("preset", name)
    except PluginProblem as error:
        return f"cannot be used: {clean_line(str(error), 200)}", {}
    return clean_line(spec.summary, 200), spec.document if isinstance(spec, PresetSpec) else {}


def _refusal(plugins: Plugins, kind: str, name: str, options: Mapping[str, Any]) -> str:
    try:
        spec = plugins.get(kind, name)
        if spec.config is None:
            return f"it takes no options: {', '.join(options)}" if options else ""
        structure(spec.config, dict(options))
    except ConfigProblems as error:
        return "; ".join(clean_line(problem.message, 500) for problem in error.problems)
    except (PluginProblem, TypeError) as error:
        return clean_line(str(error), 500)
    return ""


def _withheld(plugins: Plugins, folder: Path, path: str) -> str:
    """Ask the kernel, which knows what must not be given away."""
    backend = next((name for name in plugins.names("backend") if not _refusal(plugins, "backend", name, {})), None)
    if backend is None:
        return ""
    whole = os.path.join(folder.absolute(), os.path.expanduser(path))
    with tempfile.TemporaryDirectory(prefix="massgen-") as place:
        file = Path(place) / "folder.json"
        file.write_text(json.dumps({"version": 1, "agents": [{"backend": backend}], "context_paths": [{"path": whole}]}), encoding="utf-8")
        try:
            load_config(plugins, file=file)
        except ConfigProblems as error:
            return "; ".join(clean_line(problem.message, 400) for problem in error.problems if problem.path.startswith("context_paths"))
    return ""
