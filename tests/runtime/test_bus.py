"""The bus: a slow or failing listener never slows or harms a run, and its losses are reported."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from massgen_core.api import AnswerGiven, Event, EventsDropped, Record, SinkFailed
from massgen_core.runtime import bus as module
from massgen_core.runtime.bus import Bus
from massgen_core.runtime.emitter import Emitter


class Listener:
    """Collects records; may raise, may block."""

    def __init__(self, fails: int = 0, gate: threading.Event | None = None) -> None:
        self.seen: list[Record] = []
        self._fails, self._gate = fails, gate
        self.threads: set[int] = set()

    def write(self, records: Sequence[Record]) -> None:
        self.threads.add(threading.get_ident())
        if self._gate is not None:
            self._gate.wait(5)
        if self._fails:
            self._fails -= 1
            raise RuntimeError("disk on fire")
        self.seen.extend(records)

    @property
    def events(self) -> list[Event]:
        return [record.event for record in self.seen]


def event(number: int) -> Event:
    return AnswerGiven(agent="a", number=number, content="x")


def test_everybody_hears_everything_in_order() -> None:
    """Three listeners receive the same records."""
    emitter = Emitter(None, "r")
    listeners = [Listener() for _ in range(3)]
    for number, listener in enumerate(listeners):
        emitter.bus.add(str(number), listener)

    for number in range(5):
        emitter.emit(event(number))

    for listener in listeners:
        assert [record.seq for record in listener.seen] == [1, 2, 3, 4, 5]


def test_a_listener_can_be_told_what_happened_earlier() -> None:
    """Whoever shows a resumed run knows its beginning; a listener that fails at that is reported like any other."""
    emitter = Emitter(None, "r", last=2)
    earlier = [Record(1, 1.0, event(1)), Record(2, 2.0, event(2))]
    good, bad, plain = Listener(), Listener(fails=1), Listener()
    emitter.bus.add("good", good, earlier)
    emitter.bus.add("bad", bad, earlier)
    emitter.bus.add("plain", plain)
    emitter.emit(event(3))

    assert [record.seq for record in good.seen] == [1, 2, 3, 4]
    assert [record.seq for record in plain.seen] == [3, 4]
    assert isinstance(good.events[-1], SinkFailed)


def test_a_failing_listener_is_reported_and_the_others_hear_it() -> None:
    """A failure is an event; three in a row close the listener, and the run goes on."""
    emitter = Emitter(None, "r")
    bad, good = Listener(fails=100), Listener()
    emitter.bus.add("bad", bad)
    emitter.bus.add("good", good)

    for number in range(5):
        emitter.emit(event(number))

    failures = [one for one in good.events if isinstance(one, SinkFailed)]
    assert [failure.is_closed for failure in failures] == [False, False, True]
    assert "disk on fire" in failures[0].reason
    assert len([one for one in good.events if isinstance(one, AnswerGiven)]) == 5


def test_a_listener_that_recovers_stays() -> None:
    """Failures count only in a row."""
    emitter = Emitter(None, "r")
    shaky = Listener(fails=2)
    emitter.bus.add("shaky", shaky)

    for number in range(10):
        emitter.emit(event(number))

    assert len([one for one in shaky.events if isinstance(one, AnswerGiven)]) >= 8


def test_a_slow_listener_gets_a_thread_and_its_losses_are_counted(monkeypatch) -> None:
    """After one slow write the run waits no more; what does not fit its queue is counted and reported."""
    monkeypatch.setattr(module, "SLOW_SECONDS", 0.0)
    monkeypatch.setattr(module, "QUEUE", 10)
    gate = threading.Event()
    gate.set()
    reports: list[Event] = []
    bus = Bus(reports.append)
    slow = Listener(gate=gate)
    bus.add("slow", slow)
    bus.publish([Record(1, 0.0, event(1))])
    gate.clear()

    for number in range(2, 100):
        bus.publish([Record(number, 0.0, event(number))])
    gate.set()
    bus.close()

    dropped = sum(one.count for one in [*reports, *bus.losses()] if isinstance(one, EventsDropped))
    assert dropped > 0
    assert len(slow.seen) + dropped == 99
    assert [record.seq for record in slow.seen] == sorted(record.seq for record in slow.seen)
    assert len(slow.threads) == 2


def test_a_listener_that_hangs_does_not_keep_the_program(monkeypatch) -> None:
    """Closing waits within bounds."""
    monkeypatch.setattr(module, "SLOW_SECONDS", 0.0)
    monkeypatch.setattr(module, "DRAIN_SECONDS", 0.05)
    gate = threading.Event()
    gate.set()
    bus = Bus(lambda event: None)
    stuck = Listener(gate=gate)
    bus.add("stuck", stuck)
    bus.publish([Record(1, 0.0, event(1))])
    gate.clear()
    bus.publish([Record(2, 0.0, event(2))])
    bus.publish([Record(3, 0.0, event(3))])

    bus.close()

    gate.set()


def test_what_a_listener_emits_follows_what_everybody_is_being_told() -> None:
    """Two listeners hear the same order, although the first answers what it hears."""
    emitter = Emitter(None, "r")
    last = Listener()

    class Answers:
        def write(self, records: Sequence[Record]) -> None:
            if records[0].seq == 1:
                emitter.emit(event(2))

    emitter.bus.add("answers", Answers())
    emitter.bus.add("last", last)
    emitter.emit(event(1))

    assert [record.seq for record in last.seen] == [1, 2]


def test_facts_of_one_block_are_told_together() -> None:
    """Inside of a block nobody hears anything; at its end everybody hears all of it at once, also where the block fails."""
    emitter = Emitter(None, "r")
    batches: list[int] = []

    class Counts:
        def write(self, records: Sequence[Record]) -> None:
            batches.append(len(records))

    emitter.bus.add("counts", Counts())

    def fails() -> None:
        with emitter:
            emitter.emit(event(1))
            with emitter:
                emitter.emit(event(2))
            assert batches == []
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fails()

    assert batches == [2]
