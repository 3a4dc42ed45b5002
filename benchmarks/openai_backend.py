"""What the backend `openai` costs beside OpenAI's SDK alone: CPU for each streamed delta, and time for each call.

    python benchmarks/openai_backend.py [DELTAS] [CALLS]

The server runs in a process of its own, so that its work is not counted. "SDK" is `client.responses.create(stream=True)`, read to its end.
"""

from __future__ import annotations

import multiprocessing
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import openai

from massgen_backend_openai.backend import OpenAIBackend, open_backend
from massgen_backend_openai.config import OpenAIConfig
from massgen_core.api import Message, ModelRequest
from massgen_testkit import PlainContext
from massgen_testkit.protocols.responses import Writer

LIMIT = 1.10
REQUEST = ModelRequest(model="m", messages=(Message.of("user", "Hi"),))


def _answer(deltas: int) -> bytes:
    writer = Writer()
    for _ in range(deltas):
        writer.text("word ")
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in writer.end()) + b"0\r\n\r\n"


def _serve(connection: socket.socket, short: bytes, long: bytes) -> None:
    """Answer each request of a connection: the path `/one/...` with a single delta, others with all of them."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    read = connection.makefile("rb")
    while line := read.readline():
        length = 0
        while (header := read.readline().strip()) != b"":
            name, _, value = header.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        read.read(length)
        connection.sendall(head + (short if b"/one/" in line else long))


def _server(listener: socket.socket, deltas: int) -> None:
    short, long = _answer(1), _answer(deltas)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_serve, args=(connection, short, long), daemon=True).start()


async def _own(backend: OpenAIBackend) -> None:
    async with backend.respond(REQUEST) as stream:
        async for _ in stream:
            pass


async def _raw(client: openai.AsyncOpenAI) -> None:
    body: Any = [{"role": "user", "content": "Hi"}]
    async with await client.responses.create(model="m", input=body, stream=True, store=False) as stream:
        async for _ in stream:
            pass


async def _cpu(work: Callable[[], Awaitable[None]], deltas: int) -> float:
    """Return microseconds of CPU for a delta, the best of five."""
    best = float("inf")
    for _ in range(5):
        started = time.process_time()
        await work()
        best = min(best, time.process_time() - started)
    return best / deltas * 1e6


async def _each(one: Callable[[], Awaitable[None]], other: Callable[[], Awaitable[None]], calls: int) -> tuple[float, float]:
    """Return the median milliseconds of two kinds of calls, made in turn."""
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(calls + 20):
        for work, kept in zip((one, other), times, strict=True):
            started = time.perf_counter()
            await work()
            if number >= 20:
                kept.append((time.perf_counter() - started) * 1000)
    return statistics.median(times[0]), statistics.median(times[1])


async def _measure(port: int, deltas: int, calls: int) -> bool:
    long, short = f"http://127.0.0.1:{port}/all/v1", f"http://127.0.0.1:{port}/one/v1"
    async with (
        PlainContext(folder=Path(tempfile.gettempdir())) as context,
        openai.AsyncOpenAI(base_url=long, api_key="none", max_retries=0) as raw_many,
        openai.AsyncOpenAI(base_url=short, api_key="none", max_retries=0) as raw_single,
        open_backend(OpenAIConfig(base_url=long), context) as many,
        open_backend(OpenAIConfig(base_url=short), context) as single,
    ):
        raw, own = await _cpu(lambda: _raw(raw_many), deltas), await _cpu(lambda: _own(many), deltas)
        call_raw, call_own = await _each(lambda: _raw(raw_single), lambda: _own(single), calls)
    print(f"CPU for a delta   SDK {raw:7.2f} us   openai {own:7.2f} us   ratio {own / raw:.2f}   {deltas} deltas, best of 5")
    print(f"one call, median  SDK {call_raw:7.3f} ms   openai {call_own:7.3f} ms   ratio {call_own / call_raw:.2f}   {calls} calls, limit {LIMIT:g}")
    return call_own / call_raw <= LIMIT


def main() -> int:
    deltas = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000
    calls = int(sys.argv[2]) if len(sys.argv) > 2 else 300
    listener = socket.create_server(("127.0.0.1", 0))
    process = multiprocessing.get_context("fork").Process(target=_server, args=(listener, deltas), daemon=True)
    process.start()
    try:
        return 0 if anyio.run(_measure, listener.getsockname()[1], deltas, calls) else 1
    finally:
        process.kill()


if __name__ == "__main__":
    sys.exit(main())
