"""Servers that people use, from their registries; kept in a folder of the cache, and left alone where the registry cannot be reached."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client

from massgen_core.api import Link
from massgen_mcp_stdio.config import StdioConfig
from massgen_mcp_stdio.transport import open_stdio
from massgen_testkit import Leaks, PlainContext

pytestmark = [pytest.mark.anyio, pytest.mark.once]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "massgen-tests", "mcp-servers")


def installed(name: str, *steps: Callable[[Path], Sequence[str]]) -> Path:
    """Return the folder of an installed package; install it where it is missing, or skip the test."""
    folder = CACHE / name
    if folder.is_dir():
        return folder
    CACHE.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=CACHE))
    try:
        for step in steps:
            command = step(new)
            if shutil.which(command[0]) is None:
                pytest.skip(f"{command[0]} is not installed")
            done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
            if done.returncode:
                pytest.skip(f"{name} could not be fetched: {done.stderr.strip()[-200:]}")
        if not folder.exists():  # another process may have been quicker
            new.rename(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return folder


@pytest.fixture(scope="session")
def everything() -> StdioConfig:
    """The protocol's own example server, for node."""
    folder = installed(
        "npm-everything",
        lambda new: [
            "npm",
            "install",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--prefix",
            str(new),
            "@modelcontextprotocol/server-everything",
        ],
    )
    return StdioConfig(command="node", args=(str(folder / "node_modules/@modelcontextprotocol/server-everything/dist/index.js"), "stdio"))


@pytest.fixture(scope="session")
def clock() -> StdioConfig:
    """A server of the reference collection, for Python."""
    folder = installed("python-time", lambda new: ["uv", "pip", "install", "--python", sys.executable, "--target", str(new), "mcp-server-time"])
    return StdioConfig(command=sys.executable, args=("-m", "mcp_server_time"), env={"PYTHONPATH": str(folder)})


@asynccontextmanager
async def speaking(link: Link, mode: str) -> AsyncIterator[Client]:
    @asynccontextmanager
    async def streams() -> AsyncIterator[tuple[Any, Any]]:
        yield link.read, link.write

    async with Client(streams(), mode=mode) as client:
        yield client


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_example_server_for_node(everything: StdioConfig, context: PlainContext, leaks: Leaks, mode: str) -> None:
    """It is listed and called, and it ends."""
    before = leaks.held()
    with anyio.fail_after(60):
        async with open_stdio(everything, context) as link, speaking(link, mode) as client:
            tools = {tool.name for tool in (await client.list_tools()).tools}
            result = await client.call_tool("echo", {"message": "hi"})

    assert "echo" in tools
    assert result.content[0].text == "Echo: hi"
    assert link.report().exit_code is not None
    await leaks.none_since(before)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_reference_server_for_python(clock: StdioConfig, context: PlainContext, mode: str) -> None:
    """It is listed and called, in both eras."""
    with anyio.fail_after(60):
        async with open_stdio(clock, context) as link, speaking(link, mode) as client:
            tools = {tool.name for tool in (await client.list_tools()).tools}
            result = await client.call_tool("get_current_time", {"timezone": "Europe/Rome"})

    assert tools == {"get_current_time", "convert_time"}
    assert not result.is_error
    assert "Europe/Rome" in result.content[0].text
