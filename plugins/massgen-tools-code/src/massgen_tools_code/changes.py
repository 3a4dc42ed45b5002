"""What changed in the working folder while a command ran."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import attrs

from massgen_core.api import clean_line, open_beneath
from massgen_tools_code.events import FileChange

__all__ = ["Snapshot", "changes", "look"]

# Programs write thousands of files there, of which nobody wants to be told.
SKIPPED = frozenset({".cache", ".git", ".mypy_cache", ".pytest_cache", ".venv", "__pycache__", "node_modules"})
_FOLDER = os.O_RDONLY | os.O_DIRECTORY


@attrs.frozen
class Snapshot:
    """Files by their paths, each with what changes with its content; `is_whole` says whether all of them were looked at."""

    files: Mapping[str, tuple[int, int, int, int]]
    is_whole: bool


def look(folder: Path, most: int) -> Snapshot:
    """Look at the files of a folder that somebody else writes to, at most so many entries; through no link that leads out of it."""
    files: dict[str, tuple[int, int, int, int]] = {}
    waiting, seen = [""], 0
    try:
        root = os.open(folder, _FOLDER | os.O_CLOEXEC)
    except OSError:
        return Snapshot(files, is_whole=False)
    try:
        while waiting:
            inner = waiting.pop()
            try:
                descriptor = open_beneath(root, inner, _FOLDER) if inner else os.dup(root)
            except OSError:  # gone, closed, or a link by now
                continue
            try:
                with os.scandir(descriptor) as entries:
                    for entry in entries:
                        seen += 1
                        if seen > most:
                            return Snapshot(files, is_whole=False)
                        _take(entry, inner, files, waiting)
            except OSError:
                continue
            finally:
                os.close(descriptor)
    finally:
        os.close(root)
    return Snapshot(files, is_whole=True)


def _take(entry: os.DirEntry[str], inner: str, files: dict[str, tuple[int, int, int, int]], waiting: list[str]) -> None:
    path = f"{inner}/{entry.name}" if inner else entry.name
    if entry.is_dir(follow_symlinks=False):
        if entry.name not in SKIPPED:
            waiting.append(path)
        return
    try:
        found = entry.stat(follow_symlinks=False)
    except OSError:
        return
    files[path] = (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


def changes(before: Snapshot, after: Snapshot) -> tuple[FileChange, ...] | None:
    """Return what is different, by path; None where there were too many files to tell."""
    if not (before.is_whole and after.is_whole):
        return None
    found: list[FileChange] = []
    for path in sorted(before.files.keys() | after.files.keys()):
        old, new = before.files.get(path), after.files.get(path)
        if old != new:
            kind = "made" if old is None else "removed" if new is None else "changed"
            found.append(FileChange(path=clean_line(path), change=kind, size=new[0] if new else 0))
    return tuple(found)
