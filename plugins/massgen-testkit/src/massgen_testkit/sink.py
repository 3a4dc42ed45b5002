"""The conformance suite of sinks."""

from __future__ import annotations

import contextlib
import inspect
import time
from collections.abc import Sequence
from typing import Any, ClassVar

import anyio
import pytest

from massgen_core.api import AnswerGiven, Record
from massgen_testkit.context import PlainContext
from massgen_testkit.distribution import PluginSuite
from massgen_testkit.leaks import Leaks
from massgen_testkit.story import a_run, recorded, unknown

PATIENCE = 10.0
SECONDS = 0.5
BATCH = 1000


class SinkSuite(PluginSuite):
    """What every sink must do.

    A subclass gives `name`, and `read` where what the sink keeps can be read again; else `unsupported = {"read": "why"}`.
    """

    kind: ClassVar[str] = "sink"

    def read(self, context: PlainContext) -> str:
        """Return what a closed sink has kept, as text in which the records' own words can be found in order."""
        raise NotImplementedError(f"{type(self).__name__} must define read(context), or declare unsupported = {{'read': 'why'}}")

    def features(self) -> frozenset[str]:
        return frozenset({"read"})

    async def fed(self, context: PlainContext, *batches: Sequence[Record]) -> str:
        """Open the sink, write batches, close it, and return what it kept; empty where that cannot be read."""
        with anyio.fail_after(PATIENCE):
            async with context, self.opened(context) as sink:
                for batch in batches:
                    sink.write(batch)
        return "" if "read" in self.unsupported else self.read(context)

    async def test_takes_a_run_at_once_and_one_by_one(self, context: PlainContext) -> None:
        """A run's records are taken in batches of any size."""
        records = a_run()
        await self.fed(context, records, [], *([record] for record in records))

    async def test_keeps_order_and_everything(self, context: PlainContext) -> None:
        """What was taken is kept when the sink is closed, in order, however it was batched."""
        self.need("read")
        words = [f"word{number:04}end" for number in range(60)]
        records = recorded([AnswerGiven(agent="ann", number=number, content=word) for number, word in enumerate(words, 1)])
        kept = await self.fed(context, records[:30], *([record] for record in records[30:40]), records[40:])
        places = [kept.find(word) for word in words]

        assert -1 not in places, f"not kept: {words[places.index(-1)]}"
        assert places == sorted(places)

    async def test_takes_events_that_it_does_not_know(self, context: PlainContext) -> None:
        """An event of a plugin that is not installed stops nothing."""
        kept = await self.fed(context, unknown(), a_run("afterwards"))

        assert "afterwards" in kept or "read" in self.unsupported

    async def test_goes_on_after_a_record_that_it_cannot_take(self, context: PlainContext) -> None:
        """A record that cannot be written costs itself at most: the sink raises an ordinary exception or none, and takes the next."""

        def try_to(sink: Any) -> None:
            with contextlib.suppress(Exception):
                sink.write(a_run("\ud800 lone surrogate"))

        with anyio.fail_after(PATIENCE):
            async with context, self.opened(context) as sink:
                try_to(sink)
                sink.write(a_run("afterwards"))

        assert "read" in self.unsupported or "afterwards" in self.read(context)

    async def test_write_is_synchronous_and_quick(self, context: PlainContext) -> None:
        """`write` returns at once: a thousand records take a small part of a second."""
        records = (a_run("x" * 100) * (BATCH // len(a_run()) + 1))[:BATCH]
        async with context, self.opened(context) as sink:
            assert not inspect.iscoroutinefunction(sink.write), "write is a plain function; a sink that must wait owns its queue"
            started = time.thread_time()
            assert sink.write(records) is None
            spent = time.thread_time() - started

        assert spent < SECONDS, f"{BATCH} records took {spent:.2f} s of the event loop's time"

    async def test_closes_what_it_opened(self, context: PlainContext, leaks: Leaks) -> None:
        """A closed sink holds no file, thread, process or task."""
        await self.fed(context, a_run())
        before = leaks.held()
        await self.fed(context, a_run())
        await leaks.none_since(before)

    async def test_prints_nothing_on_standard_output(self, context: PlainContext, capfd: pytest.CaptureFixture[str]) -> None:
        """Standard output carries the answer only."""
        await self.fed(context, a_run(), unknown())

        assert capfd.readouterr().out == ""
