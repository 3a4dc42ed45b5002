"""How much memory this process may still take."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

__all__ = ["available_bytes"]


def available_bytes(root: Path = Path("/")) -> int | None:
    """Return the bytes that are free here: the machine's, or what a control group leaves; None where the system does not say.

    Args:
        root: Where `proc` and `sys` are.
    """
    found = [*_machine(root), *_groups(root)]
    return min(found) if found else None


def _machine(root: Path) -> Iterator[int]:
    with suppress(OSError, ValueError, IndexError):
        for line in (root / "proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                yield int(line.split()[1]) * 1024


def _groups(root: Path) -> Iterator[int]:
    """Yield what each control group around this process leaves, version 2 and 1."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if not controllers:
            base, names = root / "sys/fs/cgroup", ("memory.max", "memory.current")
        elif "memory" in controllers.split(","):
            base, names = root / "sys/fs/cgroup/memory", ("memory.limit_in_bytes", "memory.usage_in_bytes")
        else:
            continue
        group = Path(path.lstrip("/"))
        for part in (group, *group.parents):
            yield from _left(base / part, *names)


def _left(folder: Path, limit: str, usage: str) -> Iterator[int]:
    with suppress(OSError, ValueError):  # "max" is no number: no limit
        most, used = (int((folder / name).read_text(encoding="ascii")) for name in (limit, usage))
        cached = 0
        with suppress(OSError, ValueError, IndexError):
            for line in (folder / "memory.stat").read_text(encoding="ascii").splitlines():
                # Cached files make room when it is needed.
                if line.startswith(("inactive_file ", "total_inactive_file ")):
                    cached = max(cached, int(line.split()[1]))
        yield max(0, most - used + cached)
