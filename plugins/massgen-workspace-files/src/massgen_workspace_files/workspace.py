"""An agent's files, kept in the run's folder."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.to_thread

from massgen_core.api import Context, MassGenError, NoticeGiven, clean_line
from massgen_workspace_files.config import FilesConfig
from massgen_workspace_files.diff import diff
from massgen_workspace_files.restore import Restorer
from massgen_workspace_files.store import Store
from massgen_workspace_files.tree import open_folder

__all__ = ["FOLDER", "FilesWorkspace", "open_workspace"]

FOLDER = "massgen-workspace-files"


def open_workspace(config: FilesConfig, context: Context) -> FilesWorkspace:
    """Return what keeps the files of the context's agent."""
    kept = context.folder / FOLDER
    path = context.workspace or kept / "files" / (context.agent or "run")
    path.mkdir(parents=True, exist_ok=True)

    def tell(text: str) -> None:
        context.emit(NoticeGiven(level="info", text=text, agent=context.agent))

    return FilesWorkspace(Store(kept), path, context.agent or "run", config, tell)


class FilesWorkspace:
    """Snapshots of one folder.

    Args:
        store: Where they are kept.
        path: The folder.
        agent: Whose.
        config: What is kept.
        tell: Tells a person.
    """

    def __init__(self, store: Store, path: Path, agent: str, config: FilesConfig, tell: Callable[[str], None] | None = None) -> None:
        self._store, self._path, self._agent, self._config, self._tell = store, path, agent, config, tell
        self._told: set[str] = set()
        self._lock = anyio.Lock()

    @property
    def path(self) -> Path:
        """The folder that the agent works in."""
        return self._path

    async def snapshot(self, label: str) -> str:
        """Keep the folder's present state; equal states have equal ids.

        Raises:
            MassGenError: It is gone, there is too much in it, or the store cannot be written.
        """
        async with self._lock:
            snapshot, left = await anyio.to_thread.run_sync(self.keep, label)
        new = [path for path in left if path not in self._told]
        if new and self._tell is not None:
            self._told.update(new)
            names = ", ".join(clean_line(path, 80) for path in new[:5])
            self._tell(f"not kept, and left alone when files are rolled back: {names}{' and more' if len(new) > 5 else ''}")
        return snapshot

    def keep(self, label: str) -> tuple[str, list[str]]:
        """Keep the folder's present state, blocking; return the snapshot's id, and what could not be kept."""
        config = self._config
        folder = open_folder(str(self._path))
        try:
            index = re.sub(r"[^A-Za-z0-9_-]", "_", self._agent)
            found = self._store.keep(folder, index, exclude=config.exclude, max_size=config.max_size, max_files=config.max_files)
            if label:
                self._store.note(id=found[0], agent=self._agent, label=label, path=str(self._path))
        except OSError as error:
            raise MassGenError(f"{self._path} could not be kept: {error}") from error
        finally:
            os.close(folder)
        return found

    async def restore(self, snapshot: str) -> None:
        """Make the folder what it was.

        Raises:
            MassGenError: There is no such snapshot, it is damaged, or the folder cannot be written.
        """
        async with self._lock:
            missing = await anyio.to_thread.run_sync(self.bring_back, snapshot)
        if missing and self._tell is not None:
            self._tell(f"could not be brought back, since they had not been kept: {', '.join(clean_line(path, 80) for path in missing[:5])}")

    def bring_back(self, snapshot: str) -> list[str]:
        """Make the folder what it was; return what could not be brought back."""
        manifest = self._store.manifest(snapshot)
        folder = open_folder(str(self._path))
        try:
            return Restorer(self._store, manifest).run(folder)
        except OSError as error:
            raise MassGenError(f"{self._path} could not be brought back as a whole: {error}; mend that, and roll back again") from error
        finally:
            os.close(folder)

    async def share(self, snapshot: str, target: Path) -> None:
        """Lay a read-only copy of a snapshot under `target`, which is new or empty.

        Raises:
            MassGenError: It holds something, or cannot be written.
        """
        await anyio.to_thread.run_sync(self._share, snapshot, target)

    def _share(self, snapshot: str, target: Path) -> None:
        manifest = self._store.manifest(snapshot)
        try:
            target.mkdir(parents=True, exist_ok=True)
            folder = open_folder(str(target))
            try:
                if os.listdir(folder):
                    raise MassGenError(f"{target} is not empty; nothing was copied")
                Restorer(self._store, manifest, mask=0o555).run(folder)
                os.fchmod(folder, 0o555)
            finally:
                os.close(folder)
        except OSError as error:
            raise MassGenError(f"the snapshot could not be copied to {target}: {error}") from error

    async def diff(self, older: str, newer: str) -> str:
        """Return a unified diff between two snapshots; of what is no text, or very long, only that it differs.

        Raises:
            MassGenError: There is no such snapshot, or it is damaged.
        """
        return await anyio.to_thread.run_sync(diff, self._store, self._store.manifest(older), self._store.manifest(newer))
