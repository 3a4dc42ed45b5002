"""Named attacks: each is held off in the sandbox, and each that can be tried safely works in an ordinary container."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest

from massgen_exec_docker.engine import Engine

from .attacks import ATTACKS, PRELUDE, Control
from .stage import python, sandbox

pytestmark = pytest.mark.once
LIMITS = {"memory": 128 << 20, "processes": 64, "descriptors": 256, "file_size": 30 << 20, "disk": 32 << 20, "seconds": 60.0}


@pytest.fixture(scope="module")
def facts() -> Iterator[str]:
    """What attackers know of this machine, with servers that they would reach."""
    name = f"massgen-attacks-{os.getpid()}"
    group = "memory/memory.limit_in_bytes" if Path("/sys/fs/cgroup/memory").is_dir() else "memory.max"
    with contextlib.closing(socket.create_server(("0.0.0.0", 0))) as server, contextlib.closing(socket.socket(socket.AF_UNIX)) as abstract:
        abstract.bind(f"\0{name}")
        abstract.listen()
        known: dict[str, Any] = {kind: os.readlink(f"/proc/self/ns/{kind}") for kind in ("net", "pid", "ipc", "uts")}
        known |= {"me": os.getpid(), "gateway": "172.17.0.1", "port": server.getsockname()[1], "abstract": name, "group": group.split("/")}
        yield json.dumps(known)


@pytest.fixture(scope="module")
def held(engine: Engine, facts: str, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """What came of all attacks in one sandbox, one after the other."""

    async def attack() -> Mapping[str, str]:
        found = {}
        async with sandbox(tmp_path_factory.mktemp("attacked"), limits=LIMITS) as (executor, _):
            for name, (code, _) in ATTACKS.items():
                result = await python(executor, PRELUDE, code, facts)
                found[name] = result.stdout.decode() or f"held by {result.status}: {result.stderr.decode()[-300:]}"
        return found

    return anyio.run(attack)


@pytest.fixture(scope="module")
def tried(engine: Engine, facts: str) -> Mapping[str, str]:
    """What came of those attacks in ordinary containers that are safe there."""
    groups: dict[str, tuple[Control, list[str]]] = {}
    for name, (_, control) in ATTACKS.items():
        if control is not None:
            groups.setdefault(json.dumps(control), (control, []))[1].append(name)
    found = {}
    for control, names in groups.values():
        assert control is not None
        box = engine.client.containers.run(
            "massgen-base", ["sleep", "600"], detach=True, auto_remove=True, init=True, labels={"massgen.test": "attacks"}, **control
        )
        try:
            for name in names:
                _, output = box.exec_run(["python3", "-c", PRELUDE, ATTACKS[name][0], facts], stderr=True)
                found[name] = output.decode(errors="replace")
        finally:
            engine.remove(box.id)
    return found


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_held_off(held: Mapping[str, str], name: str) -> None:
    """It does not succeed in the sandbox, whichever way it fails."""
    assert held[name].startswith("held"), held[name]


@pytest.mark.parametrize("name", [name for name, (_, control) in ATTACKS.items() if control is not None])
def test_an_attack_works_without_the_defence(tried: Mapping[str, str], name: str) -> None:
    """The same code succeeds in an ordinary container: the defence is what holds it off."""
    assert tried[name].startswith("in"), tried[name]


def test_there_are_enough_attacks() -> None:
    """At least fifty, most with a control."""
    assert len(ATTACKS) >= 50
    assert sum(control is not None for _, control in ATTACKS.values()) * 2 > len(ATTACKS)
