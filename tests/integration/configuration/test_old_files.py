"""Configurations that people wrote for MassGen 0.0 and 0.1: each runs, or is refused at a line with a reason of a short list."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from massgen_core.cli.main import main
from massgen_core.config.load import Loaded, load
from massgen_core.errors import ConfigProblem, ConfigProblems
from massgen_core.plugins.manager import Plugins
from massgen_migrate_massgen.backends import TARGETS
from massgen_migrate_massgen.rules import REASONS

FOLDER = Path(__file__).resolve().parents[4] / "shared" / "data" / "configs"
FILES = sorted(path for suffix in ("*.yaml", "*.yml", "*.json") for path in FOLDER.rglob(suffix))
VARIABLES = {
    **{f"NOTION_TOKEN_{number}": "kept-out" for number in ("ONE", "TWO", "THREE", "FOUR", "FIVE")},
    **dict.fromkeys(("ACCESS_TOKEN", "ACCESS_TOKEN_SECRET", "API_KEY", "API_SECRET_KEY"), "kept-out"),
    **dict.fromkeys(("BRAVE_API_KEY", "DISCORD_BOT_TOKEN", "DISCORD_TOKEN"), "kept-out"),
    "AZURE_OPENAI_ENDPOINT": "https://example.openai.azure.com",
}
ACCEPTED = 178
# How many files each reason costs; a file may have several.
REFUSED = {"framework": 7, "media": 5}
# What they name beside themselves.
NAMED = ("v0.0.21-example/index.html", "v0.0.21-example/styles.css", "v0.0.26-example/notes.txt", "v0.1.3-example/Sherlock_Holmes.mp3")

pytestmark = pytest.mark.skipif(not FILES, reason="the folder of real configurations (../shared/data/configs) is not here")


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the files refer to; runs are kept in a folder of the test's own."""
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("MASSGEN_CONFIG", raising=False)
    monkeypatch.setenv("MASSGEN_RUNS", str(tmp_path / "runs"))
    for name in NAMED:
        path = tmp_path / "here" / "massgen" / "configs" / "resources" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path / "here")


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    """What is installed; of the backends all that the files name."""
    found = Plugins.discover()
    assert {target.type for target in TARGETS.values()} <= set(found.names("backend"))
    return found


def reason(problem: ConfigProblem) -> str:
    for name, text in REASONS.items():
        if problem.message == text:
            return name
    return f"unforeseen: {problem}"


def attempt(plugins: Plugins, path: Path, backend: str | None = None) -> Loaded | tuple[ConfigProblem, ...]:
    try:
        return load(plugins, file=path, backend=backend)
    except ConfigProblems as error:
        return error.problems


def agents_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    return document["agents"] if "agents" in document else [document["agent"]]


def servers_of(backend: dict[str, Any]) -> list[str]:
    servers = backend.get("mcp_servers") or {}
    return list(servers) if isinstance(servers, dict) else [server["name"] for server in servers]


@pytest.mark.once
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(FOLDER).as_posix())
def test_a_real_file_runs_or_says_why_not(plugins: Plugins, path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """It runs with scripted models, its servers not started; or every reason stands at a line and column of the file."""
    loaded = attempt(plugins, path, "scripted")
    if isinstance(loaded, tuple):
        assert [problem for problem in loaded if reason(problem) not in REFUSED] == []
        assert all(problem.line and problem.column and problem.source == str(path) for problem in loaded)
        return
    honoured(loaded, yaml.safe_load(path.read_text(encoding="utf-8")))
    none = [option for number in range(len(loaded.config.agents)) for option in ("--set", f"agents[{number}].toolsets=[]")]

    code = main(["run", "--config", str(path), "--backend", "scripted", "--quiet", *none, "What is it?"])

    out, err = capfd.readouterr()
    assert (code, bool(out.strip())) == (0, True), err
    assert "kept-out" not in out + err


def honoured(loaded: Loaded, old: dict[str, Any]) -> None:
    """Agents, system messages, models, servers and time-outs are those of the file."""
    config, agents = loaded.config, agents_of(old)
    assert len(config.agents) == len(agents)
    for agent, was in zip(config.agents, agents, strict=True):
        backend = was["backend"]
        assert agent.model == backend.get("model", "")
        assert agent.sampling.temperature == backend.get("temperature")
        assert agent.sampling.max_tokens == backend.get("max_tokens")
        for text in (was.get("system_message"), was.get("append_system_prompt")):
            assert text is None or text in agent.system
        servers = [name for toolset in agent.toolsets if toolset.type == "mcp" for name in names(toolset.options["mcp_servers"])]
        assert servers == servers_of(backend)
        functions = [one["function"] for toolset in agent.toolsets if toolset.type == "python" for one in toolset.options["functions"]]
        assert functions == functions_of(backend)
        runs = bool(backend.get("enable_mcp_command_line"))
        modes = [toolset.options["executor"]["type"] for toolset in agent.toolsets if toolset.type == "code"]
        assert modes == [backend.get("command_line_execution_mode", "local")] * runs
    assert len({agent.name for agent in config.agents}) == len(agents)
    assert config.strategy.type == ("single" if len(agents) == 1 else "consensus")
    assert config.limits.seconds == (old.get("timeout_settings") or {}).get("orchestrator_timeout_seconds")
    orchestrator = old.get("orchestrator") or {}
    if len(agents) > 1:
        for key, option in (("voting_sensitivity", "voting_sensitivity"), ("max_new_answers_per_agent", "max_answers_per_agent")):
            assert config.strategy.options.get(option) == orchestrator.get(key)
    granted = [str(Path.cwd() / one["path"]) for one in orchestrator.get("context_paths") or ()]
    assert [one.path for one in config.context_paths] == granted
    if (orchestrator.get("coordination") or {}).get("enable_planning_mode"):
        assert config.permissions.ask == ("mcp__*",)


def functions_of(backend: dict[str, Any]) -> list[str]:
    """Return the functions that have a file; MassGen's own, which have none, are not there."""
    found: list[str] = []
    for one in backend.get("custom_tools") or ():
        if "path" in one:
            found += one["function"] if isinstance(one["function"], list) else [one["function"]]
    return found


def names(servers: Any) -> list[str]:
    return servers_of({"mcp_servers": servers})


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(FOLDER).as_posix())
def test_hosted_tools_and_folders_of_claude_code_are_kept(plugins: Plugins, path: Path) -> None:
    """With its own backends every option that the file sets is the option of today's backend."""
    loaded = attempt(plugins, path)
    if isinstance(loaded, tuple):
        return
    for agent, was in zip(loaded.config.agents, agents_of(yaml.safe_load(path.read_text(encoding="utf-8"))), strict=True):
        backend, options = was["backend"], agent.backend.options
        assert agent.backend.type == TARGETS[backend["type"]].type
        if agent.backend.type in ("openai", "gemini", "anthropic"):
            switches = {key: value for key, value in backend.items() if key.startswith("enable_") and "command" not in key and value}
            assert {key: options.get(key) for key in switches} == switches
        for key in {"openai": ("reasoning", "text", "upload_files"), "claude-code": ("permission_mode",)}.get(agent.backend.type, ()):
            assert options.get(key) == backend.get(key)
        if "base_url" in backend:
            assert options["base_url"] == backend["base_url"]
        if agent.workspace:
            assert agent.workspace == str(Path.cwd() / ".massgen" / "workspaces" / backend["cwd"])
        else:
            assert not backend.get("cwd") or any(one.path == str(Path.cwd()) for one in loaded.config.context_paths)


def test_how_many_files_run(plugins: Plugins) -> None:
    """Nobody loses a file unnoticed: the numbers stand here, by reason."""
    refused: Counter[str] = Counter()
    count = 0
    for path in FILES:
        loaded = attempt(plugins, path)
        if isinstance(loaded, Loaded):
            count += 1
        else:
            refused.update({reason(problem) for problem in loaded})
    print(f"{count} of {len(FILES)} files run; refused: {dict(refused)}")

    assert count >= ACCEPTED
    assert {name: number for name, number in refused.items() if number > REFUSED.get(name, 0)} == {}


def test_no_migration_looks_at_the_environment(plugins: Plugins) -> None:
    """The same file comes to the same configuration on every machine; variables are references in it."""
    path = next(path for path in FILES if "${BRAVE_API_KEY}" in path.read_text(encoding="utf-8"))
    loaded = load(plugins, file=path, backend="scripted")

    assert "${BRAVE_API_KEY}" in str(loaded.document)
    assert os.environ["BRAVE_API_KEY"] not in str(loaded.document)
