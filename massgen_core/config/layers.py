"""What a configuration is laid together from, the lowest first: defaults, a preset, files, the command line."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import attrs

from massgen_core.config.classes import keys, members, unstructure
from massgen_core.config.document import parse
from massgen_core.config.folders import locate
from massgen_core.config.include import INCLUDE, Sources, read_whole
from massgen_core.config.migrate import migrate
from massgen_core.config.sections import PluginConfig, RunConfig
from massgen_core.config.structure import in_order
from massgen_core.config.tree import DEFAULT, KeyPath, Node, Place, graft, merge, parse_path, put, show_path
from massgen_core.config.trust import TrustStore, digest
from massgen_core.config.wants import statement, wants
from massgen_core.errors import ConfigProblem, ConfigProblems, ConfigUntrusted, PluginProblem
from massgen_core.specs import BackendSpec, PresetSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from massgen_core.plugins.manager import Plugins

__all__ = ["PROJECT_FILE", "VARIABLE", "Given", "Layers", "declared", "named", "trust_file", "user_file"]

PROJECT_FILE = "massgen.yaml"
VARIABLE = "MASSGEN_CONFIG"

T = TypeVar("T")

_AGENT = re.compile(r"(?:(?P<name>[^=:]*)=)?(?P<backend>[^:=]+)(?::(?P<model>.*))?", re.DOTALL)


@attrs.frozen(kw_only=True)
class Given:
    """What a command line gives; see `massgen_core.config.load.load`."""

    file: Path | None = None
    preset: str | None = None
    backend: str | None = None
    agents: Sequence[str] = ()
    strategy: str | None = None
    sets: Sequence[str] = ()
    is_trusted: bool | str = False


def user_file(environment: Mapping[str, str]) -> Path:
    """Return the path of the user's own configuration, whether it exists or not."""
    home = environment.get("XDG_CONFIG_HOME", "")
    folder = Path(home) if home.startswith("/") else Path(environment.get("HOME") or Path.home()) / ".config"
    return folder / "massgen" / "config.yaml"


def trust_file(environment: Mapping[str, str]) -> Path:
    """Return the path of the list of projects' files that the user trusts."""
    return user_file(environment).with_name("trust.json")


def declared(node: Node, kind: Any, path: KeyPath = (), plugin: str = "") -> Iterator[tuple[KeyPath, Node, Any, str]]:
    """Yield path, node, declared type and kind of plugin of every value down to plugins and open mappings, this one first."""
    yield path, node, kind, plugin
    for part in members(kind):
        if attrs.has(part) and part is not PluginConfig and isinstance(node.value, dict):
            for key, (field, inner) in keys(part).items():
                if key in node.value:
                    yield from declared(node.value[key], inner, (*path, key), field.metadata.get("kind", ""))
        elif getattr(part, "__origin__", None) is tuple and isinstance(node.value, list):
            for index, item in enumerate(node.value):
                yield from declared(item, part.__args__[0], (*path, index), plugin)


def named(root: Node) -> None:
    """Write every plugin that is given by its name alone as a mapping with `type`, and name the agents that have no name; in place."""
    for _, node, kind, _ in declared(root, RunConfig):
        if PluginConfig in members(kind) and isinstance(node.value, str):
            node.value = {"type": Node(node.value, node.place, node.place)}
    agents = root.value.get("agents")
    for number, agent in enumerate(agents.value if agents and isinstance(agents.value, list) else (), start=1):
        if isinstance(agent.value, dict):
            agent.value.setdefault("name", Node(f"agent{number}", DEFAULT, DEFAULT))


class Layers:
    """Reads the layers and lays them over each other; mistakes are collected in `problems`."""

    def __init__(self, plugins: Plugins, folder: Path, environment: Mapping[str, str]) -> None:
        self.plugins, self.folder, self.environment = plugins, folder, environment
        self.problems: list[ConfigProblem] = []
        self.warnings: list[str] = []
        self.notes: list[ConfigProblem] = []
        self.project: tuple[Node, Sources] | None = None

    def merged(self, given: Given) -> Node:
        """Return all layers as one tree.

        Raises:
            ConfigProblems: Something could not be read; what can be read is still looked at first.
            ConfigUntrusted: The project's file wants what only a trusted one may have.
        """
        layers, is_whole = self.begin(given)
        has_agents = bool(given.agents) or any("agents" in layer.value for layer in layers)
        if not has_agents and not is_whole and "default" in self.plugins.names("preset"):
            layers = [layer for layer in [self.attempt(lambda: self.preset("default"))] if layer] + layers
        root = defaults()
        for layer in layers:
            if self.project and layer is self.project[0] and given.is_trusted is not True:
                self.judge(layer, root, self.project[1], given.is_trusted)
            root = merge(root, layer)
        self.options(root, given)
        for text in given.sets:
            self.set(root, text)
        self.locate(root, self.folder)
        if self.problems:
            raise ConfigProblems(in_order(self.problems))
        named(root)
        return root

    def begin(self, given: Given) -> tuple[list[Node], bool]:
        """Return the preset's and the files' layers, and whether a file was named that stands alone."""
        layers = [self.attempt(lambda: self.preset(given.preset or ""))] if given.preset else []
        by_variable = "" if given.file or given.preset else self.environment.get(VARIABLE, "")
        named_file = str(given.file) if given.file else by_variable
        if by_variable and not os.path.isfile(by_variable):
            self.wrong(f"the file {by_variable} does not exist", VARIABLE, "")
        elif named_file:
            layers.append(self.attempt(lambda: self.file(Path(named_file), named_file)))
        elif not given.preset:
            user, project = user_file(self.environment), self.folder / PROJECT_FILE
            layers += [self.attempt(lambda: self.file(user, str(user)))] if os.path.isfile(user) else []
            layers += [self.attempt(lambda: self.read_project(project))] if os.path.isfile(project) else []
        return [layer for layer in layers if layer is not None], bool(named_file)

    def attempt(self, read_layer: Callable[[], T]) -> T | None:
        try:
            return read_layer()
        except ConfigProblems as error:
            self.problems += error.problems
            return None

    def preset(self, name: str) -> Node:
        place = Place(f"preset {name}")
        try:
            spec = cast(PresetSpec, self.plugins.get("preset", name))
        except PluginProblem as error:
            raise ConfigProblems([ConfigProblem(str(error), source=str(place))]) from error
        return self.current(graft(spec.document, place))

    def file(self, path: Path, name: str, sources: Sources | None = None) -> Node:
        def prepare(root: Node, included: Path | None) -> None:
            named(root)
            if included is not None:  # what it names is relative to itself
                self.locate(root, included.parent)

        was = len(self.warnings)
        root = self.current(read_whole(path, name=name, sources=sources, prepare=prepare))
        # In older formats folders are relative to where the program is started.
        self.locate(root, self.folder if len(self.warnings) > was else path.parent, is_confined=sources is not None)
        return root

    def locate(self, root: Node, base: Path, *, is_confined: bool = False) -> None:
        """Make the folders that a layer names absolute."""

        def wrong(message: str, path: KeyPath) -> None:
            place = root.at(path)
            where = {"source": place.source, "line": place.line, "column": place.column}
            self.problems.append(ConfigProblem(message, path=show_path(path), **where))  # type: ignore[arg-type]

        locate(root, base, wrong, is_confined=is_confined)

    def read_project(self, path: Path) -> Node:
        """Read the file of a project, which may be a stranger's."""
        sources = Sources(within=path.parent)
        root = self.file(path, PROJECT_FILE, sources)
        self.project = root, sources
        return root

    def judge(self, root: Node, below: Node, sources: Sources, trusted: str | bool) -> None:
        """Refuse a project's file that wants more than a stranger's may have, and that nobody trusts as it is now."""
        found = wants(root, below, acts=self.acts)
        path, content = self.folder.resolve() / PROJECT_FILE, digest(sources.files)
        if not found or content == trusted or TrustStore(trust_file(self.environment)).trusts(path, content):
            return
        message = (
            f"this project's file is not trusted, or has changed since; a file that came with the folder may be a stranger's, and it\n"
            f"{statement(found)}\nRead it; if you trust it, say so once: massgen config trust {PROJECT_FILE}\n(for one run: massgen run --trust)"
        )
        raise ConfigUntrusted(message, source=PROJECT_FILE, file=path, digest=content)

    def acts(self, backend: str) -> bool:
        """Say whether a backend starts programs or changes files by itself; of one that cannot be loaded the check says more."""
        try:
            spec = self.plugins.get("backend", backend)
        except PluginProblem:
            return False
        return isinstance(spec, BackendSpec) and spec.acts

    def current(self, root: Node) -> Node:
        source, notes = root.place.source, len(self.notes)
        try:
            root, used = migrate(self.plugins, root, self.notes)
        except PluginProblem as error:
            raise ConfigProblems([ConfigProblem(str(error), source=source)]) from error
        if used:
            self.warnings.append(f"{source} has an older format; it was read through: {', '.join(used)}")
            self.warnings += [str(note) for note in self.notes[notes:]]
        named(root)
        return root

    def options(self, root: Node, given: Given) -> None:
        """Lay the command line's own options over the files."""
        if given.agents:
            root.value["agents"] = Node([self.agent(text) for text in given.agents], Place("--agent"), Place("--agent"))
        named(root)
        if given.backend:
            agents = root.value.get("agents")
            for agent in agents.value if agents and isinstance(agents.value, list) else ():
                if isinstance(agent.value, dict):
                    _override(agent, "backend", given.backend, Place("--backend"))
        if given.strategy:
            _override(root, "strategy", given.strategy, Place("--strategy"))

    def agent(self, text: str) -> Node:
        place = Place("--agent")
        match = _AGENT.fullmatch(text)
        if match is None or match["name"] == "":
            self.wrong(f"{text!r} is no agent; write NAME=BACKEND or NAME=BACKEND:MODEL", "--agent", "agents")
            return graft({}, place)
        parts = {"name": match["name"], "backend": {"type": match["backend"]}, "model": match["model"]}
        return graft({key: value for key, value in parts.items() if value}, place)

    def set(self, root: Node, text: str) -> None:
        key, separator, value = text.partition("=")
        try:
            path = parse_path(key.strip())
        except ValueError as error:
            return self.wrong(str(error), "--set", "")
        if not separator or not path:
            return self.wrong(f"{text!r} is no setting; write KEY.PATH=VALUE", "--set", "")
        if path[0] == INCLUDE:
            return self.wrong("only files include files; choose one with --config", "--set", INCLUDE)
        place = Place("--set")
        try:
            node = graft(parse(value, f"--set {key}").plain() if value.strip() else "", place)
        except ConfigProblems as error:
            return self.wrong(error.problems[0].message, "--set", key)
        node.key = place
        try:
            put(root, path, node)
        except ValueError as error:
            return self.wrong(str(error), "--set", key)
        return named(root)

    def wrong(self, message: str, source: str, path: str) -> None:
        self.problems.append(ConfigProblem(message, source=source, path=path))


def defaults() -> Node:
    """Return the lowest layer: the plugins that the kernel names by itself, so that their options can be set without naming them."""
    fields = keys(RunConfig).items()
    return graft({key: unstructure(field.default) for key, (field, _) in fields if isinstance(field.default, PluginConfig)}, DEFAULT)


def _override(parent: Node, key: str, plugin: str, place: Place) -> None:
    upper = graft({"type": plugin}, place)
    upper.key = place
    parent.value[key] = merge(parent.value[key], upper) if key in parent.value else upper
