"""Rootful podman behind Docker's interface: the suite of executors, on a podman of the tests' own with storage of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from massgen_core.api import ExecutorUnavailable
from massgen_exec_docker.debian import BASE
from massgen_exec_docker.engine import Engine, connect
from massgen_exec_docker.images import build
from massgen_testkit import ExecutorSuite

from .stage import until

FOLDER = Path(tempfile.gettempdir(), f"massgen-podman-{os.getpid()}")
SOCKET = f"unix://{FOLDER}/socket"
# crun does not work with the old control groups beside the new ones, and the service asks for more descriptors than it may itself.
SETTINGS = """
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
"""
NEEDED = {"podman": "podman", "runc": "runc", "catatonit": "catatonit"}


def missing() -> str:
    """Return why podman cannot be tried here; empty where it can."""
    lacking = [package for program, package in NEEDED.items() if shutil.which(program) is None]
    if lacking:
        return f"not in CI: {', '.join(lacking)} is not installed (Debian: apt install --no-install-recommends podman runc catatonit)"
    if os.geteuid() != 0:
        return "not in CI: podman is tried with root's rights"
    if os.environ.get("CI") and not os.environ.get("MASSGEN_TEST_PODMAN"):
        return "not in CI: it takes as long as Docker's; MASSGEN_TEST_PODMAN=1 runs it"
    return ""


@pytest.fixture(scope="module")
def podman() -> Iterator[Engine]:
    """A service of podman's with the base image; all of it is gone afterwards."""
    if reason := missing():
        pytest.skip(reason)
    FOLDER.mkdir(mode=0o700)
    settings = FOLDER / "containers.conf"
    settings.write_text(SETTINGS, encoding="utf-8")
    env = {**os.environ, "CONTAINERS_CONF": str(settings)}
    command = ["podman", "--root", str(FOLDER / "root"), "--runroot", str(FOLDER / "run"), "--storage-driver", "overlay"]
    log = (FOLDER / "log").open("w", encoding="utf-8")
    quiet: dict[str, Any] = {"env": env, "cwd": FOLDER, "stdin": subprocess.DEVNULL}
    service = subprocess.Popen([*command, "system", "service", "--time=0", SOCKET], stdout=log, stderr=log, **quiet)
    try:
        until((FOLDER / "socket").exists)
        engine = connect(SOCKET)
        list(build(engine, BASE, "base"))
        yield engine
        engine.client.close()
    finally:
        service.terminate()
        service.wait(30)
        log.close()
        subprocess.run([*command, "system", "reset", "--force"], capture_output=True, timeout=60, check=False, **quiet)
        if str(FOLDER) not in Path("/proc/self/mounts").read_text(encoding="utf-8"):
            shutil.rmtree(FOLDER, ignore_errors=True)


@pytest.mark.once
@pytest.mark.usefixtures("podman")
class TestPodman(ExecutorSuite):
    name = "docker"
    options: ClassVar[Mapping[str, Any]] = {"host": SOCKET}
    connected: ClassVar[Mapping[str, Any]] = {"network": "full"}

    def mounting(self, folder: Path, *, writable: bool) -> tuple[Mapping[str, Any], str]:
        user = {"user": "0"} if writable and os.geteuid() == 0 else {}
        return {"write" if writable else "read": [str(folder)], **user}, str(folder)

    def seen_from_inside(self, address: str) -> str:
        return f"10.88.0.1:{address.rpartition(':')[2]}"


def test_what_podman_lacks_is_known(podman: Engine) -> None:
    """The engine is recognised, and a second one at another address is not taken for it."""
    assert podman.is_podman
    with pytest.raises(ExecutorUnavailable):
        connect(f"unix://{FOLDER}/other")
