"""Real MCP servers from their registries: installed once, into a folder of the cache, outside of every repository."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import attrs
import pytest

SECONDS = 600
# What servers of the node registry are written for.
NODE = 20
# What installers say where there is no network; anything else is a failure of the test.
_UNREACHABLE = re.compile(
    r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|network is unreachable|name resolution|name or service not known|"
    r"dns error|error sending request|connection (?:refused|reset|timed out|error)|timed out|could not connect|max retries exceeded|"
    r"failed to fetch|service unavailable|bad gateway",
    re.IGNORECASE,
)


def node_version() -> int:
    """Return the major version of the Node.js that is installed; 0 where there is none."""
    try:
        done = subprocess.run(["node", "--version"], capture_output=True, text=True, timeout=60, check=False)  # noqa: S607 - found as a server would find it
    except OSError:
        return 0
    found = re.match(r"v(\d+)", done.stdout)
    return int(found[1]) if found else 0


@attrs.frozen(kw_only=True)
class RealServer:
    """How an installed server is started."""

    command: str
    args: tuple[str, ...] = ()


@attrs.frozen
class RealServers:
    """Installs servers and says how they are started. A test is skipped, with the reason, only where a registry cannot be reached.

    Attributes:
        folder: Where they are kept.
    """

    folder: Path = attrs.field(factory=lambda: Path(os.environ.get("MASSGEN_TEST_SERVERS") or Path.home() / ".cache" / "massgen-tests" / "servers"))

    def python(self, distribution: str, *more: str, module: str = "") -> RealServer:
        """Return a server of the Python package index.

        Args:
            distribution: Its name.
            more: Other requirements, for instance `mcp<2`.
            module: What is run; its name with underscores if empty.
        """
        folder = self._installed("python", distribution, more, self._pip)
        return RealServer(command=str(folder / "venv" / "bin" / "python"), args=("-m", module or distribution.replace("-", "_")))

    def node(self, package: str, script: str = "dist/index.js") -> RealServer:
        """Return a server of the node registry.

        Args:
            package: Its name.
            script: What is run, within the package.
        """
        if (version := node_version()) < NODE or shutil.which("npm") is None:
            pytest.skip(f"npm and Node.js {NODE} are needed; {f'version {version}' if version else 'no Node.js'} is installed")
        folder = self._installed("node", package, (), self._npm)
        return RealServer(command="node", args=(str(folder / "node_modules" / package / script),))

    def node_modules(self, package: str, *more: str) -> Path:
        """Return the folder of node packages; those that are programs are no servers, but help to test them.

        Args:
            package: The first one's name, with its version where that matters.
            more: Names of others.
        """
        if shutil.which("npm") is None:
            pytest.skip("npm is not installed")
        return self._installed("node", package, more, self._npm) / "node_modules"

    def _installed(self, kind: str, name: str, more: Sequence[str], install: object) -> Path:
        folder = self.folder / re.sub(r"[^A-Za-z0-9.-]+", "-", "-".join((kind, name, *more))).strip("-")
        if folder.is_dir():
            return folder
        self.folder.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".new-", dir=self.folder))
        try:
            for command in install(draft, name, more):  # type: ignore[operator]
                done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)  # noqa: S603 - no shell
                if done.returncode:
                    said = (done.stderr or done.stdout).strip()[-600:]
                    if _UNREACHABLE.search(said):
                        pytest.skip(f"the registry of {name} cannot be reached: {said[-200:]}")
                    pytest.fail(f"{name} cannot be installed: {said}")
            if not folder.exists():  # another process may have been quicker
                draft.rename(folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return folder

    @staticmethod
    def _pip(draft: Path, name: str, more: Sequence[str]) -> list[list[str]]:
        # An environment cannot be moved, so that only its Python and its packages are used; scripts name the draft's folder.
        beside = Path(sys.executable).with_name("uv")
        uv = str(beside) if beside.exists() else shutil.which("uv")
        place = str(draft / "venv")
        if uv is None:
            return [[sys.executable, "-m", "venv", place], [f"{place}/bin/python", "-m", "pip", "install", "-q", name, *more]]
        return [[uv, "venv", "-q", "--python", sys.executable, place], [uv, "pip", "install", "-q", "--python", f"{place}/bin/python", name, *more]]

    @staticmethod
    def _npm(draft: Path, name: str, more: Sequence[str]) -> list[list[str]]:
        return [["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", str(draft), name, *more]]
