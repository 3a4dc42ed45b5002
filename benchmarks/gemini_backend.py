"""What the backend `gemini` costs beside Google's SDK alone: time for each call, and CPU for each streamed delta.

    python benchmarks/gemini_backend.py [DELTAS] [CALLS]

The server runs in a process of its own, so that its work is not counted. "SDK" makes the same call with a client of its own and reads every event.
"""

from __future__ import annotations

import json
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
from google import genai
from google.genai import types

from massgen_backend_gemini.backend import GeminiBackend, open_backend
from massgen_backend_gemini.config import GeminiConfig
from massgen_core.api import Message, ModelRequest
from massgen_testkit import PlainContext

LIMIT = 1.10  # of the CPU of a call by the SDK alone; the clock tells more of the machine's other work
MODEL = "gemini-3.5-flash"
GROUP = 25


def _serve(connection: socket.socket, deltas: int) -> None:
    """Answer each request of a connection: addresses below `/one` with a single delta, others with all of them, one write each."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def event(text: str, **more: str) -> bytes:
        told = {"candidates": [{"content": {"role": "model", "parts": [{"text": text}]}, "index": 0, **more}], "modelVersion": MODEL}
        data = b"data: " + json.dumps(told).encode() + b"\n\n"
        return b"%x\r\n%s\r\n" % (len(data), data)

    chunk, end = event("word "), event("end", finishReason="STOP") + b"0\r\n\r\n"
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    read = connection.makefile("rb")
    while line := read.readline():
        length = 0
        while (header := read.readline().strip()) != b"":
            name, _, value = header.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        read.read(length)
        connection.sendall(head)
        for _ in range(1 if b"/one/" in line else deltas):
            connection.sendall(chunk)
        connection.sendall(end)


def _server(listener: socket.socket, deltas: int) -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_serve, args=(connection, deltas), daemon=True).start()


async def _answer(backend: GeminiBackend) -> int:
    count = 0
    async with backend.respond(ModelRequest(model=MODEL, messages=(Message.of("user", "Hi"),))) as stream:
        async for _ in stream:
            count += 1
    return count


async def _raw(client: genai.Client) -> int:
    count = 0
    config = types.GenerateContentConfig(thinking_config=types.ThinkingConfig(include_thoughts=True))
    async for event in await client.aio.models.generate_content_stream(
        model=MODEL, contents=[{"role": "user", "parts": [{"text": "Hi"}]}], config=config
    ):
        count += bool(event.text)
    return count


async def _cpu(one: Callable[[], Awaitable[int]], other: Callable[[], Awaitable[int]], deltas: int) -> tuple[float, float]:
    """Return microseconds of CPU for a delta of two kinds of calls, each the best of five."""
    best = [float("inf"), float("inf")]
    for _ in range(5):
        for place, work in enumerate((one, other)):
            started = time.process_time()
            await work()
            best[place] = min(best[place], time.process_time() - started)
    return best[0] / deltas * 1e6, best[1] / deltas * 1e6


async def _each(one: Callable[[], Awaitable[int]], other: Callable[[], Awaitable[int]], calls: int) -> tuple[list[float], list[float]]:
    """Return the median milliseconds of two kinds of calls, made in turn in groups: by the clock, and of CPU."""
    seconds: list[list[tuple[float, float]]] = [[], []]
    for number in range(0, calls, GROUP):
        for work, kept in zip((one, other), seconds, strict=True):
            for place in range(2 * GROUP if number == 0 else GROUP):
                started, used = time.perf_counter(), time.process_time()
                await work()
                if number > 0 or place >= GROUP:  # the first ones warm up
                    kept.append((time.perf_counter() - started, time.process_time() - used))
    clock, used_up = ([statistics.median(each[place] for each in kept) * 1000 for kept in seconds] for place in (0, 1))
    return clock, used_up


def _client(url: str) -> genai.Client:
    return genai.Client(vertexai=False, api_key="k", http_options=types.HttpOptions(base_url=url))


async def _measure(port: int, deltas: int, calls: int) -> bool:
    long, short = f"http://127.0.0.1:{port}/all", f"http://127.0.0.1:{port}/one"
    many_raw, single_raw = _client(long), _client(short)
    async with (
        PlainContext(folder=Path(tempfile.gettempdir()), secrets={"env:GEMINI_API_KEY": "k"}) as context,
        open_backend(GeminiConfig(base_url=long), context) as many,
        open_backend(GeminiConfig(base_url=short), context) as single,
    ):
        delta_raw, delta_own = await _cpu(lambda: _raw(many_raw), lambda: _answer(many), deltas)
        clock, used = await _each(lambda: _raw(single_raw), lambda: _answer(single), calls)
    await many_raw.aio.aclose()
    await single_raw.aio.aclose()
    print(f"CPU for a delta   SDK {delta_raw:6.1f} us   gemini {delta_own:6.1f} us   ratio {delta_own / delta_raw:.2f}   {deltas} deltas, best of 5")
    for name, (raw, own) in (("CPU for a call ", used), ("one call, clock", clock)):
        print(f"{name}   SDK {raw:6.3f} ms   gemini {own:6.3f} ms   ratio {own / raw:.2f}   {calls} calls, median")
    return used[1] <= LIMIT * used[0]


def main() -> int:
    deltas = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
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
