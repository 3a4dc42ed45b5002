"""Folders for tests of what keeps files: something of each kind, and what an agent might do to them."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["NAMES", "dig", "fill", "inode", "swapping", "tree", "trees"]

DEEP = 300  # folders in each other
# Of each: bytes that are no text, what looks like an option, like another line, like a way out, like a command of a terminal.
NAMES = ("with space", "-rf", "ünï", "a\nb", "a\\b", "...", "~", "*", os.fsdecode(b"\xff\xfe"), "\x1b[31mred", "x" * 200)


def tree(folder: Path) -> dict[str, tuple[str, int, bytes]]:
    """Return everything in a folder: kind, permissions, and a file's content or a link's target."""
    found: dict[str, tuple[str, int, bytes]] = {}
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(parent) / name
            state = path.lstat()
            where, mode = str(path.relative_to(folder)), stat.S_IMODE(state.st_mode)
            if stat.S_ISLNK(state.st_mode):
                found[where] = ("link", 0, os.fsencode(os.readlink(path)))
            elif stat.S_ISREG(state.st_mode):
                found[where] = ("file", mode, path.read_bytes())
            else:
                found[where] = ("folder" if stat.S_ISDIR(state.st_mode) else "other", mode if stat.S_ISDIR(state.st_mode) else 0, b"")
    return found


def fill(folder: Path) -> None:
    """Put something of each kind into a folder."""
    (folder / "src" / "deep" / "er").mkdir(parents=True)
    (folder / "empty").mkdir()
    (folder / "src" / "main.py").write_text("print('one')\n", encoding="utf-8")
    (folder / "src" / "deep" / "er" / "data.bin").write_bytes(bytes(range(256)) * 300)
    (folder / "run.sh").write_text("#!/bin/sh\n", encoding="utf-8")
    (folder / "run.sh").chmod(0o755)
    (folder / "secret").write_text("mine", encoding="utf-8")
    (folder / "secret").chmod(0o600)
    (folder / "nothing").touch()
    (folder / "link").symlink_to("src/main.py")
    (folder / "folder-link").symlink_to("src")
    (folder / "nowhere").symlink_to("/no/such/file")


def trees(folder: Path, pattern: str) -> list[dict[str, tuple[str, int, bytes]]]:
    """Return the trees of the folders that a pattern names."""
    return [tree(path) for path in folder.glob(pattern)]


def inode(path: Path) -> int:
    """Return by what a folder is known, whatever its name."""
    return path.stat().st_ino


def dig(folder: Path) -> None:
    """Make folders in each other, more than a path can name."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(DEEP):
        os.mkdir("d" * 20, dir_fd=descriptor)
        inner = os.open("d" * 20, os.O_RDONLY | os.O_DIRECTORY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(descriptor)


@contextmanager
def swapping(files: Path, outside: Path) -> Iterator[None]:
    """Swap a folder for a link to the outside and back, until the block ends."""
    is_over = threading.Event()

    def swap() -> None:
        while not is_over.is_set():
            with suppress(OSError):
                (files / "turn").rename(files / "aside")
            with suppress(OSError):
                (files / "turn").symlink_to(outside)
            with suppress(OSError):
                (files / "turn").unlink()
            with suppress(OSError):
                (files / "aside").rename(files / "turn")

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
