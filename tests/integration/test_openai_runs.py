"""Whole runs with a server that speaks Responses, on the loopback."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from anyio.from_thread import start_blocking_portal

from massgen_testkit import SCENARIOS, SECRET, Project
from massgen_testkit.protocols.responses import Writer, responses_plays
from massgen_testkit.provider import Play, Provider, serving

PEER = Path(__file__).resolve().parents[2] / "plugins" / "massgen-mcp-client" / "tests" / "live" / "peer.py"
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Look."}], "encrypted_content": "gAAA-δ=="}

TOOLS: dict[str, Any] = {
    "toolsets": [
        {"type": "mcp", "servers": {"peer": {"command": sys.executable, "args": [str(PEER), "plain"], "security": {"level": "permissive"}}}}
    ],
    "permissions": {"allow": ["mcp__*"]},
}


@contextmanager
def served(*plays: Play) -> Iterator[Provider]:
    """Run the server in a thread beside the test."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(serving(*plays)) as provider:
        yield provider


def project(folder: Path, provider: Provider, more: dict[str, Any] | None = None, **options: Any) -> Project:
    backend = {"type": "openai", "base_url": f"{provider.url}/v1", "key": "env:K", **options}
    document = {"version": 1, "strategy": "single", "agents": [{"name": "ann", "model": "gpt-5", "backend": backend}], **(more or {})}
    return Project.make(folder, {"massgen.yaml": document})


def everything(run: Project) -> str:
    """Return all that the run left on disk."""
    return "".join(path.read_text(encoding="utf-8", errors="replace") for path in run.folder.parent.rglob("*") if path.is_file())


def test_answer(tmp_path: Path) -> None:
    """A run answers and leaves the key nowhere."""
    with served(*responses_plays(SCENARIOS["text"])) as provider:
        run = project(tmp_path, provider, enable_web_search=True)
        done = run.run("run", "What is the capital of France?", "--config", "massgen.yaml", env={"K": SECRET}).check()
        asked = provider.asked[0]

    assert done.stdout.strip() == "The capital of France is Paris."
    assert asked.headers["authorization"] == f"Bearer {SECRET}"
    assert asked.body["tools"] == [{"type": "web_search"}]
    assert SECRET not in done.stdout + done.stderr + everything(run)


def test_wrong_key(tmp_path: Path) -> None:
    """A refused key ends the run with the reference's name; the key, which the server repeats, is nowhere."""
    with served(*responses_plays(SCENARIOS["unauthorized"])) as provider:
        run = project(tmp_path, provider)
        done = run.run("run", "What?", "--config", "massgen.yaml", env={"K": SECRET})

    assert done.exit_code != 0
    assert "env:K" in done.stderr
    assert "Traceback" not in done.stderr
    assert SECRET not in done.stdout + done.stderr + everything(run)


def test_thoughts_go_round_with_tools_of_a_server(tmp_path: Path) -> None:
    """What the model thought before it called an MCP tool comes back to it with the tool's result, byte for byte, by way of the journal."""
    first, last = Writer(), Writer()
    first.item(THOUGHT)
    first.call(0, "call_1", "mcp__peer__act", '{"do": "echo"}')
    last.text("Forty-two.")
    with served(Play(pieces=first.end()), Play(pieces=last.end())) as provider:
        run = project(tmp_path, provider, TOOLS)
        done = run.run("run", "What is six times seven?", "--config", "massgen.yaml", env={"K": SECRET}).check()
        asked = provider.bodies

    assert done.stdout.strip() == "Forty-two."
    assert "mcp__peer__act" in {tool["name"] for tool in asked[0]["tools"]}
    assert asked[0]["include"] == ["reasoning.encrypted_content"]
    thought, call, result = asked[1]["input"][-3:]
    assert thought == THOUGHT
    assert (call["type"], call["id"], call["call_id"], json.loads(call["arguments"])) == ("function_call", "fc_1", "call_1", {"do": "echo"})
    assert (result["type"], result["call_id"]) == ("function_call_output", "call_1")
    assert result["output"]


def test_an_image_is_a_file_of_the_run(tmp_path: Path) -> None:
    """The model gets its image back with a tool's result, and the answer names its file; the journal holds none of its data."""
    data = base64.b64encode(bytes(range(256)) * 8).decode()
    first, last = Writer(), Writer()
    first.item({"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": data, "output_format": "png"})
    first.call(1, "call_1", "mcp__peer__act", '{"do": "echo"}')
    last.text("There it is.")
    with served(Play(pieces=first.end()), Play(pieces=last.end())) as provider:
        run = project(tmp_path, provider, TOOLS, enable_image_generation=True)
        done = run.run("run", "Draw six times seven.", "--config", "massgen.yaml", env={"K": SECRET}).check()
        asked = provider.bodies
    (image,) = (path for path in tmp_path.rglob("media/*.png"))
    (journal,) = (path for path in tmp_path.rglob("journal.jsonl"))

    assert image.parent.parent == journal.parent
    assert image.read_bytes() == bytes(range(256)) * 8
    assert f"[image: {image}]" in done.stdout or f"[image: {image}]" in journal.read_text(encoding="utf-8")
    assert data[:100] not in journal.read_text(encoding="utf-8")
    assert [item["result"] for item in asked[1]["input"] if item.get("type") == "image_generation_call"] == [data]
