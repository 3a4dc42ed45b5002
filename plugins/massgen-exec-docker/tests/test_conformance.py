"""The executor against the suite of its kind."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from massgen_testkit import ExecutorSuite

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.once]


class TestDocker(ExecutorSuite):
    name = "docker"
    connected: ClassVar[Mapping[str, Any]] = {"network": "full"}

    def mounting(self, folder: Path, *, writable: bool) -> tuple[Mapping[str, Any], str]:
        # Run by root, the folder is root's, and so commands must be.
        user = {"user": "0"} if writable and os.geteuid() == 0 else {}
        return {"write" if writable else "read": [str(folder)], **user}, str(folder)

    def seen_from_inside(self, address: str) -> str:
        return f"172.17.0.1:{address.rpartition(':')[2]}"
