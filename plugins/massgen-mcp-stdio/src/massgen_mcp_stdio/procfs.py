"""What the system tells of processes that are not our children; nothing where there is no /proc."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["MARK", "boot_id", "marked", "start_time"]

# Every process that a server starts inherits this variable, wherever it hides from its group.
MARK = "MASSGEN_MCP_LINK"
_PROC = Path("/proc")


def boot_id() -> str:
    """Return what names the time since this machine started; empty where it is not told."""
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def start_time(pid: int) -> int:
    """Return when a process started, in ticks since the machine did; with its id it names the process. 0 where it is gone."""
    try:
        fields = (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] in (b"Z", b"X") else int(fields[19])


def marked(token: str) -> list[int]:
    """Return the processes whose environment has this token as their mark."""
    mark = f"{MARK}={token}".encode()
    found = []
    try:
        names = os.listdir(_PROC)
    except OSError:
        return []
    for name in names:
        if name.isdigit():
            try:
                environment = (_PROC / name / "environ").read_bytes()
            except OSError:
                continue
            if mark in environment and mark in environment.split(b"\0"):
                found.append(int(name))
    return found
