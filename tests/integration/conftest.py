"""A container engine for the tests that need one; without one they are skipped, but not where the server has to have it."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest


@contextmanager
def _alone() -> Iterator[None]:
    with Path(tempfile.gettempdir(), "massgen-test-image.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def making_images() -> Callable[[], AbstractContextManager[None]]:
    """Waits until no other environment of the server makes an image: one is enough for all."""
    return _alone


@pytest.fixture(scope="session")
def engine() -> Iterator[Any]:
    """A real engine, in which the base image was made as a user makes it."""
    from massgen_core.api import ExecutorUnavailable  # noqa: PLC0415 - of those who need an engine
    from massgen_exec_docker.engine import connect  # noqa: PLC0415
    from massgen_exec_docker.images import build  # noqa: PLC0415

    try:
        engine = connect()
    except ExecutorUnavailable as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"not in CI: {error}")
    try:
        with _alone():
            list(build(engine, "massgen-base", "base", only_missing=True))
        yield engine
    finally:
        engine.client.close()
