"""`massgen run --dry-run`: it says what a run would be, and does nothing; how many calls it foretells is what runs have."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from massgen_core.cli.main import main
from massgen_core.cli.preview import account
from massgen_core.config.load import load
from massgen_core.plugins.manager import Plugins

STRATEGIES = ("consensus", "judge", "majority", "single")
TEAM = """\
version: 1
agents:
  - {name: ada, backend: scripted, model: small}
  - name: ben
    backend: {type: scripted, seed: 3}
    limits: {calls: 4}
  - {name: cyd, backend: scripted}
strategy: consensus
context_paths: [{path: data}]
toolsets:
  - {type: mcp, servers: {never: {command: uvx, args: [no-such-program], env: {TOKEN: "${TOKEN}"}}}}
permissions: {ask: ["mcp__*"]}
limits: {seconds: 60}
"""


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Call `massgen run` in a folder of its own; return the exit code, and what it wrote."""
    (tmp_path / "here" / "data").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.delenv("MASSGEN_CONFIG", raising=False)
    for name, value in {"MASSGEN_RUNS": str(tmp_path / "runs"), "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "TOKEN": "kept-out"}.items():
        monkeypatch.setenv(name, value)

    def invoke(*words: str) -> tuple[int, str, str]:
        code = main(["run", *words])
        written = capsys.readouterr()
        return code, written.out, written.err

    return invoke


def told(run: Run, *words: str) -> dict[str, Any]:
    code, out, err = run("--dry-run", "--json", *words)
    assert code == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


def calls(run: Run, *words: str) -> int:
    return sum(row["calls"] for row in json.loads(run("What?", "--json", "--quiet", *words)[1])["models"])


def test_it_says_what_would_be_run_and_writes_nothing(run: Run, tmp_path: Path) -> None:
    """Agents, strategy, tools, limits, each with its origin; no option's value, since it may be a secret."""
    Path("team.yaml").write_text(TEAM)
    before = sorted(tmp_path.rglob("*"))
    code, out, err = run("--dry-run", "-c", "team.yaml", "--set", "limits.money=0.5")

    assert code == 0, err
    assert out.splitlines() == [
        "agents",
        "  ada: scripted small  (team.yaml:3:26)",
        "    tools: mcp [servers: never]  (team.yaml:11:12)",
        f"    may read: {tmp_path}/here/data",
        "  ben: scripted  (team.yaml:5:21)",
        "    tools: mcp [servers: never]  (team.yaml:11:12)",
        f"    may read: {tmp_path}/here/data",
        "    limit: 4 calls",
        "  cyd: scripted  (team.yaml:7:26)",
        "    tools: mcp [servers: never]  (team.yaml:11:12)",
        f"    may read: {tmp_path}/here/data",
        "strategy: consensus  (team.yaml:8:11)",
        "permissions: ask mcp__*",
        "limits.seconds: 60  (team.yaml:13:19)",
        "limits.tokens: none  (default)",
        "limits.money: 0.5  (--set)",
        "limits.calls: none  (default)",
        "model calls: about 7, at most 118; each round of tool calls adds one",
    ]
    assert sorted(tmp_path.rglob("*")) == before


def test_a_mistake_is_one_all_the_same(run: Run) -> None:
    """The exit code is that of a run that could not begin."""
    Path("team.yaml").write_text("version: 1\nagents: [{backend: nobody}]\n")

    code, out, err = run("--dry-run", "-c", "team.yaml")
    assert (code, out) == (2, "")
    assert "team.yaml:2" in err


def test_a_project_that_is_not_trusted_is_only_looked_at(run: Run) -> None:
    """What it would start is told; that it would not be, too."""
    Path("massgen.yaml").write_text(TEAM)

    code, out, err = run("--dry-run")
    assert (code, "mcp [servers: never]" in out) == (0, True)
    assert "a run would not begin yet" in err


@pytest.mark.parametrize("agents", [1, 3])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_run_has_as_many_calls_as_were_foretold(strategy: str, agents: int, run: Run) -> None:
    """About so many where agents keep to the rules, and never more where they do not: these write no answer at first, and vote for nobody."""
    words = [word for number in range(agents) for word in ("--agent", f"a{number}=scripted")] + ["--strategy", strategy]
    counted = told(run, *words)["calls"]

    assert calls(run, *words) <= counted["usual"]
    if strategy in ("consensus", "majority"):
        assert calls(run, *words, "--set", "strategy.early_stop=false") == counted["usual"]
    stubborn = "{type: scripted, steps: [" + "{calls: [{name: nonsense, arguments: {}}]}, " * 2 + "{text: Well.}]}"
    broken = [word for number in range(agents) for word in ("--set", f"agents.{number}.backend={stubborn}")]
    assert 1 < calls(run, *words, *broken) <= counted["most"]


def test_a_limit_bounds_the_calls(run: Run) -> None:
    """It counts every call, those after tools included."""
    words = ("--agent", "ada=scripted", "--agent", "ben=scripted", "--set", "limits.calls=4")

    assert told(run, *words)["calls"] == {"usual": 4, "most": 4, "limit": 4}
    assert run("--dry-run", *words)[1].endswith("model calls: about 4, at most 4, which limits.calls says\n")


def test_only_options_that_somebody_set_are_named(tmp_path: Path) -> None:
    """Not one that another one's name begins with."""
    plain = load(Plugins.discover(), agents=["ada=scripted"], strategy="single", folder=tmp_path, environment={"HOME": str(tmp_path)})
    document = {**plain.document, "sinks": [{"type": "log", "path": "", "path_mode": "a", "more": {"x": [1]}}]}
    origins = {"sinks[0].path": "default", "sinks[0].path_mode": "f:1:1", "sinks[0].more.x[0]": "--set"}

    (sink,) = account(attrs.evolve(plain, document=document, origins=origins))["sinks"]

    assert sink["options"] == {"path_mode": [], "more": ["x"]}
