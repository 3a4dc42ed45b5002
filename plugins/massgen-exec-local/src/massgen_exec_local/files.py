"""Files of the sandbox, opened from outside: beneath the folders that commands see, and through no link that leads out of them."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence

import attrs

from massgen_core.api import MassGenError, folder_refusal, open_beneath

__all__ = ["Files", "shared"]

# A command can make a file of any size out of nothing.
MOST = 256 << 20


def shared(option: str, paths: Sequence[str], *, writable: Sequence[str]) -> tuple[str, ...]:
    """Return paths as commands will see them, links resolved.

    Args:
        option: Where they are configured: `read`, `write`, `context_paths` or `workspace`.
        paths: Absolute, or beginning with `~`.
        writable: Folders that commands can write to: nothing in them can be shared, since they could put a link in its place.

    Raises:
        MassGenError: One of them must not be shared.
    """
    wanted = (option == "write", option == "workspace")
    return tuple(_checked(f"executor local: {option}[{number}]", path, writable, *wanted) for number, path in enumerate(paths))


def _checked(option: str, path: str, writable: Sequence[str], is_write: bool, is_workspace: bool) -> str:
    given = os.path.expanduser(path)
    if not os.path.isabs(given):
        raise MassGenError(f"{option}: {path!r} is no absolute path; write all of it")
    real, plain = os.path.realpath(given), os.path.normpath(given)
    if not os.path.exists(real):
        raise MassGenError(f"{option}: {path!r} does not exist; make it first, or leave it out")
    if reason := folder_refusal(given, is_workspace=is_workspace):
        raise MassGenError(f"{option}: {path!r} {reason}")
    if any(each.startswith(f"{folder}/") for each in (real, plain) for folder in writable):
        raise MassGenError(f"{option}: {path!r} is in a folder that commands can write to, and is visible there already")
    if is_write and not os.path.isdir(real):
        raise MassGenError(f"{option}: {path!r} is no folder; share the folder that it is in")
    return real


@attrs.frozen(kw_only=True)
class Files:
    """Opens files for `read` and `write`.

    Attributes:
        workspace: The agent's folder.
        read: What can be read beside it.
        write: What can be written to beside it.
    """

    workspace: str
    read: Sequence[str] = ()
    write: Sequence[str] = ()

    def read_file(self, path: str) -> bytes:
        """Return a file's content."""
        with os.fdopen(self._open(path, os.O_RDONLY, (self.workspace, *self.write, *self.read)), "rb") as file:
            _be_file(file.fileno(), path)
            data = file.read(MOST + 1)
            if len(data) > MOST:
                raise OSError(errno.EFBIG, f"larger than {MOST} bytes", path)
            return data

    def write_file(self, path: str, data: bytes) -> None:
        """Write a file, with its folders."""
        # Cut off only when it is known to be a file.
        with os.fdopen(self._open(path, os.O_WRONLY | os.O_CREAT, (self.workspace, *self.write)), "wb") as file:
            _be_file(file.fileno(), path)
            os.ftruncate(file.fileno(), 0)
            file.write(data)

    def _open(self, path: str, flags: int, roots: Sequence[str]) -> int:
        if "\0" in path:
            raise FileNotFoundError(errno.ENOENT, "no file can have this name", path)
        full = path if path.startswith("/") else f"{self.workspace}/{path}"
        root = max((root for root in roots if full == root or full.startswith(f"{root}/")), key=len, default="")
        if not root:
            raise FileNotFoundError(errno.ENOENT, "outside of the workspace and of what is shared", path)
        if full == root and os.path.isfile(root):  # a single file that is shared
            return os.open(root, flags | os.O_CLOEXEC | os.O_NOFOLLOW)
        folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return open_beneath(folder, full[len(root) + 1 :], flags)
        finally:
            os.close(folder)


def _be_file(descriptor: int, path: str) -> None:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise OSError(errno.EINVAL, "not a regular file", path)
