"""A sandbox that was set up before anybody asked, so that the next command begins in a few milliseconds."""

from __future__ import annotations

import os
from collections.abc import Hashable, Sequence

import attrs

from massgen_core.api import ExecutorUnavailable
from massgen_exec_local.cell import Cell, Vector

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
    """

    paths: Sequence[str]
    _cell: Cell | None = None
    _key: Hashable = None
    _is_closed: bool = False

    def take(self, key: Hashable) -> Cell | None:
        """Return the supervisor that waits, where it is of this kind and nothing has changed since; else nothing."""
        cell, self._cell = self._cell, None
        if cell is None:
            return None
        if self._key == (key, _identity(self.paths)) and cell.is_alive:
            return cell
        cell.close()
        return None

    def prepare(self, key: Hashable, vector: Vector) -> None:
        """Set up the next one; where that fails, the next command finds out why."""
        if self._cell is not None or self._is_closed:
            return
        try:
            self._cell, self._key = Cell(vector), (key, _identity(self.paths))
        except ExecutorUnavailable:
            self._cell = None

    def close(self) -> None:
        """End the one that waits; there is no other after it, whichever command ends later."""
        self._is_closed = True
        cell, self._cell = self._cell, None
        if cell is not None:
            cell.close()
