"""Every configuration in examples/ conducts a whole run through the real server that it is about."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from massgen_testkit.project import Project

sys.path.insert(0, str(Path(__file__).parent))

from real_servers import NotInstalled, installed, shims

pytestmark = pytest.mark.once

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
OFFICIAL = "@modelcontextprotocol/server-"
# Of each example: the packages that it needs, and the tools that its agents call.
USED: dict[str, tuple[tuple[str, ...], set[str]]] = {
    "mcp-filesystem": ((f"{OFFICIAL}filesystem",), {"mcp__files__write_file", "mcp__files__read_text_file"}),
    "mcp-memory": ((f"{OFFICIAL}memory",), {"mcp__memory__create_entities", "mcp__memory__search_nodes"}),
    "mcp-everything": ((f"{OFFICIAL}everything",), {"mcp__everything__trigger-long-running-operation", "mcp__everything__get-sum"}),
    "mcp-git": (("mcp-server-git",), {"mcp__git__git_log"}),
    "mcp-time": (("mcp-server-time",), {"mcp__time__convert_time"}),
    "mcp-papers": (("paper-search-mcp",), {"mcp__papers__search_arxiv"}),
    "mcp-discord": (("mcp-discord",), {"mcp__discord__discord_read_messages"}),
    "mcp-x": (("x-twitter-mcp",), {"mcp__x__search_twitter"}),
    "mcp-http": ((f"{OFFICIAL}everything",), {"mcp__web__echo"}),
    "mcp-many": (("mcp-server-time", f"{OFFICIAL}memory"), {"mcp__time__get_current_time", "mcp__memory__read_graph"}),
}
# Their calls need a service of the network, or real keys: what comes back may say that it failed.
NEEDS_NETWORK = {"mcp-papers", "mcp-discord", "mcp-x"}
NAMES = ("API_KEY", "API_SECRET", "ACCESS_TOKEN", "ACCESS_TOKEN_SECRET", "BEARER_TOKEN")
KEYS = dict.fromkeys(("DISCORD_TOKEN", *(f"TWITTER_{name}" for name in NAMES)), "dummy-for-tests")


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Project]:
    """Make a folder in which an example's programs are found: installed, without a network of their own."""

    def make(name: str, **env: str) -> Project:
        try:
            programs = shims(tmp_path / "bin", USED[name][0])
        except NotInstalled as error:
            pytest.skip(str(error))
        path = os.pathsep.join((str(programs), os.environ["PATH"]))
        return Project.make(tmp_path, {}, {"PATH": path, "MEMORY_FILE": str(tmp_path / "memory.jsonl"), **KEYS, **env})

    return make


def ran(project: Project, name: str) -> tuple[str, list[dict[str, Any]]]:
    """Conduct the example's run and return its answer and its journal."""
    done = project.run("run", "What is it?", "--config", str(EXAMPLES / f"{name}.yaml"), seconds=240).check()
    (folder,) = (project.home / ".local" / "state" / "massgen" / "runs").iterdir()
    return done.stdout, [json.loads(line) for line in (folder / "journal.jsonl").read_text(encoding="utf-8").splitlines()]


def returned(journal: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return what the servers answered, by the names that agents know their tools by."""
    found: dict[str, list[dict[str, Any]]] = {}
    for record in journal:
        if record["type"] == "mcp.execution.returned":
            data = record.get("data") or record
            found.setdefault(f"mcp__{data['server']}__{data['tool']}", []).append(data)
    return found


def test_every_example_is_tested() -> None:
    """And none is tested that is not there."""
    assert {path.stem for path in EXAMPLES.glob("mcp-*.yaml")} == set(USED)


@pytest.mark.parametrize("name", sorted(set(USED) - {"mcp-http", "mcp-git"}))
def test_an_example_runs(name: str, project: Callable[..., Project]) -> None:
    """The agents answer, and every tool was called through the real server."""
    answer, journal = ran(project(name), name)

    assert answer.startswith("Scripted presentation") is (name == "mcp-time"), "the script did not get to its end"
    calls = returned(journal)
    assert set(calls) == USED[name][1]
    if name not in NEEDS_NETWORK:
        assert {data["outcome"] for datas in calls.values() for data in datas} == {"ok"}
    assert "dummy-for-tests" not in json.dumps(journal)


def test_the_example_of_git_runs(project: Callable[..., Project]) -> None:
    """It reads the repository of the folder that it runs in; what writes is not offered."""
    there = project("mcp-git")
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    for words in (("init", "-q"), ("commit", "-q", "--allow-empty", "-m", "the first one")):
        subprocess.run([*git, *words], cwd=there.folder, check=True, timeout=30)

    answer, journal = ran(there, "mcp-git")

    assert answer.strip() == "I have read the last commit."
    assert set(returned(journal)) == USED["mcp-git"][1]


def test_the_example_of_http_runs(project: Callable[..., Project]) -> None:
    """Through a server that somebody else has started."""
    there = project("mcp-http")
    with served(f"{OFFICIAL}everything") as port:
        answer, journal = ran(with_env(there, PORT=str(port)), "mcp-http")

    assert answer.strip() == "It says hello."
    assert set(returned(journal)) == USED["mcp-http"][1]


def test_one_process_serves_two_agents(project: Callable[..., Project]) -> None:
    """Both agents of the example of time call; the server was opened once."""
    _, journal = ran(project("mcp-time"), "mcp-time")

    assert sum(record["type"] == "mcp.connection.opened" for record in journal) == 1
    assert sum(record["type"] == "mcp.execution.returned" for record in journal) == 2


def test_a_missing_server_costs_its_own_tools_only(project: Callable[..., Project]) -> None:
    """A person is told, with what to do; the others answer."""
    _, journal = ran(project("mcp-many"), "mcp-many")

    notices = [json.dumps(record) for record in journal if record["type"] == "notice.given"]
    assert any("mcp-server-that-nobody-wrote" in text for text in notices)


def with_env(project: Project, **env: str) -> Project:
    return Project(folder=project.folder, home=project.home, env={**project.env, **env})


@contextmanager
def served(package: str) -> Iterator[int]:
    """Start a server over HTTP on a free port, and end it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = {**os.environ, "PORT": str(port)}
    process = subprocess.Popen(
        [installed(package).executable, "streamableHttp"], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with socket.socket() as knock:
                if knock.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, "the server ended at once"
            process_wait(process, 0.1)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def process_wait(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Wait for a moment, or for the end of the process."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return
