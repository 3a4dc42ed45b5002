"""The executor against the suite of its kind, behind each of its walls."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from massgen_exec_local import cgroups
from massgen_testkit import ExecutorSuite
from massgen_testkit.sandboxes.breakouts import BreakoutControls

from .sandboxes import NEEDS_BUBBLEWRAP

pytestmark = NEEDS_BUBBLEWRAP
GROUPS = frozenset({"cpus", "memory", "processes"}) - cgroups.find().folders.keys()
NO_GROUPS = "this user may make no control groups here"
HOSTS = "listed hosts need a proxy outside, which only containers have"


class Shared(ExecutorSuite):
    name = "local"
    connected: ClassVar[Mapping[str, Any]] = {"network": "full"}

    def mounting(self, folder: Path, *, writable: bool) -> tuple[Mapping[str, Any], str]:
        return {"write" if writable else "read": [str(folder)]}, str(folder)


@pytest.mark.once
class TestBubblewrap(Shared):
    options: ClassVar[Mapping[str, Any]] = {"sandbox": "bubblewrap"}
    connected: ClassVar[Mapping[str, Any]] = {"sandbox": "bubblewrap", "network": "full"}
    unsupported: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(GROUPS - ({"processes"} if os.geteuid() else set()), NO_GROUPS),
        "listed hosts": HOSTS,
    }


@pytest.mark.once
class TestLandlock(Shared):
    options: ClassVar[Mapping[str, Any]] = {"sandbox": "landlock"}
    unsupported: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(GROUPS, NO_GROUPS),
        "listed hosts": HOSTS,
        "disk": "there is no file system of its own for temporary files",
        "users": "there is no user namespace",
        "unprivileged user": "commands are the user's own processes, without privileges",
        "processes apart": "there is no namespace of processes",
    }


@pytest.mark.once
class TestNone(Shared):
    options: ClassVar[Mapping[str, Any]] = {"sandbox": "none"}
    connected: ClassVar[Mapping[str, Any]] = {"sandbox": "none", "network": "full"}
    unsupported: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(GROUPS, NO_GROUPS),
        **(dict.fromkeys(("descriptors", "file_size"), "root could raise them again") if os.geteuid() == 0 else {}),
        **dict.fromkeys(("listed hosts", "no network"), "there are no walls"),
        **dict.fromkeys(("disk", "users"), "there are no walls"),
        **dict.fromkeys(("files", "privileges", "processes apart", "read-only root", "system calls", "unprivileged user"), "there are no walls"),
        **dict.fromkeys(("dangerous mounts", "mounts"), "commands see all files anyway"),
    }


@pytest.mark.once
class TestControls(BreakoutControls):
    name = "local"
    options: ClassVar[Mapping[str, Any]] = {"sandbox": "none"}
