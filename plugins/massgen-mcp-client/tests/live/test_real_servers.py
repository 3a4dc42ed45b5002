"""Servers that people use, through the whole client: time and git of the reference collection, and the protocol's own example server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from massgen_mcp_client.config import ServerConfig
from massgen_mcp_client.events import CallProgressed, ServerAnswered, ServerLogged
from massgen_mcp_client.library import OpenServer, opened
from massgen_testkit import Leaks

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def serving(context: Any, program: Any, *more: str, **fields: Any) -> AsyncIterator[OpenServer]:
    config = ServerConfig(name="real", transport="pipe", options={"command": program.command, "args": [*program.args, *more]}, **fields)
    with anyio.fail_after(120):
        async with context, opened([config], context) as (server,):
            assert server.fault is None
            yield server


@pytest.mark.parametrize("protocol", ["auto", "legacy"])
async def test_the_time_server(context: Any, real_servers: Any, leaks: Leaks, protocol: str) -> None:
    """It speaks both eras, and tells the time."""
    program = real_servers.python("mcp-server-time")
    before = leaks.held()
    async with serving(context, program, protocol=protocol) as server:
        assert sorted(server.wire_names) == ["mcp__real__convert_time", "mcp__real__get_current_time"]
        result = await server.call("get_current_time", {"timezone": "Europe/Rome"})
        assert "Europe/Rome" in result.text
        wrong = await server.call("get_current_time", {"timezone": "Mars/Olympus"})
        assert wrong.is_error
        assert server.about["name"]
    await leaks.none_since(before)


async def test_the_git_server(context: Any, real_servers: Any, tmp_path: Path) -> None:
    """It reads a repository of this machine."""
    program = real_servers.python("mcp-server-git")
    repository = tmp_path / "repository"
    for command in (["init", "-q", str(repository)], ["-C", str(repository), "commit", "-q", "--allow-empty", "-m", "the first one"]):
        await anyio.run_process(["git", "-c", "user.name=t", "-c", "user.email=t@example.com", *command])
    async with serving(context, program, "--repository", str(repository)) as server:
        assert len(server.tools) >= 10
        log = await server.call("git_log", {"repo_path": str(repository)})
        assert "the first one" in log.text


async def test_the_example_server(context: Any, real_servers: Any) -> None:
    """Everything that the protocol has: pages, images, structured content, resources, prompts, progress, what it asks of us."""
    program = real_servers.node("@modelcontextprotocol/server-everything")
    async with serving(context, program, "stdio", elicitation=True, roots=("/srv",)) as server:
        names = set(server.wire_names.values())
        assert {"echo", "get-sum", "get-tiny-image"} <= names
        assert (await server.call("echo", {"message": "hello"})).text == "Echo: hello"
        assert any(part.type == "image" for part in (await server.call("get-tiny-image")).content)
        slow = await server.call("trigger-long-running-operation", {"duration": 1, "steps": 4})
        assert "completed" in slow.text
        assert len(server.resources) > 0
        assert "contents" in await server.raw("resources/read", str(server.resources[0]["uri"]))
        assert len(server.prompts) > 0
    assert len(context.records.of(CallProgressed)) == 4
    assert {event.what for event in context.records.of(ServerAnswered)} <= {"roots", "elicitation"}
    assert all("\x1b" not in event.text for event in context.records.of(ServerLogged))
