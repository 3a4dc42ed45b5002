"""Changing a person's file: never without a copy, and never half."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

import attrs

from massgen_core.api import ConfigProblems, MassGenError, is_trusted, trust

__all__ = ["Written", "create", "read_text", "write"]


@attrs.frozen
class Written:
    """A file that was changed, and the copy of what it was."""

    path: Path
    backup: Path


def read_text(path: Path) -> str:
    """Return a file's text with its line ends as they are.

    Raises:
        MassGenError: It cannot be read.
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            return stream.read()
    except (OSError, UnicodeDecodeError) as error:
        raise MassGenError(f"{path} cannot be read: {error}") from error


def create(path: Path, text: str) -> None:
    """Write a file that is not there yet.

    Raises:
        MassGenError: It is there, or cannot be written.
    """
    try:
        with path.open("x", encoding="utf-8", newline="") as stream:
            stream.write(text)
    except OSError as error:
        raise MassGenError(f"{path} cannot be written: {error.strerror or error}") from error


def write(path: Path, text: str) -> Written:
    """Replace a file at once, after a copy of it is kept beside it; no copy replaces an earlier one. A file that was trusted stays so.

    Raises:
        MassGenError: It cannot be written; the file is as it was.
    """
    path = path.resolve()
    was_trusted = _is_trusted(path)
    try:
        old, mode = path.read_bytes(), path.stat().st_mode & 0o777
        backup = _copy(path, old, mode)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            os.chmod(name, mode)
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        raise MassGenError(f"{path} cannot be changed: {error.strerror or error}") from error
    if was_trusted:
        with suppress(MassGenError):  # where nothing can be kept, massgen run asks
            trust(path, os.environ)
    return Written(path, backup)


def _is_trusted(path: Path) -> bool:
    try:
        return path.name == "massgen.yaml" and is_trusted(path, os.environ)
    except ConfigProblems:
        return False


def _copy(path: Path, content: bytes, mode: int) -> Path:
    for number in range(1, 1000):
        backup = path.with_name(f"{path.name}.bak{'' if number == 1 else number}")
        try:
            handle = os.open(backup, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        except FileExistsError:
            continue
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        return backup
    raise MassGenError(f"there are too many copies of {path} beside it; remove some")
