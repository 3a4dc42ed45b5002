"""Which plugins may be used: allow and block lists, judged on metadata before anything is imported."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from massgen_core.plugins.index import Entry, normal
from massgen_core.terminal import clean_line

__all__ = ["VARIABLE", "forbid"]

VARIABLE = "MASSGEN_PLUGINS"


def forbid(entries: Iterable[Entry], allow: Sequence[str] | None, block: Sequence[str], variable: str) -> dict[Entry, str]:
    """Return what must not be used, each with the reason, which completes the sentence "backend 'x' is provided by y, which ...".

    Args:
        entries: What is installed.
        allow: Distributions, or `kind.name`, that alone may be used; None: all; empty: none.
        block: Distributions, or `kind.name`, that must not be used, whatever is allowed.
        variable: The value of MASSGEN_PLUGINS: `none`, or a comma-separated list of what to allow, where an item that begins with `-` is blocked.
    """
    items = [item.strip() for item in variable.split(",") if item.strip()]
    blocked = _Names(item[1:] for item in items if item.startswith("-"))
    allowed = _Names(item for item in items if not item.startswith("-"))
    listed, refused = _Names(allow or ()), _Names(block)
    setting = f"{VARIABLE}={clean_line(variable)}"
    forbidden = {}
    for entry in entries:
        if entry in blocked:
            forbidden[entry] = f"{setting} blocks; take it out of that list"
        elif allowed and "none" in allowed.names:
            forbidden[entry] = f"{setting} forbids; unset it, or name {entry.distribution} in it instead"
        elif allowed and entry not in allowed:
            forbidden[entry] = f"{setting} does not name; add {entry.distribution} to it"
        elif entry in refused:
            forbidden[entry] = "the block list forbids; take it out of that list"
        elif allow is not None and entry not in listed:
            forbidden[entry] = (
                f"the allow list does not name; add {entry.distribution} to it"
                if allow
                else "may not be used, because no plugin may (--no-plugins, or an empty allow list)"
            )
    return forbidden


class _Names:
    """Distributions and titles, compared as packaging tools compare names."""

    def __init__(self, items: Iterable[str]) -> None:
        self.names = frozenset(items)
        self._distributions = frozenset(map(normal, self.names))

    def __bool__(self) -> bool:
        return bool(self.names)

    def __contains__(self, entry: Entry) -> bool:
        return entry.title in self.names or normal(entry.distribution) in self._distributions
