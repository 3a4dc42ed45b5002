"""Whole runs with a server that speaks Gemini's protocol, on the loopback."""

from __future__ import annotations

import base64
import http.server
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
from anyio.from_thread import start_blocking_portal

from massgen_testkit import SCENARIOS, SECRET, Project
from massgen_testkit.protocols.gemini import gemini_event, gemini_plays
from massgen_testkit.provider import Play, Provider, serving

PEER = Path(__file__).resolve().parents[2] / "plugins" / "massgen-mcp-client" / "tests" / "live" / "peer.py"
SIGNATURE = base64.urlsafe_b64encode(b"signed \xff\xfe\xfd").decode()
FOUND = {"webSearchQueries": ["capital of France"], "groundingChunks": [{"web": {"uri": "https://example.org/fr", "title": "France"}}]}


@contextmanager
def served(*plays: Play) -> Iterator[Provider]:
    """Run the server in a thread beside the test."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(serving(*plays)) as provider:
        yield provider


def project(folder: Path, provider: Provider, more: dict[str, Any] | None = None, *, model: str = "gemini-3.5-flash", **options: Any) -> Project:
    backend = {"type": "gemini", "base_url": provider.url, "key": "env:K", **options}
    document = {"version": 1, "strategy": "single", "agents": [{"name": "ann", "model": model, "backend": backend}], **(more or {})}
    return Project.make(folder, {"massgen.yaml": document})


def everything(run: Project) -> str:
    """Return all that the run left on disk."""
    return "".join(path.read_text(encoding="utf-8", errors="replace") for path in run.folder.parent.rglob("*") if path.is_file())


def tools(name: str) -> dict[str, Any]:
    peer = {"command": sys.executable, "args": [str(PEER), "plain"], "security": {"level": "permissive"}}
    return {"toolsets": [{"type": "mcp", "servers": {name: peer}}], "permissions": {"allow": ["mcp__*"]}}


def test_answer(tmp_path: Path) -> None:
    """A run answers, with what it searched for and found, and leaves the key nowhere."""
    answer = (gemini_event({"text": "Paris."}), gemini_event(finish="STOP", candidate={"groundingMetadata": FOUND}))
    with served(Play(pieces=answer)) as provider:
        run = project(tmp_path, provider, enable_web_search=True)
        done = run.run("run", "What is the capital of France?", "--config", "massgen.yaml", env={"K": SECRET}).check()
        asked = provider.asked[0]

    assert done.stdout.strip() == "Paris.\n\nSources:\n- France: https://example.org/fr"
    assert asked.headers["x-goog-api-key"] == SECRET
    assert asked.body["tools"] == [{"googleSearch": {}}]
    assert "capital of France" in everything(run)
    assert SECRET not in done.stdout + done.stderr + everything(run)


def test_wrong_key(tmp_path: Path) -> None:
    """A refused key ends the run with the reference's name; the key, which the server repeats, is nowhere."""
    with served(*gemini_plays(SCENARIOS["unauthorized"])) as provider:
        run = project(tmp_path, provider)
        done = run.run("run", "What?", "--config", "massgen.yaml", env={"K": SECRET})

    assert done.exit_code != 0
    assert "env:K" in done.stderr
    assert "Traceback" not in done.stderr
    assert SECRET not in done.stdout + done.stderr + everything(run)


def test_missing_key(tmp_path: Path) -> None:
    """A run without a key ends before anything is sent, and names both variables."""
    with served(*gemini_plays(SCENARIOS["text"])) as provider:
        run = project(tmp_path, provider, key="")
        done = run.run("run", "What?", "--config", "massgen.yaml", env={"GEMINI_API_KEY": "", "GOOGLE_API_KEY": ""})

    assert done.exit_code != 0
    assert "GEMINI_API_KEY" in done.stderr
    assert "GOOGLE_API_KEY" in done.stderr
    assert "Traceback" not in done.stderr
    assert not provider.asked


def test_signatures_go_round_with_tools_of_a_server(tmp_path: Path) -> None:
    """Parallel calls of an MCP tool come back with their signature and Google's ids, by way of the journal; each result has its call's id."""
    calls = (
        gemini_event({"text": "Let me see.", "thought": True}),
        gemini_event({"functionCall": {"id": "fc-1", "name": "mcp__peer__act", "args": {"do": "echo"}}, "thoughtSignature": SIGNATURE}),
        gemini_event({"functionCall": {"id": "fc-2", "name": "mcp__peer__act", "args": {"do": "echo", "text": "b"}}}, finish="STOP"),
    )
    with served(Play(pieces=calls), Play(pieces=(gemini_event({"text": "Forty-two."}, finish="STOP"),))) as provider:
        run = project(tmp_path, provider, tools("peer"))
        done = run.run("run", "What is six times seven?", "--config", "massgen.yaml", env={"K": SECRET}).check()
        asked = provider.bodies

    assert done.stdout.strip() == "Forty-two."
    assert "mcp__peer__act" in json.dumps(asked[0]["tools"])
    _, said, given = asked[1]["contents"]
    assert said["parts"] == [
        {"functionCall": {"id": "fc-1", "name": "mcp__peer__act", "args": {"do": "echo"}}, "thoughtSignature": SIGNATURE},
        {"functionCall": {"id": "fc-2", "name": "mcp__peer__act", "args": {"do": "echo", "text": "b"}}},
    ]
    assert [(part["functionResponse"]["id"], part["functionResponse"]["name"]) for part in given["parts"]] == [
        ("fc-1", "mcp__peer__act"),
        ("fc-2", "mcp__peer__act"),
    ]


def test_search_before_tools(tmp_path: Path) -> None:
    """A model that cannot mix tools searches first, then calls an MCP tool; the journal has one call, with all its tokens and their cost."""
    told: dict[str, Any] = {"finish": "STOP", "modelVersion": "gemini-2.5-flash", "usageMetadata": {"promptTokenCount": 100}}
    searched = (gemini_event({"text": "It is Paris."}), gemini_event(candidate={"groundingMetadata": FOUND}, **told))
    call = gemini_event({"functionCall": {"name": "mcp__peer__act", "args": {"do": "echo"}}}, **told)
    last = gemini_event({"text": "Paris."}, **told)
    with served(Play(pieces=searched), Play(pieces=(call,)), Play(pieces=(last,))) as provider:
        run = project(tmp_path, provider, tools("peer"), model="gemini-2.5-flash", enable_web_search=True)
        done = run.run("run", "What is the capital of France?", "--config", "massgen.yaml", env={"K": SECRET}).check()
        asked = provider.bodies
    (journal,) = run.home.rglob("journal.jsonl")
    lines = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
    answered = [line["data"] for line in lines if line["type"] == "model.answered"]

    assert done.stdout.strip() == "Paris."
    assert [sorted(key for tool in body["tools"] for key in tool) for body in asked] == [["googleSearch"], *[["functionDeclarations"]] * 2]
    assert all("It is Paris." in json.dumps(body["contents"]) for body in asked[1:])
    assert [each["usage"]["input"] for each in answered] == [200, 100]
    assert [each["usage"]["cost"] for each in answered] == pytest.approx([200 * 0.3e-6, 100 * 0.3e-6])


class Voter(http.server.BaseHTTPRequestHandler):
    """Answers as a model would that is asked to answer, to vote or to present."""

    protocol_version = "HTTP/1.1"
    bodies: ClassVar[list[Any]] = []

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's word
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.bodies.append(body)
        offered = {each["name"]: each for tool in body.get("tools", ()) for each in tool.get("functionDeclarations", ())}
        if "vote" in offered:
            schema = offered["vote"]["parameters_json_schema"]
            values = {name: told["enum"][0] if "enum" in told else "why" for name, told in schema["properties"].items()}
            part: dict[str, Any] = {"functionCall": {"name": "vote", "args": values}}
        elif "new_answer" in offered:
            part = {"functionCall": {"name": "new_answer", "args": {"content": "Paris"}}}
        else:
            part = {"text": "It is Paris."}
        sent = gemini_event(part, finish="STOP")
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("content-length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)


@pytest.mark.parametrize(("model", "searches"), [("gemini-3.5-flash", 1), ("gemini-2.5-flash", 4)])
def test_panel(model: str, searches: int, tmp_path: Path) -> None:
    """Three agents answer, vote and present; a model that cannot mix tools searches in calls of their own, three answers and the presentation."""
    Voter.bodies.clear()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Voter)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    backend = {"type": "gemini", "base_url": f"http://127.0.0.1:{server.server_port}", "key": "env:K", "enable_web_search": True}
    agents = [{"name": name, "model": model, "backend": backend} for name in ("ann", "bob", "cid")]
    try:
        run = Project.make(tmp_path, {"massgen.yaml": {"version": 1, "strategy": "consensus", "agents": agents}})
        done = run.run("run", "What is the capital of France?", "--config", "massgen.yaml", env={"K": SECRET}).check()
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

    assert done.stdout.strip() == "It is Paris."
    assert sum(body["tools"] == [{"googleSearch": {}}] for body in Voter.bodies) == searches


def test_forgotten_option(tmp_path: Path) -> None:
    """An option that this backend does not have is refused at its place."""
    run = Project.make(tmp_path, {"massgen.yaml": {"version": 1, "agents": [{"backend": {"type": "gemini", "enable_web_serach": True}}]}})
    done = run.run("run", "What?", "--config", "massgen.yaml")

    assert done.exit_code != 0
    assert "agents[0].backend.enable_web_serach" in done.stderr
    assert "enable_web_search" in done.stderr
