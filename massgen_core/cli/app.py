"""What commands may use of the program: folders, output, runs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from massgen_core.errors import ConfigProblem, ConfigProblems, MassGenError, PluginMissing, RunStopped, UsageProblem
from massgen_core.terminal import clean

if TYPE_CHECKING:
    from massgen_core.config.load import Loaded
    from massgen_core.contracts import Context
    from massgen_core.coordination import Outcome
    from massgen_core.events import Event, Record
    from massgen_core.messages import Message
    from massgen_core.plugins.manager import Plugins
    from massgen_core.runtime.scope import Scope

__all__ = ["ConsoleApp", "guarded"]

T = TypeVar("T")


class _Exit(SystemExit):
    pass


def _complain(error: MassGenError) -> int:
    sys.stderr.write(f"massgen: {clean(str(error))}\n")
    return 2 if isinstance(error, UsageProblem | ConfigProblem | ConfigProblems | PluginMissing) else 1


def guarded(action: Callable[[], T]) -> T:
    """Do something before a command exists; a foreseen error becomes its message and an exit code."""
    try:
        return action()
    except MassGenError as error:
        raise _Exit(_complain(error)) from None


class ConsoleApp:
    """The kernel's `App`."""

    def __init__(self, plugins: Plugins) -> None:
        self._plugins = plugins
        self.trusted: str | None = None  # the digest of a project's file that a person said yes to; None before there was one to say it to

    @property
    def plugins(self) -> Plugins:
        return self._plugins

    @property
    def runs(self) -> Path:
        stated = os.environ.get("MASSGEN_RUNS")
        if stated:
            return Path(stated).expanduser()
        state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        return Path(state) / "massgen" / "runs"

    def find_run(self, name: str) -> Path:
        from massgen_core.cli.run import find_run  # noqa: PLC0415

        return find_run(self.runs, name)

    def records(self, run: Path) -> Iterator[Record]:
        from massgen_core.runtime.journal import read  # noqa: PLC0415 - most commands read none

        return read(run, self._plugins.event_types)

    def is_live(self, run: Path) -> bool:
        from massgen_core.runtime.journal import is_live  # noqa: PLC0415

        return is_live(run)

    @asynccontextmanager
    async def context(self, emit: Callable[[Event], None] | None = None) -> AsyncIterator[Context]:
        async with self._scope(self._plugins, emit) as scope:
            yield scope.context()

    @asynccontextmanager
    async def contexts(self, loaded: Loaded, emit: Callable[[Event], None] | None = None) -> AsyncIterator[Callable[[str], Context]]:
        from massgen_core.runtime.folders import AgentFolders  # noqa: PLC0415 - few commands open plugins

        async with self._scope(loaded.plugins, emit) as scope:
            scope.folders = AgentFolders(loaded.config, scope.folder)
            yield scope.context

    @asynccontextmanager
    async def _scope(self, plugins: Plugins, emit: Callable[[Event], None] | None) -> AsyncIterator[Scope]:
        import tempfile  # noqa: PLC0415 - few commands open plugins

        from massgen_core.runtime.scope import nobody, open_scope  # noqa: PLC0415
        from massgen_core.secrets import Redactor  # noqa: PLC0415

        def tell(*events: Event, span: str = "", parent: str = "") -> None:
            if emit is not None:
                for event in events:
                    emit(event)

        with tempfile.TemporaryDirectory(prefix="massgen-") as folder:
            async with open_scope(plugins, run="", folder=Path(folder), emit=tell, ask=nobody, redactor=Redactor()) as scope:
                yield scope

    def out(self, text: str) -> None:
        sys.stdout.write(f"{clean(text)}\n")

    def err(self, text: str) -> None:
        sys.stderr.write(f"{clean(text)}\n")

    def run(self, arguments: argparse.Namespace, question: str, history: Sequence[Message] = ()) -> Outcome:
        from massgen_core.cli.run import conduct  # noqa: PLC0415

        result = conduct(arguments, self, question, history)
        return attrs.evolve(result.outcome, run=result.folder.name)

    def invoke(self, command: Any, arguments: argparse.Namespace) -> int:
        """Run a command; a foreseen error becomes its message and an exit code."""
        try:
            code: int = command.run(arguments, self)
        except RunStopped as stopped:
            self.err(f"massgen: {stopped}")
            return 130
        except MassGenError as error:
            return _complain(error)
        sys.stdout.flush()
        return code
