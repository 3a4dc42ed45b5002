"""Tasks, threads, processes and descriptors, before and after."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import attrs

# Pools that outlive one call on purpose.
_POOLS = ("AnyIO worker thread", "asyncio_", "ThreadPoolExecutor-")


@attrs.frozen
class Held:
    """What this process holds at one moment."""

    tasks: frozenset[int]
    threads: frozenset[str]
    children: frozenset[int]
    descriptors: int

    def beyond(self, before: Held) -> list[str]:
        """Say what is held now and was not held before."""
        left = [f"task {task}" for task in _names(self.tasks - before.tasks)]
        left += [f"thread {thread}" for thread in sorted(self.threads - before.threads)]
        left += [f"process {child}" for child in sorted(self.children - before.children)]
        if self.descriptors > before.descriptors:
            left.append(f"{self.descriptors - before.descriptors} file descriptors")
        return left


def _names(tasks: frozenset[int]) -> list[str]:
    return [info.name or str(info.id) for info in _tasks() if info.id in tasks]


def _tasks() -> list[anyio.TaskInfo]:
    try:
        return anyio.get_running_tasks()
    except Exception:  # anyio raises different things outside an event loop
        return []


def _children() -> frozenset[int]:
    """Return the ids of child processes that still run; empty where the system does not tell."""
    found: set[int] = set()
    for file in Path("/proc/self/task").glob("*/children"):
        try:
            found.update(int(child) for child in file.read_text(encoding="ascii").split())
        except OSError:
            continue
    return frozenset(found)


def _descriptors() -> int:
    for folder in ("/proc/self/fd", "/dev/fd"):
        if os.path.isdir(folder):
            return len(os.listdir(folder))
    return 0


class Leaks:
    """Finds what was not given back."""

    def held(self) -> Held:
        """Return what is held now."""
        threads = frozenset(f"{thread.name} ({thread.ident})" for thread in threading.enumerate() if not thread.name.startswith(_POOLS))
        return Held(frozenset(info.id for info in _tasks()), threads, _children(), _descriptors())

    async def none_since(self, before: Held, *, within: float = 3.0) -> None:
        """Wait until nothing more is held than before.

        Raises:
            AssertionError: Something is still held after `within` seconds; the message names it.
        """
        deadline = time.monotonic() + within
        while left := self.held().beyond(before):
            assert time.monotonic() < deadline, f"still held after {within} s: {', '.join(left)}"
            await anyio.sleep(0.005)

    @contextmanager
    def none(self, *, within: float = 3.0) -> Iterator[None]:
        """Check a block of synchronous code.

        Raises:
            AssertionError: Something is still held after `within` seconds; the message names it.
        """
        before = self.held()
        yield
        deadline = time.monotonic() + within
        while left := self.held().beyond(before):
            assert time.monotonic() < deadline, f"still held after {within} s: {', '.join(left)}"
            time.sleep(0.005)
