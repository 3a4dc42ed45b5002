"""Going through a folder that somebody else may be writing to: by descriptors, so that no link in it leads out of it, whenever it is made."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Literal, TypeAlias

import attrs

from massgen_core.api import MassGenError

__all__ = ["DEEPEST", "FOLDER", "Entry", "Found", "Kind", "chmod", "enter", "is_excluded", "mount_of", "open_folder", "order", "remove", "walk"]

# "d" folder, "f" file, "l" link; "x" is there and cannot be kept: a pipe, a socket, a device, what may not be read, what is mounted.
Kind: TypeAlias = Literal["d", "f", "l", "x"]
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
DEEPEST = 100


@attrs.frozen
class Entry:
    """One thing in a snapshot.

    Attributes:
        path: Relative to the folder; bytes that are no text are surrogates.
        mode: Its permissions, without the bits by which programs run as somebody else.
        digest: Of a file's content.
        target: Of a link.
    """

    kind: Kind
    path: str
    mode: int = 0
    digest: str = ""
    size: int = 0
    target: str = ""


@attrs.frozen
class Found:
    """One thing in a folder, as long as the walk stands at it.

    Attributes:
        parent: Descriptor of the folder that it is in.
    """

    kind: Kind
    path: str
    name: str
    parent: int
    state: os.stat_result


def order(path: str) -> tuple[bytes, ...]:
    """Return the key by which a walk is sorted: a folder comes before what is in it, and that before its next neighbour."""
    return tuple(os.fsencode(part) for part in path.split("/"))


def is_excluded(name: str, patterns: Sequence[str]) -> bool:
    """Say whether a name is none of ours."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def open_folder(path: str) -> int:
    """Open the folder itself.

    Raises:
        MassGenError: It is not there, or is a link.
    """
    try:
        return os.open(path, FOLDER)
    except OSError as error:
        raise MassGenError(f"the working folder {path} cannot be opened: {error.strerror}; nothing was done") from None


def mount_of(folder: int) -> tuple[int, bytes]:
    """Return what tells what is mounted at, or around, an open folder; parts of one file system that are mounted elsewhere have one device."""
    device = os.fstat(folder).st_dev
    try:
        said = os.open(f"/proc/self/fdinfo/{folder}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # not on Linux
        return device, b""
    try:
        return device, os.read(said, 4096).partition(b"mnt_id:")[2].partition(b"\n")[0]
    finally:
        os.close(said)


def walk(folder: int, exclude: Sequence[str] = ()) -> Iterator[Found]:
    """Yield everything in an open folder, sorted by `order`; what vanishes meanwhile is left out.

    Raises:
        MassGenError: Folders are nested too deep.
    """
    mount = mount_of(folder)
    stack = [(os.dup(folder), "", iter(_names(folder, exclude)))]
    try:
        while stack:
            parent, prefix, names = stack[-1]
            name = next(names, None)
            if name is None:
                os.close(stack.pop()[0])
                continue
            path = f"{prefix}{name}"
            try:
                state = os.stat(name, dir_fd=parent, follow_symlinks=False)
            except FileNotFoundError:
                continue
            if not stat.S_ISDIR(state.st_mode):
                kind: Kind = "f" if stat.S_ISREG(state.st_mode) else "l" if stat.S_ISLNK(state.st_mode) else "x"
                yield Found(kind, path, name, parent, state)
                continue
            inner = _inner(parent, name, mount)
            yield Found("x" if inner is None else "d", path, name, parent, state)
            if inner is not None:
                if len(stack) > DEEPEST:
                    os.close(inner)
                    raise MassGenError(f"folders are nested more than {DEEPEST} deep, at {path[:80]!r}...")
                stack.append((inner, f"{path}/", iter(_names(inner, exclude))))
    finally:
        for descriptor, _, _ in stack:
            os.close(descriptor)


def _names(folder: int, exclude: Sequence[str]) -> list[str]:
    return sorted((name for name in os.listdir(folder) if not is_excluded(name, exclude)), key=os.fsencode)


def _inner(parent: int, name: str, mount: tuple[int, bytes]) -> int | None:
    """Open a folder in a folder, None where it may not be read or something is mounted there."""
    try:
        found = os.open(name, FOLDER, dir_fd=parent)
    except OSError:
        return None
    if mount_of(found) == mount:
        return found
    os.close(found)
    return None


def chmod(parent: int, name: str, mode: int) -> None:
    """Change the permissions of what has a name, and never of what a link leads to."""
    if not hasattr(os, "O_PATH"):
        os.chmod(name, mode, dir_fd=parent, follow_symlinks=False)
        return
    found = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        if not stat.S_ISLNK(os.fstat(found).st_mode):
            os.chmod(f"/proc/self/fd/{found}", mode)
    finally:
        os.close(found)


def remove(parent: int, name: str, exclude: Sequence[str] = ()) -> None:
    """Remove what has a name in an open folder, with what is in it; folders that hold what is excluded stay.

    Raises:
        OSError: Something cannot be removed, or is mounted there.
    """
    later, mount = [name], mount_of(parent)
    while later:
        _remove(parent, later.pop(), exclude, top=parent, mount=mount, later=later, depth=0)


def enter(parent: int, name: str, mount: tuple[int, bytes]) -> int:
    """Open a folder in a folder to change what is in it.

    Raises:
        OSError: It cannot be opened, or something is mounted there.
    """
    found = os.open(name, FOLDER, dir_fd=parent)
    if mount_of(found) == mount:
        return found
    os.close(found)
    raise OSError(errno.EXDEV, "something is mounted there; unmount it", name)


def _remove(parent: int, name: str, exclude: Sequence[str], *, top: int, mount: tuple[int, bytes], later: list[str], depth: int) -> None:
    try:
        state = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(state.st_mode):
        os.unlink(name, dir_fd=parent)
        return
    if depth > DEEPEST:  # neither descriptors nor the stack may run out: what is deeper is removed from above
        moved = f".massgen-removing-{state.st_ino}"
        os.rename(name, moved, src_dir_fd=parent, dst_dir_fd=top)
        later.append(moved)
        return
    if stat.S_IMODE(state.st_mode) & 0o700 != 0o700:
        chmod(parent, name, stat.S_IMODE(state.st_mode) | 0o700)
    folder = enter(parent, name, mount)
    try:
        for inner in os.listdir(folder):
            if not is_excluded(inner, exclude):
                _remove(folder, inner, exclude, top=top, mount=mount, later=later, depth=depth + 1)
    finally:
        os.close(folder)
    try:
        os.rmdir(name, dir_fd=parent)
    except OSError as error:
        if not exclude or error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
