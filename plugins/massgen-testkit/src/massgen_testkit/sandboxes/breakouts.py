"""Checks of executors: attacks by name, on a target that is there to be hit."""

from __future__ import annotations

import ctypes
import json
import os
import secrets
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest

from massgen_core.api import Executor
from massgen_testkit.context import PlainContext
from massgen_testkit.sandboxes.attacks import ATTACKS, Attack, program
from massgen_testkit.sandboxes.base import Sandboxes
from massgen_testkit.sandboxes.network import listening, own_address

_SIZE = 4096
CONTROLLED = tuple(attack for attack in ATTACKS if attack.control != "never")


@attrs.frozen(kw_only=True)
class Target:
    """What attacks aim at, outside of every sandbox.

    Attributes:
        given: What attacks are told about it, plain data.
        outside: A folder with a secret, a victim and a program.
        process: A process with a secret in its environment.
    """

    given: dict[str, Any]
    outside: Path
    process: subprocess.Popen[bytes]

    def state(self) -> list[Any]:
        """Return all that an attack could have changed."""
        files = [(file.name, file.stat().st_mode, file.stat().st_mtime_ns, file.read_bytes()) for file in sorted(self.outside.iterdir())]
        alive = Path(f"/proc/{self.process.pid}")
        return [files, self.process.poll(), os.getpriority(os.PRIO_PROCESS, self.process.pid), (alive / "oom_score_adj").read_bytes()]


@contextmanager
def _answering() -> Iterator[int]:
    """Yield the port of a server that sends datagrams back."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as server:
        server.bind(("127.0.0.1", 0))

        def answer() -> None:
            while data := server.recvfrom(100):
                if data[0] == b"end":
                    return
                server.sendto(*data)

        thread = threading.Thread(target=answer, name="massgen-testkit-datagrams")
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.sendto(b"end", server.getsockname())
            thread.join()


@contextmanager
def _shared_memory() -> Iterator[int]:
    """Yield the number of a segment with a secret in it."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.shmat.restype = ctypes.c_void_p
    number = libc.shmget(0, _SIZE, 0o1666)
    place = libc.shmat(number, None, 0)
    ctypes.memmove(place, b"sesame", 6)
    try:
        yield number
    finally:
        libc.shmdt(ctypes.c_void_p(place))
        libc.shmctl(number, 0, None)


@contextmanager
def _door() -> Iterator[tuple[str, str]]:
    """Yield the path of a socket in a file, and the name of one without."""
    name = f"massgen-{secrets.token_hex(6)}"
    with (
        tempfile.TemporaryDirectory(prefix="massgen-door-") as folder,  # names of sockets are short
        closing(socket.socket(socket.AF_UNIX)) as in_file,
        closing(socket.socket(socket.AF_UNIX)) as abstract,
    ):
        in_file.bind(f"{folder}/door")
        abstract.bind(f"\0{name}")
        in_file.listen()
        abstract.listen()
        yield f"{folder}/door", name


class Breakouts(Sandboxes):
    """What attacks need."""

    @pytest.fixture
    def target(self, tmp_path: Path) -> Iterator[Target]:
        """Files, a process, servers and shared memory of this machine."""
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "secret.txt").write_text("sesame", encoding="utf-8")
        (outside / "victim.txt").write_text("safe", encoding="utf-8")
        (outside / "program").write_text("#!/bin/sh\necho ran\n", encoding="utf-8")
        (outside / "program").chmod(0o755)
        with ExitStack() as stack:
            secret = stack.enter_context((outside / "secret.txt").open("rb"))
            process = subprocess.Popen(
                ["victim", "1000"],  # noqa: S607 - only a name
                executable="/bin/sleep",
                cwd=outside,
                env={"SECRET": "sesame"},
                stdin=secret,
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            door, name = stack.enter_context(_door())
            web = stack.enter_context(listening("0.0.0.0"))  # noqa: S104 - it must not be reached on any address
            given = {
                "secret": str(outside / "secret.txt"),
                "victim": str(outside / "victim.txt"),
                "program": str(outside / "program"),
                "outside": str(outside),
                "pid": process.pid,
                "door": door,
                "name": name,
                "port": int(web.rpartition(":")[2]),
                "address": own_address(),
                "datagrams": stack.enter_context(_answering()),
                "shared": stack.enter_context(_shared_memory()),
            }
            yield Target(given=given, outside=outside, process=process)

    async def attempt(self, executor: Executor, attack: Attack, target: Target) -> str:
        """Make an attack and return what it says of itself."""
        result = await self.script(executor, program(attack), json.dumps(target.given))
        return result.stdout.decode().strip() or f"{result.status} {result.exit_code}: {result.stderr.decode(errors='replace')[-300:]}"


class BreakoutChecks(Breakouts):
    """No attack succeeds."""

    @pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name.replace(" ", "-"))
    async def test_an_attack_is_held(self, context: PlainContext, workspace: Path, target: Target, attack: Attack) -> None:
        """It says so itself, or it was killed; and what it aimed at is as before."""
        self.need(attack.wall)
        before = target.state()
        async with self.sandbox(context) as executor:
            told = await self.attempt(executor, attack, target)

        assert told == "held" or told.startswith("signalled"), told
        assert target.state() == before


class BreakoutControls(Breakouts):
    """For an executor without walls: each attack succeeds, so that it proves something where it does not."""

    @pytest.mark.parametrize("attack", CONTROLLED, ids=lambda attack: attack.name.replace(" ", "-"))
    async def test_the_attack_works_without_walls(self, context: PlainContext, workspace: Path, target: Target, attack: Attack) -> None:
        """It reaches what it aims at."""
        if attack.control == "root" and os.geteuid() != 0:
            pytest.skip("not in CI: the attack needs root where there are no walls")
        async with self.sandbox(context) as executor:
            told = await self.attempt(executor, attack, target)

        assert told == "escaped", told
