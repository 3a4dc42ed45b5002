"""Servers that outlived a process which was killed: a file for each running server, and the next start ends what is left."""

from __future__ import annotations

import json
import os
import signal
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from massgen_mcp_stdio.procfs import boot_id, marked, start_time

__all__ = ["folder", "forget", "kill_marked", "reap", "remember"]

_reaped: set[Path] = set()


def folder() -> Path | None:
    """Return the folder of the files, made where it is missing; None where it is not ours alone."""
    base = os.environ.get("XDG_RUNTIME_DIR") or f"{tempfile.gettempdir()}/massgen-{os.getuid()}"
    place = Path(base, "massgen-mcp-servers")
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = place.lstat()
    except OSError:
        return None
    ours = stat.S_ISDIR(state.st_mode) and state.st_uid == os.getuid() and not state.st_mode & 0o022
    return place if ours else None


def remember(pid: int, token: str) -> Path | None:
    """Write down a server that was just started; None where that is not possible."""
    place = folder()
    if place is None or not boot_id():
        return None
    owner = os.getpid()
    note = {"boot": boot_id(), "owner": [owner, start_time(owner)], "server": [pid, start_time(pid)], "token": token}
    file = place / f"{token}.json"
    try:
        file.write_text(json.dumps(note), encoding="utf-8")
    except OSError:
        return None
    return file


def forget(file: Path | None) -> None:
    """Remove a server's file."""
    if file is not None:
        with suppress(OSError):
            file.unlink()


def reap(*, again: bool = False) -> int:
    """End what is left of servers whose owner is gone; once a process. Return how many processes were killed."""
    place = folder()
    if place is None or (place in _reaped and not again):
        return 0
    _reaped.add(place)
    return sum(_reap_one(file) for file in place.glob("*.json"))


def _reap_one(file: Path) -> int:
    try:
        note = json.loads(file.read_bytes())
        boot, token = str(note["boot"]), str(note["token"])
        (owner, owned), (server, served) = note["owner"], note["server"]
        is_ours = boot == boot_id()
        if is_ours and start_time(int(owner)) == int(owned):
            return 0  # its owner lives
    except (OSError, ValueError, KeyError, TypeError):
        # Half written: its owner may be writing it now. Files of dead owners are whole but for a crash within a write, and hold nothing then.
        return 0
    killed = 0
    if is_ours:
        if served and start_time(int(server)) == int(served):
            with suppress(OSError):
                os.killpg(int(server), signal.SIGKILL)
                killed += 1
        killed += kill_marked(token)
    forget(file)
    return killed


def kill_marked(token: str) -> int:
    """Kill every process that carries the token, those that are started meanwhile included. Return how many there were."""
    killed = 0
    for _ in range(5):
        found = [pid for pid in marked(token) if pid != os.getpid()]
        for pid in found:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        alive = [pid for pid in found if start_time(pid)]
        killed += len(found)
        if not alive:
            break
    return killed
