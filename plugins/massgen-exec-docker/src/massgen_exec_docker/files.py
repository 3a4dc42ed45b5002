"""Files of the sandbox from outside, and what of this machine may be shared with it."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import attrs

from massgen_core.api import Context, MassGenError, folder_refusal, open_beneath

__all__ = ["WORKSPACE", "Files", "Share", "give", "granted", "marked", "shares", "workspace_of"]

WORKSPACE = "/workspace"


@attrs.frozen(kw_only=True)
class Share:
    """A folder or file of this machine that a container sees.

    Attributes:
        source: Its path here, without links.
        target: Its path there.
        writable: Commands may write there.
        identity: Device and inode, by which it is known again.
    """

    source: str
    target: str
    writable: bool
    identity: tuple[int, int]

    def check(self) -> None:
        """See that it is still what it was: engines follow links, and make folders that are missing.

        Raises:
            MassGenError: Something else is in its place.
        """
        try:
            state = os.lstat(self.source)
            if os.path.realpath(self.source) == self.source and (state.st_dev, state.st_ino) == self.identity:
                return
        except OSError:
            pass
        raise MassGenError(f"executor docker: {self.source!r} is not any more what it was when the sandbox was opened; it is not shared")


def _share(source: str, target: str, writable: bool) -> Share:
    state = os.stat(source)
    return Share(source=source, target=target, writable=writable, identity=(state.st_dev, state.st_ino))


def workspace_of(folder: Path) -> Share:
    """Make an agent's workspace where there is none, and return it.

    Raises:
        MassGenError: It is a folder that must not be shared.
    """
    folder.mkdir(parents=True, exist_ok=True)
    real = os.path.realpath(folder)
    _check("the workspace", str(folder), real, is_workspace=True)
    return _share(real, WORKSPACE, True)


def shares(option: str, paths: Sequence[str], *, writable: Sequence[str]) -> tuple[Share, ...]:
    """Return folders and files that are shared under their own paths, links resolved.

    Args:
        option: `read` or `write`.
        paths: Absolute, or beginning with `~`.
        writable: Folders that commands can write to: nothing in them can be shared, since they could put a link in its place.

    Raises:
        MassGenError: One of them must not be shared.
    """
    return tuple(_checked(f"option {option}[{number}]", path, writable, option == "write") for number, path in enumerate(paths))


def granted(context: Context, writable: Sequence[Share], *, is_writable: bool) -> tuple[Share, ...]:
    """Return the agent's context paths of one permission, files among them; see `shares` for `writable`."""
    paths = [str(one.path) for one in context.context_paths if one.is_writable is is_writable]
    found = shares("context_paths", paths, writable=[each.source for each in writable])
    return tuple(attrs.evolve(each, writable=is_writable) for each in found)


@contextmanager
def marked(folder: str, name: str) -> Iterator[None]:
    """Keep a file of this name in a folder, by which the folder is known when it is seen from inside; without a name nothing is made."""
    if not name:
        yield
        return
    path = os.path.join(folder, name)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    try:
        yield
    finally:
        with suppress(OSError):
            os.unlink(path)


def _check(what: str, path: str, given: str, *, is_workspace: bool = False) -> None:
    reason = folder_refusal(given, is_workspace=is_workspace)
    if reason or os.path.realpath(given) == WORKSPACE:
        raise MassGenError(f"executor docker: {what}: {path!r} {reason or 'is where commands see their workspace'}")


def _checked(what: str, path: str, writable: Sequence[str], is_write: bool) -> Share:
    given = os.path.expanduser(path)
    if not os.path.isabs(given):
        raise MassGenError(f"executor docker: {what}: {path!r} is no absolute path; write all of it")
    real, plain = os.path.realpath(given), os.path.normpath(given)
    if not os.path.exists(real):
        raise MassGenError(f"executor docker: {what}: {path!r} does not exist; make it first, or leave it out")
    _check(what, path, given)
    if any(each.startswith(f"{folder}/") for each in (real, plain) for folder in writable):
        raise MassGenError(f"executor docker: {what}: {path!r} is in a folder that commands can write to, and is visible there already")
    if is_write and not os.path.isdir(real):
        raise MassGenError(f"executor docker: {what}: {path!r} is no folder; share the folder that it is in")
    return _share(real, real, is_write)


def give(folder: str, user: int, group: int) -> None:
    """Give a workspace that belongs to root to the user of commands; only root can, and links are not followed."""
    if os.geteuid() != 0 or os.stat(folder).st_uid != 0:
        return
    for _, folders, files, descriptor in os.fwalk(folder):
        os.fchown(descriptor, user, group)
        for name in (*folders, *files):
            os.chown(name, user, group, dir_fd=descriptor, follow_symlinks=False)


@contextmanager
def _acting_as(user: int, group: int) -> Iterator[None]:
    """Let this thread make files as another user, where root can."""
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None)
    libc.setfsgid(group)
    libc.setfsuid(user)
    try:
        yield
    finally:
        libc.setfsuid(os.geteuid())
        libc.setfsgid(os.getegid())


@attrs.frozen(kw_only=True)
class Files:
    """Opens files for `read` and `write`.

    Attributes:
        shares: What containers see, the workspace first.
        user: Number of the commands' user.
        group: Number of their group.
    """

    shares: Sequence[Share]
    user: int
    group: int

    def read_file(self, path: str) -> bytes:
        """Return a file's content."""
        with os.fdopen(self._open(path, os.O_RDONLY, writable=False), "rb") as file:
            _be_file(file.fileno(), path)
            return file.read()

    def write_file(self, path: str, data: bytes) -> None:
        """Write a file, with its folders."""
        # Cut off only when it is known to be a file.
        with os.fdopen(self._open(path, os.O_WRONLY | os.O_CREAT, writable=True), "wb") as file:
            _be_file(file.fileno(), path)
            os.ftruncate(file.fileno(), 0)
            file.write(data)

    def _open(self, path: str, flags: int, *, writable: bool) -> int:
        if "\0" in path:
            raise FileNotFoundError(errno.ENOENT, "no file can have this name", path)
        full = path if path.startswith("/") else f"{WORKSPACE}/{path}"
        within = [each for each in self.shares if full == each.target or full.startswith(f"{each.target}/")]
        share = max(within, key=lambda each: len(each.target), default=None)
        if share is None or (writable and not share.writable):
            raise FileNotFoundError(errno.ENOENT, "outside of the workspace and of what is shared", path)
        if full == share.target and os.path.isfile(share.source):
            return os.open(share.source, flags | os.O_CLOEXEC | os.O_NOFOLLOW)
        folder = os.open(share.source, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            if not writable:
                return open_beneath(folder, full[len(share.target) + 1 :], flags)
            with _acting_as(self.user, self.group):
                return open_beneath(folder, full[len(share.target) + 1 :], flags)
        finally:
            os.close(folder)


def _be_file(descriptor: int, path: str) -> None:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise OSError(errno.EINVAL, "not a regular file", path)
