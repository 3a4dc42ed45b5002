"""Images of MCP servers: made from the registries once, then run without a network, by the commands that configurations already have."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import pytest

from massgen_mcp_client.config import ServerConfig
from massgen_mcp_client.library import opened
from massgen_testkit import PlainContext

pytestmark = [pytest.mark.once, pytest.mark.anyio]
Build: TypeAlias = Callable[..., subprocess.CompletedProcess[str]]
TIME, FILES = "mcp-server-time", "@modelcontextprotocol/server-filesystem"
VERSION = {TIME: "2026.10.19", FILES: "2026.8.31"}


@pytest.fixture(scope="module")
def build(making_images: Callable[[], AbstractContextManager[None]]) -> Build:
    """Types the command; one at a time, since others make images as well."""

    def typed(name: str, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "massgen_core", "docker", "build-server", name, *words]
        with making_images():
            return subprocess.run(command, capture_output=True, text=True, timeout=700, check=False)

    return typed


@pytest.fixture(scope="module")
def tag(engine: Any) -> Iterator[str]:
    """A beginning of names; images with it are removed."""
    name = f"test-{os.getpid()}"
    yield name
    for image in engine.client.images.list("massgen-server"):
        for each in image.tags:
            if each.startswith(f"massgen-server:{name}"):
                engine.client.images.remove(each, force=True)


def server(command: str, *words: str, image: str) -> ServerConfig:
    """Return a server as a configuration has it, with an image beside its command."""
    box = {"type": "docker", "image": image, "limits": {"memory": 1_000_000_000}}
    return ServerConfig(name="server", transport="stdio", options={"command": command, "args": words, "executor": box})


async def called(context: PlainContext, config: ServerConfig, tool: str, arguments: dict[str, Any]) -> str:
    """Return what a tool says."""
    with anyio.fail_after(180):
        async with context, opened([config], context) as (found,):
            assert found.fault is None, found.fault
            return str((await found.call(tool, arguments)).text)


async def test_a_server_of_the_python_index(context: PlainContext, build: Build, tag: str) -> None:
    """`uvx PACKAGE`, `python3 -m MODULE` and the program's own name start it; another version is refused rather than taken for it."""
    built = build(f"{tag}-time", "--pip", f"{TIME}=={VERSION[TIME]}")
    assert built.returncode == 0, built.stderr
    assert f"pypi:{TIME}@{VERSION[TIME]}" in built.stdout
    image = f"massgen-server:{tag}-time"
    for command in (("uvx", TIME), ("python3", "-m", "mcp_server_time"), (TIME,)):
        assert "Europe/Rome" in await called(context, server(*command, image=image), "get_current_time", {"timezone": "Europe/Rome"})
    async with context, opened([server("uvx", f"{TIME}==1.0", image=image)], context) as (found,):
        assert VERSION[TIME] in str(found.fault)


async def test_a_server_of_the_node_registry(context: PlainContext, build: Build, tag: str, tmp_path: Path) -> None:
    """`npx -y PACKAGE` starts it, with a Node.js of the image's own, and it sees the workspace."""
    built = build(f"{tag}-files", "--npm", f"{FILES}@{VERSION[FILES]}")
    assert built.returncode == 0, built.stderr
    context.workspace = tmp_path / "workspace"
    context.workspace.mkdir()
    (context.workspace / "notes.txt").write_text("mine", encoding="utf-8")
    config = server("npx", "-y", FILES, "/workspace", image=f"massgen-server:{tag}-files")

    assert "mine" in await called(context, config, "read_text_file", {"path": "/workspace/notes.txt"})


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--npm", "no such package"), "is no package"),
        (("--pip", "-e."), "expected one argument"),
        (("--pip", "massgen-no-such-package-anywhere"), "could not install it"),
        (("--npm", "a", "--node", "x; y"), "no version of Node.js"),
        ((), "one of the arguments"),
    ],
)
async def test_mistakes_are_told(build: Build, tag: str, words: tuple[str, ...], told: str) -> None:
    """Names that are none never reach an installer; packages that do not exist are told without a traceback."""
    built = build(f"{tag}-none", *words)

    assert built.returncode != 0
    assert told in built.stderr
    assert "Traceback" not in built.stderr
