"""`include`: other files that lie below a file, as if they were layers of their own. All of them are of today's format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import attrs

from massgen_core.config.document import contents, parse
from massgen_core.config.migrate import FORMAT
from massgen_core.config.tree import Node, Place, merge
from massgen_core.errors import ConfigProblem, ConfigProblems

__all__ = ["INCLUDE", "MAX_INCLUDES", "MAX_INCLUDE_DEPTH", "Sources", "read_whole"]

Prepare: TypeAlias = Callable[[Node, Path | None], None]

INCLUDE = "include"
MAX_INCLUDE_DEPTH = 8
MAX_INCLUDES = 64


@attrs.define
class Sources:
    """The files that were read for one file, itself first, with what was in them.

    Attributes:
        within: The folder that no included file may lie outside of; None: anywhere.
        files: Resolved paths and contents, in the order in which they were read.
    """

    within: Path | None = None
    files: list[tuple[Path, bytes]] = attrs.field(factory=list)

    def read(self, path: Path, source: str) -> bytes:
        content = contents(path, source)
        self.files.append((path.resolve(), content))
        return content


def read_whole(
    path: Path, *, name: str = "", comments: bool = False, sources: Sources | None = None, prepare: Prepare = lambda node, included: None
) -> Node:
    """Read a file and lay it over the files that it includes, the first of which is the lowest.

    Args:
        path: The file. One of another format is returned as it is.
        name: What problems call it; its path where empty.
        comments: JSON may hold comments and trailing commas.
        sources: Takes note of what was read.
        prepare: Is called with each file's tree before it is laid over others, and with the path of one that is included.

    Raises:
        ConfigProblems: A file cannot be read, is no document, or includes itself; every mistake of one file.
    """
    reader = _Reader(sources or Sources(), comments, prepare)
    return reader.file(path, name or str(path), ())


@attrs.frozen
class _Reader:
    sources: Sources
    comments: bool
    prepare: Prepare

    def file(self, path: Path, source: str, above: tuple[Path, ...]) -> Node:
        root = parse(self.sources.read(path, source), source, comments=self.comments)
        if not isinstance(root.value, dict) or not self.is_todays(root, included=bool(above)):
            return root
        included = root.value.pop(INCLUDE, None)
        self.prepare(root, path if above else None)
        if included is None:
            return root
        if not isinstance(included.value, list) or not all(isinstance(item.value, str) and item.value for item in included.value):
            raise _problem("expected a list of files, for instance [models.yaml]", included.place)
        chain = (*above, path.resolve())
        lower: Node | None = None
        for item in included.value:
            layer = self.inner(path.parent / item.value, str(Path(source).parent / item.value), item.place, chain)
            lower = layer if lower is None else merge(lower, layer)
        return root if lower is None else merge(lower, root)

    def is_todays(self, root: Node, *, included: bool) -> bool:
        version = root.value.get("version")
        if included and (version is not None and version.value != FORMAT):
            raise _problem(
                f"an included file has today's format: `version: {FORMAT}`, or none; massgen config migrate brings it up to date", version.place
            )
        return included or (version is not None and version.value == FORMAT)

    def inner(self, path: Path, source: str, place: Place, chain: tuple[Path, ...]) -> Node:
        resolved = path.resolve()
        if resolved in chain:
            names = [one.name for one in (*chain[chain.index(resolved) :], resolved)]
            raise _problem("this file includes itself" if len(names) == 2 else f"these files include each other: {' → '.join(names)}", place)
        if len(chain) > MAX_INCLUDE_DEPTH:
            raise _problem(f"included files are nested more than {MAX_INCLUDE_DEPTH} deep", place)
        if len(self.sources.files) > MAX_INCLUDES:
            raise _problem(f"more than {MAX_INCLUDES} included files, each counted as often as it is included", place)
        if self.sources.within is not None and not resolved.is_relative_to(self.sources.within.resolve()):
            raise _problem("a project's file includes files of its own folder only; name this file with --config to let it include others", place)
        if not path.is_file():
            raise _problem(f"there is no file {source}; it is looked for beside the file that includes it", place)
        layer = self.file(path, source, chain)
        if not isinstance(layer.value, dict):
            raise _problem(f"{source} is no mapping, as a part of a configuration is", place)
        return layer


def _problem(message: str, place: Place) -> ConfigProblems:
    return ConfigProblems([ConfigProblem(message, path=INCLUDE, source=place.source, line=place.line, column=place.column)])
