"""Folders and control groups carry the name of their owner, so that what a killed one left can be told and removed."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

__all__ = ["PREFIX", "is_orphan", "own_name", "reap_folders"]

PREFIX = "massgen-exec-"


def _start_time(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def own_name() -> str:
    """Return a new name that says whose it is: process and start time, for process ids come back."""
    return f"{PREFIX}{os.getpid()}-{_start_time(os.getpid())}-{secrets.token_hex(6)}"


def is_orphan(name: str) -> bool:
    """Say whether a name is of a process that is gone."""
    pid, _, rest = name.removeprefix(PREFIX).partition("-")
    started = rest.partition("-")[0]
    return name.startswith(PREFIX) and pid.isdigit() and started.isdigit() and _start_time(int(pid)) != started


def reap_folders() -> None:
    """Remove this user's temporary folders whose owner is gone."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):
            if is_orphan(folder.name) and folder.lstat().st_uid == os.geteuid():
                shutil.rmtree(folder, ignore_errors=True)
