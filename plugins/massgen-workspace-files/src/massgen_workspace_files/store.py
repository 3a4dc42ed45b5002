"""What is kept: contents by their digest, each once, and a list of names for each snapshot."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import attrs

from massgen_core.api import MassGenError
from massgen_workspace_files.tree import Entry, Found, order, walk

__all__ = ["Index", "Manifest", "Store", "digest_of"]

_PIECE = 1 << 20
_CLONE = 0x40049409  # of Linux: both files share their blocks until one of them is written to
# A file that changed less than this before it was looked at may have changed since without showing it.
_RACY_NS = 100_000_000
_ID = re.compile(r"[0-9a-f]{32}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_encoded = json.JSONEncoder(separators=(",", ":")).encode


class Manifest:
    """The names of one snapshot, read in the order of a walk; memory does not grow with it."""

    def __init__(self, path: Path, name: str) -> None:
        self._path, self._name = path, name
        with self._opened() as file:
            header = self._plain(file.readline())
        exclude = header.get("exclude") if isinstance(header, dict) else None
        if not isinstance(exclude, list) or not all(isinstance(pattern, str) for pattern in exclude):
            raise self._damaged("it has no beginning")
        self.exclude: tuple[str, ...] = tuple(exclude)

    @contextmanager
    def _opened(self) -> Iterator[IO[str]]:
        try:
            file = self._path.open(encoding="ascii")
        except FileNotFoundError:
            raise MassGenError(f"there is no snapshot {self._name!r}") from None
        with file:
            yield file

    def _plain(self, line: str) -> Any:
        try:
            return json.loads(line)
        except ValueError:
            raise self._damaged("a line of it cannot be read") from None

    def _damaged(self, reason: str) -> MassGenError:
        return MassGenError(f"snapshot {self._name} is damaged: {self._path}: {reason}")

    def _entry(self, line: str) -> Entry:
        said = self._plain(line)
        shape = (str, str, int, str, int, str)
        if not isinstance(said, list) or tuple(type(part) for part in said) != shape or said[0] not in ("d", "f", "l", "x"):
            raise self._damaged("a line of it names nothing")
        entry = Entry(*said)
        if entry.kind == "f" and not _DIGEST.fullmatch(entry.digest):  # it becomes a path
            raise self._damaged(f"it has no content of {entry.path[:80]!r}")
        return entry

    def __iter__(self) -> Iterator[Entry]:
        before: tuple[bytes, ...] = ()
        with self._opened() as file:
            file.readline()
            for line in file:
                entry = self._entry(line)
                key = order(entry.path)
                # Whoever sends somebody a run may have written its lists by hand.
                if key <= before or any(part in (b"", b".", b"..") or b"\0" in part for part in key):
                    raise self._damaged(f"it names {entry.path[:80]!r}")
                before = key
                yield entry


class Index:
    """What a folder was like when it was last looked at, in the order of a walk: what has not changed since is not read again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: Iterator[Any] = iter(())
        self._next: Any = None
        self._key: tuple[bytes, ...] = ()
        self._since = 0

    def __enter__(self) -> Index:
        with suppress(OSError, ValueError, LookupError):
            self._file = self._path.open(encoding="ascii")
            self._since = int(json.loads(self._file.readline())[0])
            self._lines = (json.loads(line) for line in self._file)
            self._advance()
        return self

    def __exit__(self, *_: object) -> None:
        if hasattr(self, "_file"):
            self._file.close()

    def _advance(self) -> None:
        self._next = next(self._lines, None)
        self._key = order(self._next[0]) if self._next is not None else ()

    def digest(self, found: Found) -> str:
        """Return the digest of a file that is as it was; empty where that is not sure."""
        key = order(found.path)
        try:
            while self._next is not None and self._key < key:
                self._advance()
            if self._next is None or self._next[0] != found.path:
                return ""
            state = found.state
            is_same = self._next[1:5] == _marks(state) and max(state.st_mtime_ns, state.st_ctime_ns) < self._since - _RACY_NS
            return str(self._next[5]) if is_same else ""
        except (ValueError, LookupError, TypeError):  # a crash cut it off
            self._next = None
            return ""


def _marks(state: os.stat_result) -> list[int]:
    return [state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns]


@attrs.define
class Store:
    """Everything that is kept of one run.

    Attributes:
        folder: Nobody else writes there.
    """

    folder: Path
    _clones: bool = True

    def __attrs_post_init__(self) -> None:
        for name in ("objects", "snapshots", "index"):
            (self.folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)

    def manifest(self, snapshot: str) -> Manifest:
        """Return a snapshot's list of names.

        Raises:
            MassGenError: There is none.
        """
        if not _ID.fullmatch(snapshot):
            raise MassGenError(f"{snapshot[:80]!r} is no snapshot")
        return Manifest(self.folder / "snapshots" / snapshot, snapshot)

    # Keeping

    def keep(self, folder: int, agent: str, *, exclude: Sequence[str], max_size: int, max_files: int) -> tuple[str, list[str]]:
        """Keep what is in an open folder; return the snapshot's id, and what could not be kept.

        Raises:
            MassGenError: There is too much.
            OSError: The store cannot be written.
        """
        left, count, size = list[str](), 0, 0
        where = self.folder / "index" / agent
        began = time.time_ns()
        sums = hashlib.blake2b(digest_size=16)
        with self._new() as names, self._new() as marks, Index(where) as before:
            _write(marks, [began])
            _write(names, {"exclude": sorted(exclude)}, sums)
            for found in walk(folder, exclude):
                count, size = count + 1, size + (found.state.st_size if found.kind == "f" else 0)
                self._bound(count, size, max_size, max_files)
                entry, digest = self._entry(found, before, max_size)
                if entry is None:
                    continue
                if entry.kind == "x":
                    left.append(found.path)
                _write(names, [entry.kind, entry.path, entry.mode, entry.digest, entry.size, entry.target], sums)
                if digest:
                    _write(marks, [found.path, *_marks(found.state), digest])
            names.flush()
            marks.flush()
            snapshot = sums.hexdigest()
            os.replace(names.name, self.folder / "snapshots" / snapshot)
            os.replace(marks.name, where)
        return snapshot, left

    @staticmethod
    def _bound(count: int, size: int, max_size: int, max_files: int) -> None:
        if max_files and count > max_files:
            raise MassGenError(f"it holds more than {max_files} files and folders; leave some out with `exclude`, or raise `max_files` of workspaces")
        if max_size and size > max_size:
            raise MassGenError(f"it holds more than {max_size} bytes; leave some out with `exclude`, or raise `max_size` of workspaces")

    def _entry(self, found: Found, before: Index, max_size: int) -> tuple[Entry | None, str]:
        """Return what is kept of one thing, None where it is gone, and the digest of a file."""
        mode = stat.S_IMODE(found.state.st_mode) & 0o777
        if found.kind == "d":
            return Entry("d", found.path, mode), ""
        if found.kind == "l":
            try:
                return Entry("l", found.path, target=os.readlink(found.name, dir_fd=found.parent)), ""
            except OSError:
                return None, ""
        if found.kind == "x":
            return Entry("x", found.path), ""
        digest, size = before.digest(found), found.state.st_size
        if not digest or not os.path.exists(self._object(digest)):
            try:
                source = os.open(found.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=found.parent)
            except FileNotFoundError:
                return None, ""
            except OSError:
                return Entry("x", found.path), ""
            try:
                if not stat.S_ISREG(os.fstat(source).st_mode):  # it was replaced meanwhile
                    return Entry("x", found.path), ""
                digest, size = self._take(source, max_size)
            finally:
                os.close(source)
        return Entry("f", found.path, mode, digest, size), digest

    def _take(self, source: int, max_size: int) -> tuple[str, int]:
        """Copy an open file to where its content belongs; return its digest and size."""
        sums, size = hashlib.blake2b(digest_size=32), 0
        with self._new(binary=True) as copy:
            is_cloned = self._cloned(source, copy.fileno())
            read_from = copy.fileno() if is_cloned else source
            while piece := os.read(read_from, _PIECE):
                size += len(piece)
                self._bound(0, size, max_size, 0)
                sums.update(piece)
                if not is_cloned:
                    copy.write(piece)
            copy.flush()
            path = self._object(sums.hexdigest())
            if not os.path.exists(path):
                os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
                os.fchmod(copy.fileno(), 0o400)
                os.replace(copy.name, path)
        return sums.hexdigest(), size

    def _cloned(self, source: int, target: int) -> bool:
        if self._clones:
            try:
                fcntl.ioctl(target, _CLONE, source)
            except OSError:
                self._clones = False  # most file systems cannot
            else:
                os.lseek(target, 0, os.SEEK_SET)
                return True
        return False

    def _object(self, digest: str) -> str:
        return f"{self.folder}/objects/{digest[:2]}/{digest[2:]}"

    @contextmanager
    def _new(self, *, binary: bool = False) -> Iterator[Any]:
        """Yield a new file of the store, which is gone afterwards unless it was given its name."""
        with tempfile.NamedTemporaryFile(
            "wb" if binary else "w", dir=self.folder, prefix="new-", delete=False, encoding=None if binary else "ascii"
        ) as file:
            try:
                yield file
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(file.name)

    # Bringing back

    def pour(self, digest: str, target: int) -> None:
        """Write a content to an open file.

        Raises:
            MassGenError: It is missing or damaged.
        """
        path, sums = self._object(digest), hashlib.blake2b(digest_size=32)
        source = self._opened(path)
        try:
            while piece := os.read(source, _PIECE):
                sums.update(piece)
                view = memoryview(piece)
                while view:
                    view = view[os.write(target, view) :]
        finally:
            os.close(source)
        if sums.hexdigest() != digest:
            raise MassGenError(f"a content that was kept is damaged: {path}")

    def text(self, digest: str) -> bytes:
        """Return a content.

        Raises:
            MassGenError: It is missing.
        """
        with os.fdopen(self._opened(self._object(digest)), "rb") as source:
            return source.read()

    @staticmethod
    def _opened(path: str) -> int:
        try:
            return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            raise MassGenError(f"a content that was kept is missing: {path}") from None

    # The list of snapshots

    def note(self, **said: Any) -> None:
        """Write a line into the list of snapshots."""
        line = json.dumps({"at": time.time(), **said}, ensure_ascii=True) + "\n"
        descriptor = os.open(self.folder / "log.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, line.encode("ascii"))
        finally:
            os.close(descriptor)

    def noted(self) -> Iterator[Mapping[str, Any]]:
        """Yield the lines of the list, the oldest first; what a crash cut off is left out."""
        try:
            lines = (self.folder / "log.jsonl").read_text(encoding="ascii", errors="replace").splitlines()
        except FileNotFoundError:
            return
        for line in lines:
            with suppress(ValueError):
                found = json.loads(line)
                if isinstance(found, dict) and all(isinstance(found.get(key), str) for key in ("id", "agent", "path")):
                    yield found


def _write(file: IO[str], data: Any, sums: Any = None) -> None:
    line = _encoded(data) + "\n"
    file.write(line)
    if sums is not None:
        sums.update(line.encode("ascii"))


def digest_of(descriptor: int) -> str:
    """Return the digest of an open file."""
    sums = hashlib.blake2b(digest_size=32)
    while piece := os.read(descriptor, _PIECE):
        sums.update(piece)
    return sums.hexdigest()
