"""`massgen mcp` with real servers from their registries, without a run and without a model."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from massgen_testkit.project import Project

sys.path.insert(0, str(Path(__file__).parent))

from real_servers import TOO_OLD, NotInstalled, RealServer, installed

pytestmark = pytest.mark.once

OFFICIAL = "@modelcontextprotocol/server-"
# Of each server: arguments, and one of its tools; credentials are dummies.
TOOLS: dict[str, tuple[str, str, int]] = {
    f"{OFFICIAL}filesystem": (".", "read_text_file", 14),
    f"{OFFICIAL}everything": ("", "echo", 13),
    f"{OFFICIAL}memory": ("", "read_graph", 9),
    "mcp-server-git": ("", "git_log", 12),
    "mcp-server-time": ("", "get_current_time", 2),
    "paper-search-mcp": ("", "search_arxiv", 57),
    "mcp-discord": ("", "discord_send", 22),
    "x-twitter-mcp": ("", "search_twitter", 23),
}


def ready(wanted: str | RealServer) -> str:
    try:
        return str(installed(wanted).executable)
    except NotInstalled as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("package", sorted(TOOLS))
def test_a_real_server_lists_its_tools(package: str, tmp_path: Path) -> None:
    """As many as it has in this version, none of them lost or in need of repair; the doctor finds nothing broken."""
    arguments, tool, count = TOOLS[package]
    section = {"command": ready(package), "args": arguments.split(), "env": {"DISCORD_TOKEN": "dummy"} if package == "mcp-discord" else {}}
    project = Project.make(tmp_path, {"servers.json": {"mcpServers": {"it": {**section, "connect_seconds": 180}}}})

    done = project.run("mcp", "tools", "it", "-c", "servers.json", "--json", seconds=240).check()

    names = [one["wire"] for one in json.loads(done.stdout)["tools"]]
    assert tool in names
    assert len(names) == count


def test_a_real_server_is_called(tmp_path: Path) -> None:
    """By its name in the user's own file."""
    project = Project.make(tmp_path, {"notes.txt": "water the plants"})
    project.run("mcp", "add", "files", ready(f"{OFFICIAL}filesystem"), str(project.folder)).check()

    done = project.run("mcp", "call", "files", "read_text_file", json.dumps({"path": str(project.folder / "notes.txt")})).check()

    assert "water the plants" in done.stdout


def test_the_doctor_knows_a_server_that_wants_an_older_library(tmp_path: Path) -> None:
    """A real one, with the remedy that makes it start."""
    done = Project.make(tmp_path, {}).run("mcp", "doctor", ready(TOO_OLD), seconds=240)

    assert done.exit_code == 1
    assert "version 1 of the library mcp" in done.stdout
    assert "uvx --with 'mcp<2' paper-search-mcp" in done.stdout
