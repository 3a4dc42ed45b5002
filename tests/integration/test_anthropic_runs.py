"""Whole runs with a server that speaks Anthropic's Messages, on the loopback."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from anyio.from_thread import start_blocking_portal

from massgen_testkit import SCENARIOS, SECRET, Project
from massgen_testkit.protocols.messages import SIGNATURE, block, ended, message_plays, started
from massgen_testkit.provider import Play, Provider, serving

PEER = Path(__file__).resolve().parents[2] / "plugins" / "massgen-mcp-client" / "tests" / "live" / "peer.py"
THOUGHT = {"type": "thinking", "thinking": "First I act.", "signature": SIGNATURE}
REDACTED = {"type": "redacted_thinking", "data": "opaque-δ=="}
CALLED = {"type": "tool_use", "id": "toolu_1", "name": "mcp__peer__act", "input": {}}


@contextmanager
def served(plays: Sequence[Play]) -> Iterator[Provider]:
    """Run the server in a thread beside the test."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(serving(*plays)) as provider:
        yield provider


def project(folder: Path, url: str, **more: Any) -> Project:
    backend = {"type": "anthropic", "base_url": url, "key": "env:K"}
    document = {"version": 1, "strategy": "single", "agents": [{"name": "ann", "model": "claude-opus-5-5", "backend": backend}], **more}
    return Project.make(folder, {"massgen.yaml": document})


def everything(run: Project) -> str:
    """Return all that the run left on disk."""
    return "".join(path.read_text(encoding="utf-8", errors="replace") for path in run.folder.parent.rglob("*") if path.is_file())


def test_thoughts_survive_a_tool_of_a_run(tmp_path: Path) -> None:
    """A model thinks, calls a tool of an MCP server, and gets its thoughts back as they were signed; the journal holds them, and no key."""
    deltas = ({"type": "thinking_delta", "thinking": THOUGHT["thinking"]}, {"type": "signature_delta", "signature": SIGNATURE})
    thought = block(0, {"type": "thinking", "thinking": "", "signature": ""}, *deltas)
    plays = (
        Play(pieces=(started(), *thought, *block(1, REDACTED), *block(2, CALLED), *ended("tool_use"))),
        Play(pieces=(started(), *block(0, {"type": "text", "text": "Done."}), *ended())),
    )
    peer = {"command": sys.executable, "args": [str(PEER), "plain"], "security": {"level": "permissive"}}
    with served(plays) as provider:
        run = project(tmp_path, provider.url, toolsets=[{"type": "mcp", "servers": {"peer": peer}}], permissions={"allow": ["mcp__*"]})
        done = run.run("run", "Act.", "--config", "massgen.yaml", env={"K": SECRET}).check()
        bodies = provider.bodies
    (journal,) = run.home.rglob("journal.jsonl")
    lines = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
    (answered, *_) = [line["data"]["message"]["content"] for line in lines if line["type"] == "model.answered"]

    assert done.stdout.strip() == "Done."
    asked, said, given = bodies[1]["messages"]
    assert said == {"role": "assistant", "content": [THOUGHT, REDACTED, CALLED]}
    assert asked["content"][0]["text"] == bodies[0]["messages"][0]["content"][0]["text"]
    assert given["content"][0]["tool_use_id"] == "toolu_1"
    assert bodies[1]["tools"] == bodies[0]["tools"]
    assert [part["item"] for part in answered if part["type"] == "item"] == [THOUGHT, REDACTED]
    assert SECRET not in done.stdout + done.stderr + everything(run)


def test_wrong_key(tmp_path: Path) -> None:
    """A refused key ends the run with the reference's name; the key, which the server repeats, is nowhere."""
    with served(message_plays(SCENARIOS["unauthorized"])) as provider:
        run = project(tmp_path, provider.url)
        done = run.run("run", "What?", "--config", "massgen.yaml", env={"K": SECRET})

    assert done.exit_code != 0
    assert "env:K" in done.stderr
    assert "Traceback" not in done.stderr
    assert SECRET not in done.stdout + done.stderr + everything(run)


def test_forgotten_option(tmp_path: Path) -> None:
    """An option that this backend does not have is refused at its place."""
    run = Project.make(tmp_path, {"massgen.yaml": {"version": 1, "agents": [{"backend": {"type": "anthropic", "enable_web_serach": True}}]}})
    done = run.run("run", "What?", "--config", "massgen.yaml")

    assert done.exit_code != 0
    assert "agents[0].backend.enable_web_serach" in done.stderr
    assert "enable_web_search" in done.stderr
