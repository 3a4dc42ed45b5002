"""The model's process, seen from outside: what it listens to, and that it never outlives the program."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from massgen_backend_local.store import find, models_folder


def test_nothing_but_the_loopback_interface_is_used(tiny: str) -> None:
    """A whole call needs no network: its only socket is a locked port on this machine, which refuses strangers."""
    program = (
        "import anyio, socket, sys, urllib.error, urllib.request\n"
        "real = socket.socket.connect\n"
        "def connect(self, address):\n"
        "    assert not isinstance(address, tuple) or address[0] == '127.0.0.1', address\n"
        "    return real(self, address)\n"
        "socket.socket.connect = connect\n"
        "from massgen_backend_local.worker import load\n"
        "server = load(sys.argv[1], 1, 512, 32)\n"
        "assert server.listening_address.startswith('http://127.0.0.1:'), server.listening_address\n"
        "for path in ('/v1/models', '/props', '/slots', '/v1/chat/completions'):\n"
        "    try:\n"
        "        answer = urllib.request.urlopen(server.listening_address + path, timeout=5)\n"
        "        print(path, answer.status)\n"
        "    except urllib.error.HTTPError as error:\n"
        "        print(path, error.code)\n"
    )
    env = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
    done = subprocess.run(
        [sys.executable, "-c", program, str(find(tiny, models_folder()))], check=False, capture_output=True, text=True, timeout=60, env=env
    )

    assert done.returncode == 0, done.stderr
    codes = dict(line.split() for line in done.stdout.splitlines())
    assert codes["/v1/chat/completions"] == "401"
    assert codes["/slots"] in ("401", "501")
    assert codes["/props"] == "401"


def test_a_program_that_does_not_close_ends_all_the_same(tiny: str) -> None:
    """A backend that nobody closed does not keep the process."""
    program = (
        "import anyio\n"
        "from massgen_backend_local.backend import LocalBackend\n"
        "from massgen_backend_local.config import LocalConfig\n"
        "from massgen_core.api import Message, ModelRequest\n"
        "async def main():\n"
        "    backend = LocalBackend(LocalConfig())\n"
        f"    async with backend.respond(ModelRequest(model={tiny!r}, messages=(Message.of('user', 'Tell a story'),))) as stream:\n"
        "        await anext(stream)\n"
        "anyio.run(main)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stderr) == (0, "")


def test_the_model_goes_with_a_program_that_is_killed(tiny: str) -> None:
    """`kill -9` of the program leaves no process with a gigabyte behind."""
    program = (
        "import anyio, os, signal\n"
        "from massgen_backend_local.backend import LocalBackend\n"
        "from massgen_backend_local.config import LocalConfig\n"
        "from massgen_core.api import Message, ModelRequest\n"
        "async def main():\n"
        "    backend = LocalBackend(LocalConfig())\n"
        f"    async with backend.respond(ModelRequest(model={tiny!r}, messages=(Message.of('user', 'Tell a story'),))) as stream:\n"
        "        await anext(stream)\n"
        "        (engine,) = backend._engines.values()\n"
        "        print(engine._process.id, flush=True)\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "anyio.run(main)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == -signal.SIGKILL
    worker = int(done.stdout)

    deadline = time.monotonic() + 10
    while is_running(worker):
        assert time.monotonic() < deadline, "the model's process still runs"
        time.sleep(0.05)


def is_running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace").rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"
