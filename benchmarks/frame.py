"""The frame of the benchmarks of backends: a server in a process of its own, and CPU time for calls and for streamed deltas.

CPU time, because the clock tells more of a machine's other work; lower quartiles of small groups of calls that are made in turn, because machines
change their speed, too, and other work only ever adds.
"""

from __future__ import annotations

import multiprocessing
import socket
import statistics
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import attrs

__all__ = ["Answer", "Cost", "costs", "serving"]

GROUP = 5
STREAMS = 9
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


@attrs.frozen
class Answer:
    """How a protocol streams: what comes first, one delta, and what comes last."""

    begin: bytes
    delta: bytes
    end: bytes

    def written(self, deltas: int) -> list[bytes]:
        """Return what is sent, one write each."""
        pieces = [self.begin] * bool(self.begin) + [self.delta] * deltas + [self.end]
        chunks = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces]
        return [HEAD, *chunks, b"0\r\n\r\n"] if deltas > 1 else [b"".join([HEAD, *chunks, b"0\r\n\r\n"])]


@attrs.frozen
class Cost:
    """Milliseconds of CPU for a call with one delta, of the clock for the same, and microseconds of CPU for a delta."""

    call: float
    clock: float
    delta: float


@contextmanager
def serving(answers: Mapping[str, Answer], deltas: int) -> Iterator[int]:
    """Run a server; yield its port. Paths below `/NAME/one` are answered with one delta, others below `/NAME` with all."""
    listener = socket.create_server(("127.0.0.1", 0))
    process = multiprocessing.get_context("fork").Process(target=_accept, args=(listener, answers, deltas), daemon=True)
    process.start()
    try:
        yield listener.getsockname()[1]
    finally:
        process.kill()


def _accept(listener: socket.socket, answers: Mapping[str, Answer], deltas: int) -> None:
    short, long = ({name: answer.written(count) for name, answer in answers.items()} for count in (1, deltas))
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_serve, args=(connection, short, long), daemon=True).start()


def _serve(connection: socket.socket, short: Mapping[str, Sequence[bytes]], long: Mapping[str, Sequence[bytes]]) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    read = connection.makefile("rb")
    while line := read.readline():
        length = 0
        while (header := read.readline().strip()) != b"":
            name, _, value = header.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        read.read(length)
        _, name, size, *_ = line.decode().split(" ")[1].split("/")
        for piece in (short if size == "one" else long)[name]:
            connection.sendall(piece)


async def costs(one: Sequence[Callable[[], Awaitable[None]]], many: Sequence[Callable[[], Awaitable[None]]], calls: int, deltas: int) -> list[Cost]:
    """Measure some ways to do the same.

    Args:
        one: Each way's call with one delta.
        many: Each way's call with all deltas, in the same order.
        calls: How many of the first.
        deltas: How many the second has.
    """
    times: list[list[tuple[float, float]]] = [[] for _ in one]
    for group in range(calls // GROUP + 1):
        for work, kept in list(zip(one, times, strict=True))[:: (-1) ** group]:  # nobody always comes first
            clock, cpu = time.perf_counter(), time.process_time()
            for _ in range(GROUP):
                await work()
            if group:  # the first one warms up
                kept.append(((time.process_time() - cpu) / GROUP * 1e3, (time.perf_counter() - clock) / GROUP * 1e3))
    streamed: list[list[float]] = [[] for _ in many]
    for _ in range(STREAMS):
        for work, spent in zip(many, streamed, strict=True):
            cpu = time.process_time()
            await work()
            spent.append((time.process_time() - cpu) / deltas * 1e6)
    return [
        Cost(_usual(cpu for cpu, _ in kept), _usual(clock for _, clock in kept), _usual(spent)) for kept, spent in zip(times, streamed, strict=True)
    ]


def _usual(times: Iterable[float]) -> float:
    return statistics.quantiles(times, n=4)[0]
