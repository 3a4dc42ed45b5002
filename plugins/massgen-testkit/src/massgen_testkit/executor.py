"""The conformance suite of executors."""

from __future__ import annotations

import inspect
from typing import Any

from massgen_testkit.context import PlainContext
from massgen_testkit.sandboxes.breakouts import BreakoutChecks
from massgen_testkit.sandboxes.commands import CommandChecks
from massgen_testkit.sandboxes.ends import EndChecks
from massgen_testkit.sandboxes.files import FileChecks
from massgen_testkit.sandboxes.limits import LimitChecks
from massgen_testkit.sandboxes.network import NetworkChecks
from massgen_testkit.sandboxes.streams import StreamChecks
from massgen_testkit.sandboxes.walls import WallChecks


class ExecutorSuite(CommandChecks, StreamChecks, EndChecks, LimitChecks, FileChecks, NetworkChecks, WallChecks, BreakoutChecks):
    """What every executor must do and keep from being done. A subclass gives `name`, `connected` and `mounting`, or says why not in `unsupported`.

    Commands need `sh`, `python3` and the usual small programs (`cat`, `sleep`, `id`, `ln`, `mkfifo`) in the sandbox, on Linux.

    What `unsupported` may name:

    * limits, which must then be refused by name: `memory`, `processes`, `cpus`, `descriptors`, `file_size`, `disk`;
    * policies, which must then be refused by name: `no network`, `full network`, `listed hosts`, `users`;
    * walls, whose checks are then skipped: `files`, `processes apart`, `privileges`, `read-only root`, `system calls`, `terminal`,
      `unprivileged user`, `mounts`, `dangerous mounts`, `detached processes`, `owner`.
    """

    async def test_form_of_the_contract(self, context: PlainContext) -> None:
        """It has the methods of `Executor`, with their parameters, waiting where the contract waits."""
        async with context, self.opened(context) as executor:
            found: dict[str, Any] = {name: getattr(executor, name, None) for name in ("run", "start", "read", "write")}

        assert [name for name, method in found.items() if not callable(method)] == []
        assert [name for name in ("run", "read", "write") if not inspect.iscoroutinefunction(found[name])] == []
        assert not inspect.iscoroutinefunction(found["start"]), "start returns an async context manager"
        wanted = {"run": ["command"], "start": ["command"], "read": ["path"], "write": ["path", "data"]}
        assert {name: list(inspect.signature(method).parameters) for name, method in found.items()} == wanted
