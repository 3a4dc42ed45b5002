"""What the backend `anthropic` costs: CPU for each streamed delta, and time for each call, beside Anthropic's SDK alone.

    python benchmarks/anthropic_backend.py [DELTAS] [CALLS]

The server runs in a process of its own, so that its work is not counted. "SDK" makes the same call with `messages.create(stream=True)` and reads the
events that the SDK makes of it.
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

import anyio
from anthropic import AsyncAnthropic

from massgen_backend_anthropic.backend import AnthropicBackend, open_backend
from massgen_backend_anthropic.config import AnthropicConfig
from massgen_core.api import Message, ModelRequest
from massgen_testkit import PlainContext
from massgen_testkit.protocols.messages import block, ended, started

LIMIT = 1.1  # of the SDK's time for a call
REQUEST = ModelRequest(model="claude-opus-4-8", messages=(Message.of("user", "Hi"),))


def _serve(connection: socket.socket, deltas: int) -> None:
    """Answer each request of a connection: the path `/one/...` with a single delta, others with all of them, one write each."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    begin, delta, stop = block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": "word "})
    chunk = _chunk(delta)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" + _chunk(started() + begin)
    end = _chunk(stop + b"".join(ended())) + b"0\r\n\r\n"
    read = connection.makefile("rb")
    while line := read.readline():
        length = 0
        while (header := read.readline().strip()) != b"":
            name, _, value = header.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        read.read(length)
        if b"/one/" in line:
            connection.sendall(head + chunk + end)
            continue
        connection.sendall(head)
        for _ in range(deltas):
            connection.sendall(chunk)
        connection.sendall(end)


def _chunk(raw: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(raw), raw)


def _server(listener: socket.socket, deltas: int) -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_serve, args=(connection, deltas), daemon=True).start()


async def _answer(backend: AnthropicBackend) -> int:
    count = 0
    async with backend.respond(REQUEST) as stream:
        async for _ in stream:
            count += 1
    return count


async def _raw(client: AsyncAnthropic) -> int:
    count = 0
    async with await client.messages.create(
        model=REQUEST.model, max_tokens=32_000, messages=[{"role": "user", "content": "Hi"}], stream=True
    ) as stream:
        async for _ in stream:
            count += 1
    return count


async def _cpu(work: Callable[[], Awaitable[int]], deltas: int) -> float:
    """Return microseconds of CPU for a delta, the best of three."""
    best = float("inf")
    for _ in range(3):
        began = time.process_time()
        await work()
        best = min(best, time.process_time() - began)
    return best / deltas * 1e6


async def _each(one: Callable[[], Awaitable[int]], other: Callable[[], Awaitable[int]], calls: int) -> tuple[float, float]:
    """Return the median milliseconds of two kinds of calls, made in turn."""
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(calls + 20):
        for work, kept in zip((one, other), times, strict=True):
            began = time.perf_counter()
            await work()
            if number >= 20:
                kept.append((time.perf_counter() - began) * 1000)
    return statistics.median(times[0]), statistics.median(times[1])


async def _measure(port: int, deltas: int, calls: int) -> bool:
    long, short = f"http://127.0.0.1:{port}/all", f"http://127.0.0.1:{port}/one"
    async with (
        PlainContext(folder=Path(tempfile.gettempdir())) as context,
        AsyncAnthropic(api_key="none", base_url=long, max_retries=0) as far,
        AsyncAnthropic(api_key="none", base_url=short, max_retries=0) as near,
        open_backend(AnthropicConfig(base_url=long), context) as many,
        open_backend(AnthropicConfig(base_url=short), context) as single,
    ):
        raw = await _cpu(lambda: _raw(far), deltas)
        own = await _cpu(lambda: _answer(many), deltas)
        call_raw, call_own = await _each(lambda: _raw(near), lambda: _answer(single), calls)
    ratio = call_own / call_raw
    print(f"CPU for a delta   SDK {raw:6.2f} us   anthropic {own:6.2f} us   ratio {own / raw:.2f}   {deltas} deltas, best of 3")
    print(f"one call, median  SDK {call_raw:6.3f} ms   anthropic {call_own:6.3f} ms   ratio {ratio:.2f}   (limit {LIMIT:g})   {calls} calls")
    return ratio <= LIMIT


def main() -> int:
    deltas = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
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
