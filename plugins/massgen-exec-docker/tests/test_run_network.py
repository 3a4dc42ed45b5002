"""The network of a run: its containers reach one another, and nothing else in the world."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest

from massgen_core.api import ExecCommand, Executor, LimitUnsupported, NetworkPolicy
from massgen_core.config.structure import structure
from massgen_exec_docker import owner as owners
from massgen_exec_docker.config import DockerConfig
from massgen_exec_docker.engine import Engine
from massgen_exec_docker.factory import open_docker
from massgen_exec_docker.network import alias
from massgen_testkit import PlainContext

from .stage import SECONDS, owner, python, sandbox, until

pytestmark = [pytest.mark.anyio, pytest.mark.once]
SERVER = """
import socket
server = socket.create_server(("0.0.0.0", 7000))
print("ready", flush=True)
while True:
    server.accept()[0].sendall(b"hello")
"""
CALL = """
import socket, sys
for host, port in zip(sys.argv[1::2], sys.argv[2::2]):
    try:
        with socket.create_connection((host, int(port)), 3) as peer:
            print("reached", peer.recv(100).decode())
    except OSError as error:
        print("not")
"""
ADDRESS = "import socket; print(socket.gethostbyname(socket.gethostname()))"


def networks(engine: Engine, pid: int) -> list[str]:
    """Return the networks whose labels name a process as their owner."""
    found = engine.client.api.networks(filters={"label": f"massgen.owner.pid={pid}"})
    return [each["Name"] for each in found]


@asynccontextmanager
async def run(folder: Path, *agents: str, **options: Any) -> AsyncIterator[list[Executor]]:
    """Yield one executor for each agent of a run."""
    context = PlainContext(folder=folder)
    async with context:
        found: list[Executor] = []
        for agent in agents:
            context.agent, context.workspace = agent, folder / alias(agent)
            # Each has a context of its own in a run, with the same shared things.
            own = attrs.evolve(context)
            own._tasks, own._stack, own._shared = context._tasks, context._stack, context._shared
            made = open_docker(structure(DockerConfig, {"network": "run", **options}), own)
            found.append(await context._stack.enter_async_context(made))
        yield found


async def test_containers_of_a_run_reach_one_another_and_nothing_else(engine: Engine, tmp_path: Path) -> None:
    """By the agent's name; not this machine's servers, whichever address they are called by, not other runs, and no name is looked up elsewhere."""
    with closing(socket.create_server(("0.0.0.0", 0))) as here, anyio.fail_after(SECONDS):
        port = str(here.getsockname()[1])
        serve = ExecCommand(argv=("python3", "-c", SERVER))
        async with (
            run(tmp_path / "one", "Ann B.", "bob") as (ann, bob),
            run(tmp_path / "two", "eve") as (eve,),
            ann.start(serve) as server,
        ):
            assert b"ready" in await anext(aiter(server.stdout()))
            address = (await python(ann, ADDRESS)).stdout.decode().strip()
            gateway = ".".join((*address.split(".")[:2], "0", "1"))
            told = await python(bob, CALL, "ann-b", "7000", address, "7000", gateway, port, "172.17.0.1", port, "example.org", "80")
            other = await python(eve, CALL, address, "7000", "ann-b", "7000")
            closed = await python(bob, CALL, "ann-b", "7000", network=NetworkPolicy(mode="none"))
        here.setblocking(False)
        with pytest.raises(BlockingIOError):
            here.accept()

    assert told.stdout.decode().splitlines() == ["reached hello", "reached hello", "not", "not", "not"]
    assert other.stdout.decode().splitlines() == ["not", "not"]
    assert closed.stdout.decode().splitlines() == ["not"]
    assert networks(engine, os.getpid()) == []


async def test_a_killed_owner_leaves_no_network(engine: Engine, tmp_path: Path) -> None:
    """What a killed run leaves of networks goes when the next executor is opened."""
    process = owner(tmp_path, ("sleep", "600"), network="run")
    try:
        until(lambda: networks(engine, process.pid))
    finally:
        process.kill()
        process.wait()
    async with sandbox(tmp_path):
        pass
    until(lambda: not networks(engine, process.pid) or engine.reap())

    assert networks(engine, process.pid) == []


async def test_networks_of_the_living_stay(engine: Engine, tmp_path: Path) -> None:
    """The reaper takes only what is abandoned."""
    kept, gone = (
        engine.client.api.create_network(f"massgen-test-{os.getpid()}-{name}", internal=True, labels=labels)["Id"]
        for name, labels in (("kept", owners.labels()), ("gone", {**owners.labels(), owners.OWNER + ".start": "1"}))
    )
    try:
        async with sandbox(tmp_path):
            pass
        left = {each["Id"] for each in engine.client.api.networks()}
    finally:
        engine.client.api.remove_network(kept)

    assert kept in left
    assert gone not in left


async def test_it_is_opened_by_the_configuration_alone(engine: Engine, tmp_path: Path) -> None:
    """A command cannot ask for it where the option does not say so, and the option stands in the run's log."""
    async with sandbox(tmp_path) as (executor, _):
        with pytest.raises(LimitUnsupported, match="network: run"):
            await python(executor, "", network=NetworkPolicy(mode="run"))  # type: ignore[arg-type]
    async with sandbox(tmp_path, network="run") as (_, context):
        notices = [event.text for event in context.records.events if event.type == "notice.given"]

    assert any("the containers of this run" in text for text in notices)


@pytest.mark.parametrize(("agent", "name"), [("Ann B.", "ann-b"), ("x" * 80, "x" * 63), ("...", ""), ("a_1", "a-1")])
async def test_agents_have_names_on_it(agent: str, name: str) -> None:
    """Names that are none on a network are made into some."""
    assert alias(agent) == name
