"""A bounded queue that takes turns: an agent with many calls does not keep the others waiting."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

__all__ = ["FairQueue", "Full"]

T = TypeVar("T")


class Full(Exception):
    """Nothing more fits."""


class FairQueue(Generic[T]):
    """Items of several owners: the owners in turn, each owner's items in the order in which they came. Not safe for threads.

    Args:
        most: How many items wait at once.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lines: dict[str, deque[T]] = {}  # the next owner is the first key
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def put(self, owner: str, item: T) -> None:
        """Append an item.

        Raises:
            Full: As many items as may wait are waiting.
        """
        if self._length >= self._most:
            raise Full
        self._lines.setdefault(owner, deque()).append(item)
        self._length += 1

    def take(self) -> T:
        """Remove and return the next item; its owner goes behind all others.

        Raises:
            IndexError: The queue is empty.
        """
        if not self._lines:
            raise IndexError("the queue is empty")
        owner = next(iter(self._lines))
        line = self._lines.pop(owner)
        item = line.popleft()
        if line:
            self._lines[owner] = line
        self._length -= 1
        return item

    def remove(self, owner: str, item: T) -> bool:
        """Take an item out, wherever it stands; tell whether it was there."""
        line = self._lines.get(owner)
        if line is None or item not in line:
            return False
        line.remove(item)
        if not line:
            del self._lines[owner]
        self._length -= 1
        return True
