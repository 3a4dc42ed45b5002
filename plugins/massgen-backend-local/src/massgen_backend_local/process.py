"""The program's end of the process that holds a model; everything here blocks, and is for the engine's thread."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from massgen_core.api import ConnectionLost

__all__ = ["Process", "Refused"]


class Refused(Exception):
    """The runtime does not load the file."""


class Process:
    """A process that loads a model and answers calls, one after the other.

    Args:
        settings: What `worker.load` takes.
    """

    def __init__(self, **settings: Any) -> None:
        self._number = 0
        self._writing = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "massgen_backend_local.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Control-C is for the program, which may want to bring its run to an end.
            start_new_session=True,
        )
        self._write(settings)

    @property
    def id(self) -> int:
        """The system's number of it."""
        return self._process.pid

    def wait_until_loaded(self) -> None:
        """Wait until the model is loaded.

        Raises:
            Refused: The runtime does not load it.
            ConnectionLost: The process ended.
        """
        said = self._read()
        if "fault" in said:
            raise Refused(said["fault"])

    def ask(self, body: Mapping[str, Any], take: Callable[[Mapping[str, Any]], bool]) -> None:
        """Make a call and hand on its chunks; it is stopped when `take` returns True.

        Raises:
            ConnectionLost: The process ended, or the runtime broke.
        """
        self._number += 1
        self._write({"number": self._number, "ask": body})
        is_stopped = False
        while "end" not in (said := self._read()):
            if "broke" in said:
                raise ConnectionLost(f"the local model broke: {said['broke']}")
            if take(said["chunk"]) and not is_stopped:
                is_stopped = True
                self._write({"stop": self._number})

    def stop(self) -> None:
        """Stop the call under way; safe from any thread, and never waits: while a call is being handed over, its first chunk stops it."""
        if self._writing.acquire(blocking=False):
            try:
                with suppress(OSError, ValueError):  # it is gone, and so is its call
                    self._send({"stop": self._number})
            finally:
                self._writing.release()

    def kill(self) -> None:
        """End it at once; it has nothing to lose. Safe from any thread."""
        self._process.kill()

    def close(self) -> None:
        """End it and give everything back."""
        self.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        self._process.wait()

    def _write(self, document: Mapping[str, Any]) -> None:
        try:
            with self._writing:
                self._send(document)
        except OSError as error:
            raise self._lost() from error

    def _send(self, document: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(document).encode() + b"\n")
        self._process.stdin.flush()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise self._lost()
        said: dict[str, Any] = json.loads(line)
        return said

    def _lost(self) -> ConnectionLost:
        code = self._process.wait()
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        hint = "; perhaps the machine ran out of memory: take a smaller model, or lower the option 'context'" if code == -9 else ""
        return ConnectionLost(f"the process of the local model ended by itself ({how}){hint}")
