"""One whole configuration: its layers laid together, checked as one, and every value with its origin."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_origin

import attrs

from massgen_core.config.classes import LISTS, MAPPINGS, default_of, keys, members
from massgen_core.config.expand import expand
from massgen_core.config.folders import check
from massgen_core.config.layers import Given, Layers, declared
from massgen_core.config.sections import PluginConfig, PluginsConfig, RunConfig
from massgen_core.config.structure import in_order, options_class, plugin_options, structure
from massgen_core.config.tree import DEFAULT, KeyPath, Node, leaves, show_path
from massgen_core.errors import ConfigProblem, ConfigProblems, PluginMissing, PluginProblem
from massgen_core.nearest import nearest

if TYPE_CHECKING:
    from massgen_core.plugins.manager import Plugins

__all__ = ["Loaded", "load"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_FIRST = "massgen-backend-local massgen-strategy-consensus"


@attrs.frozen(kw_only=True)
class Loaded:
    """A configuration that can be run.

    Attributes:
        config: The configuration; `${NAME}` in options is replaced, so it must not be shown or written.
        document: The same as plain data with every default filled in and `${NAME}` as it was written; made to be shown and kept.
        origins: For each scalar, empty list and empty mapping of `document`, by key path, where it comes from: `default`, `preset NAME`,
            `FILE:LINE:COLUMN`, `--agent`, `--backend`, `--strategy` or `--set`.
        warnings: What a person should know, as sentences.
        notes: Those of the warnings that have a place, with it.
        place: The tree of what was given, for the places in later problems.
        plugins: The plugins that the configuration lets be used.
    """

    config: RunConfig = attrs.field(repr=False)
    document: Mapping[str, Any]
    origins: Mapping[str, str]
    warnings: tuple[str, ...] = ()
    notes: tuple[ConfigProblem, ...] = ()
    place: Node = attrs.field(repr=False)
    plugins: Plugins = attrs.field(repr=False)


def load(
    plugins: Plugins,
    *,
    file: Path | None = None,
    preset: str | None = None,
    backend: str | None = None,
    agents: Sequence[str] = (),
    sets: Sequence[str] = (),
    strategy: str | None = None,
    is_trusted: bool | str = False,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Loaded:
    """Return the configuration that results from all layers; later ones win.

    The layers: the kernel's defaults; the preset; the user's file and the project's `massgen.yaml`, both only where neither a preset nor a file was
    chosen; the chosen file; `agents`; `backend`; `strategy`; `sets`. Where none of them names agents, and no file was chosen, the preset named
    `default` lies below all files.

    Args:
        plugins: The installed plugins; those that the configuration names are checked, and their hook modules imported.
        file: The file to use; otherwise the environment variable MASSGEN_CONFIG may name it.
        preset: The name of a preset.
        backend: A backend for all agents, in place of their own.
        agents: `NAME=BACKEND` or `NAME=BACKEND:MODEL`, in place of the agents of all files.
        sets: `KEY.PATH=VALUE`; the value is read as YAML, items of lists are named by number.
        strategy: The name of a strategy.
        is_trusted: Take the project's file as if it were trusted: for those who only read, and where a person said so. A digest, as
            `ConfigUntrusted` has one: only as it was then.
        folder: Where a project's file is looked for; the working folder if None.
        environment: Environment variables; the process's own if None.

    Raises:
        ConfigProblems: Every mistake, in the order of their places; a missing or broken plugin counts as one.
        ConfigUntrusted: The project's file wants what only a trusted one may have, and nobody trusts it as it is now.
    """
    environment = os.environ if environment is None else environment
    layers = Layers(plugins, folder or Path(), environment)
    given = Given(file=file, preset=preset, backend=backend, agents=agents, strategy=strategy, sets=sets, is_trusted=is_trusted)
    root = layers.merged(given)
    if "agents" not in root.value:
        raise ConfigProblems([_nothing(plugins, root, file)])
    plugins = _narrowed(plugins, root)
    checks = _Check(plugins, root)
    config = checks.config(environment)
    document = checks.filled(RunConfig, root.plain())
    return Loaded(
        config=config,
        document=document,
        origins=origins(document, root),
        warnings=tuple(layers.warnings),
        notes=tuple(layers.notes),
        place=root,
        plugins=plugins,
    )


def _narrowed(plugins: Plugins, root: Node) -> Plugins:
    """Return the plugins that the configuration's own lists leave; a mistake in the lists is found with all others."""
    try:
        lists = structure(PluginsConfig, root.plain().get("plugins") or {})
    except ConfigProblems:
        return plugins
    return plugins.narrowed(lists.allow, lists.block)


def origins(document: Mapping[str, Any], root: Node) -> dict[str, str]:
    """Return, by key path, where each scalar, empty list and empty mapping of a document comes from."""
    return {show_path(path): str((root.find(path) or Node(None, DEFAULT)).place) for path, _ in leaves(document)}


class _Check:
    """Checks a merged tree, plugins' options included; mistakes are collected in `problems`."""

    def __init__(self, plugins: Plugins, root: Node) -> None:
        self.plugins, self.root = plugins, root
        self.problems: list[ConfigProblem] = []
        self.classes: dict[tuple[str, str], type | None] = {}

    def config(self, environment: Mapping[str, str]) -> RunConfig:
        data = self.expanded(environment)
        config = None
        try:
            config = structure(RunConfig, data, place=self.root)
        except ConfigProblems as error:
            self.problems += error.problems
        for path, _, kind, plugin in declared(self.root, RunConfig):
            if plugin and PluginConfig in members(kind):
                self.plugin(plugin, _at(data, path), path)
        self.names(data.get("agents"))
        if config is not None:
            check(config, environment, self.wrong)
        if self.problems or config is None:
            raise ConfigProblems(in_order(self.problems))
        return config

    def expanded(self, environment: Mapping[str, str]) -> dict[str, Any]:
        """Return the plain data with the environment's values in the options of plugins and providers."""
        data: dict[str, Any] = self.root.plain()
        for path, node, kind, _ in declared(self.root, RunConfig):
            is_plugin = PluginConfig in members(kind)
            is_open = is_plugin or any(get_origin(part) in MAPPINGS for part in members(kind))
            if is_open and isinstance(node.value, dict):
                target = _at(data, path)
                for key in target.keys() - ({"type"} if is_plugin else set()):
                    target[key] = expand(target[key], environment, self.problems, path=(*path, key), root=self.root, marked=is_plugin)
        return data

    def plugin(self, kind: str, data: Any, path: KeyPath) -> None:
        try:
            use = structure(PluginConfig, data, path=show_path(path))
        except ConfigProblems:
            return  # it is among the problems of the whole already
        try:
            plugin_options(self.plugins, kind, use, path=show_path(path), place=self.root)
            self.classes[kind, use.type] = options_class(self.plugins, kind, use.type)
        except ConfigProblems as error:
            self.problems += error.problems
        except PluginProblem as error:
            names = self.plugins.names(kind)
            self.wrong(
                str(error), (*path, "type"), allowed=names, near=nearest(use.type, names) if isinstance(error, PluginMissing) else "", cause=error
            )

    def names(self, agents: Any) -> None:
        """Check what no class can: that there are agents, and that their names tell them apart."""
        if not isinstance(agents, list):
            return
        if not agents:
            self.wrong("at least one agent is needed", ("agents",))
        first: dict[str, int] = {}
        for index, agent in enumerate(agents):
            name = agent.get("name") if isinstance(agent, dict) else None
            if not isinstance(name, str):
                continue
            path = ("agents", index, "name")
            if not _NAME.fullmatch(name):
                self.wrong(f"{name[:80]!r} cannot name an agent; use letters of a to z, digits, '-' and '_', at most 64", path)
            elif first.setdefault(name, index) != index:
                self.wrong(f"agents[{first[name]}] is named {name!r} too; names must differ", path)

    def wrong(self, message: str, path: KeyPath, *, allowed: Sequence[str] = (), near: str = "", cause: Exception | None = None) -> None:
        place = self.root.at(path)
        where = {"source": place.source, "line": place.line, "column": place.column}
        problem = ConfigProblem(message, path=show_path(path), allowed=allowed, nearest=near, **where)  # type: ignore[arg-type]
        problem.__cause__ = cause
        self.problems.append(problem)

    def filled(self, kind: Any, data: Any, plugin: str = "") -> Any:
        """Return plain data with the defaults of all classes, those of plugins' options included."""
        for part in members(kind):
            origin = get_origin(part) or part
            if part is PluginConfig and isinstance(data, dict):
                options = {key: data[key] for key in data if key != "type"}
                return {"type": data["type"], **self.section(self.classes.get((plugin, data["type"])), options)}
            if attrs.has(origin) and isinstance(data, dict):
                return self.section(origin, data)
            if origin in LISTS and isinstance(data, list):
                inner = get_args(part) or (Any,)
                return [self.filled(inner[0] if inner[-1] is Ellipsis else inner[index], item, plugin) for index, item in enumerate(data)]
        return data

    def section(self, cls: type | None, data: dict[str, Any]) -> dict[str, Any]:
        if cls is None:
            return data
        made = {}
        for key, (field, kind) in keys(cls).items():
            # A default that looks at other fields could hold a secret of theirs.
            value = data[key] if key in data else default_of(field)
            if value is not attrs.NOTHING:
                made[key] = self.filled(kind, value, field.metadata.get("kind", ""))
        return made


def _at(data: Any, path: KeyPath) -> Any:
    for step in path:
        data = data[step]
    return data


def _nothing(plugins: Plugins, root: Node, file: Path | None) -> ConfigProblem:
    installed = plugins.names("backend")
    if file is not None:
        place = root.place
        return ConfigProblem("`agents` is missing: who works on the question", source=place.source, line=place.line, column=place.column)
    if not installed:
        return ConfigProblem(f"nothing is configured, and no backend is installed; install the embedded model with: pip install {_FIRST}")
    return ConfigProblem(
        f"no agents are configured; name them: --agent NAME=BACKEND:MODEL (installed backends: {', '.join(installed)}), or install the embedded "
        f"model, which needs no configuration, with: pip install {_FIRST}"
    )
