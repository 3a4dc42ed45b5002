"""`massgen docker ...` as it is typed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import pytest

from massgen_exec_docker import owner as owners
from massgen_exec_docker.debian import STACKS, packages_of
from massgen_exec_docker.engine import Engine
from massgen_testkit import CommandSuite

pytestmark = pytest.mark.usefixtures("engine")


def massgen(*words: str) -> subprocess.CompletedProcess[str]:
    """Type a command."""
    return subprocess.run([sys.executable, "-m", "massgen_core", *words], capture_output=True, text=True, timeout=300, check=False)


class TestBuildBase(CommandSuite):
    name = "docker.build-base"
    example: ClassVar[Sequence[str]] = ("--if-missing",)
    mistakes: ClassVar[Sequence[Sequence[str]]] = (("--stack", "nonsense"),)


class TestBuildServer(CommandSuite):
    name = "docker.build-server"
    unsupported: ClassVar[Mapping[str, str]] = {"example": "it needs the registries; tests/integration/test_server_images.py runs it"}
    mistakes: ClassVar[Sequence[Sequence[str]]] = ((), ("x",), ("x", "--npm", "a b"), ("x y", "--pip", "a"), ("x", "--npm", "a", "--pip", "b"))


class TestDoctor(CommandSuite):
    name = "docker.doctor"


class TestImages(CommandSuite):
    name = "docker.images"


class TestPrune(CommandSuite):
    name = "docker.prune"


class TestPs(CommandSuite):
    name = "docker.ps"


def test_the_base_image_is_made_once(engine: Engine) -> None:
    """The image is there, is listed with its packages, and is not made a second time."""
    again = massgen("docker", "build-base", "--if-missing")
    listed = json.loads(massgen("docker", "images", "--json").stdout)["images"]

    assert (again.returncode, again.stdout) == (0, "massgen-base is there\n")
    assert [row["packages"].split(",") for row in listed if "massgen-base:latest" in row["names"]] == [list(packages_of("base"))]


def test_the_doctor_tries_a_container(engine: Engine) -> None:
    """Where all is well, each line says so and a container was tried; without an engine, or an image, it says what to do and fails."""
    well = massgen("docker", "doctor")
    nowhere = massgen("docker", "doctor", "--host", "unix:///nowhere/at/all")
    imageless = massgen("docker", "doctor", "--image", "massgen-base:no-such")

    assert (well.returncode, well.stderr) == (0, "")
    assert {line[:2] for line in well.stdout.splitlines()} == {"ok"}
    assert "was looked at from inside" in well.stdout
    assert nowhere.returncode == imageless.returncode == 1
    assert "apt install docker.io" in nowhere.stdout
    assert "build-base" in imageless.stdout


def test_abandoned_containers_are_listed_and_pruned(engine: Engine) -> None:
    """`ps` tells whose owner is gone; `prune` removes those and leaves the others."""
    for _ in range(10):
        gone = {**owners.labels(), owners.OWNER + ".start": "1"}
        made = [
            engine.client.containers.create("massgen-base", ["sleep", "600"], labels=labels, network_mode="none").id
            for labels in (gone, owners.labels())
        ]
        try:
            listed = {row["id"]: row["is_abandoned"] for row in json.loads(massgen("docker", "ps", "--json").stdout)["containers"]}
            table = massgen("docker", "ps").stdout
            pruned = massgen("docker", "prune")
            left = {row["id"] for row in json.loads(massgen("docker", "ps", "--json").stdout)["containers"]}
        finally:
            for identity in made:
                engine.remove(identity)
        # Another sandbox on this engine removes abandoned ones when it is opened, and may have been first.
        if made[0][:12] in table and "removed 0" not in pruned.stdout:
            break

    assert [listed[identity[:12]] for identity in made] == [True, False]
    assert made[0][:12] in table
    assert pruned.stdout.startswith("removed ")
    assert [identity[:12] in left for identity in made] == [False, True]


def test_a_package_that_does_not_exist_is_told() -> None:
    """By its name, without a traceback; a name that is none never reaches apt."""
    odd = massgen("docker", "build-base", "--package=-oDpkg::Options::=x")

    assert odd.returncode == 1
    assert "no name of a Debian package" in odd.stderr
    assert "Traceback" not in odd.stderr


@pytest.mark.parametrize("stack", sorted(STACKS))
def test_stacks_have_what_commands_need(stack: str) -> None:
    """Each has Python for the agent, a shell and the small programs."""
    assert {"python3", "dash", "coreutils", "ca-certificates"} <= set(packages_of(stack))


def test_pages_name_the_commands() -> None:
    """The README names each command."""
    readme = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")

    assert [name for name in ("build-base", "build-server", "doctor", "images", "prune", "ps") if f"massgen docker {name}" not in readme] == []
