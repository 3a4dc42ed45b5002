"""The template of an MCP server: generated, tested, run over stdio and HTTP, and called."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from massgen_testkit.project import Project

copier = pytest.importorskip("copier", reason="copier generates the server")
pytestmark = pytest.mark.once

TEMPLATE = Path(__file__).resolve().parents[2] / "templates" / "mcp-server"


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a server that was made from the template."""
    folder = tmp_path_factory.mktemp("made") / "mcp-server-memo"
    here = Path.cwd()
    try:
        copier.run_copy(str(TEMPLATE), folder, data={"name": "memo"}, defaults=True, quiet=True, vcs_ref=None)
    finally:
        os.chdir(here)
    return folder


def test_its_own_tests_pass(generated: Path) -> None:
    """As they come, before anybody changed anything."""
    env = {**os.environ, "PYTHONPATH": str(generated / "src"), "PYTEST_ADDOPTS": "-p no:cacheprovider"}
    done = subprocess.run([sys.executable, "-m", "pytest", "-q"], cwd=generated, env=env, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_it_is_called_over_stdio(generated: Path, tmp_path: Path) -> None:
    """`massgen mcp` lists and calls it; its own words for a mistake reach the caller."""
    section = {"command": sys.executable, "args": ["-m", "mcp_server_memo"], "cwd": str(generated / "src")}
    project = Project.make(tmp_path, {"servers.json": {"mcpServers": {"memo": section}}})

    tools = project.run("mcp", "tools", "memo", "-c", "servers.json", "--json").check()
    written = project.run("mcp", "call", "memo", "write_note", '{"title": "milk", "text": "buy some"}', "-c", "servers.json").check()
    missing = project.run("mcp", "call", "memo", "read_note", '{"title": "milk"}', "-c", "servers.json")

    found = json.loads(tools.stdout)
    assert [tool["wire"] for tool in found["tools"]] == ["list_notes", "read_note", "write_note"]
    assert [prompt["name"] for prompt in found["prompts"]] == ["tidy"]
    assert written.stdout.strip() == "written; there are 1 notes"
    assert missing.exit_code == 1
    assert "there is no note 'milk'; there are: none" in missing.stdout


def test_it_is_called_over_http(generated: Path, tmp_path: Path) -> None:
    """One process serves several callers: what one wrote, another reads."""
    project = Project.make(tmp_path, {})
    with served(generated) as address:
        project.run("mcp", "call", address, "write_note", '{"title": "milk", "text": "buy some"}').check()
        read = project.run("mcp", "call", address, "read_note", '{"title": "milk"}').check()

    assert read.stdout.strip() == "buy some"


@contextmanager
def served(generated: Path) -> Iterator[str]:
    """Start it over HTTP on a free port, and end it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mcp_server_memo", "--http", str(port)]
    process = subprocess.Popen(command, cwd=generated / "src", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with socket.socket() as knock:
                if knock.connect_ex(("127.0.0.1", port)) == 0:
                    break
            try:
                process.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
            pytest.fail("the server ended at once")
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.terminate()
        process.wait(20)
