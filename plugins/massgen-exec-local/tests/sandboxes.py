"""What tests of sandboxes share: where they can run, how one is opened, and commands in short."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeAlias

import pytest

from massgen_core.api import ExecCommand
from massgen_exec_local.executor import LocalExecutor

__all__ = ["NEEDS_BUBBLEWRAP", "Open", "command"]

NEEDS_BUBBLEWRAP = pytest.mark.skipif(
    sys.platform != "linux" or (not shutil.which("bwrap") and not os.environ.get("CI")), reason="not in CI: this machine has no bubblewrap"
)
# The fixture `sandbox`.
Open: TypeAlias = Callable[..., AbstractAsyncContextManager[LocalExecutor]]


def command(*argv: str, **more: Any) -> ExecCommand:
    """Return a command of these arguments."""
    return ExecCommand(argv=argv, **more)
