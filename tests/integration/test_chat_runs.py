"""Whole runs with a server that speaks Chat Completions, on the loopback."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from anyio.from_thread import start_blocking_portal

from massgen_testkit import SCENARIOS, SECRET, Project
from massgen_testkit.protocols.chat import chat_plays
from massgen_testkit.provider import Play, Provider, serving


@contextmanager
def served(plays: Sequence[Play]) -> Iterator[Provider]:
    """Run the server in a thread beside the test."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(serving(*plays)) as provider:
        yield provider


def project(folder: Path, agent: dict[str, Any]) -> Project:
    document = {"version": 1, "strategy": "single", "agents": [{"name": "ann", "model": "m", **agent}]}
    return Project.make(folder, {"massgen.yaml": document})


def everything(run: Project) -> str:
    """Return all that the run left on disk."""
    return "".join(path.read_text(encoding="utf-8", errors="replace") for path in (run.folder.parent).rglob("*") if path.is_file())


def test_answer(tmp_path: Path) -> None:
    """A run answers, sends what the agent is configured with, and leaves the key nowhere."""
    with served(chat_plays(SCENARIOS["text"])) as provider:
        agent = {
            "backend": {"type": "chat", "base_url": f"{provider.url}/v1", "key": "env:K"},
            "sampling": {"max_tokens": 50},
            "options": {"top_k": 4},
        }
        run = project(tmp_path, agent)
        done = run.run("run", "What is the capital of France?", "--config", "massgen.yaml", env={"K": SECRET}).check()
        asked = provider.asked[0]

    assert done.stdout.strip() == "The capital of France is Paris."
    assert (asked.body["model"], asked.body["max_tokens"], asked.body["top_k"]) == ("m", 50, 4)
    assert asked.headers["authorization"] == f"Bearer {SECRET}"
    assert SECRET not in done.stdout + done.stderr + everything(run)


def test_wrong_key(tmp_path: Path) -> None:
    """A refused key ends the run with the reference's name; the key, which the server repeats, is nowhere."""
    with served(chat_plays(SCENARIOS["unauthorized"])) as provider:
        run = project(tmp_path, {"backend": {"type": "chat", "base_url": f"{provider.url}/v1", "key": "env:K"}})
        done = run.run("run", "What?", "--config", "massgen.yaml", env={"K": SECRET})

    assert done.exit_code != 0
    assert "env:K" in done.stderr
    assert "Traceback" not in done.stderr
    assert SECRET not in done.stdout + done.stderr + everything(run)


def test_missing_key(tmp_path: Path) -> None:
    """A preset's key that is not there is named before anything is asked."""
    done = project(tmp_path, {"backend": {"type": "chat", "preset": "groq"}}).run(
        "run", "What?", "--config", "massgen.yaml", env={"GROQ_API_KEY": ""}
    )

    assert done.exit_code != 0
    assert "GROQ_API_KEY" in done.stderr
    assert "Traceback" not in done.stderr


def test_written_key(tmp_path: Path) -> None:
    """A key in the configuration is refused at its place and not repeated."""
    done = project(tmp_path, {"backend": {"type": "chat", "preset": "groq", "key": SECRET}}).run("run", "What?", "--config", "massgen.yaml")

    assert done.exit_code != 0
    assert "agents[0].backend.key" in done.stderr
    assert SECRET not in done.stdout + done.stderr
