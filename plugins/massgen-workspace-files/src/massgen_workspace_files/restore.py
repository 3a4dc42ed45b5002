"""Makes a folder what it was: nothing is written in place, no link is followed, and what is as it was is left alone."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress

from massgen_core.api import MassGenError
from massgen_workspace_files.store import Manifest, Store, digest_of
from massgen_workspace_files.tree import Entry, chmod, enter, is_excluded, mount_of, remove

__all__ = ["Restorer"]

_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Restorer:
    """One pass through a snapshot and the folder beside each other.

    Args:
        store: Where contents are.
        manifest: The names.
        mask: Permissions that are given; the others are taken away.
    """

    def __init__(self, store: Store, manifest: Manifest, *, mask: int = 0o777) -> None:
        self._store, self._mask = store, mask
        self._exclude: Sequence[str] = manifest.exclude
        self._entries: Iterator[Entry] = iter(manifest)
        self._next: Entry | None = next(self._entries, None)
        self._owner: tuple[int, int] | None = None
        self._mount: tuple[int, bytes] = (0, b"")
        self.missing: list[str] = []

    def run(self, folder: int) -> list[str]:
        """Make an open folder what the snapshot says; return what could not be brought back, since it had not been kept.

        Raises:
            MassGenError: A content is missing or damaged.
            OSError: The folder cannot be written, or something is mounted in it.
        """
        state = os.fstat(folder)
        # Files belong to whom the folder does: commands in containers are somebody else than root.
        self._owner = (state.st_uid, state.st_gid) if os.geteuid() == 0 else None
        self._mount = mount_of(folder)
        self._folder(folder, "")
        return self.missing

    def _folder(self, folder: int, prefix: str) -> None:
        there = {name for name in os.listdir(folder) if not is_excluded(name, self._exclude)}
        # What is in its folders comes between its own entries, and is taken where the folder is gone into.
        while self._next is not None and self._next.path.startswith(prefix) and "/" not in self._next.path[len(prefix) :]:
            entry, self._next = self._next, next(self._entries, None)
            name = entry.path[len(prefix) :]
            there.discard(name)
            self._one(folder, name, entry)
        if self._next is not None and self._next.path.startswith(prefix):
            raise MassGenError(f"the snapshot is damaged: it names {self._next.path[:80]!r} without its folder")
        for name in there:
            remove(folder, name, self._exclude)

    def _one(self, folder: int, name: str, entry: Entry) -> None:
        state: os.stat_result | None = None
        with suppress(FileNotFoundError):
            state = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if entry.kind == "x":
            if state is None:
                self.missing.append(entry.path)
        elif entry.kind == "d":
            self._inner(folder, name, entry, state)
        elif entry.kind == "l":
            self._link(folder, name, entry, state)
        elif not self._is_same(folder, name, entry, state):
            self._file(folder, name, entry, state)

    def _inner(self, folder: int, name: str, entry: Entry, state: os.stat_result | None) -> None:
        if state is None or not stat.S_ISDIR(state.st_mode):
            remove(folder, name)
            os.mkdir(name, 0o700, dir_fd=folder)
        elif stat.S_IMODE(state.st_mode) & 0o700 != 0o700:
            chmod(folder, name, 0o700)
        inner = enter(folder, name, self._mount)
        try:
            self._folder(inner, f"{entry.path}/")
            if self._owner is not None:
                os.fchown(inner, *self._owner)
            os.fchmod(inner, entry.mode & self._mask)
        finally:
            os.close(inner)

    def _link(self, folder: int, name: str, entry: Entry, state: os.stat_result | None) -> None:
        if state is not None and stat.S_ISLNK(state.st_mode) and os.readlink(name, dir_fd=folder) == entry.target:
            return
        remove(folder, name, self._exclude)
        os.symlink(entry.target, name, dir_fd=folder)
        if self._owner is not None:
            os.chown(name, *self._owner, dir_fd=folder, follow_symlinks=False)

    def _is_same(self, folder: int, name: str, entry: Entry, state: os.stat_result | None) -> bool:
        """Say whether a file is as it was; its permissions are mended where only they differ."""
        if state is None or not stat.S_ISREG(state.st_mode) or state.st_size != entry.size:
            return False
        wanted = entry.mode & self._mask
        # Another name of the file may lie outside of the folder.
        if stat.S_IMODE(state.st_mode) != wanted and state.st_nlink > 1:
            return False
        try:
            found = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        except OSError:
            return False
        try:
            if not stat.S_ISREG(os.fstat(found).st_mode) or digest_of(found) != entry.digest:
                return False
            if stat.S_IMODE(state.st_mode) != wanted:
                os.fchmod(found, wanted)
            return True
        finally:
            os.close(found)

    def _file(self, folder: int, name: str, entry: Entry, state: os.stat_result | None) -> None:
        new = f".massgen-{secrets.token_hex(8)}"
        target = os.open(new, _WRITE, 0o600, dir_fd=folder)
        try:
            try:
                self._store.pour(entry.digest, target)
                if self._owner is not None:
                    os.fchown(target, *self._owner)
                os.fchmod(target, entry.mode & self._mask)
            finally:
                os.close(target)
            if state is not None and stat.S_ISDIR(state.st_mode):
                remove(folder, name, self._exclude)
            os.rename(new, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with suppress(OSError):
                os.unlink(new, dir_fd=folder)
            raise
