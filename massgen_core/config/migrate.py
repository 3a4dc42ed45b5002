"""Documents of other formats: the way of migration steps from a document's `version` to today's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from massgen_core.config.tree import Node, Place, graft, parse_path
from massgen_core.errors import ConfigProblem, ConfigProblems
from massgen_core.specs import MigrationSpec

if TYPE_CHECKING:
    from massgen_core.plugins.manager import Plugins

__all__ = ["FORMAT", "migrate"]

FORMAT = 1


def migrate(plugins: Plugins, root: Node, notes: list[ConfigProblem] | None = None) -> tuple[Node, tuple[str, ...]]:
    """Return a document in today's format, and the names of the migrations that were used.

    A value that a migration moves keeps its place in the file; one that it makes has the place of the nearest value that it moved.

    Args:
        plugins: Where migrations are found.
        root: The document.
        notes: Receives what migrations warn of, with places.

    Raises:
        ConfigProblems: The format is newer than this kernel, nothing reads it, or a migration refuses the document.
        PluginProblem: A migration is broken.
    """
    if not isinstance(root.value, dict):
        text = root.value if isinstance(root.value, str) else ""
        hint = "; a space belongs after the `:`" if ":" in text else ""
        raise _problem(f"a configuration is a mapping that begins with `version: {FORMAT}`{hint}", root.place)
    stated = root.value.get("version")
    version = 0 if stated is None else stated.value
    place = root.place if stated is None else stated.place
    if type(version) is not int or version < 0 or (version == 0 and stated is not None):
        raise _problem(f"`version` must be a whole number from 1 to {FORMAT}", place, "version")
    if version > FORMAT:
        message = f"format {version} is newer than this massgen-core reads ({FORMAT}); upgrade it with: pip install --upgrade massgen-core"
        raise _problem(message, place, "version")
    if version == FORMAT:
        return root, ()
    specs = [cast(MigrationSpec, plugins.get("migration", name)) for name in plugins.names("migration")]
    used = []
    while version < FORMAT:
        steps = sorted((spec for spec in specs if spec.source == version < spec.target <= FORMAT), key=lambda spec: (-spec.target, spec.name))
        if not steps:
            raise _problem(_unread(version), place, "version" if stated else "")
        root, version = _step(plugins, steps[0], root, notes if notes is not None else []), steps[0].target
        used.append(steps[0].name)
    return root, tuple(used)


def _unread(version: int) -> str:
    if version:
        return f"no installed plugin migrates format {version} to {FORMAT}; write it anew, with `version: {FORMAT}`"
    return (
        f"there is no `version`; begin a configuration of today's format with `version: {FORMAT}`. A file of MassGen 0.0 or 0.1 is read "
        "as it is with: pip install massgen-migrate-massgen"
    )


def _step(plugins: Plugins, spec: MigrationSpec, root: Node, notes: list[ConfigProblem]) -> Node:
    data = _Kept(root)
    further = (lambda problem: notes.append(_placed(problem, root)),) if spec.warns else ()
    try:
        made = plugins.factory("migration", spec.name)(data.plain, *further)
    except (ConfigProblem, ConfigProblems) as error:
        problems = error.problems if isinstance(error, ConfigProblems) else (error,)
        raise ConfigProblems([_placed(problem, root) for problem in problems]) from error
    except Exception as error:  # whatever a plugin does
        raise _problem(f"migration {spec.name!r} failed: {type(error).__name__}: {error}; report it to its authors", root.place) from error
    if not isinstance(made, Mapping):
        raise _problem(f"migration {spec.name!r} made no mapping; report it to its authors", root.place)
    node = data.tree({**made, "version": spec.target}, root.place)
    node.place = root.place
    return node


def _placed(problem: ConfigProblem, root: Node) -> ConfigProblem:
    """Return a migration's problem with the place of its path in the document that it read."""
    if problem.line:
        return problem
    try:
        place = root.at(parse_path(problem.path))
    except ValueError:
        place = root.place
    return ConfigProblem(
        problem.message,
        path=problem.path,
        source=place.source,
        line=place.line,
        column=place.column,
        allowed=problem.allowed,
        nearest=problem.nearest,
        fix=problem.fix,
    )


def _problem(message: str, place: Place, path: str = "") -> ConfigProblems:
    return ConfigProblems([ConfigProblem(message, path=path, source=place.source, line=place.line, column=place.column)])


class _Kept:
    """Plain data that remembers where its objects stand: what a migration moves is the same object afterwards."""

    def __init__(self, root: Node) -> None:
        # The objects are held, so that no other object can get the id of one that the migration dropped.
        self.nodes: dict[int, tuple[Node, Any]] = {}
        self.plain = self.note(root)

    def note(self, node: Node) -> Any:
        value = node.value
        if isinstance(value, dict):
            value = {key: self.note(item) for key, item in value.items()}
        elif isinstance(value, list):
            value = [self.note(item) for item in value]
        # Short texts, small numbers, booleans and null are shared objects.
        is_long = isinstance(value, str) and len(value) > 1
        if is_long or isinstance(value, (dict, list, float)) or (type(value) is int and abs(value) > 256):
            self.nodes.setdefault(id(value), (node, value))
        return value

    def tree(self, data: Any, outside: Place) -> Node:
        known = self.nodes.get(id(data))
        if known and known[0].plain() == data:  # a migration may have changed it in place
            return _copy(known[0])
        place = next(self.inside(data), outside)
        if isinstance(data, Mapping):
            made: dict[str, Node] = {}
            for key, value in data.items():
                made[str(key)] = node = self.tree(value, place)
                node.key = node.key or node.place
            return Node(made, place)
        if isinstance(data, (list, tuple)):
            return Node([self.tree(value, place) for value in data], place)
        return graft(data, place)

    def inside(self, data: Any) -> Iterator[Place]:
        """Yield the known places of a value and of what is in it."""
        if known := self.nodes.get(id(data)):
            yield known[0].place
        for value in data.values() if isinstance(data, Mapping) else data if isinstance(data, (list, tuple)) else ():
            yield from self.inside(value)


def _copy(node: Node) -> Node:
    # A value may be moved to two places, and later changes of one must leave the other alone.
    if isinstance(node.value, dict):
        return Node({key: _copy(value) for key, value in node.value.items()}, node.place, node.key)
    if isinstance(node.value, list):
        return Node([_copy(value) for value in node.value], node.place, node.key)
    return Node(node.value, node.place, node.key)
