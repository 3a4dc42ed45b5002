"""Reading files and options as the kernel reads configurations: strictly, as data, and with the place of every mistake."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from massgen_core.errors import ConfigProblem

if TYPE_CHECKING:
    from massgen_core.config.tree import KeyPath, Node

__all__ = ["Document", "config_files", "read_document", "structure"]

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


def config_files(environment: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the files that configure a run here, those that exist: the one that MASSGEN_CONFIG names, or else the user's and the project's."""
    from massgen_core.config.layers import PROJECT_FILE, VARIABLE, user_file  # noqa: PLC0415

    stated = environment.get(VARIABLE, "")
    wanted = (Path(stated),) if stated else (user_file(environment), Path(PROJECT_FILE))
    return tuple(path for path in wanted if path.is_file())


def read_document(path: Path, *, name: str = "", comments: bool = False) -> Document:
    """Read a file: as JSON where its name ends in `.json` or `.jsonc`, as YAML otherwise; nothing in it is executed.

    Args:
        path: The file.
        name: What problems call it; its path where empty.
        comments: JSON may hold comments and trailing commas, as it may in `.jsonc`.

    Raises:
        ConfigProblems: It cannot be read or is no document.
    """
    from massgen_core.config.document import read  # noqa: PLC0415

    root = read(path, name=name, comments=comments)
    return Document(root.place.source, root.plain(), root)


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
