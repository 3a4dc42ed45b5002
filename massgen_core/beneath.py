"""Opening files in a folder that somebody else writes to: no link in it leads out of it, however it changes meanwhile."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress

__all__ = ["open_beneath"]

_OPENAT2 = 437  # the same on every architecture
_NO_MAGIC, _BENEATH = 0x02, 0x08
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_ESCAPES = (errno.EXDEV, errno.ELOOP)


def open_beneath(folder: int, path: str, flags: int = os.O_RDONLY, mode: int = 0o644) -> int:
    """Open a path within an open folder and return a descriptor, not inherited and never blocking on a pipe.

    The kernel resolves it in one step where it can (`openat2`); elsewhere each part is opened in its turn, and links are refused altogether.

    Args:
        folder: Descriptor of the folder.
        path: Relative to it, not empty.
        flags: As `os.open` takes them; `os.O_CREAT` makes missing folders, too.
        mode: Of a file that is made.

    Raises:
        FileNotFoundError: There is none.
        PermissionError: The path leads out of the folder.
        OSError: It cannot be opened.
    """
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if path.startswith("/") or "\0" in path or not parts:
        raise PermissionError(errno.EACCES, "not a path within the folder", path)
    flags |= os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
    try:
        if flags & os.O_CREAT:
            _make_folders(folder, parts[:-1])
        return _resolve(folder, "/".join(parts), flags, mode)
    except OSError as error:
        if error.errno in _ESCAPES:
            raise PermissionError(errno.EACCES, "the path leads out of the folder", path) from None
        raise type(error)(error.errno, error.strerror, path) from None


def _make_folders(folder: int, parts: list[str]) -> None:
    for count in range(1, len(parts) + 1):
        try:
            os.close(_resolve(folder, "/".join(parts[:count]), _FOLDER, 0))
        except FileNotFoundError:
            parent = _resolve(folder, "/".join(parts[: count - 1]), _FOLDER, 0) if count > 1 else os.dup(folder)
            try:
                os.mkdir(parts[count - 1], dir_fd=parent)
            except FileExistsError:  # somebody was quicker
                pass
            finally:
                os.close(parent)


def _resolve(folder: int, path: str, flags: int, mode: int) -> int:
    try:
        return _openat2(folder, path, flags, mode)
    except NotImplementedError:
        return _walk(folder, path.split("/"), flags, mode)


def _openat2(folder: int, path: str, flags: int, mode: int) -> int:
    import ctypes  # noqa: PLC0415 - for those who open

    if not hasattr(os, "eventfd"):  # no Linux
        raise NotImplementedError
    libc = ctypes.CDLL(None, use_errno=True)
    how = (ctypes.c_uint64 * 3)(flags, mode if flags & os.O_CREAT else 0, _BENEATH | _NO_MAGIC)
    for _ in range(64):
        found = int(libc.syscall(_OPENAT2, folder, os.fsencode(path), ctypes.byref(how), ctypes.sizeof(how)))
        if found >= 0:
            return found
        number = ctypes.get_errno()
        if number in (errno.ENOSYS, errno.EPERM):  # an old kernel, or a sandbox of our own
            raise NotImplementedError
        if number not in (errno.EAGAIN, errno.EINTR):  # the tree changed under way
            break
    raise OSError(number, os.strerror(number), path)


def _refuse_link(name: str, folder: int) -> None:
    # For the message: opening refuses a link that comes in its place later, under another name.
    with suppress(FileNotFoundError):
        if stat.S_ISLNK(os.lstat(name, dir_fd=folder).st_mode):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), name)


def _walk(folder: int, parts: list[str], flags: int, mode: int) -> int:
    if ".." in parts:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), "/".join(parts))
    parent = os.dup(folder)
    try:
        for part in parts[:-1]:
            _refuse_link(part, parent)
            inner = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=parent)
            os.close(parent)
            parent = inner
        _refuse_link(parts[-1], parent)
        return os.open(parts[-1], flags | os.O_NOFOLLOW, mode, dir_fd=parent)
    finally:
        os.close(parent)
