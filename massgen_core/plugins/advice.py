"""The errors of a name that cannot be used: who, what, and the command that mends it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from massgen_core import __version__
from massgen_core.errors import PluginBlocked, PluginConflict, PluginMissing, PluginRefused
from massgen_core.nearest import nearest
from massgen_core.plugins.index import GROUP, Entry
from massgen_core.plugins.known import DISTRIBUTIONS
from massgen_core.plugins.selection import VARIABLE
from massgen_core.terminal import clean_line

__all__ = ["blocked", "claimed", "foreign", "missing", "undefined", "unknown"]


def missing(kind: str, name: str, installed: Sequence[str]) -> PluginMissing:
    """Return the error of a name that nobody provides, with the nearest name and what to install."""
    name = clean_line(name)
    have = ", ".join(installed) or "none"
    message = f"no installed plugin provides {kind} {name!r} (installed: {have}); {_remedy(kind, name, installed)}"
    return PluginMissing(message, kind=kind, name=name)


def unknown(kind: str, name: str, kinds: Collection[str]) -> PluginMissing:
    """Return the error of a kind that neither the kernel nor an installed plugin has."""
    kind = clean_line(kind)
    near = nearest(kind, kinds)
    question = f"; did you mean {near!r}?" if near else ""
    return PluginMissing(f"there is no kind of plugin {kind!r} (kinds: {', '.join(sorted(kinds))}){question}", kind=kind, name=name)


def undefined(entry: Entry) -> PluginMissing:
    """Return the error of an installed plugin whose kind nobody defines."""
    message = (
        f"{entry.title} of {entry.label} is of the kind {entry.kind!r}, which no installed plugin defines; "
        f"install the distribution that declares 'kind.{entry.kind}', which the readme of {entry.distribution} should name"
    )
    return PluginMissing(message, kind=entry.kind, name=entry.name, distributions=(entry.label,))


def blocked(entry: Entry, reason: str) -> PluginBlocked:
    """Return the error of a plugin that a list forbids."""
    message = f"{entry.kind} {entry.name!r} is provided by {entry.label}, which {reason}"
    return PluginBlocked(message, kind=entry.kind, name=entry.name, distributions=(entry.label,))


def claimed(entries: Sequence[Entry]) -> PluginConflict:
    """Return the error of a name that several distributions claim."""
    labels = tuple(entry.label for entry in entries)
    first, last = entries[0], entries[-1].distribution
    message = f"{first.kind} {first.name!r} is claimed by {' and by '.join(labels)}; keep one: pip uninstall {last}, or block one: {VARIABLE}=-{last}"
    return PluginConflict(message, kind=first.kind, name=first.name, distributions=labels)


def foreign(entries: Iterable[Entry]) -> PluginRefused:
    """Return the error of a name that is provided for other plugin APIs only."""
    entry = max(entries, key=_major)
    ours = GROUP.rpartition(".")[2]
    advice = "massgen-core" if _major(entry) > int(ours[1:]) else entry.distribution
    message = (
        f"{entry.label} is made for plugin API v{_major(entry)}, this kernel (massgen-core {__version__}) speaks {ours}; "
        f"upgrade: pip install --upgrade {advice}"
    )
    return PluginRefused(message, kind=entry.kind, name=entry.name, distributions=(entry.label,))


def _major(entry: Entry) -> int:
    return int(entry.group.rpartition(".v")[2])


def _remedy(kind: str, name: str, installed: Sequence[str]) -> str:
    if distribution := DISTRIBUTIONS.get(f"{kind}.{name}"):
        return f"install it with: pip install {distribution}"
    known = [title.partition(".")[2] for title in DISTRIBUTIONS if title.startswith(f"{kind}.")]
    near = nearest(name, [*installed, *known])
    if near in installed:
        return f"did you mean {near!r}?"
    if near:
        return f"did you mean {near!r}? install it with: pip install {DISTRIBUTIONS[f'{kind}.{near}']}"
    return f"choose another, or install a distribution that declares '{kind}.{name}' in the entry-point group {GROUP}"
