"""MCP servers in containers: the transport's own suite, listed hosts, whole runs, and attempts to get out."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import anyio
import pytest

from massgen_core.api import Link
from massgen_mcp_client.config import ServerConfig
from massgen_mcp_client.library import opened
from massgen_testkit import Leaks, PlainContext, TransportSuite

pytestmark = [pytest.mark.once, pytest.mark.usefixtures("engine")]
TESTS = Path(__file__).resolve().parents[2] / "plugins" / "massgen-mcp-stdio" / "tests"
SNOOP = """
import os, urllib.request
from mcp.server import MCPServer

server = MCPServer("snoop", log_level="CRITICAL")


@server.tool()
async def look(path: str) -> str:
    try:
        return open(path).read()
    except OSError as error:
        return type(error).__name__


@server.tool()
async def put(path: str, text: str) -> str:
    try:
        open(path, "w").write(text)
        return os.path.abspath(path)
    except OSError as error:
        return type(error).__name__


@server.tool()
async def fetch(address: str) -> str:
    try:
        return urllib.request.urlopen(address, timeout=10).read().decode()
    except OSError as error:
        return str(error)


@server.tool()
async def environment() -> str:
    return repr(dict(os.environ))


server.run(transport="stdio")
"""


def boxed(*read: Path | str, **options: Any) -> dict[str, Any]:
    """Return the section `executor` of a server that needs this environment, its interpreter and some folders."""
    # Where the interpreter is the system's, the image has the same.
    own = [sys.prefix, *([] if sys.base_prefix == "/usr" else [sys.base_prefix])]
    return {"type": "docker", "read": [*own, *map(str, read)], **options}


class TestStdioInContainer(TransportSuite):
    name = "stdio"
    options: ClassVar[Mapping[str, Any]] = {"command": sys.executable, "args": [str(TESTS / "everything.py")], "executor": boxed(TESTS)}
    example = ("echo", {"text": "hi"})
    large = ("echo", {"text": "x" * 1_000_000})
    slow = ("nap", {"seconds": 20})
    cancellations = 8  # the transport's own tests make more

    async def lose(self, link: Link) -> None:
        await link.process.kill()  # type: ignore[attr-defined]


@pytest.mark.anyio
async def test_a_server_that_snoops_finds_what_is_listed(
    context: PlainContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leaks: Leaks
) -> None:
    """Neither files nor environment of this machine are there; of its servers the listed one alone is reached, and all of it is told."""
    monkeypatch.setenv("MASSGEN_TEST_SECRET", "sesame")
    context.workspace = tmp_path / "workspace"
    context.workspace.mkdir()
    (tmp_path / "secret.txt").write_text("sesame", encoding="utf-8")
    (tmp_path / "snoop").mkdir()
    program = tmp_path / "snoop" / "server.py"
    program.write_text(SNOOP, encoding="utf-8")

    async def answer(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            await stream.receive()
            await stream.send(b"HTTP/1.0 200 OK\r\n\r\nreached")

    listed, other = [await anyio.create_tcp_listener(local_host="127.0.0.1") for _ in range(2)]
    ports = [each.extra(anyio.abc.SocketAttribute.local_port) for each in (listed, other)]
    executor = boxed(program.parent, network="allow", hosts=[f"127.0.0.1:{ports[0]}"])
    options = {"command": sys.executable, "args": ("-W", "ignore", str(program)), "env": {"GIVEN": "this"}, "executor": executor}
    with anyio.fail_after(180):
        async with listed, other, anyio.create_task_group() as tasks:
            tasks.start_soon(listed.serve, answer)
            tasks.start_soon(other.serve, answer)
            async with context, opened([ServerConfig(name="snoop", transport="stdio", options=options)], context) as (server,):
                assert server.fault is None, server.fault
                secret = (await server.call("look", {"path": str(tmp_path / "secret.txt")})).text
                spoilt = (await server.call("put", {"path": str(program), "text": "# mine now"})).text
                fetched = [(await server.call("fetch", {"address": f"http://127.0.0.1:{port}/"})).text for port in ports]
                env = (await server.call("environment", {})).text
                made = (await server.call("put", {"path": "made.txt", "text": "x"})).text
            tasks.cancel_scope.cancel()

    told = [(event.target, event.is_allowed) for event in context.records.events if event.type == "docker.requested"]  # type: ignore[attr-defined]
    assert (secret, fetched[0], made) == ("FileNotFoundError", "reached", "/workspace/made.txt")
    assert "403" in fetched[1]
    assert spoilt in ("OSError", "PermissionError")
    assert "'GIVEN': 'this'" in env
    assert "sesame" not in env
    assert (context.workspace / "made.txt").read_text(encoding="utf-8") == "x"
    assert program.read_text(encoding="utf-8") == SNOOP
    assert told == [(f"127.0.0.1:{ports[0]}", True), (f"127.0.0.1:{ports[1]}", False)]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def test_a_run_with_a_server_in_a_container(massgen_project: Callable[..., Any]) -> None:
    """An agent calls a tool of a server that the configuration puts into a container; the journal has its result and the container."""
    steps = [{"calls": [{"name": "mcp__app__echo", "arguments": {"text": "from within"}}]}, {"answer": "done"}]
    servers = {"app": {"command": sys.executable, "args": [str(TESTS / "everything.py")], "executor": boxed(TESTS)}}
    document = {
        "version": 1,
        "agents": [{"name": "ann", "backend": {"type": "scripted", "steps": steps}}],
        "strategy": "single",
        "toolsets": [{"type": "mcp", "servers": servers}],
        "permissions": {"allow": ["mcp__*"]},
    }
    project = massgen_project({"massgen.yaml": document})
    project.run("run", "Say it.", "--config", "massgen.yaml").check()
    (journal,) = project.home.rglob("journal.jsonl")
    events = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]

    assert "from within" in json.dumps([event for event in events if event["type"] == "tool.returned"])
    assert ["none" in json.dumps(event) for event in events if event["type"] == "docker.opened"] == [True]
