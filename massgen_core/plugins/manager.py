"""The installed plugins: who provides what, what may be used, and everything by kind and name. Importing this module imports no plugin."""

from __future__ import annotations

import difflib
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from massgen_core import __version__
from massgen_core.errors import PluginBlocked, PluginBroken, PluginConflict, PluginMissing, PluginProblem, PluginRefused
from massgen_core.plugins.index import GROUP, Entry, Index, normal, read
from massgen_core.plugins.known import DISTRIBUTIONS
from massgen_core.terminal import clean_line

if TYPE_CHECKING:
    from massgen_core.events import Event
    from massgen_core.plugins.loader import Loader, Provided
    from massgen_core.specs import Kind, Spec

__all__ = ["VARIABLE", "Plugins"]

VARIABLE = "MASSGEN_PLUGINS"


class Plugins:
    """The plugins of an index, less those that are forbidden.

    Args:
        index: What is installed.
        forbidden: What must not be imported, with the reason for a person.
    """

    def __init__(self, index: Index, forbidden: Mapping[Entry, str] | None = None) -> None:
        self.index = index
        self.forbidden = dict(forbidden or {})
        self._entries = tuple(entry for entry in index.entries if entry not in self.forbidden)
        self._providers: defaultdict[str, list[Entry]] = defaultdict(list)
        self._neighbours: defaultdict[str, list[Entry]] = defaultdict(list)
        for entry in self._entries:
            self._providers[entry.title].append(entry)
            self._neighbours[entry.value].append(entry)
        self._opening: set[str] = set()
        self._made: Loader | None = None

    @classmethod
    def discover(cls, *, allow: Sequence[str] | None = None, block: Sequence[str] = ()) -> Plugins:
        """Find the installed plugins; nothing of them is imported.

        Args:
            allow: Distributions, or `kind.name`, that alone may be used; None: all; empty: none (`--no-plugins`).
            block: Distributions, or `kind.name`, that must not be used. Blocking is stronger than allowing.

        The environment variable MASSGEN_PLUGINS narrows this further: `none`, or a comma-separated list of what to allow; an item that begins
        with `-` is blocked instead.
        """
        index = read()
        return cls(index, _forbid(index.entries, allow, block, os.environ.get(VARIABLE, "")))

    def entries(self, kind: str | None = None) -> tuple[Entry, ...]:
        """Return what may be used, sorted by kind and name; names that several distributions claim occur once for each."""
        return self._entries if kind is None else tuple(entry for entry in self._entries if entry.kind == kind)

    def names(self, kind: str) -> tuple[str, ...]:
        """Return the names of a kind that may be used, sorted."""
        return tuple(dict.fromkeys(entry.name for entry in self.entries(kind)))

    def providers(self, kind: str, name: str) -> tuple[Entry, ...]:
        """Return who claims a name; more than one is a conflict, which is an error on use."""
        return tuple(self._providers.get(f"{kind}.{name}", ()))

    def get(self, kind: str, name: str) -> Spec:
        """Import one hook module and return the spec.

        Raises:
            PluginMissing: Nobody provides it; the message says what to install.
            PluginConflict: Several distributions claim it.
            PluginBlocked: An allow or block list forbids it.
            PluginRefused: It is made for another plugin API.
            PluginBroken: It failed; the cause is chained.
        """
        entry = self.entry(kind, name)
        provided = self._load(entry)
        if kind not in self._loader.kinds:
            raise self._missing(kind, name)
        spec = provided.specs.get((kind, name))
        if spec is None:
            raise _unkept(entry, self._loader.kinds[kind].hook, sorted(key[1] for key in provided.specs if key[0] == kind))
        return spec

    def factory(self, kind: str, name: str) -> Callable[..., Any]:
        """Import the implementation and return its factory. Raises as `get` does."""
        spec = self.get(kind, name)
        entry = self.entry(kind, name)
        factory = self._loader.resolve(entry, spec.factory, "factory")
        if not callable(factory):
            from massgen_core.plugins.loader import broken  # noqa: PLC0415  brings attrs and pluggy

            raise broken(entry, f"its factory {spec.factory!r} is {clean_line(repr(factory))}, which cannot be called")
        return factory  # type: ignore[no-any-return]

    def resolve(self, reference: str, *, kind: str, name: str) -> Any:
        """Return what another `"module:attribute"` of a spec names, for instance its catalogue. Raises as `get` does."""
        return self._loader.resolve(self.entry(kind, name), reference, "reference")

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """The kernel's kinds, and those of plugins that are loaded; `get` loads the plugin that defines a kind by itself."""
        return dict(self._loader.kinds)

    def event_types(self) -> Mapping[str, type[Event]]:
        """Load the plugins that define events, and return these events by type.

        A plugin that fails is passed over, so that a journal stays readable: its events are read as `UnknownEvent`.
        """
        for entry in self.entries("events"):
            try:
                self.check(entry)
            except PluginProblem:
                continue
        return dict(self._loader.events)

    def check(self, entry: Entry) -> None:
        """Import all of one entry, its implementation included. Raises as `get` does."""
        self.entry(entry.kind, entry.name)
        if entry.kind in ("events", "kind"):
            provided = self._load(entry)
            hook = "massgen_event_types" if entry.kind == "events" else "massgen_kinds"
            if hook not in provided.hooks or (entry.kind == "kind" and entry.name not in provided.kinds):
                raise _unkept(entry, hook, sorted(provided.kinds) if entry.kind == "kind" else [])
            return
        spec = self.get(entry.kind, entry.name)
        if spec.factory:
            self.factory(entry.kind, entry.name)
        catalogue = getattr(spec, "catalogue", "")
        if catalogue:
            self._loader.resolve(entry, catalogue, "catalogue")

    def entry(self, kind: str, name: str) -> Entry:
        """Return who provides a name, importing nothing. Raises as `get` does."""
        found = self._providers.get(f"{kind}.{name}", ())
        if not found:
            raise self._missing(kind, name)
        if len(found) > 1:
            labels = tuple(entry.label for entry in found)
            raise PluginConflict(
                f"{kind} {name!r} is claimed by {' and by '.join(labels)}; keep one: pip uninstall {found[-1].distribution}, "
                f"or block one: {VARIABLE}=-{found[-1].distribution}",
                kind=kind,
                name=name,
                distributions=labels,
            )
        return found[0]

    @property
    def _loader(self) -> Loader:
        if self._made is None:
            from massgen_core.plugins.loader import Loader  # noqa: PLC0415  brings attrs and pluggy, which listing does without

            self._made = Loader()
        return self._made

    def _load(self, entry: Entry) -> Provided:
        """Load a hook module, after those that define the kinds which it provides."""
        if entry.value not in self._opening:
            self._opening.add(entry.value)
            try:
                for neighbour in self._neighbours[entry.value]:
                    self._open_kind(neighbour, needed=neighbour is entry)
            finally:
                self._opening.discard(entry.value)
        return self._loader.load(entry)

    def _open_kind(self, entry: Entry, *, needed: bool) -> None:
        if entry.kind in self._loader.kinds or entry.kind in ("events", "kind"):
            return
        try:
            provider = self.entry("kind", entry.kind)
            if provider.value not in self._opening:
                self._load(provider)
        except PluginProblem:
            if needed:
                raise

    def _missing(self, kind: str, name: str) -> PluginProblem:
        title = f"{kind}.{name}"
        for entry, reason in self.forbidden.items():
            if entry.title == title:
                return PluginBlocked(
                    f"{kind} {name!r} is provided by {entry.label}, which {reason}", kind=kind, name=name, distributions=(entry.label,)
                )
        for entry in self.index.foreign:
            if entry.title == title:
                return _foreign(entry)
        names = self.names(kind)
        return PluginMissing(
            f"no installed plugin provides {kind} {clean_line(name)!r} (installed: {', '.join(names) or 'none'}); {_remedy(kind, name, names)}",
            kind=kind,
            name=name,
        )


def _forbid(entries: Iterable[Entry], allow: Sequence[str] | None, block: Sequence[str], variable: str) -> dict[Entry, str]:
    """Return what must not be imported, and why."""
    items = [item.strip() for item in variable.split(",") if item.strip()]
    blocked = [item[1:] for item in items if item.startswith("-")]
    allowed = [item for item in items if not item.startswith("-")]
    forbidden = {}
    for entry in entries:
        if blocked and _matches(entry, blocked):
            forbidden[entry] = f"{VARIABLE}={clean_line(variable)} blocks"
        elif allowed and (allowed == ["none"] or not _matches(entry, allowed)):
            forbidden[entry] = f"{VARIABLE}={clean_line(variable)} does not allow; add {entry.distribution} to it, or unset it"
        elif _matches(entry, block):
            forbidden[entry] = f"the block list forbids; take {entry.distribution} out of it"
        elif allow is not None and not _matches(entry, allow):
            forbidden[entry] = (
                f"the allow list does not name; add {entry.distribution} to it"
                if allow
                else "must not be used: no plugin is allowed (--no-plugins, or an empty allow list)"
            )
    return forbidden


def _matches(entry: Entry, items: Iterable[str]) -> bool:
    return any(item == entry.title or normal(item) == normal(entry.distribution) for item in items)


def _remedy(kind: str, name: str, names: Sequence[str]) -> str:
    """Say what to do about a name that nobody provides."""
    distribution = DISTRIBUTIONS.get(f"{kind}.{name}")
    if distribution:
        return f"install it with: pip install {distribution}"
    known = {title.partition(".")[2]: title for title in DISTRIBUTIONS if title.startswith(f"{kind}.")}
    near = difflib.get_close_matches(name, [*names, *known], n=1)
    if near and near[0] in names:
        return f"did you mean {near[0]!r}?"
    if near:
        return f"did you mean {near[0]!r}? install it with: pip install {DISTRIBUTIONS[known[near[0]]]}"
    title = clean_line(f"{kind}.{name}")
    return f"install the distribution that provides it, or choose an installed one; a plugin of your own declares {title!r} in the group {GROUP}"


def _foreign(entry: Entry) -> PluginRefused:
    made, speaks = entry.group.rpartition(".")[2], GROUP.rpartition(".")[2]
    is_newer = int(made[1:]) > int(speaks[1:])
    advice = "upgrade the kernel: pip install --upgrade massgen-core" if is_newer else f"upgrade it: pip install --upgrade {entry.distribution}"
    return PluginRefused(
        f"{entry.label} is made for plugin API {made}, this kernel (massgen-core {__version__}) speaks {speaks}; {advice}",
        kind=entry.kind,
        name=entry.name,
        distributions=(entry.label,),
    )


def _unkept(entry: Entry, hook: str, yielded: Sequence[str]) -> PluginBroken:
    from massgen_core.plugins.loader import broken  # noqa: PLC0415  brings attrs and pluggy

    yields = f"hook {hook} of {entry.value} yields {', '.join(yielded) or 'nothing'}"
    return broken(entry, f"its entry point promises {entry.title!r}, but {yields}; the two names must be the same")
