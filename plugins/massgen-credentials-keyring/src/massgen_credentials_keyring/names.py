"""The names of what was put into the keyring, in a file: keyrings cannot be asked for them."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path

__all__ = ["Names", "names_file"]

MOST = 1000


def names_file() -> Path:
    """Return the path of the file of names."""
    given = os.environ.get("XDG_DATA_HOME", "")
    folder = Path(given) if given.startswith("/") else Path(os.environ.get("HOME") or Path.home()) / ".local" / "share"
    return folder / "massgen" / "keyring-names.json"


class Names:
    """Names only, for listings; what cannot be read or written is not listed, and nothing fails.

    Args:
        file: Where.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def read(self) -> tuple[str, ...]:
        """Return the names, sorted."""
        try:
            found = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return ()
        return tuple(sorted({name for name in found if isinstance(name, str)})) if isinstance(found, list) else ()

    def add(self, name: str) -> None:
        """Add a name."""
        if name not in (known := self.read()):
            self._write([*known[: MOST - 1], name])

    def remove(self, name: str) -> None:
        """Remove a name."""
        if name in (known := self.read()):
            self._write([one for one in known if one != name])

    def _write(self, names: list[str]) -> None:
        with suppress(OSError):
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, draft = tempfile.mkstemp(prefix=".names.", dir=self._file.parent)
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                json.dump(sorted(names), stream, ensure_ascii=True)
            os.replace(draft, self._file)
