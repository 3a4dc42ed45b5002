"""Reading files and options as the kernel reads configurations: strictly, as data, and with the place of every mistake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from massgen_core.errors import ConfigProblem

if TYPE_CHECKING:
    from massgen_core.config.load import Loaded
    from massgen_core.config.schema import Row
    from massgen_core.config.tree import KeyPath, Node, Place
    from massgen_core.config.trust import TrustStore
    from massgen_core.plugins.manager import Plugins

__all__ = [
    "Document",
    "config_files",
    "config_rows",
    "config_schema",
    "is_trusted",
    "load_config",
    "may_start",
    "read_document",
    "render_config",
    "structure",
    "trust",
    "trust_store",
]

T = TypeVar("T")

# What reads is imported when something is read: most plugins never do.


@attrs.frozen
class Document:
    """A document that was read.

    Attributes:
        source: What problems call it.
        data: Plain data: scalars, lists and dicts.
    """

    source: str
    data: Any = attrs.field(repr=False)
    _root: Node = attrs.field(repr=False)
    _digest: str = attrs.field(default="", repr=False)

    @classmethod
    def of(cls, data: Any, source: str) -> Document:
        """Return plain data that has no lines as a document, so that its mistakes name their source."""
        from massgen_core.config.tree import Place, graft  # noqa: PLC0415

        root = graft(data, Place(source))
        return cls(source, root.plain(), root)

    def problem(self, message: str, path: str = "") -> ConfigProblem:
        """Return a mistake at a key path of the document, or at the nearest value above it."""
        where = self._root.at(_steps(path))
        return ConfigProblem(message, path=path, source=where.source, line=where.line, column=where.column)

    def expanded(self, data: Any, environment: Mapping[str, str], problems: list[ConfigProblem], path: str = "") -> Any:
        """Return data from the document with the references to variables in its texts replaced.

        Args:
            data: Plain data that stands at `path`.
            environment: Where variables are looked up.
            problems: Receives a problem for each variable that is not set and has no text instead.
            path: The key path of `data`, for messages.
        """
        from massgen_core.config.expand import expand  # noqa: PLC0415

        return expand(data, environment, problems, path=_steps(path), root=self._root)

    def places(self) -> Mapping[KeyPath, tuple[Place, Place | None]]:
        """Return, for each key path, where the value begins and where its key does; None for items of lists and for the whole."""
        return {path: (node.place, node.key) for path, node in self._root.walk()}

    def migrated(self, plugins: Plugins, notes: list[ConfigProblem] | None = None) -> tuple[Document, tuple[str, ...]]:
        """Return a configuration in today's format, each value with its place in this one, and the names of the migrations that were used.

        Args:
            plugins: The installed plugins.
            notes: Receives what migrations warn of, with places.

        Raises:
            ConfigProblems: The format is newer than this kernel, nothing reads it, or a migration refuses the document.
            PluginProblem: A migration is broken.
        """
        from massgen_core.config.migrate import migrate  # noqa: PLC0415

        root, used = migrate(plugins, self._root, notes)
        return Document(self.source, root.plain(), root), used


def config_files(environment: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the files that configure a run here, those that exist: the one that MASSGEN_CONFIG names, or else the user's and the project's."""
    from massgen_core.config.layers import PROJECT_FILE, VARIABLE, user_file  # noqa: PLC0415

    stated = environment.get(VARIABLE, "")
    wanted = (Path(stated),) if stated else (user_file(environment), Path(PROJECT_FILE))
    return tuple(path for path in wanted if path.is_file())


def load_config(
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
    """Return the configuration that a run with these options would have.

    Args:
        plugins: The installed plugins.
        file: The file to use; None: those that are used by themselves.
        preset: The name of a preset.
        backend: A backend for all agents.
        agents: `NAME=BACKEND` or `NAME=BACKEND:MODEL`.
        sets: `KEY.PATH=VALUE`.
        strategy: The name of a strategy.
        is_trusted: Take the project's file as if it were trusted: for commands that read it and start nothing.
        folder: Where a project's file is looked for; the working folder if None.
        environment: Environment variables; the process's own if None.

    Raises:
        ConfigProblems: Every mistake, in the order of their places.
        ConfigUntrusted: The project's file wants what only a trusted one may have, and nobody trusts it as it is now.
    """
    from massgen_core.config.load import load  # noqa: PLC0415

    return load(
        plugins,
        file=file,
        preset=preset,
        backend=backend,
        agents=agents,
        sets=sets,
        strategy=strategy,
        is_trusted=is_trusted,
        folder=folder,
        environment=environment,
    )


def trust_store(environment: Mapping[str, str]) -> TrustStore:
    """Return the list of projects' files that the user trusts."""
    from massgen_core.config.layers import trust_file  # noqa: PLC0415
    from massgen_core.config.trust import TrustStore  # noqa: PLC0415

    return TrustStore(trust_file(environment))


def may_start(file: Path, environment: Mapping[str, str], document: Document) -> bool:
    """Say whether what one of `config_files` names may be started: it is no project's file, or the user trusts what was read.

    Args:
        file: The file, as `config_files` names it.
        environment: Environment variables.
        document: What `read_document` read of it with `includes`: the file may be another one by now.
    """
    from massgen_core.config.layers import PROJECT_FILE, VARIABLE  # noqa: PLC0415

    is_persons = file != Path(PROJECT_FILE) or bool(environment.get(VARIABLE, ""))
    return is_persons or trust_store(environment).trusts(file, document._digest)


def is_trusted(file: Path, environment: Mapping[str, str]) -> bool:
    """Say whether the user trusts a project's file as it is now.

    Raises:
        ConfigProblems: It cannot be read.
    """
    return trust_store(environment).trusts(file, _digest(file))


def trust(file: Path, environment: Mapping[str, str]) -> None:
    """Trust a project's file as it is now, for a person who wrote it or said so.

    Args:
        file: The file.
        environment: Environment variables.

    Raises:
        ConfigProblems: It cannot be read.
        MassGenError: It cannot be written down.
    """
    trust_store(environment).add(file, _digest(file))


def _digest(file: Path) -> str:
    from massgen_core.config.include import Sources, read_whole  # noqa: PLC0415
    from massgen_core.config.trust import digest  # noqa: PLC0415

    sources = Sources(within=file.parent)
    read_whole(file, comments=True, sources=sources)
    return digest(sources.files)


def render_config(loaded: Loaded) -> str:
    """Return a loaded configuration as YAML that can be loaded again; every value's origin is a comment behind it."""
    from massgen_core.config.render import render  # noqa: PLC0415

    return render(loaded)


def config_schema(plugins: Plugins) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a configuration, with the options of all plugins; each is loaded."""
    from massgen_core.config.schema import schema  # noqa: PLC0415

    return schema(plugins)


def config_rows(plugins: Plugins, kind: str = "", name: str = "") -> tuple[Row, ...]:
    """Return what can be written in a configuration, or in the options of a plugin, a row for each key.

    Args:
        plugins: The installed plugins.
        kind: The kind of a plugin; empty: the whole configuration.
        name: Its name.

    Raises:
        PluginProblem: The plugin is missing or broken.
        TypeError: Its class cannot be read.
    """
    from massgen_core.config.schema import describe  # noqa: PLC0415
    from massgen_core.config.sections import RunConfig  # noqa: PLC0415
    from massgen_core.config.structure import options_class  # noqa: PLC0415

    cls = options_class(plugins, kind, name) if kind else RunConfig
    return () if cls is None else describe(cls)


def read_document(path: Path, *, name: str = "", comments: bool = False, includes: bool = False) -> Document:
    """Read a file: as JSON where its name ends in `.json` or `.jsonc`, as TOML where it ends in `.toml`, else as YAML; nothing in it is executed.

    Args:
        path: The file.
        name: What problems call it; its path where empty.
        comments: JSON may hold comments and trailing commas, as it may in `.jsonc`.
        includes: Lay it over the files that it includes, where it is a configuration that includes some.

    Raises:
        ConfigProblems: It cannot be read or is no document.
    """
    from massgen_core.config.document import read  # noqa: PLC0415
    from massgen_core.config.include import Sources, read_whole  # noqa: PLC0415
    from massgen_core.config.trust import digest  # noqa: PLC0415

    sources = Sources()
    root = read_whole(path, name=name, comments=comments, sources=sources) if includes else read(path, name=name, comments=comments)
    return Document(root.place.source, root.plain(), root, digest(sources.files))


def structure(cls: type[T], data: Any, *, path: str = "", document: Document | None = None) -> T:
    """Return an instance of an attrs class made from plain data, as the kernel makes the options of plugins.

    Args:
        cls: The class; its fields may be scalars, literals, enums, paths, tuples, mappings, other attrs classes, and unions of them.
        data: Plain data.
        path: The key path of `data` in its document, or another name for it, for messages.
        document: Where `data` stands, for the places in messages.

    Raises:
        ConfigProblems: Every mistake, in the order of their places. A class may find more than its fields can say by raising `ConfigProblem` or
            `ConfigProblems` with key paths of its own from `__attrs_post_init__`.
        TypeError: The class has a field that no configuration can hold.
    """
    from massgen_core.config.structure import structure as make  # noqa: PLC0415

    return make(cls, data, path=path, place=document._root if document else None)


def _steps(path: str) -> KeyPath:
    from massgen_core.config.tree import parse_path  # noqa: PLC0415

    try:
        return parse_path(path)
    except ValueError:
        return ()
