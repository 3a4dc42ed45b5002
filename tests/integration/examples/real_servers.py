"""Real servers, installed once from their registries and kept in `~/.cache/massgen-tests/mcp`; and programs `npx` and `uvx` that find them there.

A test that wants them asks `shims(...)` for a folder to put before PATH; configurations stay as people write them. One process installs at a time.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import attrs

from massgen_testkit.servers import NODE, node_version

__all__ = ["SERVERS", "TOO_OLD", "NotInstalled", "RealServer", "installed", "shims"]

SECONDS = 300


class NotInstalled(Exception):
    """A server could not be installed, for instance since the registry cannot be reached."""


@attrs.frozen(kw_only=True)
class RealServer:
    """A server as its registry has it.

    Attributes:
        package: Its name there.
        version: The one that is tested.
        program: The program that it installs, where that has another name.
        beside: What is installed beside it.
        variant: Told apart from the same package with something else beside it.
    """

    package: str
    version: str
    program: str = ""
    beside: tuple[str, ...] = ()
    variant: str = ""

    @property
    def is_npm(self) -> bool:
        return self.package.startswith("@") or self.package == "mcp-discord"

    @property
    def folder(self) -> Path:
        name = re.sub(r"[^a-z0-9.-]+", "-", f"{self.package.lstrip('@')}-{self.version}{self.variant}")
        return cache() / ("npm" if self.is_npm else "python") / name

    @property
    def executable(self) -> Path:
        name = self.program or self.package
        return self.folder / "node_modules" / ".bin" / name if self.is_npm else self.folder / "bin" / name


SERVERS: Mapping[str, RealServer] = {
    server.package: server
    for server in (
        RealServer(package="@modelcontextprotocol/server-filesystem", version="2026.8.31", program="mcp-server-filesystem"),
        RealServer(package="@modelcontextprotocol/server-everything", version="2026.8.31", program="mcp-server-everything"),
        RealServer(package="@modelcontextprotocol/server-memory", version="2026.8.31", program="mcp-server-memory"),
        RealServer(package="mcp-discord", version="1.3.4"),
        RealServer(package="mcp-server-git", version="2026.10.19"),
        RealServer(package="mcp-server-time", version="2026.10.19"),
        RealServer(package="paper-search-mcp", version="0.1.4", beside=("mcp<2",)),
        RealServer(package="x-twitter-mcp", version="0.1.15", program="x-twitter-mcp-server"),
    )
}
# It does not start: it was written for version 1 of the library.
TOO_OLD = RealServer(package="paper-search-mcp", version="0.1.4", beside=("mcp>=2,<3",), variant="-too-old")


def cache() -> Path:
    """Return the folder that outlives the tests."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "massgen-tests", "mcp")


def installed(wanted: str | RealServer) -> RealServer:
    """Return a server that is there, installed now if need be.

    Raises:
        NotInstalled: It cannot be.
    """
    server = SERVERS[wanted] if isinstance(wanted, str) else wanted
    if server.is_npm and (found := node_version()) < NODE:
        raise NotInstalled(f"{server.package} wants Node.js {NODE}; {f'version {found}' if found else 'none'} is installed")
    if (server.folder / "complete").is_file():
        return server
    with _alone():
        if not (server.folder / "complete").is_file():
            shutil.rmtree(server.folder, ignore_errors=True)
            server.folder.mkdir(parents=True)
            for command in _commands(server):
                _call(command)
            (server.folder / "complete").touch()
    return server


def _commands(server: RealServer) -> Iterator[Sequence[str]]:
    wanted = server.package, server.version
    if server.is_npm:
        # No script of a package is run.
        yield ("npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(server.folder), "@".join(wanted))
        return
    uv = shutil.which("uv", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))) or "uv"
    yield (uv, "venv", "--quiet", "--python", sys.executable, str(server.folder))
    yield (uv, "pip", "install", "--quiet", "--python", str(server.folder / "bin" / "python"), "==".join(wanted), *server.beside)


def _call(command: Sequence[str]) -> None:
    # What these tests are told must not reach the installers: a foreign environment, a foreign target.
    env = {key: value for key, value in os.environ.items() if not key.startswith(("VIRTUAL_ENV", "PYTHONPATH", "PYTEST_", "MASSGEN_"))}
    try:
        done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalled(f"{command[0]} cannot be run: {error}") from None
    if done.returncode:
        raise NotInstalled(f"{command[0]} ended with {done.returncode}: {done.stdout[-500:]}")


@contextmanager
def _alone() -> Iterator[None]:
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def shims(folder: Path, packages: Sequence[str]) -> Path:
    """Write programs `npx` and `uvx` that start installed servers by their packages' names, and return the folder that they are in.

    Raises:
        NotInstalled: One of the servers cannot be installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = {package: installed(package) for package in packages}
    for name, is_npm in (("npx", True), ("uvx", False)):
        cases = "".join(
            f'    {server.package}|{server.program or server.package}) shift; exec "{server.executable}" "$@" ;;\n'
            for server in found.values()
            if server.is_npm is is_npm
        )
        # Options that say how to install are passed over: it is installed.
        text = (
            '#!/bin/sh\nwhile [ $# -gt 0 ]; do\n  case "$1" in\n    -y) shift ;;\n    --with|--from) shift 2 ;;\n'
            f'{cases}    *) echo "$1 is not installed for this test" >&2; exit 127 ;;\n  esac\ndone\n'
        )
        (folder / name).write_text(text, encoding="utf-8")
        (folder / name).chmod(0o755)
    return folder
