"""`massgen config test`: each thing that a configuration names is tried, and nothing is sent to a model."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from massgen_cmd_config.trial import Trial

Call = Callable[..., tuple[int, str, str]]

# A server of the newer era of the protocol, in a few lines of the standard library.
SERVER = """\
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    if "id" not in asked:
        continue
    method = asked["method"]
    if method == "initialize":
        said = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": {"name": "small", "version": "1"}}
    elif method == "tools/list":
        said = {"tools": [{"name": "look", "description": "Look.", "inputSchema": {"type": "object"}}]}
    else:
        print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "error": {"code": -32601, "message": "no such method"}}), flush=True)
        continue
    print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": said}), flush=True)
"""


@pytest.fixture
def tried(call: Call, tmp_path: Path) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Write a configuration, try it, and return the exit code and what was found, by what it is about."""

    def invoke(document: dict[str, Any], *words: str) -> tuple[int, dict[str, Any]]:
        (tmp_path / "it.json").write_text(json.dumps({"version": 1, **document}))
        code, out, err = call(Trial(), "it.json", "--json", *words)
        assert out, err
        return code, {row["what"]: row for row in json.loads(out)}

    return invoke


def test_everything_is_well(tried: Callable[..., tuple[int, dict[str, Any]]], tmp_path: Path) -> None:
    """Servers are started and list their tools, the sandbox runs a command, each with its time; nothing stays behind."""
    (tmp_path / "server.py").write_text(SERVER)
    servers = {"small": {"command": sys.executable, "args": [str(tmp_path / "server.py")], "security": {"level": "permissive"}}}
    code, found = tried(
        {
            "agents": [
                {"name": "ada", "backend": "scripted", "toolsets": [{"type": "mcp", "servers": servers}]},
                {"name": "ben", "backend": "scripted"},
            ],
            "middlewares": ["retry"],
            "strategy": {"type": "judge", "judge": "ben"},
        }
    )

    assert (code, {row["state"] for row in found.values()}) == (0, {"ok"})
    assert list(found) == ["strategy judge", "backend scripted of ada, ben", "MCP server small", "tools mcp of ada", "middleware retry"]
    assert "it lists 1 tool" in found["MCP server small"]["text"]
    assert "mcp__small__look" in found["tools mcp of ada"]["tools"]
    assert all(row["seconds"] >= 0 for row in found.values())


def test_each_thing_that_fails_is_named_with_a_remedy(tried: Callable[..., tuple[int, dict[str, Any]]], monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that is nowhere, a server that is not installed, an agent that the strategy does not find: all of them at once."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    servers = {"lost": {"command": "uvx", "args": ["lost"]}}
    code, found = tried(
        {
            "agents": [{"name": "ada", "backend": {"type": "openai", "key": "env:UNSET"}}, {"name": "ben", "backend": "scripted"}],
            "strategy": {"type": "single", "agent": "cyd"},
            "toolsets": [{"type": "mcp", "servers": servers}],
        }
    )

    assert code == 1
    failed = {what: row for what, row in found.items() if row["state"] == "failed"}
    assert set(failed) == {"strategy single", "backend openai of ada", "MCP server lost"}
    assert "cyd" in failed["strategy single"]["text"]
    assert "UNSET" in failed["backend openai of ada"]["text"]
    assert failed["backend openai of ada"]["remedy"]
    assert "uvx" in failed["MCP server lost"]["text"] + failed["MCP server lost"]["remedy"]


def test_what_does_not_open_in_time_is_given_up(tried: Callable[..., tuple[int, dict[str, Any]]], tmp_path: Path) -> None:
    """A server that says nothing holds up neither the command nor what comes after it."""
    (tmp_path / "server.py").write_text("import time\ntime.sleep(600)\n")
    server = {"command": sys.executable, "args": [str(tmp_path / "server.py")], "connect_seconds": 500, "security": {"level": "permissive"}}
    agents = [{"name": "ada", "backend": "scripted", "toolsets": [{"type": "mcp", "servers": {"mute": server}}]}]
    code, found = tried({"agents": agents, "middlewares": ["retry"]}, "--seconds", "2")

    assert (code, [what for what, row in found.items() if row["state"] == "failed"]) == (1, ["tools mcp of ada"])
    assert "did not open within 2 s" in found["tools mcp of ada"]["text"]
    assert "--seconds" in found["tools mcp of ada"]["remedy"]
    assert found["middleware retry"]["state"] == "ok"


@pytest.fixture
def provider() -> Iterator[str]:
    """A server of Chat Completions that lists models, and knows of nothing else; return its address."""

    class Lists(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"data": [{"id": "large-2"}, {"id": "small-2"}]}).encode()
            is_listing = self.path == "/v1/models"
            self.send_response(200 if is_listing else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Lists) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        server.shutdown()
        thread.join()


def test_a_provider_is_asked_for_its_models_and_nothing_else(tried: Callable[..., tuple[int, dict[str, Any]]], provider: str) -> None:
    """A model that it does not have is named, with those that are near; offline nobody is asked."""
    backend = {"type": "chat", "base_url": provider}
    document = {"agents": [{"name": "ada", "backend": backend, "model": "large-2"}, {"name": "ben", "backend": backend, "model": "smal-2"}]}
    code, found = tried(document)

    assert (code, found["backend chat of ada, ben"]["state"]) == (1, "ok")
    assert "it has 2 models" in found["backend chat of ada, ben"]["text"]
    assert found["model smal-2"]["state"] == "failed"
    assert "small-2" in found["model smal-2"]["remedy"]
    code, found = tried(document, "--offline")
    assert (code, found["backend chat of ada, ben"]["state"]) == (0, "skipped")


def test_a_sandbox_runs_a_command(tried: Callable[..., tuple[int, dict[str, Any]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tools that run code are listed, and the sandbox behind them is tried; an agent's working folder is the run's, and is gone afterwards."""
    (tmp_path / "project").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "project"))
    code, found = tried({"agents": [{"name": "ada", "backend": "scripted"}], "toolsets": [{"type": "code", "executor": "local"}]})

    assert (code, found["sandbox of tools code of ada"]["text"]) == (0, "local runs a command")
    assert "execute_command" in found["tools code of ada"]["tools"]
    code, found = tried({"agents": [{"name": "ada", "backend": "scripted"}], "toolsets": [{"type": "code", "executor": "nobody"}]})
    assert (code, [what for what, row in found.items() if row["state"] == "failed"]) == (1, ["tools code of ada"])


def test_a_project_that_is_not_trusted_is_not_started(call: Call, tmp_path: Path) -> None:
    """Its servers are a stranger's programs until somebody says otherwise."""
    servers = "{lost: {command: uvx, args: [lost]}}"
    (tmp_path / "massgen.yaml").write_text(f"version: 1\nagents: [{{backend: scripted}}]\ntoolsets: [{{type: mcp, servers: {servers}}}]\n")

    code, out, err = call(Trial())
    assert (code, out) == (2, "")
    assert "trust" in err


def test_a_plugin_with_a_defect_ends_nothing_but_itself(tried: Callable[..., tuple[int, dict[str, Any]]], monkeypatch: pytest.MonkeyPatch) -> None:
    """What it raises is told as its failure, without a traceback, and everything else is tried."""

    def broken(self: object, *_: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr("massgen_strategy_consensus.strategy.Consensus.start", broken)
    code, found = tried({"agents": [{"name": "ada", "backend": "scripted"}], "middlewares": ["retry"]})

    assert code == 1
    assert found["strategy consensus"]["state"] == "failed"
    assert "RuntimeError: a defect" in found["strategy consensus"]["text"]
    assert found["backend scripted of ada"]["state"] == found["middleware retry"]["state"] == "ok"
