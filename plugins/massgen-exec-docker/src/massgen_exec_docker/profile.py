"""What a container is allowed: how the engine is asked for it, and how it is looked at from inside."""

from __future__ import annotations

import json
import resource
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import docker.types

from massgen_core.api import FILTER_ARCHITECTURES, ExecutorUnavailable, Limits, LimitUnsupported, call_filter
from massgen_exec_docker.borrow import PLACE
from massgen_exec_docker.config import DockerConfig
from massgen_exec_docker.files import WORKSPACE, Share
from massgen_exec_docker.inside import program
from massgen_exec_docker.network import options
from massgen_exec_docker.owner import labels

__all__ = ["DEFAULTS", "HOME", "OF_A_CONTAINER", "PORT", "Profile", "opened"]

MEGABYTE = 1 << 20
DEFAULTS = Limits(
    seconds=300.0,
    memory=2048 * MEGABYTE,
    cpus=2.0,
    processes=512,
    descriptors=4096,
    file_size=4096 * MEGABYTE,
    disk=512 * MEGABYTE,
    output=MEGABYTE,
)
OF_A_CONTAINER = ("cpus", "disk", "memory", "processes")  # a command with limits of its own for these gets a container of its own
HOME = "/tmp/home"  # noqa: S108 - inside
PORT = 3128
PROXY = "/run/massgen/proxy"
LINE = "/run/massgen/line"
OURS = 3  # processes of ours in each container: the engine's init, the agent, a supervisor
RELAYS = 64  # and threads where connections are relayed
_REACHED = {"full": "the engine bridge, whatever it reaches", "run": "the containers of this run"}
INODE = 16384  # bytes of temporary files for each file


def opened(config: DockerConfig) -> tuple[str, ...]:
    """Return what the configuration opens that is closed by default, for a person."""
    found = {
        f"network ({_REACHED.get(config.network) or ', '.join(config.hosts)})": config.network != "none",
        f"capabilities ({', '.join(config.capabilities)})": bool(config.capabilities),
        "writable root": config.writable_root,
        "new privileges": config.new_privileges,
        "only the engine's filter of system calls": config.system_calls == "engine" or config.new_privileges,
        "engine log": config.engine_log,
        "commands run as root": config.user.partition(":")[0] in ("0", "root"),
        f"folders to write to ({', '.join(config.write)})": bool(config.write),
        f"files to read ({', '.join(config.read)})": bool(config.read),
    }
    return tuple(name for name, is_open in found.items() if is_open)


@attrs.frozen(kw_only=True)
class Profile:
    """One kind of container.

    Attributes:
        image: The image's id.
        config: The options.
        shares: What of this machine is seen.
        user: UID, or UID:GID.
        network: `none`, `run`, `allow` or `full`.
        python: The command that starts Python there.
        borrowed: The volume that holds it; empty where it is the image's own.
        line: The folder of a socket over which the agent speaks, here; empty: it speaks over the engine.
        joined: The name of the run's network and the container's name on it, for `run`.
        proxy: The folder of the proxy's socket on this machine, for `allow`.
        limits: All of them.
        enforced: What the engine says it enforces.
        spares: How many supervisors wait for commands.
        is_podman: The engine is podman, which knows no limit of the number of temporary files.
        mark: A file of the workspace's that has to be seen there; empty where that need not be tried.
    """

    image: str
    config: DockerConfig
    shares: Sequence[Share]
    user: str
    network: str
    proxy: str
    limits: Limits
    enforced: frozenset[str]
    spares: int = 0
    is_podman: bool = False
    mark: str = ""
    joined: tuple[str, str] = ("", "")
    python: Sequence[str] = ("python3",)
    borrowed: str = ""
    line: str = ""

    def _limit(self, name: str) -> Any:
        return getattr(self.limits, name) if name in self.enforced else None

    def agent(self) -> list[str]:
        """Return the command that the container runs."""
        is_filtered = self.config.system_calls == "filtered" and not self.config.new_privileges
        given = {
            "spares": self.spares,
            "home": HOME,
            "port": PORT if self.network == "allow" else 0,
            "programs": {each: call_filter(architecture=each).hex() for each in FILTER_ARCHITECTURES} if is_filtered else {},
            "line": f"{LINE}/socket" if self.line else "",
            "mark": f"{WORKSPACE}/{self.mark}" if self.mark else "",
        }
        return [*self.python, "-I", "-S", "-X", "utf8", "-c", program(), json.dumps(given)]

    def _ulimits(self) -> list[Any]:
        found = {"core": 0, "nofile": int(self.limits.descriptors or 0), "fsize": int(self.limits.file_size or 0)}
        if self.is_podman and (most := _processes()):  # left alone, it asks for more than it may itself where it lacks a capability
            found["nproc"] = most
        return [docker.types.Ulimit(name=name, soft=value, hard=value) for name, value in found.items()]

    def _memory_folders(self) -> dict[str, str]:
        """Return the folders that are in memory, with their options; together with /dev/shm they hold `disk` bytes."""
        disk = int(self.limits.disk or 0)
        sizes = {"/tmp": disk // 4, WORKSPACE: disk // 2} if self.config.workspace == "apart" else {"/tmp": disk - disk // 4}  # noqa: S108
        found = {}
        for path, size in sizes.items():
            inodes = "" if self.is_podman else f",nr_inodes={max(64, size // INODE)}"
            # The mode of a folder that the image has is kept, so that commands' user has to own it.
            owner = "" if path == "/tmp" else ",uid={},gid={}".format(*self.user.split(":"))  # noqa: S108 - inside
            found[path] = f"rw,nosuid,nodev,exec,mode=1777,size={size}{inodes}{owner}"
        return found

    def _network(self) -> dict[str, Any]:
        name, alias = self.joined
        if self.network != "run":
            return {"network_mode": "bridge" if self.network == "full" else "none"}
        seen = docker.types.EndpointConfig("1.24", aliases=[alias] if alias else [])
        return {"network": name, "networking_config": {name: seen}, **options()}

    def asked(self) -> dict[str, Any]:
        """Return what the engine is asked for, as the SDK takes it."""
        for share in self.shares:
            share.check()
        disk, config = int(self.limits.disk or 0), self.config
        mounts = [docker.types.Mount(each.target, each.source, type="bind", read_only=not each.writable) for each in self.shares]
        if self.network == "allow":
            mounts.append(docker.types.Mount(PROXY, self.proxy, type="bind", read_only=True))
        if self.line:
            mounts.append(docker.types.Mount(LINE, self.line, type="bind", read_only=True))
        if self.borrowed:
            mounts.append(docker.types.Mount(PLACE, self.borrowed, type="volume", read_only=True, no_copy=True))
        memory, cpus, processes = self._limit("memory"), self._limit("cpus"), self._limit("processes")
        extra = OURS + self.spares + (RELAYS if self.network == "allow" else 0)
        return {
            "image": self.image,
            "entrypoint": self.agent()[:1],
            "command": self.agent()[1:],
            "auto_remove": True,
            "cap_add": list(config.capabilities),
            "cap_drop": ["ALL"],
            "environment": {"PYTHONDONTWRITEBYTECODE": "1"},
            "healthcheck": {"test": ["NONE"]},
            "hostname": "sandbox",
            "init": True,
            "ipc_mode": "private",
            "labels": labels(),
            "log_config": None if config.engine_log else docker.types.LogConfig(type="none"),
            "mem_limit": memory,
            "memswap_limit": memory,
            "mounts": mounts,
            "nano_cpus": None if cpus is None else int(cpus * 1e9),
            **self._network(),
            "pids_limit": None if processes is None else int(processes) + extra,
            "read_only": not config.writable_root,
            "security_opt": [] if config.new_privileges else ["no-new-privileges:true"],
            "shm_size": max(MEGABYTE, disk // 4),
            "stdin_open": True,
            "tmpfs": self._memory_folders(),
            "ulimits": self._ulimits(),
            "user": self.user,
            "working_dir": WORKSPACE,
        }

    def check(self, seen: Mapping[str, Any]) -> None:
        """Compare what is seen from inside with what was asked for.

        Raises:
            LimitUnsupported: A limit does not hold.
            ExecutorUnavailable: A wall does not stand.
        """
        limits = seen["limits"]
        holds = {
            "cpus": _quota(seen["cpus"]) <= (self._limit("cpus") or 1e9) + 0.01,
            "descriptors": 0 <= limits["NOFILE"] <= (self.limits.descriptors or 0),
            "disk": seen["disk"] <= (self.limits.disk or 0),
            "file_size": 0 <= limits["FSIZE"] <= (self.limits.file_size or 0),
            "memory": self._limit("memory") is None or _number(seen["memory"]) <= self._limit("memory"),
            "processes": self._limit("processes") is None or _number(seen["processes"]) <= self._limit("processes") + OURS + self.spares + RELAYS,
        }
        broken = [name for name, is_held in holds.items() if not is_held]
        if broken:
            raise LimitUnsupported(f"executor docker: the engine took these limits and does not enforce them: {', '.join(broken)} (seen from inside)")
        if self.mark and not seen.get("marked"):
            raise ExecutorUnavailable(
                "executor docker: the engine sees another folder where the workspace should be: it is on another machine. Use an engine of this "
                "one, or say workspace: apart, which keeps files in the container"
            )
        config = self.config
        walls = {
            "no capabilities": bool(config.capabilities) or (seen["capabilities"] == 0 and seen["bounding"] == 0),
            "no new privileges": config.new_privileges or seen["no_new_privileges"],
            "a filter of system calls": seen["filters"] > 0 or config.system_calls == "engine" or config.new_privileges,
            "a read-only root": config.writable_root or seen["read_only"],
            "no network": self.network in ("full", "run") or set(seen["interfaces"]) <= {"lo"},
            "no way out of the run's network": self.network != "run" or not seen["ways"],
            f"user {self.user}": str(seen["user"]) == self.user.partition(":")[0],
        }
        missing = [name for name, stands in walls.items() if not stands]
        if missing:
            raise ExecutorUnavailable(f"executor docker: the container is not what was asked for; this does not hold: {', '.join(missing)}")


def _processes() -> int:
    """Return how many processes a user may have here, as podman limits itself; 0 where nothing limits them."""
    own = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    with suppress(OSError, ValueError):
        most = int(Path("/proc/sys/kernel/pid_max").read_text(encoding="ascii"))
        return most if own == resource.RLIM_INFINITY else min(own, most)
    return 0


def _number(text: str) -> float:
    return float(text) if text.isdigit() else float("inf")


def _quota(text: str) -> float:
    quota, _, period = text.partition(" ")
    return float(quota) / float(period) if quota.isdigit() and period.isdigit() and int(period) else float("inf") if text.strip() else 1e10
