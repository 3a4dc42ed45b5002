"""The process that holds a model: requests come on standard input, chunks go to standard output, one JSON document a line.

It is a process because loading holds the interpreter's lock for seconds, which would stop every thread of the program. It imports nothing of MassGen.
"""

from __future__ import annotations

import json
import os
import queue
import secrets
import sys
import threading
from collections.abc import Mapping
from typing import IO, Any

# Bytes of read prompts that are kept, so that an agent's vote need not read again what its answer has read.
PROMPT_CACHE_MIB = 64


def load(path: str, threads: int, context: int, batch: int) -> Any:
    """Load a model; blocks for as long as that takes.

    Raises:
        RuntimeError: The runtime refuses the file; it does not say why.
    """
    import xllamacpp  # noqa: PLC0415 - a hundred megabytes of machine code

    parameters = xllamacpp.CommonParams()
    parameters.model.path = path
    parameters.n_parallel, parameters.n_ctx = 1, context
    parameters.n_batch = parameters.n_ubatch = batch
    for cpu in (parameters.cpuparams, parameters.cpuparams_batch):
        # Threads that poll spin at every barrier, and a busy machine then does a tenth of the work.
        cpu.n_threads, cpu.poll = threads, 0
    parameters.no_extra_bufts = True  # repacked weights: 0.6 GB more for the same speed
    parameters.warmup, parameters.verbosity = False, -1
    parameters.cache_ram_mib = PROMPT_CACHE_MIB
    # The runtime opens a port on the loopback interface whether it is wanted or not: locked with a key that nobody knows.
    parameters.port, parameters.api_keys, parameters.n_threads_http = 0, [secrets.token_hex(32)], 1
    parameters.ui, parameters.endpoint_slots, parameters.offline = False, False, True
    return xllamacpp.Server(parameters)


class _Desk:
    """Reads what the program wants, in a thread of its own, so that a call can be stopped while it is answered."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self.asked: queue.SimpleQueue[Mapping[str, Any]] = queue.SimpleQueue()
        self.stopped = 0

    def read(self) -> None:
        for line in self._source:
            wish = json.loads(line)
            if "stop" in wish:
                self.stopped = wish["stop"]
            else:
                self.asked.put(wish)
        # The program is gone, however it ended: whatever is being done is for nobody.
        os._exit(0)


def main() -> None:
    """Serve until standard input ends."""
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    # What the runtime prints by itself must not get between the documents, nor onto the user's terminal.
    silence = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(silence, stream)

    def say(**document: Any) -> None:
        out.write(json.dumps(document).encode() + b"\n")

    desk = _Desk(sys.stdin.buffer)
    threading.Thread(target=desk.read, daemon=True).start()
    try:
        server = load(**desk.asked.get())
    except Exception as error:  # the program says what it means
        say(fault=f"{type(error).__name__}: {error}")
        return
    say(ready=True)
    while True:
        wish = desk.asked.get()
        number = wish["number"]

        def take(chunk: Any, number: int = number) -> bool | None:
            say(chunk=chunk)
            # True stops the generation.
            return True if desk.stopped >= number else None

        try:
            server.handle_chat_completions(wish["ask"], take)
        except Exception as error:  # the runtime's own errors have no common class
            say(broke=f"{type(error).__name__}: {error}")
        say(end=number)


if __name__ == "__main__":
    main()
