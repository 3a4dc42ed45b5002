"""The conformance suite of executors, reserved."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

from massgen_testkit.context import PlainContext
from massgen_testkit.distribution import PluginSuite


class ExecutorSuite(PluginSuite):
    """What every executor must be. A subclass gives `name`.

    Reserved: the contract exists, and only its form is checked. What a sandbox must do (exit codes, streams, limits, isolation, nothing left behind)
    comes with the first executors; plugins that pass today may then fail.
    """

    kind: ClassVar[str] = "executor"

    async def test_form_of_the_contract(self, context: PlainContext) -> None:
        """It has the methods of `Executor`, with their parameters, waiting where the contract waits."""
        async with context, self.opened(context) as executor:
            found: dict[str, Any] = {name: getattr(executor, name, None) for name in ("run", "start", "read", "write")}

        assert [name for name, method in found.items() if not callable(method)] == []
        assert [name for name in ("run", "read", "write") if not inspect.iscoroutinefunction(found[name])] == []
        assert not inspect.iscoroutinefunction(found["start"]), "start returns an async context manager"
        wanted = {"run": ["command"], "start": ["command"], "read": ["path"], "write": ["path", "data"]}
        assert {name: list(inspect.signature(method).parameters) for name, method in found.items()} == wanted
