"""The files of a log: their names, and a writer that loses nothing to the death of its process."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

__all__ = ["ARCHIVE", "FOLDER", "LOG", "SERVERS", "TEXT", "LineFile", "server_name"]

FOLDER = "mcp"
LOG = "log.jsonl"
ARCHIVE = "log.jsonl.zst"
TEXT = "log.txt"
SERVERS = "servers"


def server_name(server: str) -> str:
    """Return a file name for a server; two servers never share one."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", server)[:60]
    if plain == server and plain:
        return plain
    return f"{plain or 'server'}-{hashlib.sha256(server.encode('utf-8', 'replace')).hexdigest()[:8]}"


class LineFile:
    """An append-only file of whole lines, which go to the operating system at once."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        # A full disk, or the loss of power, may have left half a line: what follows must not become part of it.
        self._is_torn = _is_torn(self._descriptor)

    def write(self, lines: bytes) -> None:
        """Append lines, each with its line break, in one write.

        Raises:
            OSError: The disk is full or broken; the next line begins on a line of its own.
        """
        if self._is_torn:
            lines = b"\n" + lines
        written = os.write(self._descriptor, lines)
        while written < len(lines):
            self._is_torn = True
            lines = lines[written:]
            written = os.write(self._descriptor, lines)
        self._is_torn = False

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _is_torn(descriptor: int) -> bool:
    size = os.fstat(descriptor).st_size
    return size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
