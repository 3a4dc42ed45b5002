"""Reading and writing one file."""

from __future__ import annotations

import io
import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

from dotenv.parser import parse_stream

from massgen_core.api import StoreProblem

__all__ = ["encoded", "held", "read", "without", "write"]

MOST = 1 << 20


def read(file: Path, *, is_own: bool) -> str:
    """Return a file's text; empty where there is none.

    Args:
        file: Where.
        is_own: Nobody but its owner may be able to read it, and that must be this user.

    Raises:
        StoreProblem: Others can read or write it, it is no ordinary file, too long, or no text.
    """
    try:
        # A pipe that somebody put there must not hold the program up.
        descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise StoreProblem(f"{file} cannot be read: {error.strerror}") from None
    try:
        _check(file, os.fstat(descriptor), is_own=is_own)
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            content = stream.read(MOST + 1)
    finally:
        os.close(descriptor)
    if len(content) > MOST:
        raise StoreProblem(f"{file} has more than {MOST} bytes; a .env file holds a few lines of NAME=value")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise StoreProblem(f"{file} is no UTF-8 text; save it as UTF-8") from None


def _check(file: Path, known: os.stat_result, *, is_own: bool) -> None:
    if not stat.S_ISREG(known.st_mode):
        raise StoreProblem(f"{file} is no ordinary file; remove it, or put a file of NAME=value lines there")
    if not is_own or os.name != "posix":
        return
    if known.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise StoreProblem(f"{file} can be read by others (mode {stat.S_IMODE(known.st_mode):04o}), so it is not used; run: chmod 600 {file}")
    if known.st_uid not in (os.geteuid(), 0):
        raise StoreProblem(f"{file} belongs to another user, so it is not used; put one of your own there")


def held(text: str) -> Mapping[str, str | None]:
    """Return what a file's text holds; the last of a name counts. A line that is none is passed over."""
    return {binding.key: binding.value for binding in parse_stream(io.StringIO(text, newline="")) if binding.key is not None}


def without(text: str, key: str) -> str:
    """Return a file's text without a name, ending with a line's end; everything else stays as it is, comments included."""
    kept = "".join(
        binding.original.string if binding.key != key else _lead(binding.original.string) for binding in parse_stream(io.StringIO(text, newline=""))
    )
    return kept if not kept or kept.endswith("\n") else f"{kept}\n"


def _lead(text: str) -> str:
    """Return the empty lines at the beginning of a text."""
    blank = text[: len(text) - len(text.lstrip())]
    return blank[: max(blank.rfind("\n"), blank.rfind("\r")) + 1]


def encoded(key: str, value: str) -> str:
    """Return a line that holds a value as it is: between single quotes, where a backslash stands before a quote or another backslash."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"{key}='{escaped}'\n"


def write(file: Path, text: str) -> None:
    """Replace a file by a new one that its owner alone can read, whole or not at all.

    Raises:
        StoreProblem: That is not possible.
    """
    # A link to a file elsewhere stays a link.
    target = Path(os.path.realpath(file))
    draft = ""
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(prefix=".env.", dir=target.parent)  # mode 0600
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(draft, target)
    except (OSError, UnicodeEncodeError) as error:
        if draft:
            Path(draft).unlink(missing_ok=True)
        reason = error.strerror if isinstance(error, OSError) else "half a character is no text"
        raise StoreProblem(f"{file} cannot be written: {reason}") from None
