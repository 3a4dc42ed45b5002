"""What all checks of executors share: opening a sandbox, running programs in it, and seeing whether they are gone."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import anyio
import attrs
import pytest

from massgen_core.api import ExecCommand, ExecResult, Executor, Limits, LimitUnsupported
from massgen_testkit.context import PlainContext
from massgen_testkit.distribution import PluginSuite
from massgen_testkit.leaks import Held, Leaks

PATIENCE = 90.0
# A tree of processes that hold a lock: the program itself, a child, a child that ignores signals, and one that left its session and its parent.
TREE = """
import fcntl, os, signal, sys, time
held = open(sys.argv[1], "a")
fcntl.flock(held, fcntl.LOCK_EX)
for kind in sys.argv[2].split(","):
    told, tell = os.pipe()
    if os.fork() == 0:
        if kind == "deaf":
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
        if kind == "daemon":
            os.setsid()
            if os.fork():
                os._exit(0)
        os.write(tell, b"x")
        time.sleep(600)
    os.read(told, 1)
open(sys.argv[1] + ".ready", "w").close()
print("ready", flush=True)
if sys.argv[3] == "stay":
    time.sleep(600)
"""
HELD = """
import fcntl, sys, time
end = time.monotonic() + float(sys.argv[2])
with open(sys.argv[1], "a") as file:
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            sys.exit(0)
        except OSError:
            if time.monotonic() > end:
                sys.exit(1)
            time.sleep(0.05)
"""


def contents(folder: Path) -> dict[str, str]:
    """Return the texts of a folder's files by their names."""
    return {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir()}


class Sandboxes(PluginSuite):
    """How the checks of executors reach their subject.

    Commands need a shell and Python inside the sandbox. Each check has a workspace of its own.

    Attributes:
        python: The interpreter as commands name it; Python 3.9 or later with its standard library.
        shell: A POSIX shell as commands name it.
        connected: Options with which `NetworkPolicy(mode="full")` may be asked for.
    """

    kind: ClassVar[str] = "executor"
    python: ClassVar[str] = "python3"
    shell: ClassVar[str] = "sh"
    connected: ClassVar[Mapping[str, Any]] = {}

    def features(self) -> frozenset[str]:
        limits = {"cpus", "descriptors", "disk", "file_size", "memory", "processes"}
        network = {"no network", "full network", "listed hosts"}
        walls = {"detached processes", "files", "mounts", "owner", "privileges", "processes apart", "read-only root", "unprivileged user", "users"}
        return frozenset(limits | network | walls | {"dangerous mounts", "system calls", "terminal"})

    def mounting(self, folder: Path, *, writable: bool) -> tuple[Mapping[str, Any], str]:
        """Return options that share a folder of this machine with the sandbox, and its path there; or `unsupported = {"mounts": "why"}`."""
        raise NotImplementedError

    @pytest.fixture
    def workspace(self, tmp_path: Path, context: PlainContext) -> Path:
        """The agent's folder, which commands see."""
        context.workspace = tmp_path / "workspace"
        context.workspace.mkdir()
        return context.workspace

    @asynccontextmanager
    async def sandbox(self, context: PlainContext, options: Mapping[str, Any] | None = None) -> AsyncIterator[Executor]:
        """Open the executor as a run does."""
        async with context, self.opened(context, options) as executor:
            yield executor

    async def run(self, executor: Executor, *argv: str, **more: Any) -> ExecResult:
        """Run a command, bounded in time."""
        with anyio.fail_after(PATIENCE):
            return await executor.run(ExecCommand(argv=argv, **more))

    def command(self, code: str, *arguments: str, **more: Any) -> ExecCommand:
        """Return a command that runs Python code."""
        return ExecCommand(argv=(self.python, "-c", code, *arguments), **more)

    async def script(self, executor: Executor, code: str, *arguments: str, **more: Any) -> ExecResult:
        """Run Python code in the sandbox."""
        return await self.run(executor, self.python, "-c", code, *arguments, **more)

    async def told(self, executor: Executor, code: str, *arguments: str, **more: Any) -> Any:
        """Run Python code that prints JSON, and return that."""
        result = await self.script(executor, code, *arguments, **more)
        assert result.status == "exited", result
        assert result.exit_code == 0, result
        return json.loads(result.stdout)

    def tree(self, name: str, *kinds: str, stay: bool = True, **more: Any) -> ExecCommand:
        """Return a command that becomes a tree of processes, each of which holds the lock `name`."""
        return self.command(TREE, name, ",".join(kinds), "stay" if stay else "leave", **more)

    async def is_ready(self, executor: Executor, name: str) -> None:
        """Wait until a tree stands."""
        with anyio.fail_after(PATIENCE):
            while True:
                try:
                    await executor.read(f"{name}.ready")
                except FileNotFoundError:
                    await anyio.sleep(0.02)
                else:
                    return

    async def assert_gone(self, executor: Executor, name: str, within: float = 20.0) -> None:
        """Check that no process of a tree is left: the lock that each of them holds can be taken."""
        result = await self.script(executor, HELD, name, str(within), limits=Limits(seconds=within + 30))
        assert result.exit_code == 0, f"processes of the tree still run after {within} s: {result}"

    def roomy(self) -> Limits:
        """Return limits under which ten megabytes of output are kept."""
        return Limits(output=10_000_000)

    async def assert_no_more(self, leaks: Leaks, before: Held) -> None:
        """Check that no more is held than before; a process that waits for the next command may be another than before."""
        until = anyio.current_time() + 5
        while True:
            now = leaks.held()
            left = now.beyond(attrs.evolve(before, children=now.children))
            left += [f"{len(now.children)} processes instead of {len(before.children)}"] * (len(now.children) > len(before.children))
            if not left:
                return
            assert anyio.current_time() < until, f"still held after 5 s: {', '.join(left)}"
            await anyio.sleep(0.01)

    async def limited(self, executor: Executor, code: str, *arguments: str, feature: str, limits: Limits) -> ExecResult | None:
        """Run Python code under a limit; None where the plugin says that it has no such limit, and has refused it by name."""
        if feature not in self.unsupported:
            return await self.script(executor, code, *arguments, limits=limits)
        with pytest.raises(LimitUnsupported, match=feature):
            await self.script(executor, code, *arguments, limits=limits)
        return None
