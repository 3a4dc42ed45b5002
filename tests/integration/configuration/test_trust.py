"""A cloned repository's `massgen.yaml`: nothing that it names is started before a person trusts it, by any command."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from massgen_mcp_client.commands.found import find

MAIN = "import sys; from massgen_core.cli import main; sys.exit(main(sys.argv[1:]))"
RUN = ("run", "What?", "--quiet")


CODE = "import pathlib; pathlib.Path('started').touch()"
SERVER = {"command": sys.executable, "args": ["-c", CODE], "security": {"level": "permissive"}}


def document(*toolsets: Any) -> dict[str, Any]:
    return {"version": 1, "agents": [{"name": "one", "backend": "scripted"}], "strategy": "single", "toolsets": list(toolsets)}


@pytest.fixture
def project(massgen_project: Callable[..., Any]) -> Any:
    """A repository whose functions leave a mark where they are loaded."""
    toolset = {"type": "python", "functions": [{"path": "f.py", "function": "f"}]}
    code = "import pathlib\n\npathlib.Path(__file__).with_name('started').touch()\n\ndef f(): ...\n"
    return massgen_project({"massgen.yaml": document(toolset), "f.py": code})


@pytest.fixture
def served(massgen_project: Callable[..., Any]) -> Any:
    """A repository whose server leaves a mark where it is started."""
    return massgen_project({"massgen.yaml": document({"type": "mcp", "servers": {"s": SERVER}})})


def test_nothing_is_started_where_nobody_can_be_asked(served: Any) -> None:
    """The exit code is that of a configuration that makes no sense, and the message has the command that trusts it."""
    project, result = served, served.run(*RUN)

    assert result.exit_code == 2
    assert not (project.folder / "started").exists()
    assert not list(project.home.rglob("journal.jsonl"))
    assert f"starts {sys.executable} -c import pathlib" in result.stderr
    assert "massgen config trust massgen.yaml" in result.stderr


def test_trust_is_given_once_and_taken_back(project: Any) -> None:
    """A run then starts what the file names; a change of the file, and taking it back, end that."""
    assert project.run("config", "trust", "--list").check().stdout == ""
    said = project.run("config", "trust").check().stderr
    assert "runs the function f of f.py" in said
    assert project.run("config", "trust", "--list").stdout.strip() == str((project.folder / "massgen.yaml").resolve())
    assert "trusted as it is" in project.run("config", "trust", "massgen.yaml").check().stderr
    assert project.run(*RUN).check().stdout.strip() == "Scripted answer of one to: What?"
    assert (project.folder / "started").exists()

    (project.folder / "started").unlink()
    path = project.folder / "massgen.yaml"
    text = path.read_text()
    path.write_text(text + "\n")
    assert project.run(*RUN).exit_code == 2
    path.write_text(text)
    project.run("config", "trust", "--revoke").check()
    assert project.run(*RUN).exit_code == 2
    assert not (project.folder / "started").exists()
    project.run(*RUN, "--trust").check()
    assert (project.folder / "started").exists()
    assert project.run("config", "trust", "--list").stdout == ""


def test_a_named_file_needs_no_trust(project: Any) -> None:
    """Whoever writes `--config massgen.yaml` has chosen it."""
    project.run(*RUN, "--config", "massgen.yaml").check()


@pytest.mark.parametrize("command", [("mcp", "tools", "s"), ("mcp", "call", "s", "x"), ("mcp", "doctor", "s"), ("mcp", "list")])
def test_no_other_command_starts_it(served: Any, command: tuple[str, ...]) -> None:
    """Commands that look at servers say why they do not."""
    result = served.run(*command)

    assert not (served.folder / "started").exists()
    assert "is not trusted" in result.stdout + result.stderr


def test_a_stranger_has_no_other_file_read(massgen_project: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """What their file imports may lie anywhere, and wait for ever; it is named, and not opened."""
    project = massgen_project({"massgen.yaml": document({"type": "mcp", "servers": {"s": SERVER}, "imports": ["others", {"path": "~/x"}]})})
    os.mkfifo(project.folder / "others")
    monkeypatch.chdir(project.folder)

    found = find(None, project.variables())

    assert [one.name for one in found] == ["s", "others", "~/x"]
    assert all("is not trusted" in one.problem and one.config is None for one in found)


def test_a_named_file_of_servers_is_asked_about_no_more(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found by itself its servers are not started; named, they are."""
    monkeypatch.chdir(served.folder)
    variables = served.variables()

    (found,) = find(None, variables)
    (named,) = find(Path("massgen.yaml"), variables)

    assert ("is not trusted" in found.problem, found.config) == (True, None)
    assert (named.problem, named.config is not None) == ("", True)


def test_reading_commands_need_no_trust(project: Any) -> None:
    """They start nothing; to know what to trust one must be able to look."""
    project.run("config", "check").check()
    assert "f.py" in project.run("config", "show").check().stdout
    assert not (project.folder / "started").exists()


def at_terminal(project: Any, typed: str) -> tuple[int, str]:
    """Run in a pseudo-terminal, type something at the question, and return the exit code and what was seen."""
    terminal, side = pty.openpty()
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MASSGEN_")} | project.variables()
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, *RUN], stdin=side, stdout=side, stderr=side, cwd=project.folder, env=environment, start_new_session=True
    )
    os.close(side)
    seen, deadline, is_typed = "", time.monotonic() + 60, False
    try:
        while time.monotonic() < deadline:
            if select.select([terminal], [], [], 1.0)[0]:
                try:
                    data = os.read(terminal, 65536)
                except OSError:  # the other side is closed
                    break
                seen += data.decode("utf-8", "replace")
            if not is_typed and "no > " in seen:
                os.write(terminal, typed.encode())
                is_typed = True
        return process.wait(timeout=30), seen
    finally:
        process.kill()
        os.close(terminal)


@pytest.mark.once
@pytest.mark.parametrize(
    ("typed", "code", "starts", "again"),
    [("\n", 2, False, 2), ("\x04", 2, False, 2), ("o\n", 0, True, 2), ("a\n", 0, True, 0)],
)
def test_a_person_is_asked_at_the_terminal(project: Any, typed: str, code: int, starts: bool, again: int) -> None:
    """Only a clear yes counts: for this run, or until the file changes."""
    found, seen = at_terminal(project, typed)

    assert "runs the function f of f.py" in seen
    assert (found, (project.folder / "started").exists()) == (code, starts)
    assert project.run(*RUN).exit_code == again


def test_a_backend_that_acts_by_itself_is_asked_for(massgen_project: Callable[..., Any]) -> None:
    """Its name alone would start a program."""
    result = massgen_project({"massgen.yaml": {"version": 1, "agents": [{"backend": "claude-code"}]}}).run(*RUN)

    assert result.exit_code == 2
    assert "starts claude-code, which runs programs and changes files" in result.stderr


def test_text_of_the_file_commands_no_terminal(massgen_project: Callable[..., Any], tmp_path: Path) -> None:
    """Escape sequences in what is shown are taken out."""
    document = 'version: 1\nagents: [{backend: scripted}]\ntoolsets: [{type: mcp, servers: {s: {command: "x\\e]52;c;aGk=\\a\\e[2J"}}}]\n'
    result = massgen_project({"massgen.yaml": document}).run(*RUN)

    assert result.exit_code == 2
    assert "\x1b" not in result.stderr


@pytest.mark.once
def test_what_a_person_writes_by_commands_needs_no_question(project: Any) -> None:
    """A file that the questions of `config new` made is trusted; one that is mended stays as it was, trusted or not."""
    text = (project.folder / "massgen.yaml").read_text()
    wrong = text.replace('"strategy"', '"stratgy"')
    for is_trusted in (False, True):
        (project.folder / "massgen.yaml").write_text(wrong)
        if is_trusted:
            project.trusted()
        assert project.run("config", "fix", "--write", "massgen.yaml").exit_code == 0
        assert project.run(*RUN).exit_code == (0 if is_trusted else 2)
    (project.folder / "massgen.yaml").unlink()
    project.run("config", "trust", "--revoke").check()
    project.run("config", "new", "--yes", "--set", "backends=scripted").check()

    assert "massgen.yaml" in project.run("config", "trust", "--list").stdout
