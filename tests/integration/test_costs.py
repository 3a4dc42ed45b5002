"""Money: computed from prices where no backend tells it, and it stops a run in time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

MASSGEN = [sys.executable, "-m", "massgen_core"]
SCRIPT = """
agents:
  "*":
    - {text: "the answer", usage: {input: 1000, output: 1000}, repeat: forever}
"""
CONFIG = """
version: 1
agents:
  - {name: ada, backend: {type: scripted, file: script.yaml}, model: acme-large-2026-01-31}
strategy: single
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "script.yaml").write_text(SCRIPT)
    return tmp_path


def massgen(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    place = {**os.environ, "MASSGEN_RUNS": str(folder / "runs"), "XDG_CONFIG_HOME": str(folder / "none"), "HOME": str(folder)}
    return subprocess.run([*MASSGEN, *arguments], env=place, capture_output=True, text=True, timeout=60, cwd=folder, check=False)


def ran(folder: Path, more: str) -> subprocess.CompletedProcess[str]:
    (folder / "config.yaml").write_text(CONFIG + more)
    return massgen(folder, "run", "x", "--config", "config.yaml", "--json", "--quiet")


def events(folder: Path, kind: str) -> Iterator[dict[str, Any]]:
    (run,) = (folder / "runs").iterdir()
    for line in (run / "journal.jsonl").read_text().splitlines():
        record = json.loads(line)
        if record["type"] == kind:
            yield record["data"]


def test_calls_cost_what_the_prices_say(folder: Path) -> None:
    """A backend that tells no cost gets the price of the model that answered, whatever its build; the journal and the summary have it."""
    done = ran(folder, "prices: {acme-large: {input: 2, output: 8, as_of: 2026-01-31}}\n")

    assert done.returncode == 0, done.stderr
    (answered,) = events(folder, "model.answered")
    assert answered["usage"]["cost"] == pytest.approx(0.01)
    assert json.loads(done.stdout)["usage"]["cost"] == pytest.approx(0.01)
    (row,) = json.loads(done.stdout)["models"]
    assert (row["agent"], row["model"], row["calls"], row["usage"]["cost"]) == ("ada", "acme-large-2026-01-31", 1, pytest.approx(0.01))
    assert row["first_token_seconds"] is None or row["first_token_seconds"] > 0
    assert "$0.0100" in massgen(folder, "show").stdout


def test_an_unknown_cost_is_said_to_be_unknown(folder: Path) -> None:
    """Without a price nothing is made up: the cost is null for programs and unknown for people."""
    done = ran(folder, "")

    assert json.loads(done.stdout)["usage"]["cost"] is None
    assert "cost unknown" in massgen(folder, "show").stdout
    assert "cost unknown" in massgen(folder, "run", "x", "--config", "config.yaml").stderr


@pytest.mark.parametrize("limit", ["limits: {money: 0.025}", "middlewares: [{type: budget, money: 0.025}]"])
def test_money_stops_a_run_in_time(folder: Path, limit: str) -> None:
    """A limit or a budget counts computed costs: nobody starts another call once it is used up."""
    (folder / "script.yaml").write_text(
        'agents: {"*": [{text: "thinking", usage: {input: 1000, output: 1000}, calls: [{name: nowhere}], repeat: forever}]}'
    )
    done = ran(folder, f"prices: {{scripted/*: {{input: 2, output: 8}}}}\n{limit}\n")

    assert done.returncode == 4, (done.stdout, done.stderr)
    assert len(list(events(folder, "model.answered"))) == 3
    (reached,) = events(folder, "limit.reached")
    assert (reached["what"], reached["limit"]) == ("money", 0.025)


def test_wrong_prices_are_located(folder: Path) -> None:
    """What is wrong in a price is named with its place in the file."""
    done = ran(folder, "prices: {acme-large: {input: -1, output: 8}, other: {input: 1, outptu: 2}}\n")

    assert done.returncode == 2
    assert "config.yaml:6:" in done.stderr
    assert "prices.acme-large.input" in done.stderr
    assert "outptu" in done.stderr
    assert "Traceback" not in done.stderr
