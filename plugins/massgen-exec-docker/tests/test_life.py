"""Containers end when they must, whoever is killed, and losing one is told as what it is."""

from __future__ import annotations

import gc
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from massgen_core.api import ExecCommand, ExecutorUnavailable, Limits, SandboxLost
from massgen_exec_docker import owner as owners
from massgen_exec_docker.engine import Engine

from .stage import SECONDS, containers_of, owner, python, sandbox, until

pytestmark = [pytest.mark.anyio, pytest.mark.once]
RELAY = """
import socket, sys, threading
def copy(source, target):
    while data := source.recv(65536):
        target.sendall(data)
    target.shutdown(socket.SHUT_WR)
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen()
print("ready", flush=True)
while True:
    client, engine = server.accept()[0], socket.socket(socket.AF_UNIX)
    engine.connect(sys.argv[2])
    for pair in ((client, engine), (engine, client)):
        threading.Thread(target=copy, args=pair, daemon=True).start()
"""
DEAF = "import signal, time\nfor n in (1, 2, 15): signal.signal(n, signal.SIG_IGN)\nopen('ready', 'w').close()\nwhile True: time.sleep(1)"


async def test_a_killed_owner_leaves_no_container(engine: Engine, tmp_path: Path) -> None:
    """After SIGKILL of the process that owns it, a container with commands that ignore signals is gone."""
    process = owner(tmp_path, ("python3", "-c", DEAF))
    try:
        until((tmp_path / "workspace" / "ready").exists)
        assert containers_of(engine, process.pid)
    finally:
        process.kill()
        process.wait()
    seconds = until(lambda: not containers_of(engine, process.pid))
    print(f"gone after {seconds:.2f} s")


async def test_kills_at_any_moment_leave_nothing(engine: Engine, tmp_path: Path) -> None:
    """Owners that are killed while they connect, create, start or run leave nothing that the next opening does not remove."""
    rng = random.Random(4)
    pids = []
    for number in range(int(os.environ.get("MASSGEN_TEST_KILLS", "12"))):
        process = owner(tmp_path / str(number), ("sleep", "600"))
        await anyio.sleep(rng.uniform(0.2, 2.0))  # any moment is a good one
        process.kill()
        process.wait()
        pids.append(process.pid)
    async with sandbox(tmp_path):
        pass
    until(lambda: not any(containers_of(engine, pid) for pid in pids))


async def test_the_reaper_takes_only_what_is_abandoned(engine: Engine, tmp_path: Path) -> None:
    """Containers of dead owners go; those of living ones, of other machines and of other namespaces of processes stay."""
    gone = {**owners.labels(), "massgen.owner.pid": str(1 << 22), "massgen.owner.start": "1"}
    reused = {**owners.labels(), "massgen.owner.start": "1"}
    kept = [owners.labels(), {**gone, "massgen.owner.host": "other"}, {**gone, "massgen.owner.space": "other"}]
    assert [owners.is_abandoned(labels) for labels in (gone, reused, *kept)] == [True, True, False, False, False]
    made = []
    try:
        for labels in (gone, kept[0]):
            made.append(engine.client.containers.create("massgen-base", ["sleep", "600"], labels=labels, network_mode="none").id)
        async with sandbox(tmp_path):
            pass
        assert [each["Id"] in made for each in engine.containers()].count(True) == 1
    finally:
        for identity in made:
            engine.remove(identity)


@pytest.mark.parametrize("attack", ["kill -9 -1", "pkill -9 python3; sleep 600", "kill -9 $PPID; sleep 600"])
async def test_a_command_that_kills_its_agent_loses_the_sandbox(engine: Engine, tmp_path: Path, attack: str) -> None:
    """It is reported as lost, never as a success; the next command has a new one."""
    with anyio.fail_after(SECONDS):
        async with sandbox(tmp_path) as (executor, _):
            with pytest.raises(SandboxLost, match="lost"):
                await executor.run(ExecCommand(argv=("sh", "-c", f"trap '' TERM; {attack}")))
            result = await executor.run(ExecCommand(argv=("echo", "fine")))

    assert result.stdout == b"fine\n"


async def test_a_command_that_stops_its_agent_is_ended_all_the_same(engine: Engine, tmp_path: Path) -> None:
    """An agent that does not obey is removed with its container when the command's time is over."""
    with anyio.fail_after(SECONDS):
        async with sandbox(tmp_path) as (executor, _):
            with pytest.raises(SandboxLost, match="did not kill"):
                await executor.run(ExecCommand(argv=("sh", "-c", "kill -STOP -1; sleep 600"), limits=Limits(seconds=1)))
            result = await executor.run(ExecCommand(argv=("echo", "fine")))

    assert result.stdout == b"fine\n"


async def test_a_container_that_is_removed_is_lost(engine: Engine, tmp_path: Path) -> None:
    """A container that somebody removes while a command runs ends it as lost, for all who wait."""
    with anyio.fail_after(SECONDS):
        async with sandbox(tmp_path) as (executor, _):
            async with executor.start(ExecCommand(argv=("sleep", "600"))) as process:
                for each in containers_of(engine, os.getpid()):
                    engine.remove(each["Id"])
                with pytest.raises(SandboxLost, match="lost"):
                    await process.wait()
            assert (await executor.run(ExecCommand(argv=("echo", "fine")))).exit_code == 0


async def test_an_engine_that_goes_away_loses_the_sandbox(engine: Engine, tmp_path: Path) -> None:
    """When the connection to the engine breaks, as on its restart, a running command is lost and its container ends."""
    path = tmp_path / "relay"
    relay = subprocess.Popen([sys.executable, "-c", RELAY, str(path), engine.endpoint.path], stdout=subprocess.PIPE)  # noqa: ASYNC220
    try:
        assert relay.stdout
        assert relay.stdout.readline() == b"ready\n"
        with anyio.fail_after(SECONDS):
            async with sandbox(tmp_path, host=f"unix://{path}") as (executor, _):
                async with executor.start(ExecCommand(argv=("sleep", "600"))) as process:
                    assert containers_of(engine, os.getpid())
                    relay.kill()
                    with pytest.raises(SandboxLost, match="lost"):
                        await process.wait()
                with pytest.raises(ExecutorUnavailable):
                    await executor.run(ExecCommand(argv=("true",)))
    finally:
        relay.kill()
        relay.communicate()
        gc.collect()  # a socket that is left open is a warning now, and so an error
    until(lambda: not containers_of(engine, os.getpid()))


async def test_what_a_command_leaves_is_killed_with_it(engine: Engine, tmp_path: Path) -> None:
    """After a hundred commands that leave daemons behind the container holds its agent and nothing else."""
    left = "import os, time\nif os.fork() == 0:\n os.setsid()\n if os.fork() == 0: time.sleep(600)\n os._exit(0)\nos.wait()"
    count = "import os; print(sum(name.isdigit() for name in os.listdir('/proc')))"
    with anyio.fail_after(SECONDS):
        async with sandbox(tmp_path) as (executor, _):
            before = await python(executor, count)
            async with anyio.create_task_group() as tasks:
                for _ in range(100):
                    tasks.start_soon(python, executor, left)
            after = await python(executor, count)

    # The engine's init, the agent, this command and its supervisor, and those that wait for commands; one more may be about to wait.
    assert int(after.stdout) <= max(6, int(before.stdout))


async def test_signals_to_the_owner_are_no_leak(engine: Engine, tmp_path: Path) -> None:
    """An owner that is terminated politely leaves nothing either."""
    process = owner(tmp_path, ("python3", "-c", DEAF))
    until((tmp_path / "workspace" / "ready").exists)
    process.send_signal(signal.SIGTERM)
    process.wait(30)
    until(lambda: not containers_of(engine, process.pid))
