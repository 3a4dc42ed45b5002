"""One run from its folder to its outcome: what `massgen run` and `massgen resume` do, without a command line."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import attrs

from massgen_core.config.sections import PluginConfig, RunConfig
from massgen_core.config.structure import plugin_options
from massgen_core.contracts import Display
from massgen_core.coordination import Outcome, Strategy, Task
from massgen_core.errors import MassGenError, RunStopped
from massgen_core.events import Event, NoticeGiven, Record, RunEnded, RunStarted
from massgen_core.plugins.manager import Plugins
from massgen_core.runtime.conductor import Conductor
from massgen_core.runtime.emitter import Emitter
from massgen_core.runtime.files import RunFiles
from massgen_core.runtime.journal import FILE, Journal, read
from massgen_core.runtime.scope import Scope, nobody, open_agents, open_scope
from massgen_core.secrets import Redactor

__all__ = ["Job", "make_folder", "open_strategy", "recorded"]


@attrs.frozen(kw_only=True)
class Job:
    """One run to conduct.

    Attributes:
        run: Its id, the name of its folder.
        folder: Exists, and holds the journal of what happened already where the run is resumed.
        task: The question, the seed, the history.
        config: How.
        plugins: With what.
        display: A display that is ready to be entered or used; None shows nothing.
        earlier: What the journal holds already.
        catches_signals: Ctrl-C and SIGTERM end the run gracefully, twice at once; the caller is in the main thread.
    """

    run: str
    folder: Path
    task: Task
    config: RunConfig
    plugins: Plugins
    display: Display | None = None
    earlier: Sequence[Record] = ()
    catches_signals: bool = False

    async def conduct(self, seen: Callable[[Event], None] | None = None) -> Outcome:
        """Conduct the run.

        Args:
            seen: Is told each event.

        Raises:
            RunStopped: A person stopped it at once.
            MassGenError: A plugin is missing, broken or wrongly configured, or the journal cannot be written.
        """
        redactor = Redactor()
        journal = Journal(self.folder, self.config.durability, redactor.line)
        try:
            last = self.earlier[-1] if self.earlier else None
            emitter = Emitter(journal, self.run, last=last.seq if last else 0, trace=last.trace if last else "")
            if seen is not None:
                emitter.bus.add("caller", _Teller(seen))
            return await self._conduct(emitter, redactor)
        finally:
            journal.close()

    async def _conduct(self, emitter: Emitter, redactor: Redactor) -> Outcome:
        config = self.config
        emitter.bus.add("files", RunFiles(self.folder, self.earlier))
        conductor = Conductor(
            run=self.run,
            task=self.task,
            agents={agent.name: agent.limits for agent in config.agents},
            strategy=open_strategy(self.plugins, config.strategy),
            strategy_name=config.strategy.type,
            emitter=emitter,
            limits=config.limits,
            idle_seconds=config.model_idle_seconds,
        )
        async with (
            _entered(self.display) as display,
            open_scope(
                self.plugins,
                run=self.run,
                folder=self.folder,
                emit=conductor.tell,
                ask=display.ask if display is not None else nobody,
                redactor=redactor,
                trace=emitter.trace,
            ) as scope,
        ):
            if display is not None:
                emitter.bus.add("display", display, self.earlier)
            await self._open_sinks(scope, emitter)
            try:
                if self.earlier:
                    conductor.take_up(self.earlier)
                else:
                    conductor.begin()
                async with scope.part():  # sinks hear what agents' plugins tell while they close
                    return await self._work(conductor, scope, emitter)
            except MassGenError as error:
                if not isinstance(error, RunStopped):
                    emitter.emit(NoticeGiven(level="error", text=str(error)))
                raise
            finally:
                emitter.bus.close()
                for loss in emitter.bus.losses():
                    emitter.emit(loss)

    async def _open_sinks(self, scope: Scope, emitter: Emitter) -> None:
        for index, section in enumerate(self.config.sinks):
            sink = await scope.open("sink", section.type, section.options, path=f"sinks[{index}]")
            emitter.bus.add(section.type, sink)

    async def _work(self, conductor: Conductor, scope: Scope, emitter: Emitter) -> Outcome:
        async def work() -> Outcome:
            return await conductor.conduct(await open_agents(scope, self.config, emitter))

        try:
            return await (self._until_stopped(conductor, work) if self.catches_signals else work())
        except BaseExceptionGroup as group:
            # Task groups wrap whatever ends them; a foreseen error is one message, however deep it comes from.
            foreseen = _foreseen(group)
            if foreseen is None:
                raise
            raise foreseen from None

    async def _until_stopped(self, conductor: Conductor, work: Callable[[], Awaitable[Outcome]]) -> Outcome:
        outcome: Outcome | None = None
        async with anyio.create_task_group() as tasks:

            async def watch() -> None:
                with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as received:
                    await anext(received)
                    conductor.stop()
                    await anext(received)
                    tasks.cancel_scope.cancel()

            tasks.start_soon(watch)
            outcome = await work()
            tasks.cancel_scope.cancel()
        if outcome is None:
            raise RunStopped(f"stopped; go on with: massgen resume {self.run}")
        return outcome


@attrs.frozen
class _Teller:
    seen: Callable[[Event], None]

    def write(self, records: Sequence[Record]) -> None:
        for record in records:
            self.seen(record.event)


def _foreseen(group: BaseExceptionGroup[BaseException]) -> MassGenError | None:
    for error in group.exceptions:
        found = _foreseen(error) if isinstance(error, BaseExceptionGroup) else error
        if isinstance(found, MassGenError):
            return found
    return None


@asynccontextmanager
async def _entered(display: Any) -> AsyncIterator[Display | None]:
    if hasattr(display, "__aenter__"):
        async with display as entered:
            yield entered
    else:
        yield display


def open_strategy(plugins: Plugins, section: PluginConfig) -> Strategy:
    """Return the strategy that a configuration names; strategies need no context."""
    options = plugin_options(plugins, "strategy", section, path="strategy")
    strategy: Strategy = plugins.factory("strategy", section.type)(options, None)
    return strategy


def make_folder(runs: Path) -> Path:
    """Make a new run's folder; its name is the run's id and sorts by time.

    Raises:
        MassGenError: It cannot be made.
    """
    letters = "abcdefghjkmnpqrstuvwxyz23456789"
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    try:
        for _ in range(100):
            folder = runs / f"{stamp}-{''.join(random.choices(letters, k=4))}"  # noqa: S311 - names must differ, not be secret
            try:
                folder.mkdir(mode=0o700)
            except FileNotFoundError:
                runs.mkdir(parents=True, exist_ok=True, mode=0o700)
            except FileExistsError:
                continue
            else:
                return folder
    except OSError as error:
        raise MassGenError(f"no run can be kept in {runs}: {error.strerror}; name another folder with MASSGEN_RUNS") from error
    raise MassGenError(f"no free name for a run in {runs}")


def recorded(folder: Path, plugins: Plugins) -> tuple[Task, Sequence[Record], RunEnded | None]:
    """Return what a run's journal says: its task, its records, and its end where it has one.

    Raises:
        MassGenError: There is no journal, it is damaged, or nothing of the run was recorded.
    """
    records = list(read(folder, plugins.event_types))
    first = records[0].event if records else None
    if not isinstance(first, RunStarted):
        raise MassGenError(f"{folder / FILE} does not begin with run.started; nothing of this run was recorded")
    ended = next((record.event for record in reversed(records) if isinstance(record.event, RunEnded)), None)
    return Task(question=first.question, seed=first.seed, history=first.history), records, ended
