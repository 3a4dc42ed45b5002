"""Processes of this machine, for tests: who runs, below whom, with which words."""

from __future__ import annotations

from pathlib import Path


def command_lines() -> str:
    return "".join(cmdline(int(folder.name)) for folder in Path("/proc").glob("[0-9]*"))


def children(of: int) -> list[int]:
    return [int(pid) for file in Path(f"/proc/{of}/task").glob("*/children") for pid in file.read_text().split()]


def descendants(of: int) -> list[int]:
    found = children(of)
    return found + [each for pid in found for each in descendants(pid)]


def cmdline(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    except OSError:
        return ""


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
