"""The walls of bubblewrap: all namespaces, a clean environment, a filter of system calls, and a file system with nothing but what is needed."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import attrs

from massgen_core.api import FILTER_ARCHITECTURES, ExecutorUnavailable, call_filter
from massgen_exec_local.cell import Vector
from massgen_exec_local.leftovers import own_name

__all__ = ["HOME", "INSIDE", "Bubblewrap", "Devices", "interpreter", "missing", "sizes"]

INSIDE = "/run/massgen"
PAGE = 4096
HOME = "/tmp/home"  # noqa: S108 - inside the sandbox
NEEDED = ("--as-pid-1", "--cap-drop", "--die-with-parent", "--new-session", "--perms", "--ro-bind-data", "--seccomp", "--size", "--unshare-all")
SYSTEM = ("/bin", "/lib", "/lib32", "/lib64", "/libx32", "/sbin")
SETTINGS = (
    *("alternatives", "ca-certificates", "crypto-policies", "debian_version", "fonts", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime"),
    *("mime.types", "os-release", "pki", "protocols", "services", "ssl", "terminfo", "timezone"),
)
NETWORK_SETTINGS = ("hosts", "nsswitch.conf", "resolv.conf")
DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}


def sizes(disk: int) -> dict[str, int]:
    """Return the bytes of each file system for temporary files: whole pages, at most `disk` together where that is some pages."""
    shared = max(disk // 4 // PAGE, 1) * PAGE
    return {"/tmp": max((disk - shared) // PAGE, 1) * PAGE, "/dev/shm": shared}  # noqa: S108 - inside


def interpreter() -> tuple[str, str]:
    """Return this interpreter's program and the folder of its installation, links resolved."""
    base = os.path.realpath(sys.base_prefix)
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    found = os.path.join(base, "bin", name)
    return (found if os.access(found, os.X_OK) else os.path.realpath(sys.executable)), base


@cache
def _options(program: str) -> str:
    done = subprocess.run([program, "--help"], capture_output=True, text=True, timeout=10, check=False, env={})  # noqa: S603 - found in PATH
    return done.stdout + done.stderr


def missing() -> str:
    """Return why bubblewrap cannot be used; empty where it can be tried."""
    program = shutil.which("bwrap")
    if program is None:
        return "bubblewrap is not installed (Debian and Ubuntu: apt install bubblewrap; Fedora: dnf install bubblewrap)"
    if os.uname().machine not in FILTER_ARCHITECTURES:
        return f"no filter of system calls for {os.uname().machine}"
    lacking = [option for option in NEEDED if option not in _options(program)]
    return f"this bubblewrap is too old: it has no {', '.join(lacking)}" if lacking else ""


class Devices:
    """Nodes of the harmless devices for a sandbox whose user owns the machine's own: started by root, it could change their modes for all.

    Raises:
        ExecutorUnavailable: Root may not make any here.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.gettempdir(), own_name())
        try:
            self.folder.mkdir(mode=0o700)
            for name, (major, minor) in DEVICES.items():
                os.mknod(self.folder / name, 0o666 | stat.S_IFCHR, os.makedev(major, minor))
                os.chmod(self.folder / name, 0o666)  # noqa: S103 - as the machine's own, whatever the umask says
        except OSError as error:
            self.close()
            raise ExecutorUnavailable(f"executor local: root cannot make devices here ({error.strerror}); run as an ordinary user") from error

    def close(self) -> None:
        """Remove the nodes."""
        shutil.rmtree(self.folder, ignore_errors=True)


@attrs.frozen(kw_only=True)
class Bubblewrap:
    """The profile of one executor; `vector` makes the command line of one command.

    Attributes:
        workspace: The agent's folder, writable under its own path.
        read: What can be read beside the system's programs.
        write: What can be written to beside the workspace.
        devices: A folder of devices; empty: the machine's own.
    """

    workspace: str
    read: Sequence[str] = ()
    write: Sequence[str] = ()
    devices: str = ""

    def vector(self, *, network: bool, disk: int, user: int, group: int) -> Vector:
        """Return what makes the command line.

        Args:
            network: The machine's network is there.
            disk: Bytes of temporary files.
            user: The number under which commands see themselves.
            group: The number of their group.
        """
        return lambda control: self._made(control, network, disk, user, group)

    def _made(self, control: int, network: bool, disk: int, user: int, group: int) -> tuple[list[str], list[int]]:
        program, base = interpreter()
        people = f"root:x:0:0:root:/root:/bin/sh\nagent:x:{user}:{group}:agent:{HOME}:/bin/sh\n" if user else f"root:x:0:0:root:{HOME}:/bin/sh\n"
        data = [_readable(text) for text in (call_filter(), people.encode(), f"agent:x:{group}:\n".encode())]
        argv = [shutil.which("bwrap") or "bwrap", "--unshare-all", "--unshare-user", *(["--share-net"] if network else [])]
        argv += ["--disable-userns"] if "--disable-userns" in _options(argv[0]) else []
        argv += ["--uid", str(user), "--gid", str(group), "--die-with-parent", "--new-session", "--as-pid-1", "--hostname", "sandbox"]
        argv += ["--cap-drop", "ALL", "--seccomp", str(data[0]), *self._system(network), *self._devices(sizes(disk)["/dev/shm"])]  # noqa: S108 - inside
        argv += ["--perms", "1777", "--size", str(sizes(disk)["/tmp"]), "--tmpfs", "/tmp", "--perms", "0700", "--dir", HOME]  # noqa: S108 - inside
        argv += ["--ro-bind-data", str(data[1]), "/etc/passwd", "--ro-bind-data", str(data[2]), "/etc/group"]
        argv += [] if base == "/usr" or base.startswith("/usr/") else ["--ro-bind", base, base]
        argv += ["--ro-bind", str(Path(__file__).parent / "inside"), INSIDE]
        for path in self.read:
            argv += ["--ro-bind", path, path]
        for path in (self.workspace, *self.write):
            argv += ["--bind", path, path]
        argv += ["--remount-ro", "/", "--chdir", "/", "--", program, "-I", "-S", "-c", _BEGIN, str(control)]
        return argv, data

    def _system(self, network: bool) -> Iterator[str]:
        yield from ("--ro-bind", "/usr", "/usr")
        for path in SYSTEM:
            if os.path.islink(path):
                yield from ("--symlink", os.readlink(path), path)
            elif os.path.isdir(path):
                yield from ("--ro-bind", path, path)
        for name in SETTINGS + (NETWORK_SETTINGS if network else ()):
            yield from ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")
        # Read-only as a whole: to whom the kernel's settings belong (root, outside), they stay writable without any capability.
        yield from ("--proc", "/proc", "--remount-ro", "/proc")

    def _devices(self, disk: int) -> Iterator[str]:
        yield from ("--dev", "/dev")
        for name in DEVICES if self.devices else ():
            yield from ("--dev-bind", f"{self.devices}/{name}", f"/dev/{name}")
        yield from ("--perms", "1777", "--size", str(disk), "--tmpfs", "/dev/shm", "--remount-ro", "/dev")  # noqa: S108 - inside


_BEGIN = f"import sys; sys.path[:0] = [{INSIDE!r}]; import warden; warden.main()"


def _readable(data: bytes) -> int:
    descriptor = os.memfd_create("massgen-given")
    os.write(descriptor, data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
