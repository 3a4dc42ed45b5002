"""An engine with the base image, for all tests here; without an engine they are skipped, but not where the server has to have one."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from massgen_core.api import ExecutorUnavailable
from massgen_exec_docker.debian import BASE
from massgen_exec_docker.engine import Engine, connect
from massgen_exec_docker.images import build


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """A real engine, in which the base image was made as a user makes it."""
    try:
        engine = connect()
    except ExecutorUnavailable as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"not in CI: {error}")
    try:
        # Environments of the server run at once, and one image is enough for them.
        with Path(tempfile.gettempdir(), "massgen-test-image.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            list(build(engine, BASE, "base", only_missing=True))
        yield engine
    finally:
        engine.client.close()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
