"""Which projects' files a person trusts: by where they lie and by content, in a file that only they can write."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from massgen_core.errors import MassGenError

__all__ = ["TrustStore", "digest"]


def digest(files: Iterable[tuple[Path, bytes]]) -> str:
    """Return what stands for a file and all that it includes: it changes with every byte of them, and with their paths."""
    made = hashlib.sha256()
    for path, content in files:
        for part in (os.fsencode(path), content):
            made.update(len(part).to_bytes(8, "big"))
            made.update(part)
    return made.hexdigest()


class TrustStore:
    """What is trusted.

    Args:
        file: Where it is kept. A file that others can write to, or that is damaged, counts as empty.
    """

    def __init__(self, file: Path) -> None:
        self.file = file

    def files(self) -> Mapping[str, str]:
        """Return the trusted files' absolute paths, each with the digest of what was trusted."""
        try:
            with self.file.open("rb") as stream:
                if not _is_own(os.fstat(stream.fileno())):
                    return {}
                known = json.loads(stream.read())
        except (OSError, ValueError):
            return {}
        files = known.get("files") if isinstance(known, dict) else None
        return {path: text for path, text in files.items() if isinstance(text, str)} if isinstance(files, dict) else {}

    @staticmethod
    def place(path: Path) -> str:
        """Return where a file lies: a link to it lies elsewhere, and with it the programs and folders that it names."""
        return str(path.parent.resolve() / path.name)

    def trusts(self, path: Path, content: str) -> bool:
        """Say whether a file is trusted as it is now.

        Args:
            path: The file.
            content: Its digest.
        """
        return self.files().get(self.place(path)) == content

    def add(self, path: Path, content: str) -> None:
        """Trust a file from now on, until it changes.

        Raises:
            MassGenError: It cannot be written down.
        """
        self._write({**self.files(), self.place(path): content})

    def remove(self, path: Path) -> bool:
        """Trust a file no more, and say whether it was trusted.

        Raises:
            MassGenError: It cannot be written down.
        """
        files = dict(self.files())
        was = files.pop(self.place(path), None) is not None
        if was:
            self._write(files)
        return was

    def _write(self, files: Mapping[str, str]) -> None:
        text = json.dumps({"version": 1, "files": dict(sorted(files.items()))}, indent=2) + "\n"
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self.file.parent, prefix=".trust.")  # made for its owner alone
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as stream:
                    stream.write(text)
                os.replace(name, self.file)
            except BaseException:
                os.unlink(name)
                raise
        except OSError as error:
            raise MassGenError(f"what you trust cannot be kept in {self.file}: {error.strerror or error}") from error


def _is_own(found: os.stat_result) -> bool:
    is_private = not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return os.name == "nt" or (is_private and found.st_uid in (os.geteuid(), 0))
