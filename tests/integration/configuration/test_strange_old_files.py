"""Files of the old format as people wrote them by hand: with keys of other versions, of other places and of nobody. Each runs, or is told why not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from massgen_cmd_config.check import Check
from massgen_cmd_config.migrate import Migrate
from massgen_core.api import read_document
from massgen_core.cli.main import main

Call = Callable[..., tuple[int, str, str]]

# A file, and the lines at which something is left out or read differently.
RUNS = {
    "words of its own": (
        "title: Trip\nagents:\n  - id: a\n    backend: {type: lmstudio}\n    mood: calm\norchestrator: {rounds: 4}\nsession: {keep: 3}\n",
        (1, 5, 6, 7),
    ),
    "coordination at the top": ("agent: {id: a, backend: {type: lmstudio}}\ncoordination:\n  enable_planning_mode: true\n", (3,)),
    "settings of all in a backend": (
        "agents:\n  - id: a\n    backend:\n      type: lmstudio\n      voting_sensitivity: strict\n      write_mode: auto\n",
        (5, 6),
    ),
    "one folder for two": ("agents:\n  - {id: a, backend: {type: lmstudio, cwd: w}}\n  - {id: b, backend: {type: lmstudio, cwd: ./w}}\n", (2, 3)),
    "another name of a backend": ("agent: {id: a, backend: {type: Claude-Code-CLI, model: sonnet}}\n", ()),
    "a permission of no kind": (
        "agent: {id: a, backend: {type: lmstudio}}\norchestrator:\n  context_paths:\n    - path: .\n      permission: read_write\n",
        (5,),
    ),
    "tools without a file": (
        "agent:\n  id: a\n  backend:\n    type: lmstudio\n    custom_tools: [add_two]\n    enable_multimodal_tools: true\n",
        (5, 6),
    ),
}
# A file, and the places and beginnings of what is said.
REFUSED = {
    "no first line": (
        "strategy: judge\nagents:\n  - {backend: {type: lmstudio}, toolsets: [mcp]}\n",
        {"1:11": "`strategy` is of", "3:43": "`toolsets` is of"},
    ),
    "a backend by its name": (
        "agents:\n  - id: a\n    backend: openai\n",
        {"3:14": "expected a mapping with `type` and `model`; write `backend: {type: openai}`"},
    ),
    "tools kept from an agent": ("agents:\n  - id: a\n    backend: {type: grok}\n    exclude_tools: [post]\n", {"4:20": "MassGen 0.1 read this in"}),
    "more than a pattern": (
        "agents:\n  - id: a\n    backend:\n      type: grok\n      enable_mcp_command_line: true\n      command_line_execution_mode: docker\n"
        "      command_line_blocked_commands: ['git push', '(su|do)as']\n",
        {"7:51": "in a container, commands are sorted by glob patterns"},
    ),
}


@pytest.fixture
def call(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """A folder that agents may be given, with runs kept elsewhere."""
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("MASSGEN_RUNS", str(tmp_path / "runs"))
    return call


@pytest.mark.parametrize("name", RUNS)
def test_it_runs_and_what_is_left_out_is_told_at_its_line(name: str, call: Call) -> None:
    """With scripted models in place of its own; and it says the same once it is migrated."""
    text, lines = RUNS[name]
    Path("it.yaml").write_text(text)
    code, out, err = call(Check(), "it.yaml", "--format", "json")
    findings = json.loads(out)["files"][0]["findings"]

    assert code == 0, err
    assert tuple(one["line"] for one in findings if "older format" not in one["message"]) == lines
    assert main(["run", "--config", "it.yaml", "--backend", "scripted", "--quiet", "Who are you?"]) == 0
    assert call(Migrate(), "it.yaml", "--write")[0] == 0
    assert read_document(Path("it.yaml")).data["version"] == 1
    assert main(["run", "--config", "it.yaml", "--backend", "scripted", "--quiet", "Who are you?"]) == 0


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_where_a_run_would_not_be_what_was_meant(name: str, call: Call) -> None:
    """At line and column, with what to write."""
    text, said = REFUSED[name]
    Path("it.yaml").write_text(text)
    code, out, _ = call(Check(), "it.yaml", "--format", "json")
    errors = {f"{one['line']}:{one['column']}": one["message"] for one in json.loads(out)["files"][0]["findings"] if one["severity"] == "error"}

    assert (code, set(errors)) == (2, set(said))
    assert all(errors[place].startswith(beginning) for place, beginning in said.items())
