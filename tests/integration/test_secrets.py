"""Keys from stores in whole runs, and the commands that keep them: nothing that is written anywhere holds one."""

from __future__ import annotations

import os
import pty
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal

from massgen_core.api import BackendSpec
from massgen_core.plugins.manager import Plugins
from massgen_testkit import SCENARIOS, SECRET, Project
from massgen_testkit.protocols.chat import chat_plays
from massgen_testkit.provider import Provider, serving

# A published keyring that writes a file below the home of the test: chosen, since nobody would take it by accident.
KEYRING = {"PYTHON_KEYRING_BACKEND": "keyrings.alt.file.PlaintextKeyring"}


@contextmanager
def served(scenario: str) -> Iterator[Provider]:
    """Run a server of Chat Completions in a thread beside the test."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(serving(*chat_plays(SCENARIOS[scenario]))) as provider:
        yield provider


def project(folder: Path, backend: Mapping[str, Any], **files: str) -> Project:
    document = {"version": 1, "strategy": "single", "agents": [{"name": "ann", "model": "m", "backend": {"type": "chat", **backend}}]}
    return Project.make(folder, {"massgen.yaml": document, **files}).trusted()


def found(run: Project, text: str) -> set[str]:
    """Return the files below the test's folder that hold a text, by name."""
    return {path.name for path in run.folder.parent.rglob("*") if path.is_file() and text in path.read_text(encoding="utf-8", errors="replace")}


@pytest.mark.parametrize(("store", "file"), [("dotenv", ".env"), ("keyring", "")])
def test_a_key_that_was_set_is_used_and_shown_nowhere(tmp_path: Path, store: str, file: str) -> None:
    """Set through standard input, found by its name, sent to the server; journal, logs and messages do not hold it, though the server repeats it."""
    with served("unauthorized") as provider:
        run = project(tmp_path, {"base_url": f"{provider.url}/v1", "key": "MY_SERVER_KEY"})
        texts = run.run("auth", "set", "MY_SERVER_KEY", "--store", store, stdin=f"{SECRET}\n", env=KEYRING).check()
        listed = run.run("auth", "list", env=KEYRING).check()
        checked = run.run("auth", "check", "--config", "massgen.yaml", env=KEYRING).check()
        done = run.run("run", "What?", env=KEYRING)
        asked = provider.asked[0]

    assert asked.headers["authorization"] == f"Bearer {SECRET}"
    assert done.exit_code != 0
    assert "MY_SERVER_KEY" in done.stderr
    assert f"found in {store}" in checked.stdout
    assert "MY_SERVER_KEY" in listed.stdout
    for result in (texts, listed, checked, done):
        assert SECRET not in result.stdout + result.stderr
    # The keyring of the test encodes what it holds.
    assert found(run, SECRET) == ({file} if file else set())


def test_a_projects_file_fills_in_and_is_the_last(tmp_path: Path) -> None:
    """A project's .env serves a run whose user has no key of the name; the user's own file wins, and the environment over both."""
    with served("text") as provider:
        run = project(
            tmp_path, {"base_url": f"{provider.url}/v1", "key": "MY_SERVER_KEY"}, **{".env": "MY_SERVER_KEY=of-the-project\nHTTPS_PROXY=http://x\n"}
        )
        sent = []
        run.run("run", "What?").check()
        sent.append(provider.asked[-1].headers["authorization"])
        run.run("auth", "set", "MY_SERVER_KEY", "--store", "dotenv", stdin="of-the-user").check()
        run.run("run", "What?").check()
        sent.append(provider.asked[-1].headers["authorization"])
        run.run("run", "What?", env={"MY_SERVER_KEY": "of-the-shell"}).check()
        sent.append(provider.asked[-1].headers["authorization"])

    assert sent == ["Bearer of-the-project", "Bearer of-the-user", "Bearer of-the-shell"]


def test_a_missing_key_says_where_it_was_looked_for(tmp_path: Path) -> None:
    """The run ends before anything is sent, and says what to do, also about the keyring that is not there."""
    run = project(tmp_path, {"preset": "groq"})
    done = run.run("run", "What?", env={"GROQ_API_KEY": ""})

    assert done.exit_code != 0
    assert "no store holds GROQ_API_KEY (asked: env, keyring, dotenv)" in done.stderr
    assert "massgen auth set GROQ_API_KEY" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_pasted_key_is_refused_without_being_repeated(tmp_path: Path) -> None:
    """A key in place of a reference is a mistake whose message does not show it."""
    run = project(tmp_path, {"base_url": "http://127.0.0.1:9/v1", "key": SECRET})
    done = run.run("run", "What?")

    assert done.exit_code == 2
    assert SECRET not in done.stdout + done.stderr


def test_a_prompt_does_not_show_what_is_typed(tmp_path: Path) -> None:
    """On a terminal the value is asked for; what is typed is not echoed, and the file is its owner's alone."""
    run = project(tmp_path, {"preset": "groq"})
    ours, theirs = pty.openpty()
    command = [
        sys.executable,
        "-c",
        "import sys; from massgen_core.cli import main; sys.exit(main())",
        "auth",
        "set",
        "GROQ_API_KEY",
        "--store",
        "dotenv",
    ]
    environment = {**os.environ, **run.variables()}
    child = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=run.folder, env=environment, start_new_session=True)
    os.close(theirs)
    try:
        seen = b""
        while b"not shown" not in seen:
            seen += os.read(ours, 1000)
        os.write(ours, f" {SECRET} \n".encode())
        while part := _rest(ours):
            seen += part
        code = child.wait(60)
    finally:
        child.kill()
        child.wait()
        os.close(ours)

    file = run.home / ".config/massgen/.env"
    assert code == 0
    assert SECRET not in seen.decode()
    assert file.read_text() == f"GROQ_API_KEY='{SECRET}'\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def _rest(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1000)
    except OSError:  # the other end is closed
        return b""


@pytest.mark.parametrize("name", ["anthropic", "claude-code", "openai"])
def test_the_check_knows_what_backends_ask_for(name: str) -> None:
    """What a backend asks for where nothing is configured is what its spec tells `massgen auth check`."""
    spec = Plugins.discover().get("backend", name)
    assert isinstance(spec, BackendSpec)
    assert spec.config is not None

    assert spec.config().reference in spec.keys


LEAKY = '''
import os
import sys

from mcp.server import MCPServer

server = MCPServer("leaky", log_level="CRITICAL")


@server.tool()
def tell(word: str) -> str:
    """Say a secret."""
    print("said", os.environ["TOKEN"], file=sys.stderr, flush=True)
    return f"{word}: {os.environ['TOKEN']}"


server.run(transport="stdio")
'''


def test_a_secret_of_an_mcp_server_is_taken_out_though_the_server_tells_it(tmp_path: Path) -> None:
    """A reference among a server's variables: the server has the value; journal, logs, kept lists and output have stars."""
    step = {"calls": [{"name": "mcp__leaky__tell", "arguments": {"word": "psst"}}]}
    section = {"command": sys.executable, "args": ["leaky.py"], "env": {"TOKEN": "dotenv:LEAKY_TOKEN"}, "security": {"level": "permissive"}}
    document = {
        "version": 1,
        "agents": [{"name": "ann", "backend": {"type": "scripted", "steps": [step, {"answer": "forty-two"}]}}],
        "strategy": "single",
        "toolsets": [{"type": "mcp", "servers": {"leaky": {**section, "log_level": "debug"}}}],
        "permissions": {"allow": ["mcp__*"]},
        "sinks": ["mcp-log"],
    }
    run = Project.make(tmp_path, {"massgen.yaml": document, "leaky.py": LEAKY, ".env": f"LEAKY_TOKEN={SECRET}\n"})
    done = run.run("run", "What?", "--config", "massgen.yaml").check()

    journal = "".join(path.read_text() for path in run.home.rglob("journal.jsonl"))
    assert "psst: ***" in journal
    assert SECRET not in done.stdout + done.stderr
    assert found(run, SECRET) == {".env"}
