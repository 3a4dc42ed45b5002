"""Two files: the user's own, which can be written, and the project's, which fills in what the user has not."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from massgen_core.api import Context, Secret, StoreProblem
from massgen_credentials_dotenv.files import encoded, held, read, without, write

__all__ = ["DotenvStore", "user_file"]

PROJECT_FILE = ".env"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,199}\Z")


def user_file() -> Path:
    """Return the path of the user's file, whether it exists or not."""
    given = os.environ.get("XDG_CONFIG_HOME", "")
    folder = Path(given) if given.startswith("/") else Path(os.environ.get("HOME") or Path.home()) / ".config"
    return folder / "massgen" / ".env"


class DotenvStore:
    """Reads both files whenever it is asked: they are short, and what changes counts at once.

    A project's file may come from a stranger. It gives a value to whoever asks for its name, and only where the user has none of that name; nothing
    of it reaches the environment, and nothing in it is expanded.
    """

    def __init__(self, config: None, context: Context | None = None) -> None:
        del config, context

    def get(self, key: str) -> Secret | None:
        """Return a secret; see the contract.

        Raises:
            StoreProblem: A file cannot be trusted or read.
        """
        for file, is_own in _files():
            value = held(read(file, is_own=is_own)).get(key)
            if value:
                return Secret(value)
        return None

    def set(self, key: str, value: Secret) -> str:
        """Keep a secret in the user's file; see the contract.

        Raises:
            StoreProblem: It cannot be kept in this form, or the file cannot be written.
        """
        text = value.reveal()
        if not _NAME.match(key):
            raise StoreProblem("a .env file holds names of letters, digits, '_', '-' and '.', at most 200; use another name, or another store")
        if not text or "\0" in text:
            raise StoreProblem(f"a .env file cannot hold {'an empty value' if not text else 'a value with a NUL in it'}; use another store")
        file = user_file()
        write(file, without(read(file, is_own=True), key) + encoded(key, text))
        return str(file)

    def delete(self, key: str) -> bool:
        """Forget a secret of the user's file; see the contract.

        Raises:
            StoreProblem: It is in the project's file alone, or the file cannot be written.
        """
        file = user_file()
        text = read(file, is_own=True)
        if key in held(text):
            write(file, without(text, key))
            return True
        project, is_there = Path.cwd() / PROJECT_FILE, False
        with suppress(StoreProblem):  # nothing of it is deleted anyway
            is_there = bool(held(read(project, is_own=False)).get(key))
        if is_there:
            raise StoreProblem(f"{key} is in the project's file alone, which is not changed from here; edit {project}")
        return False

    def names(self) -> Mapping[str, str]:
        """Return the names of both files; see the contract.

        Raises:
            StoreProblem: A file cannot be trusted or read.
        """
        found: dict[str, str] = {}
        for file, is_own in _files():
            for name, value in held(read(file, is_own=is_own)).items():
                if value:
                    found.setdefault(name, str(file))
        return found


def _files() -> tuple[tuple[Path, bool], ...]:
    """Return the files in the order in which they are asked, each with whether it is the user's own."""
    return (user_file(), True), (Path.cwd() / PROJECT_FILE, False)
