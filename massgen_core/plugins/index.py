"""The names of all installed plugins, read from metadata: nothing of a plugin is imported, and neither are attrs nor pluggy."""

from __future__ import annotations

import functools
import re
from typing import NamedTuple

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

    A distribution that is on `sys.path` twice counts once, as the first one found, which is the one that would be imported.
    """
    from importlib_metadata import Distribution, entry_points  # noqa: PLC0415  costs half of a cheap command

    @functools.cache
    def describe(distribution: Distribution) -> tuple[str, str, str]:
        return _describe(distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or "")

    found: dict[tuple[str, str, str], Entry] = {}
    problems = []
    for point in entry_points():
        if not _FAMILY.fullmatch(point.group):
            continue
        name, version, summary = describe(point.dist)
        halves = parse(point.name)
        if halves is None:
            problems.append(f"{name} {version}: entry point {clean_line(point.name)!r} in group {point.group} is not of the form <kind>.<name>")
            continue
        entry = Entry(*halves, clean_line(point.value), name, version, summary, point.group)
        found.setdefault((entry.group, entry.title, normal(name)), entry)
    entries = sorted(found.values())
    return Index(
        tuple(entry for entry in entries if entry.group == GROUP),
        tuple(entry for entry in entries if entry.group != GROUP),
        tuple(problems),
    )


def _describe(metadata: str) -> tuple[str, str, str]:
    """Return name, version and summary from the head of a metadata file; parsing the whole of it, with its readme, would take ten times as long."""
    head = dict(row.split(": ", 1) for row in metadata.partition("\n\n")[0].splitlines() if re.match(r"(Name|Version|Summary): ", row))
    return (
        clean_line(head.get("Name", "")) or "a distribution without a name",
        clean_line(head.get("Version", "")) or "0",
        clean_line(head.get("Summary", "")),
    )
