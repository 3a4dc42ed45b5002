"""Commands beside us rather than in namespaces: within the walls of Landlock, or without any."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from massgen_core.api import FILTER_ARCHITECTURES, SOCKET_FAMILIES, call_filter
from massgen_exec_local.bubblewrap import SETTINGS, SYSTEM, interpreter
from massgen_exec_local.cell import Vector
from massgen_exec_local.inside import landlock
from massgen_exec_local.leftovers import own_name

__all__ = ["Folder", "missing", "vector", "walls"]

INTERFACE = 3  # before it, files that can be read can be cut off
WHOLE = 6  # before it, signals and sockets without a file reach other processes of the user


def missing() -> str:
    """Return why Landlock cannot be used; empty where it can."""
    if os.uname().machine not in FILTER_ARCHITECTURES:
        return f"no filter of system calls for {os.uname().machine}"
    found = landlock.version()
    if found < INTERFACE:
        return f"this kernel has no Landlock of version {INTERFACE} or later" + (f" (it has {found})" if found else "")
    return ""


def vector() -> Vector:
    """Return what makes the supervisor's command line."""
    program, _ = interpreter()
    begin = f"import sys; sys.path[:0] = [{str(Path(__file__).parent / 'inside')!r}]; import warden; warden.main()"
    return lambda control: ([program, "-I", "-S", "-c", begin, str(control)], [])


def walls(*, read: Sequence[str], write: Sequence[str], network: bool) -> Mapping[str, Any]:
    """Return the walls that the supervisor puts up.

    Landlock does not see changes of modes and owners, so nobody may make any. Without the network no socket can be made at all: one of the UNIX
    kind would reach services of this machine through their files.
    """
    _, base = interpreter()
    settings = [f"/etc/{name}" for name in (*SETTINGS, "group", "passwd")] + (["/etc/hosts", "/etc/nsswitch.conf", "/etc/resolv.conf"] * network)
    return {
        "read": ["/usr", *SYSTEM, base, *settings, *read],
        "write": [*(f"/dev/{name}" for name in ("full", "null", "random", "urandom", "zero")), *write],
        "filter": call_filter(SOCKET_FAMILIES if network else (), changes=False),
    }


@attrs.define
class Folder:
    """A command's own temporary folder."""

    path: str = attrs.field(factory=lambda: os.path.join(tempfile.gettempdir(), own_name()))

    def __attrs_post_init__(self) -> None:
        os.mkdir(self.path, 0o700)

    def close(self) -> None:
        """Remove it, however deep it is and whatever modes its folders have."""
        shutil.rmtree(self.path, ignore_errors=True)
        if os.path.lexists(self.path):
            for command in (["chmod", "-R", "u+rwX", self.path], ["rm", "-rf", "--one-file-system", self.path]):
                subprocess.run(command, capture_output=True, check=False, timeout=60)  # noqa: S603 - the system's own programs
