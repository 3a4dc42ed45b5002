"""MCP servers in sandboxes of this machine: the transport's own suite, servers from their registries, whole runs, and attempts to get out."""

from __future__ import annotations

import json
import os
import shutil
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

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not shutil.which("bwrap") and not os.environ.get("CI"), reason="not in CI: this machine has no bubblewrap"),
]
TESTS = Path(__file__).resolve().parents[2] / "plugins" / "massgen-mcp-stdio" / "tests"
SNOOP = """
import os, socket, urllib.request
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
async def reach(host: str, port: int) -> str:
    try:
        socket.create_connection((host, port), 3).close()
        return "connected"
    except OSError as error:
        return type(error).__name__


@server.tool()
async def environment() -> str:
    return repr(dict(os.environ))


server.run(transport="stdio")
"""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"):
        (tmp_path / name).mkdir(mode=0o700)
        monkeypatch.setenv(name, str(tmp_path / name))


def boxed(*read: Path | str, **options: Any) -> dict[str, Any]:
    """Return the section `executor` of a server that needs this environment and some folders."""
    return {"type": "local", "sandbox": "bubblewrap", "read": [sys.prefix, *map(str, read)], **options}


@pytest.mark.once
class TestStdioInSandbox(TransportSuite):
    name = "stdio"
    options: ClassVar[Mapping[str, Any]] = {
        "command": sys.executable,
        "args": [str(TESTS / "everything.py")],
        "executor": boxed(TESTS),
    }
    example = ("echo", {"text": "hi"})
    large = ("echo", {"text": "x" * 1_000_000})
    slow = ("nap", {"seconds": 20})
    cancellations = 8  # the transport's own tests make more

    async def lose(self, link: Link) -> None:
        await link.process.kill()  # type: ignore[attr-defined]


@pytest.mark.once
async def test_a_server_of_the_python_index(context: PlainContext, real_servers: Any, leaks: Leaks) -> None:
    """It is listed and called without a network, and is gone afterwards."""
    server = real_servers.python("mcp-server-time")
    before = leaks.held()
    config = ServerConfig(
        name="time",
        transport="stdio",
        options={"command": server.command, "args": server.args, "executor": boxed(Path(server.command).parents[1])},
    )
    with anyio.fail_after(90):
        async with context, opened([config], context) as (found,):
            assert found.fault is None, found.fault
            result = await found.call("get_current_time", {"timezone": "Europe/Rome"})

    assert "Europe/Rome" in result.text
    await leaks.none_since(before, within=5)


@pytest.mark.once
async def test_a_server_of_the_node_registry(context: PlainContext, real_servers: Any, tmp_path: Path) -> None:
    """The reference server of files sees the workspace, and nothing else of the machine, whatever it is told to serve."""
    server = real_servers.node("@modelcontextprotocol/server-filesystem")
    context.workspace = tmp_path / "workspace"
    (context.workspace / "inner").mkdir(parents=True)
    (context.workspace / "notes.txt").write_text("mine", encoding="utf-8")
    (tmp_path / "secret.txt").write_text("sesame", encoding="utf-8")
    packages = Path(server.args[0]).parents[3]
    config = ServerConfig(
        name="files",
        transport="stdio",
        options={"command": server.command, "args": (*server.args, str(tmp_path)), "executor": boxed(packages, limits={"memory": 1_000_000_000})},
    )
    with anyio.fail_after(90):
        async with context, opened([config], context) as (found,):
            assert found.fault is None, found.fault
            mine = await found.call("read_text_file", {"path": str(context.workspace / "notes.txt")})
            await found.call("write_file", {"path": str(context.workspace / "inner" / "made.txt"), "content": "by the server"})
            listed = await found.call("list_directory", {"path": str(tmp_path)})
            try:
                secret = (await found.call("read_text_file", {"path": str(tmp_path / "secret.txt")})).text
            except Exception as error:  # however the server says no
                secret = str(error)

    assert mine.text.splitlines()[0] == "mine"
    assert (context.workspace / "inner" / "made.txt").read_text(encoding="utf-8") == "by the server"
    assert "secret" not in listed.text
    assert "sesame" not in secret


async def test_a_server_that_snoops_finds_nothing(context: PlainContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither files, environment nor network of this machine are there; the same server without a sandbox finds the first two."""
    monkeypatch.setenv("MASSGEN_TEST_SECRET", "sesame")
    context.workspace = tmp_path / "workspace"
    context.workspace.mkdir()
    (tmp_path / "secret.txt").write_text("sesame", encoding="utf-8")
    (tmp_path / "snoop").mkdir()
    program = tmp_path / "snoop" / "server.py"
    program.write_text(SNOOP, encoding="utf-8")
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    plain = {"command": sys.executable, "args": ("-W", "ignore", str(program)), "env": {"GIVEN": "this"}}
    found: dict[str, list[str]] = {}
    with anyio.fail_after(90):
        async with listener, context:
            for name, more in {"open": {}, "boxed": {"executor": boxed(program.parent)}}.items():
                async with opened([ServerConfig(name="snoop", transport="stdio", options={**plain, **more})], context) as (server,):
                    assert server.fault is None, server.fault
                    found[name] = [
                        (await server.call("look", {"path": str(tmp_path / "secret.txt")})).text,
                        (await server.call("reach", {"host": "127.0.0.1", "port": port})).text,
                        (await server.call("put", {"path": str(program), "text": "# mine now"})).text if name == "boxed" else "",
                    ]
                    if name == "boxed":
                        env = (await server.call("environment", {})).text
                        made = (await server.call("put", {"path": "made.txt", "text": "x"})).text

    assert found["open"][:2] == ["sesame", "connected"]
    assert found["boxed"][0] == "FileNotFoundError"
    assert found["boxed"][1] != "connected"
    assert found["boxed"][2] in ("OSError", "PermissionError")
    assert "'GIVEN': 'this'" in env
    assert "sesame" not in env
    assert made == str(context.workspace / "made.txt")
    assert program.read_text(encoding="utf-8") == SNOOP


def test_a_run_with_a_server_in_a_sandbox(massgen_project: Callable[..., Any]) -> None:
    """An agent calls a tool of a server that the configuration puts into a sandbox, and the journal has its result."""
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
    returned = [event for event in events if event["type"] == "tool.returned"]

    assert "from within" in json.dumps(returned)
