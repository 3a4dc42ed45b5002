"""Logins to MCP servers in whole runs: where their tokens are, who sees which tools, and that nothing that is written holds a token."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from massgen_testkit import Project

_FILE = Path(__file__).resolve().parents[2] / "plugins" / "massgen-mcp-client" / "tests" / "commands" / "test_login.py"
_SPEC = importlib.util.spec_from_file_location("servers_that_want_a_login", _FILE)
assert _SPEC is not None
assert _SPEC.loader is not None
logins = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(logins)

TOKEN = logins.TOKEN
MAIN = "import sys; from massgen_core.cli import main; sys.exit(main(sys.argv[1:]))"
# A published keyring that writes an encoded file below the home of the test: chosen, since nobody would take it by accident.
KEYRING = {"PYTHON_KEYRING_BACKEND": "keyrings.alt.file.PlaintextKeyring"}


class Gossip(logins.Guarded):  # type: ignore[misc]
    """A server that tells everybody the token that it was shown."""

    def answer(self, message: dict[str, Any]) -> None:
        if message.get("method") == "tools/call":
            text = f"you came with {self.headers['Authorization']}"
            self.reply(200, {"jsonrpc": "2.0", "id": message["id"], "result": {"content": [{"type": "text", "text": text}]}})
        else:
            super().answer(message)


@pytest.fixture
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Gossip)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/mcp"
    server.shutdown()
    server.server_close()
    thread.join(10)


def project(folder: Path, address: str) -> Project:
    server = {"url": address, "auth": "oauth", "security": {"allow_localhost": True}, "log_level": "debug", "protocol": "legacy"}
    document = {
        "version": 1,
        "agents": [{"name": "ann", "backend": {"type": "scripted", "steps": [{"calls": [{"name": "mcp__web__echo"}]}, {"answer": "forty-two"}]}}],
        "strategy": "single",
        "toolsets": [{"type": "mcp", "servers": {"web": server}}],
        "permissions": {"allow": ["mcp__*"]},
        "sinks": ["mcp-log"],
    }
    return Project.make(folder, {"massgen.yaml": document}).trusted()


def log_in(run: Project, env: Mapping[str, str]) -> str:
    """Do what a person does, and return what was printed."""
    variables = {**run.variables(), "PYTHONUNBUFFERED": "1", **env}
    streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    command = [sys.executable, "-c", MAIN, "mcp", "login", "web", "--no-browser", "--seconds", "60"]
    with subprocess.Popen(command, cwd=run.folder, env=variables, **streams) as process:
        assert process.stderr is not None
        page = next((line.strip() for line in process.stderr if "/authorize?" in line), "")
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(page, timeout=30).read()
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out + err


def listings(run: Project) -> list[bool]:
    """Return, for each run in order, whether its list of tools was a kept one."""
    found = []
    for journal in sorted((run.home / ".local/state/massgen/runs").glob("*/journal.jsonl")):
        records = [json.loads(line) for line in journal.read_text().splitlines()]
        listed = [record["data"] for record in records if record["type"] == "mcp.discovery.listed"]
        found += [bool(data["is_cached"]) for data in listed if data["what"] == "tools"]
    return found


@pytest.mark.parametrize("env", [KEYRING, {}], ids=["keyring", "file"])
def test_a_token_is_in_its_place_and_nowhere_else(tmp_path: Path, address: str, env: dict[str, str]) -> None:
    """Kept in the keyring where there is one, in a file of the owner elsewhere; journal, log of MCP with payloads and output hold none."""
    run = project(tmp_path, address)
    texts = log_in(run, env)
    done = run.run("run", "What?", "--config", "massgen.yaml", env=env).check()
    texts += done.stdout + done.stderr + run.run("auth", "list", env=env).check().stdout

    holders = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()}
    files = list((run.home / ".local/share/massgen/mcp-tokens").glob("*.json"))
    journal = "".join(path.read_text() for path in run.home.rglob("journal.jsonl"))
    assert TOKEN not in texts
    assert "you came with" in journal
    assert holders == {file.relative_to(tmp_path) for file in files}
    assert len(files) == (0 if env else 1)
    assert ("mcp-login.127.0.0.1." in texts) == bool(env)


def test_who_logs_in_anew_is_shown_a_list_of_their_own(tmp_path: Path, address: str) -> None:
    """The kept list of tools is for the login that it was shown to."""
    run = project(tmp_path, address)
    for _ in range(2):
        log_in(run, {})
        run.run("run", "What?", "--config", "massgen.yaml").check()
        run.run("run", "What?", "--config", "massgen.yaml").check()
        for file in (run.home / ".local/share/massgen/mcp-tokens").glob("*.json"):
            file.unlink()

    assert listings(run) == [False, True, False, True]
