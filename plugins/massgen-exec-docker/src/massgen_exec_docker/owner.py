"""Whose a container is, written on it, so that whoever comes later can tell what a crash left."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Mapping
from pathlib import Path

__all__ = ["OWNER", "is_abandoned", "labels"]

OWNER = "massgen.owner"
_HOST, _BOOT, _SPACE, _PID, _START = (f"{OWNER}.{name}" for name in ("host", "boot", "space", "pid", "start"))


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _host() -> str:
    return hashlib.sha256((_text("/etc/machine-id") or platform.node()).encode()).hexdigest()[:16]


def _space() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def started(pid: int) -> str:
    """Return when a process started, in ticks of the kernel's clock; empty where there is none or the system does not tell."""
    fields = _text(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 and fields[0] != "Z" else ""


def labels() -> dict[str, str]:
    """Return labels that say that this process is the owner."""
    pid = os.getpid()
    return {
        OWNER: "massgen",
        _HOST: _host(),
        _BOOT: _text("/proc/sys/kernel/random/boot_id"),
        _SPACE: _space(),
        _PID: str(pid),
        _START: started(pid),
    }


def is_abandoned(found: Mapping[str, str]) -> bool:
    """Whether a container's owner was a process of this machine that is gone; a doubt is a no."""
    if found.get(_HOST) != _host():
        return False
    boot = _text("/proc/sys/kernel/random/boot_id")
    if found.get(_BOOT) != boot:
        return bool(boot and found.get(_BOOT))
    pid = found.get(_PID, "")
    if found.get(_SPACE) != _space() or not pid.isdigit():
        return False  # numbers of processes mean something else there
    if not boot:  # a system without /proc
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False
        return False
    return started(int(pid)) != found.get(_START)
