"""The transport against the suite of its kind."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from massgen_core.api import Link
from massgen_testkit import TransportSuite

pytestmark = pytest.mark.once  # servers are started, with a library that has one version


class TestStdio(TransportSuite):
    name = "stdio"
    options: ClassVar[Mapping[str, Any]] = {"command": sys.executable, "args": [str(Path(__file__).parent / "everything.py")]}
    example = ("echo", {"text": "hi"})
    large = ("echo", {"text": "x" * 1_000_000})
    slow = ("nap", {"seconds": 20})

    async def lose(self, link: Link) -> None:
        pid = link.report().pid
        assert pid
        os.kill(pid, signal.SIGKILL)
