"""The installed plugins: who provides what, what may be used, and everything by kind and name. Importing this module imports no plugin."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from massgen_core.errors import PluginProblem
from massgen_core.plugins import advice
from massgen_core.plugins.index import RESERVED, Entry, Index, read
from massgen_core.plugins.selection import VARIABLE, forbid

if TYPE_CHECKING:
    from massgen_core.events import Event
    from massgen_core.plugins.loader import Loader, Provided
    from massgen_core.specs import Kind, Spec

__all__ = ["Plugins"]


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
            block: Distributions, or `kind.name`, that must not be used, whatever is allowed.

        The environment variable MASSGEN_PLUGINS narrows this further: `none`, or a comma-separated list of what to allow; an item that begins
        with `-` is blocked instead.
        """
        index = read()
        return cls(index, forbid(index.entries, allow, block, os.environ.get(VARIABLE, "")))

    def narrowed(self, allow: Sequence[str] | None, block: Sequence[str]) -> Plugins:
        """Return the same plugins less those that further lists forbid; what was forbidden stays forbidden."""
        if allow is None and not block:
            return self
        return Plugins(self.index, {**forbid(self.index.entries, allow, block, ""), **self.forbidden})

    def entries(self, kind: str | None = None) -> tuple[Entry, ...]:
        """Return what may be used, sorted by kind and name; a name that several distributions claim occurs once for each."""
        return self._entries if kind is None else tuple(entry for entry in self._entries if entry.kind == kind)

    def names(self, kind: str) -> tuple[str, ...]:
        """Return the names of a kind that may be used, sorted."""
        return tuple(dict.fromkeys(entry.name for entry in self.entries(kind)))

    def entry(self, kind: str, name: str) -> Entry:
        """Return who provides a name; nothing is imported.

        Raises:
            PluginMissing: Nobody provides it; the message says what to install.
            PluginConflict: Several distributions claim it.
            PluginBlocked: An allow or block list forbids it.
            PluginRefused: It is made for another plugin API.
        """
        found = self._providers.get(f"{kind}.{name}", ())
        if len(found) == 1:
            return found[0]
        raise advice.claimed(found) if found else self._missing(kind, name)

    def get(self, kind: str, name: str) -> Spec:
        """Import one hook module and return the spec.

        Raises:
            PluginProblem: As `entry`; PluginRefused also where it uses what this kernel does not have, PluginBroken where it failed, with the
                cause chained.
        """
        entry = self.entry(kind, name)
        hook = self._kind_of(entry).hook
        provided = self.load(entry)
        if (kind, name) not in provided.specs:
            raise self._loader.unkept(entry, hook, sorted(key[1] for key in provided.specs if key[0] == kind))
        return provided.specs[kind, name]

    def factory(self, kind: str, name: str) -> Callable[..., Any]:
        """Import the implementation and return its factory. Raises as `get` does."""
        spec = self.get(kind, name)
        return self._loader.factory(self.entry(kind, name), spec.factory)

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
            with suppress(PluginProblem):  # `massgen plugins --load` reports it
                self.check(entry)
        return dict(self._loader.events)

    def load(self, entry: Entry) -> Provided:
        """Import an entry's hook module, after those that define the kinds which it provides, and return all that it provides.

        Raises:
            PluginRefused: It uses what this kernel does not have.
            PluginBroken: It failed; the cause is chained.
        """
        if entry.value not in self._opening and not self._loader.has(entry):
            self._opening.add(entry.value)
            try:
                for neighbour in self._neighbours[entry.value]:
                    if neighbour.kind not in RESERVED:
                        with suppress(PluginProblem):  # reported where the neighbour itself is asked for
                            self._kind_of(neighbour)
            finally:
                self._opening.discard(entry.value)
        return self._loader.load(entry)

    def check(self, entry: Entry) -> None:
        """Import all of one entry, its implementation included, and see that it keeps what its name promises. Raises as `get` does."""
        self.entry(entry.kind, entry.name)
        if entry.kind in RESERVED:
            provided = self.load(entry)
            if entry.kind == "kind" and entry.name not in provided.kinds:
                raise self._loader.unkept(entry, "massgen_kinds", sorted(provided.kinds))
            if entry.kind == "events" and not provided.events:
                raise self._loader.unkept(entry, "massgen_event_types", ())
            return
        spec = self.get(entry.kind, entry.name)
        if spec.factory:
            self._loader.factory(entry, spec.factory)
        if catalogue := getattr(spec, "catalogue", ""):
            self._loader.resolve(entry, catalogue, "catalogue")

    @property
    def _loader(self) -> Loader:
        if self._made is None:
            from massgen_core.plugins.loader import Loader  # noqa: PLC0415  brings attrs and pluggy, which listing does without

            self._made = Loader()
        return self._made

    def _kind_of(self, entry: Entry) -> Kind:
        """Return the kind of an entry that is a spec, loading the plugin that defines the kind."""
        kinds = self._loader.kinds
        if entry.kind not in kinds:
            definition = self._providers.get(f"kind.{entry.kind}") or self._elsewhere("kind", entry.kind)
            if not definition:
                raise advice.undefined(entry)
            self.check(self.entry("kind", entry.kind))
        return kinds[entry.kind]

    def _missing(self, kind: str, name: str) -> PluginProblem:
        if elsewhere := self._elsewhere(kind, name):
            return elsewhere
        names = self.names(kind)
        kinds = {*self._loader.kinds, *self.names("kind")}
        if not names and kind not in kinds and kind not in RESERVED:
            return advice.unknown(kind, name, kinds)
        return advice.missing(kind, name, names)

    def _elsewhere(self, kind: str, name: str) -> PluginProblem | None:
        """Return why a name that metadata knows may not be used."""
        title = f"{kind}.{name}"
        for entry, reason in self.forbidden.items():
            if entry.title == title:
                return advice.blocked(entry, reason)
        others = [entry for entry in self.index.foreign if entry.title == title]
        return advice.foreign(others) if others else None
