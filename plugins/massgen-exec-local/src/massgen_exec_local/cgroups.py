"""Limits of a whole tree of processes: control groups of their own, where this process may make them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import attrs

from massgen_core.api import LimitUnsupported
from massgen_exec_local.leftovers import PREFIX, is_orphan, own_name

__all__ = ["Cgroups", "Group", "find"]

PERIOD = 100_000
ATTEMPTS = 200
_CONTROLLER = {"memory": "memory", "processes": "pids", "cpus": "cpu"}


def _text(path: Path) -> str:
    return path.read_text(encoding="ascii", errors="replace").strip()


@attrs.define
class Group:
    """The groups of one command: one folder a controller in the first version of the interface, one for all in the second.

    Attributes:
        folders: By limit; several may share one.
        is_second: They speak the second version.
        ours: Processes of our own in it.
    """

    folders: Mapping[str, Path]
    is_second: bool
    ours: int = 1
    _before: int = attrs.field(default=0, init=False)

    def set(self, limits: Mapping[str, float]) -> None:
        """Write limits and read them back.

        Raises:
            LimitUnsupported: One of them does not hold.
        """
        for limit, value in limits.items():
            for name, wanted in self._settings(limit, value):
                file = self.folders[limit] / name
                try:
                    file.write_text(wanted, encoding="ascii")
                    is_kept = _is_at_most(_text(file), wanted)
                except OSError:
                    # Without an account of swap there is nothing to limit where there is no swap.
                    is_kept = ("swap" in name or "memsw" in name) and not _has_swap()
                if not is_kept:
                    raise LimitUnsupported(f"executor local: the kernel does not enforce the limit {limit} ({file} cannot be set to {wanted})")

    def _settings(self, limit: str, value: float) -> Iterator[tuple[str, str]]:
        number = str(int(value))
        if limit == "processes":
            yield "pids.max", str(int(value) + self.ours)
        elif limit == "memory":
            yield from (
                [("memory.max", number), ("memory.swap.max", "0")]
                if self.is_second
                else [("memory.limit_in_bytes", number), ("memory.memsw.limit_in_bytes", number)]
            )
        elif self.is_second:
            yield "cpu.max", f"{int(value * PERIOD)} {PERIOD}"
        else:
            yield "cpu.cfs_quota_us", str(int(value * PERIOD))

    @property
    def doors(self) -> list[str]:
        """The files through which a process comes here: moving one takes the kernel milliseconds, so that whoever can comes by itself and in time."""
        return sorted({str(folder / "cgroup.procs") for folder in self.folders.values()})

    def check(self, pid: int) -> None:
        """See that a supervisor is here, before it has a command.

        Raises:
            LimitUnsupported: It is not.
        """
        for door in self.doors:
            if str(pid) not in _text(Path(door)).split():
                raise LimitUnsupported(f"executor local: the command does not come under the limits of {os.path.dirname(door)}")
        if "memory" in self.folders:  # what the supervisor took itself is no command's
            folder = self.folders["memory"]
            with suppress(OSError, ValueError):
                if not self.is_second:
                    (folder / "memory.max_usage_in_bytes").write_text("0", encoding="ascii")
                self._before = int(_text(folder / ("memory.current" if self.is_second else "memory.usage_in_bytes")))

    def was_out_of_memory(self) -> bool:
        """Say whether the kernel killed a process here for want of memory."""
        if "memory" not in self.folders:
            return False
        with suppress(OSError, ValueError):
            told = _text(self.folders["memory"] / ("memory.events" if self.is_second else "memory.oom_control"))
            return any(line.startswith("oom_kill ") and int(line.split()[1]) > 0 for line in told.splitlines())
        return False

    def peak(self) -> int | None:
        """Return the most bytes that were in use at once, None where that is not known."""
        with suppress(OSError, ValueError, KeyError):
            found = int(_text(self.folders["memory"] / ("memory.peak" if self.is_second else "memory.max_usage_in_bytes")))
            return max(0, found - self._before)
        return None

    def close(self, attempts: int = ATTEMPTS) -> bool:
        """Remove the groups; return whether none is left."""
        for folder in set(self.folders.values()):
            for attempt in range(attempts):
                try:
                    folder.rmdir()
                except FileNotFoundError:
                    break
                except OSError:  # from Linux 6.18 on the dead leave a moment after they were waited for
                    if attempt + 1 < attempts:
                        time.sleep(0.001)
                else:
                    break
            else:
                return False
        return True


@attrs.frozen
class Cgroups:
    """Where groups can be made.

    Attributes:
        folders: By limit, the folder below which one makes a group.
        is_second: They speak the second version of the interface.
    """

    folders: Mapping[str, Path]
    is_second: bool

    def make(self, limits: frozenset[str], ours: int) -> Group:
        """Make groups for some limits, with room for so many processes of ours."""
        name = own_name()
        folders = {limit: self.folders[limit] / name for limit in limits}
        group = Group(folders, self.is_second, ours)
        try:
            for folder in set(folders.values()):
                folder.mkdir()
        except OSError as error:
            group.close()
            raise LimitUnsupported(f"executor local: no control group can be made for {', '.join(sorted(limits))}: {error}") from error
        return group

    def reap(self) -> None:
        """Remove groups whose owner is gone, and kill what is left in them."""
        for base in set(self.folders.values()):
            for folder in base.glob(f"{PREFIX}*"):
                if not is_orphan(folder.name):
                    continue
                with suppress(OSError, ValueError):
                    for left in _text(folder / "cgroup.procs").split():
                        os.kill(int(left), signal.SIGKILL)
                    folder.rmdir()


def find() -> Cgroups:
    """Return where groups can be made; for limits that are not in it they cannot."""
    mounts = list(_mounts())
    found: dict[str, Path] = {}
    for limit, controller in _CONTROLLER.items():
        for kinds, folder in mounts:
            if controller in kinds and _works(folder, controller, is_second=False):
                found[limit] = folder
    if found:
        return Cgroups(found, is_second=False)
    for kinds, folder in mounts:
        if not kinds:
            base = folder.parent  # beside us: a group with processes takes no limited groups below it
            found = {limit: base for limit, controller in _CONTROLLER.items() if _works(base, controller, is_second=True)}
    return Cgroups(found, is_second=True)


def _mounts() -> Iterator[tuple[frozenset[str], Path]]:
    """Yield the controllers of each hierarchy, none for the second version's, and the folder of this process's own group."""
    try:
        own = [line.split(":", 2) for line in _text(Path("/proc/self/cgroup")).splitlines()]
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    paths = {frozenset(filter(None, kinds.split(","))): path for _, kinds, path in own}
    for line in lines:
        before, _, after = line.partition(" - ")
        fields, (kind, _, options) = before.split(), after.split()[:3]
        if kind not in ("cgroup", "cgroup2"):
            continue
        for kinds, path in paths.items():
            if (kind == "cgroup2" and not kinds) or (kind == "cgroup" and kinds and kinds <= set(options.split(","))):
                root = fields[3]
                within = path.removeprefix(root) if root != "/" and path.startswith(root) else path
                yield kinds, Path(fields[4]) / within.lstrip("/")


def _works(folder: Path, controller: str, *, is_second: bool) -> bool:
    """Try whether a group can be made and limited."""
    if is_second and controller not in (_text(folder / "cgroup.subtree_control") if (folder / "cgroup.subtree_control").is_file() else "").split():
        return False
    probe = folder / own_name()
    file = {"memory": "memory.max" if is_second else "memory.limit_in_bytes", "pids": "pids.max"}.get(
        controller, "cpu.max" if is_second else "cpu.cfs_quota_us"
    )
    try:
        probe.mkdir()
        try:
            return os.access(probe / file, os.W_OK) and os.access(folder / "cgroup.procs", os.W_OK)
        finally:
            probe.rmdir()
    except OSError:
        return False


def _is_at_most(found: str, wanted: str) -> bool:
    return all(part.isdigit() and int(part) <= int(limit) for part, limit in zip(found.split(), wanted.split(), strict=True))


def _has_swap() -> bool:
    with suppress(OSError):
        return len(Path("/proc/swaps").read_text(encoding="utf-8", errors="replace").splitlines()) > 1
    return True
