"""The end of what a server writes to its standard error, and every line of it for whoever asks."""

from __future__ import annotations

from collections.abc import Callable

from massgen_core.api import clean

__all__ = ["Tail"]

KEPT = 64 << 10
SHOWN_LINES = 20
SHOWN = 4096
LINE = 8192


class Tail:
    """Keeps the last bytes; a flood costs no memory."""

    def __init__(self) -> None:
        self.total = 0
        self._kept = bytearray()
        self._half = bytearray()
        self._observer: Callable[[str], None] | None = None

    def feed(self, data: bytes) -> None:
        """Take a piece."""
        self.total += len(data)
        self._kept += data
        if len(self._kept) > 2 * KEPT:
            del self._kept[:-KEPT]
        if self._observer is not None:
            self._tell(data)

    def watch(self, observer: Callable[[str], None]) -> None:
        """Call `observer` with each line, without its line break and cut at 8 KiB, from those that are still kept on. There is one observer."""
        self._observer = observer
        self._half.clear()
        self._tell(bytes(self._kept[-KEPT:]))

    def end(self) -> None:
        """Tell the last line, where it has no line break."""
        if self._half and self._observer is not None:
            self._tell(b"\n")

    def text(self) -> str:
        """Return the last lines, without what commands a terminal."""
        lines = bytes(self._kept[-SHOWN:]).decode("utf-8", "replace").strip().splitlines()
        return clean("\n".join(lines[-SHOWN_LINES:]))

    def _tell(self, data: bytes) -> None:
        assert self._observer is not None
        *whole, rest = data.split(b"\n")
        for line in whole:
            told = bytes(self._half + line[:LINE])[:LINE] if self._half else line[:LINE]
            self._half.clear()
            self._observer(told.rstrip(b"\r").decode("utf-8", "replace"))
        self._half += rest[: LINE - len(self._half)]
