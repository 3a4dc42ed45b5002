"""What the backend `chat` costs: CPU for each streamed delta, and time for each call, beside the HTTP library alone.

    python benchmarks/chat_backend.py [DELTAS] [CALLS]

The server runs in a process of its own, so that its work is not counted. "raw" posts the same body and reads the bytes without looking at them.
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
import httpx2

from massgen_backend_chat.backend import ChatBackend, open_backend
from massgen_backend_chat.config import ChatConfig
from massgen_core.api import Message, ModelRequest
from massgen_testkit import PlainContext

LIMIT = 12.0  # microseconds for a delta
REQUEST = ModelRequest(model="m", messages=(Message.of("user", "Hi"),))


def _serve(connection: socket.socket, deltas: int) -> None:
    """Answer each request of a connection: the path `/one/...` with a single delta, others with all of them, one write each."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    event = (
        b"data: "
        + json.dumps({"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"content": "word "}, "finish_reason": None}]}).encode()
        + b"\n\n"
    )
    last = b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
    chunk = b"%x\r\n%s\r\n" % (len(event), event)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    end = b"%x\r\n%s\r\n0\r\n\r\n" % (len(last), last)
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


def _server(listener: socket.socket, deltas: int) -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_serve, args=(connection, deltas), daemon=True).start()


async def _answer(backend: ChatBackend) -> int:
    count = 0
    async with backend.respond(REQUEST) as stream:
        async for _ in stream:
            count += 1
    return count


async def _raw(client: httpx2.AsyncClient, url: str) -> int:
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": True}).encode()
    count = 0
    async with client.stream("POST", url + "/chat/completions", content=body, headers={"content-type": "application/json"}) as response:
        async for _ in response.aiter_raw():
            count += 1
    return count


async def _cpu(work: Callable[[], Awaitable[int]], deltas: int) -> float:
    """Return microseconds of CPU for a delta, the best of five."""
    best = float("inf")
    for _ in range(5):
        started = time.process_time()
        await work()
        best = min(best, time.process_time() - started)
    return best / deltas * 1e6


async def _each(one: Callable[[], Awaitable[int]], other: Callable[[], Awaitable[int]], calls: int) -> tuple[float, float]:
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
    long, short = f"http://127.0.0.1:{port}/all", f"http://127.0.0.1:{port}/one"
    async with (
        PlainContext(folder=Path(tempfile.gettempdir())) as context,
        httpx2.AsyncClient(verify=False) as client,
        open_backend(ChatConfig(base_url=long), context) as many,
        open_backend(ChatConfig(base_url=short), context) as single,
    ):
        raw = await _cpu(lambda: _raw(client, long), deltas)
        own = await _cpu(lambda: _answer(many), deltas)
        call_raw, call_own = await _each(lambda: _raw(client, short), lambda: _answer(single), calls)
    print(f"CPU for a delta   raw {raw:6.2f} us   chat {own:6.2f} us   (limit {LIMIT:g})   {deltas} deltas, best of 5")
    print(f"one call, median  raw {call_raw:6.3f} ms   chat {call_own:6.3f} ms   ratio {call_own / call_raw:.2f}   {calls} calls")
    return own <= LIMIT


def main() -> int:
    deltas = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
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
