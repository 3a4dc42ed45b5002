"""A sandbox that was set up before anybody asked, so that the next command begins in a few milliseconds."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress

import attrs

from massgen_core.api import ExecutorFault
from massgen_exec_local.cell import Cell
from massgen_exec_local.cgroups import Group

__all__ = ["Spare"]


def _identity(paths: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Say which folders paths lead to now: one that was put in another's place is another."""
    found = []
    for path in paths:
        try:
            state = os.stat(path)
            found.append((state.st_dev, state.st_ino))
        except OSError:
            found.append((0, 0))
    return tuple(found)


@attrs.define
class Spare:
    """At most one supervisor that waits for its command.

    Attributes:
        paths: What its sandbox shows of this machine.
        is_closed: There will be none any more.
    """

    paths: Sequence[str]
    is_closed: bool = attrs.field(default=False, init=False)
    _cell: Cell | None = attrs.field(default=None, init=False)
    _group: Group | None = attrs.field(default=None, init=False)
    _key: Hashable = attrs.field(default=None, init=False)

    def take(self, key: Hashable) -> tuple[Cell, Group | None] | None:
        """Return the supervisor that waits and its control groups, where it is of this kind and nothing has changed since; else nothing."""
        cell, group, self._cell, self._group = self._cell, self._group, None, None
        if cell is None:
            return None
        if self._key == (key, _identity(self.paths)) and cell.is_alive:
            return cell, group
        _close(cell, group)
        return None

    def prepare(self, key: Hashable, opener: Callable[[], tuple[Cell, Group | None]]) -> None:
        """Set up the next one; where that fails, the next command finds out why."""
        if self._cell is not None or self.is_closed:
            return
        with suppress(ExecutorFault):
            (self._cell, self._group), self._key = opener(), (key, _identity(self.paths))

    def close(self) -> None:
        """End the one that waits; there is no other after it, whichever command ends later."""
        self.is_closed = True
        cell, self._cell = self._cell, None
        if cell is not None:
            _close(cell, self._group)


def _close(cell: Cell, group: Group | None) -> None:
    cell.close()
    if group is not None:
        group.close()
