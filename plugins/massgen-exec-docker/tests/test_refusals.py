"""What cannot be held is refused by name, before anything runs."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest

from massgen_core.api import ExecCommand, ExecutorUnavailable, ImageMissing, Limits, LimitUnsupported, MassGenError, NetworkPolicy
from massgen_exec_docker.config import DockerConfig
from massgen_exec_docker.endpoint import Endpoint, find
from massgen_exec_docker.engine import Engine
from massgen_exec_docker.executor import refuse
from massgen_exec_docker.files import shares
from massgen_exec_docker.opening import _check_socket
from massgen_exec_docker.profile import DEFAULTS, Profile

from .stage import python, sandbox

pytestmark = pytest.mark.anyio
ALL = frozenset({"cpus", "descriptors", "disk", "file_size", "memory", "output", "processes", "seconds"})


async def test_an_engine_without_root_enforces_less() -> None:
    """What a rootless engine on the old control groups says it enforces, it does not; with the new ones it does."""
    info = {"MemoryLimit": True, "PidsLimit": True, "CpuCfsQuota": True, "SecurityOptions": ["name=seccomp", "name=rootless"]}
    old, new = (Engine(None, Endpoint(url=""), {**info, "CgroupVersion": version}) for version in "12")
    none = Engine(None, Endpoint(url=""), {"MemoryLimit": False, "PidsLimit": False, "CpuCfsQuota": False})

    assert new.enforced() == ALL
    assert old.enforced() == none.enforced() == ALL - {"cpus", "memory", "processes"}
    for name in ("cpus", "memory", "processes"):
        with pytest.raises(LimitUnsupported, match=name):
            refuse(Limits(**{name: 1 << 30}), old.enforced())


SEEN: dict[str, Any] = {
    "user": 1000,
    "capabilities": 0,
    "bounding": 0,
    "no_new_privileges": True,
    "filters": 2,
    "interfaces": ["lo"],
    "read_only": True,
    "memory": str(DEFAULTS.memory),
    "processes": "512",
    "cpus": "200000 100000",
    "disk": 1 << 20,
    "limits": {"NOFILE": 4096, "FSIZE": 4096 << 20, "CORE": 0},
}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"memory": "9223372036854771712"}, "memory"),
        ({"memory": "max"}, "memory"),
        ({"processes": "max"}, "processes"),
        ({"cpus": "-1 100000"}, "cpus"),
        ({"cpus": "max 100000"}, "cpus"),
        ({"disk": 1 << 40}, "disk"),
        ({"limits": {**SEEN["limits"], "NOFILE": 1 << 20}}, "descriptors"),
        ({"limits": {**SEEN["limits"], "FSIZE": -1}}, "file_size"),
        ({"capabilities": 1}, "capabilities"),
        ({"bounding": 1}, "capabilities"),
        ({"no_new_privileges": False}, "privileges"),
        ({"filters": 0}, "filter"),
        ({"read_only": False}, "read-only"),
        ({"interfaces": ["lo", "eth0"]}, "network"),
        ({"user": 0}, "user"),
    ],
)
async def test_what_is_seen_from_inside_is_held_against_what_was_asked(change: dict[str, Any], named: str) -> None:
    """An engine that takes a limit or a wall and does not put it up is found out, and the message names what is missing."""
    asked = Profile(image="", config=DockerConfig(), shares=(), user="1000:1000", network="none", proxy="", limits=DEFAULTS, enforced=ALL)
    asked.check(SEEN)
    with pytest.raises((LimitUnsupported, ExecutorUnavailable), match=named):
        asked.check({**SEEN, **change})


async def test_no_engine_is_told_with_what_to_do(tmp_path: Path) -> None:
    """The message says where it was looked for, how to start one, and what works without."""
    with pytest.raises(ExecutorUnavailable, match=r"(?s)nowhere.*apt install.*executor local"):
        async with sandbox(tmp_path, host=f"unix://{tmp_path}/nowhere"):
            pass


async def test_an_engine_elsewhere_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The workspace is on this machine."""
    monkeypatch.setenv("DOCKER_HOST", "ssh://somebody@example.org")
    with pytest.raises(ExecutorUnavailable, match="ssh -NL"):
        find()


async def test_a_missing_image_is_told_and_not_fetched(engine: Engine, tmp_path: Path) -> None:
    """Without `pull` nothing is asked of a registry; the message says which command makes the default image."""
    for name in ("no-such-image", "massgen-base:nothing"):
        with pytest.raises(ImageMissing, match=r"pull: missing|build-base"):
            async with sandbox(tmp_path, image=name):
                pass


async def test_limits_that_make_no_sense_are_refused(engine: Engine, tmp_path: Path) -> None:
    """Nothing, less than nothing, and less than an agent needs; in options when the sandbox is opened, in commands when they are started."""
    for limits in ({"processes": 0}, {"cpus": -1.0}, {"memory": 1000}, {"cpus": 0.001}, {"disk": 10**30}):
        with pytest.raises(LimitUnsupported, match=next(iter(limits))):
            async with sandbox(tmp_path, limits=limits):
                pass
    async with sandbox(tmp_path) as (executor, _):
        with pytest.raises(LimitUnsupported, match="disk"):
            await python(executor, "", limits=Limits(disk=0))
        with pytest.raises(LimitUnsupported, match="network"):
            await python(executor, "", network=NetworkPolicy(mode="full"))
        with pytest.raises(LimitUnsupported, match="root"):
            await python(executor, "", user="0")
        for number in (math.nan, math.inf):
            with pytest.raises(LimitUnsupported, match="seconds"):
                await python(executor, "", limits=Limits(seconds=number))
        for user in ("daemon", "4294967296", "\u00b2", "1:x", ":1"):
            with pytest.raises(LimitUnsupported, match="no number"):
                await python(executor, "", user=user)
        with pytest.raises(ValueError, match="encode"):
            await python(executor, "", folder="\ud800")


@pytest.mark.parametrize("hosts", [("example.org",), ("http://example.org:80",), ("*:443",), ("a b:80",), ("example.org:70000",)])
async def test_hosts_that_are_none_are_refused(engine: Engine, tmp_path: Path, hosts: tuple[str, ...]) -> None:
    """A list with a mistake in it lets nothing through: it is refused when the sandbox is opened."""
    with pytest.raises(MassGenError, match="host:port"):
        async with sandbox(tmp_path, network="allow", hosts=hosts):
            pass


async def test_a_dockerfile_is_built_and_used(engine: Engine, tmp_path: Path) -> None:
    """An image of the user's own is built when the sandbox is opened; one that cannot be built says why."""
    (tmp_path / "Dockerfile").write_text("FROM massgen-base\nRUN echo built > /made\n", encoding="utf-8")
    with anyio.fail_after(300):
        async with sandbox(tmp_path, dockerfile=str(tmp_path)) as (executor, _):
            result = await executor.run(ExecCommand(argv=("cat", "/made")))
        (tmp_path / "Broken").write_text("FROM massgen-base\nRUN echo out of luck; exit 3\n", encoding="utf-8")
        with pytest.raises(ImageMissing, match="out of luck"):
            async with sandbox(tmp_path, dockerfile=str(tmp_path / "Broken")):
                pass

    assert result.stdout == b"built\n"


async def test_a_share_that_was_replaced_is_not_mounted(engine: Engine, tmp_path: Path) -> None:
    """A folder that became a link between opening and the first command is found out: engines would follow it."""
    shared = tmp_path / "shared"
    shared.mkdir()
    async with sandbox(tmp_path, read=[str(shared)]) as (executor, _):
        shared.rename(tmp_path / "aside")
        shared.symlink_to("/etc")
        with pytest.raises(MassGenError, match="not any more what it was"):
            await executor.run(ExecCommand(argv=("true",)))


async def test_what_is_opened_is_told(engine: Engine, tmp_path: Path) -> None:
    """Each wall that the configuration takes down stands in the run's log, with the container it concerns."""
    async with sandbox(tmp_path, writable_root=True, system_calls="engine", capabilities=["CHOWN"]) as (executor, context):
        await executor.run(ExecCommand(argv=("true",)))
        notices = [event.text for event in context.records.events if event.type == "notice.given"]
        (opened,) = [event for event in context.records.events if event.type == "docker.opened"]

    assert all(word in notices[0] for word in ("writable root", "engine's filter", "CHOWN"))
    assert len(attrs.asdict(opened)["opened"]) == 3


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/", "too much"),
        ("/var/lib", "too much"),
        ("~", "too much"),
        ("/var/lib/docker", "belongs to the system"),
        ("/var/run/docker.sock", "belongs to the system"),
        ("/proc/self/cwd", "belongs to the system"),
        ("SETTINGS/massgen", "secrets"),
        ("here", "no absolute path"),
        ("/no/such/folder", "does not exist"),
    ],
)
async def test_what_is_not_shared(path: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's, the home as a whole, where secrets are, and what holds any of it; the message names the option and its place."""
    for folder in ("docker", "settings/massgen"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    real = os.path.exists
    monkeypatch.setattr("os.path.exists", lambda each: each in ("/var/lib/docker", "/run/docker.sock") or real(each))  # also where no engine is
    with pytest.raises(MassGenError, match=rf"option read\[1\]: .*{reason}"):
        shares("read", (str(tmp_path / "docker"), path.replace("SETTINGS", str(tmp_path / "settings"))), writable=())


async def test_the_engine_itself_is_not_shared(tmp_path: Path) -> None:
    """Whoever reaches its socket has the machine; it may be anywhere, behind links."""
    (tmp_path / "private").mkdir()
    (tmp_path / "open").symlink_to("private")
    (tmp_path / "other").mkdir()
    (tmp_path / "private" / "docker.sock").touch()
    engine = Engine(None, Endpoint(url=f"unix://{tmp_path}/open/docker.sock"), {})
    _check_socket(engine, shares("read", (str(tmp_path / "other"),), writable=()))
    for path in ("private", "open", "private/docker.sock"):
        with pytest.raises(MassGenError, match="the engine's socket"):
            _check_socket(engine, shares("read", (str(tmp_path / path),), writable=()))
