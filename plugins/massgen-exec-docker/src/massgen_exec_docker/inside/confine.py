"""What the agent does to itself in a container, and what it sees there. See `massgen_exec_docker.inside.agent`."""

# ruff: noqa: PLC0415, S108 - what is imported costs each start; it is all inside a container

from __future__ import annotations

import ctypes
import os
import resource
import signal
import socket
import struct
from contextlib import suppress

TYPE_CHECKING = False  # the module typing is slow to import
if TYPE_CHECKING:
    from typing import Any

PIECE = 65536
PDEATHSIG, DUMPABLE, SECCOMP, SUBREAPER = 1, 4, 22, 36
LIBC = ctypes.CDLL(None, use_errno=True)
PROXY = "/run/massgen/proxy/socket"


def prctl(option: int, first: int, second: int = 0) -> int:
    """Set a property of this process."""
    return int(LIBC.prctl(option, ctypes.c_ulong(first), ctypes.c_void_p(second) if option == SECCOMP else ctypes.c_ulong(second), 0, 0))


def read_text(*paths: str) -> str:
    """Return the first of files that is there, without blanks around; nothing where none is."""
    for path in paths:
        try:
            with open(path) as file:
                return file.read().strip()
        except OSError:
            continue
    return ""


def kills() -> int:
    """Return how many processes of this container the kernel has killed for want of memory."""
    told = read_text("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control").split()
    return int(told[told.index("oom_kill") + 1]) if "oom_kill" in told else 0


def filter_calls(program: bytes) -> None:
    """Refuse system calls from now on, here and in all that is started; `program` is for the kernel."""
    held = ctypes.create_string_buffer(program, len(program))
    whole = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(held)))
    if prctl(SECCOMP, 2, ctypes.addressof(whole)):
        raise OSError(ctypes.get_errno(), "the filter of system calls was not taken")


def ways() -> int:
    """Return how many addresses of IPv6 there are, the loopback's aside: each reaches whoever is on the same wire."""
    return sum(not line.endswith(" lo") for line in read_text("/proc/net/if_inet6").splitlines())


def look() -> dict[str, Any]:
    """Say how this container is confined, as it is seen from inside."""
    state = dict(line.split(":\t", 1) for line in read_text("/proc/self/status").splitlines() if ":\t" in line)
    limits = {name: resource.getrlimit(getattr(resource, "RLIMIT_" + name))[1] for name in ("NOFILE", "FSIZE", "CORE")}
    shared = os.statvfs("/tmp")
    return {
        "env": dict(os.environ),
        "user": os.getuid(),
        "capabilities": int(state.get("CapEff", "0"), 16) | int(state.get("CapPrm", "0"), 16),
        "bounding": int(state.get("CapBnd", "0"), 16),
        "no_new_privileges": state.get("NoNewPrivs") == "1",
        "filters": int(state.get("Seccomp_filters", "1" if state.get("Seccomp") == "2" else "0")),
        "interfaces": [name for _, name in socket.if_nameindex()],
        "ways": ways(),
        "read_only": bool(os.statvfs("/").f_flag & os.ST_RDONLY),
        "memory": read_text("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"),
        "swap": read_text("/sys/fs/cgroup/memory.swap.max"),
        "processes": read_text("/sys/fs/cgroup/pids.max", "/sys/fs/cgroup/pids/pids.max"),
        "cpus": read_text("/sys/fs/cgroup/cpu.max")
        or read_text("/sys/fs/cgroup/cpu/cpu.cfs_quota_us") + " " + read_text("/sys/fs/cgroup/cpu/cpu.cfs_period_us"),
        "limits": limits,
        "disk": shared.f_blocks * shared.f_frsize,
    }


def relay(port: int) -> None:
    """Pass connections to a port of this container on to the proxy outside, whose socket is a file here."""
    import threading

    server = socket.create_server(("127.0.0.1", port))
    if os.fork():
        server.close()
        return
    prctl(PDEATHSIG, signal.SIGKILL)

    def copy(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while True:
                data = source.recv(PIECE)
                if not data:
                    break
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def serve(client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as proxy:
            proxy.connect(PROXY)
            back = threading.Thread(target=copy, args=(proxy, client), daemon=True)
            back.start()
            copy(client, proxy)
            back.join()

    while True:
        client, _ = server.accept()
        try:
            threading.Thread(target=serve, args=(client,), daemon=True).start()
        except RuntimeError:
            client.close()
