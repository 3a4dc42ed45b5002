"""A person's own Python functions in a whole run: from an old file, in a sandbox, and not from a stranger's file."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

TOOL = '''\
class Outcome:
    def __init__(self, text):
        self.output_blocks = [{"type": "text", "data": text}]


async def price_of(city: str, currency: str = "EUR") -> Outcome:
    """Say what a ticket costs.

    Args:
        city: Where to.
    """
    return Outcome(f"{city}: 42 {currency}")
'''
OLD = """\
agents:
  - id: ada
    backend:
      type: gemini
      custom_tools:
        - name: ["ticket"]
          category: travel
          path: tools/prices.py
          function: ["price_of"]
          preset_args: [{currency: CHF}]
    system_message: Use your tool.
"""
STEPS = [{"calls": [{"name": "ticket", "arguments": {"city": "Bern"}}]}, {"answer": "done"}]


def returned(project: Any) -> list[str]:
    (journal,) = project.home.rglob("journal.jsonl")
    lines = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
    return [part["text"] for line in lines if line["type"] == "tool.returned" for part in line["data"]["result"]["content"]]


def test_functions_of_an_old_file_are_called(massgen_project: Callable[..., Any]) -> None:
    """With their names, their preset arguments and their results of MassGen's shape; nobody is asked, as then."""
    project = massgen_project({"old.yaml": OLD, "tools/prices.py": TOOL})
    steps = f"agents[0].backend.steps={json.dumps(STEPS)}"
    project.run("run", "What is it?", "-c", "old.yaml", "--backend", "scripted", "--set", steps, "--quiet").check()

    assert returned(project) == ["Bern: 42 CHF"]


def in_a_sandbox(massgen_project: Callable[..., Any], executor: str) -> None:
    one = {"path": "tools/prices.py", "function": "price_of", "name": "ticket"}
    document = {
        "version": 1,
        "agents": [{"name": "ada", "backend": {"type": "scripted", "steps": STEPS}}],
        "strategy": "single",
        "toolsets": [{"type": "python", "functions": [one], "executor": {"type": executor}}],
        "permissions": {"allow": ["ticket"]},
    }
    project = massgen_project({"c.yaml": document, "tools/prices.py": TOOL})
    project.run("run", "What is it?", "-c", "c.yaml", "--quiet").check()

    assert returned(project) == ["Bern: 42 EUR"]


def test_functions_run_in_a_sandbox(massgen_project: Callable[..., Any]) -> None:
    """Their file is not there, and need not be: its text goes in."""
    pytest.importorskip("massgen_exec_local")
    in_a_sandbox(massgen_project, "local")


@pytest.mark.once
@pytest.mark.usefixtures("engine")
def test_functions_run_in_a_container(massgen_project: Callable[..., Any]) -> None:
    """By the image's Python; their text goes in here, too."""
    in_a_sandbox(massgen_project, "docker")


def test_functions_of_a_stranger_are_not_loaded(massgen_project: Callable[..., Any]) -> None:
    """A project's file names code only when it is trusted; an old file is no way around that."""
    project = massgen_project({"massgen.yaml": OLD, "tools/prices.py": "open('loaded', 'w')\n"})
    result = project.run("run", "What is it?", "--backend", "scripted", "--quiet")

    assert result.exit_code == 2
    assert "runs the function price_of of tools/prices.py" in result.stderr
    assert not (project.folder / "loaded").exists()
