"""The names of all installed plugins, read from metadata: nothing of a plugin is imported, and neither are attrs nor pluggy."""

from __future__ import annotations

import functools
import re
from typing import Any, NamedTuple

from massgen_core.terminal import clean_line

__all__ = ["GROUP", "RESERVED", "Entry", "Index", "normal", "parse", "read"]

GROUP = "massgen.v1"
RESERVED = ("events", "kind")  # first halves of entry points that lead to events and kinds, not to specs
_FAMILY = re.compile(r"massgen\.v\d+")
_NAME = re.compile(r"([a-z][a-z0-9_-]*)\.([A-Za-z0-9][A-Za-z0-9._-]*)")


class Entry(NamedTuple):
    """One name that one distribution claims; all of it is plain, cleaned text.

    Attributes:
        kind: The first half of the entry point's name.
        name: The second half.
        value: The hook module.
        distribution: Who claims it.
        version: The distribution's version.
        summary: The distribution's one-line description.
        group: The entry-point group; its end is the plugin API's major version.
    """

    kind: str
    name: str
    value: str
    distribution: str
    version: str
    summary: str = ""
    group: str = GROUP

    @property
    def title(self) -> str:
        """`kind.name`, as configurations and people write it."""
        return f"{self.kind}.{self.name}"

    @property
    def label(self) -> str:
        """The distribution and its version."""
        return f"{self.distribution} {self.version}"


class Index(NamedTuple):
    """What metadata says.

    Attributes:
        entries: The plugins of this plugin API, sorted.
        foreign: The plugins of other majors of the plugin API.
        problems: What is wrong in metadata, as sentences.
    """

    entries: tuple[Entry, ...] = ()
    foreign: tuple[Entry, ...] = ()
    problems: tuple[str, ...] = ()


def normal(distribution: str) -> str:
    """Return a distribution's name in the form in which names are compared: lower case, each run of `-`, `_` and `.` as one `-`."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def parse(title: str) -> tuple[str, str] | None:
    """Split `kind.name`; None where it is not of that form."""
    found = _NAME.fullmatch(title)
    return (found[1], found[2]) if found else None


@functools.cache
def read() -> Index:
    """Scan the installed distributions; once a process, since the scan costs more the more is installed.

    A distribution that is on `sys.path` twice counts once, as the first one found, which is the one that would be imported. One whose metadata
    cannot be read is a problem of its own and hides no other.
    """
    from importlib_metadata import distributions  # noqa: PLC0415  costs half of a cheap command

    entries: list[Entry] = []
    problems: list[str] = []
    seen: set[str] = set()
    for distribution in distributions():
        try:
            if "massgen.v" not in (distribution.read_text("entry_points.txt") or ""):
                continue
            name, version, summary = _describe(distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or "")
            points = {(point.group, point.name): point.value for point in distribution.entry_points}
        except Exception as problem:  # somebody else's broken file must not end the program
            fault = f"{type(problem).__name__}: {problem}"
            problems.append(clean_line(f"{_whereabouts(distribution)} has metadata that cannot be read ({fault}); install it again", 1000))
            continue
        if normal(name) in seen:
            continue
        seen.add(normal(name))
        for (group, title), value in points.items():
            if _FAMILY.fullmatch(group) is None:
                continue
            if halves := parse(title):
                entries.append(Entry(*halves, clean_line(value), name, version, summary, group))
            else:
                problems.append(f"{name} {version} has the entry point {clean_line(title)!r} in {group}; it must be of the form <kind>.<name>")
    entries.sort()
    return Index(
        tuple(entry for entry in entries if entry.group == GROUP),
        tuple(entry for entry in entries if entry.group != GROUP),
        tuple(sorted(problems)),
    )


def _whereabouts(distribution: Any) -> str:
    """Say which distribution has broken metadata, as far as it tells. Its class has had several names in importlib_metadata."""
    try:
        name = _describe(distribution.read_text("METADATA") or "")[0]
    except Exception:
        name = "a distribution"
    return f"{name} in {distribution.locate_file('')}"


def _describe(metadata: str) -> tuple[str, str, str]:
    """Return name, version and summary from the head of a metadata file; the whole of it, with its readme, costs ten times as much to parse.

    Raises:
        ValueError: There is no name.
    """
    head: dict[str, str] = {}
    for row in metadata.partition("\n\n")[0].splitlines():
        label, _, value = row.partition(": ")
        head.setdefault(label, clean_line(value))
    if not head.get("Name"):
        raise ValueError("it names no distribution")
    return head["Name"], head.get("Version") or "0", head.get("Summary", "")
