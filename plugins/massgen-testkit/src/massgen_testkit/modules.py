"""A kernel that knows given hook modules and nothing that is installed."""

from __future__ import annotations

import importlib
from types import ModuleType

from massgen_core.api import KINDS
from massgen_core.plugins.index import Entry, Index
from massgen_core.plugins.manager import Plugins


def plugins_of(*modules: ModuleType | str) -> Plugins:
    """Return the plugins that hook modules provide, as if each were a distribution of its own.

    Args:
        modules: Hook modules that can be imported, or their names. Their specs are named as entry points would name them.
    """
    entries: list[Entry] = []
    for given in modules:
        module = importlib.import_module(given) if isinstance(given, str) else given
        distribution = module.__name__.partition(".")[0].replace("_", "-")
        entries += [
            Entry(kind.name, spec.name, module.__name__, distribution, "0")
            for kind in KINDS
            if hasattr(module, kind.hook)
            for spec in getattr(module, kind.hook)()
        ]
    return Plugins(Index(entries=tuple(sorted(entries))))
