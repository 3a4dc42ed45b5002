"""The presets of all distributions: each can be written to a file that is sound, and runs; what each needs is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from massgen_cmd_config.needs import needs
from massgen_cmd_config.presets import Presets
from massgen_core.api import PresetSpec, load_config
from massgen_core.cli.main import main
from massgen_core.plugins.manager import Plugins

PLUGINS = Plugins.discover()
NAMES = PLUGINS.names("preset")

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Call:
    """A folder that agents may be given, with runs kept elsewhere, and no keys."""
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("MASSGEN_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("OPENAI_API_KEY", "AZURE_OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return call


def document(name: str) -> dict[str, Any]:
    spec = PLUGINS.get("preset", name)
    assert isinstance(spec, PresetSpec)
    return json.loads(json.dumps(spec.document))  # type: ignore[no-any-return]


def test_there_are_ten_and_more() -> None:
    """Those that the documentation names."""
    assert len(NAMES) >= 10
    assert {"quick-local", "single-agent", "three-providers", "coding-docker", "research", "private", "cheap", "careful", "review"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_is_sound(name: str, call: Call) -> None:
    """What `massgen config presets NAME` prints is a configuration that every installed plugin takes, without a warning."""
    code, out, _ = call(Presets(), name)
    Path("it.yaml").write_text(out)

    assert code == 0
    assert main(["config", "check", "--strict", "it.yaml"]) == 0
    assert load_config(PLUGINS, file=Path("it.yaml")).config == load_config(PLUGINS, preset=name).config


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_runs(name: str, call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    """With scripted backends in place of its own, without the network of its servers, and with this machine's sandbox in place of an engine."""
    words = [word for number in range(len(document(name)["agents"])) for word in ("--set", f"agents.{number}.model=")]
    for number, toolset in enumerate(document(name).get("toolsets", [])):
        words += ["--set", f"toolsets.{number}={{type: mcp}}"] if "servers" in toolset else ["--set", f"toolsets.{number}.executor=local"]

    assert main(["run", "Who are you?", "--preset", name, "--backend", "scripted", "--json", "--quiet", *words]) == 0
    assert json.loads(capsys.readouterr().out)["status"] == "answered"


def test_what_a_preset_needs_is_told(call: Call) -> None:
    """Plugins, keys and programs, and what of them is missing here."""
    found = {row["name"]: row for row in json.loads(call(Presets(), "--json")[1])}

    assert set(found) == set(NAMES)
    kinds = {need["name"]: need for need in found["research"]["needs"]}
    assert {"backend.openai", "ANTHROPIC_API_KEY", "uvx", "toolset.mcp", "transport.stdio", "strategy.consensus"} <= set(kinds)
    assert kinds["ANTHROPIC_API_KEY"]["missing"] == "massgen auth set ANTHROPIC_API_KEY"
    assert "executor.docker" in {need["name"] for need in found["coding-docker"]["needs"]}
    assert not [need for need in found["quick-local"]["needs"] if need["missing"]]
    text = call(Presets())[1]
    assert "  missing here: ANTHROPIC_API_KEY (massgen auth set ANTHROPIC_API_KEY)" in text


def test_a_program_that_is_missing_is_named_with_what_brings_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody looks for a package that has the program's name."""
    monkeypatch.setenv("PATH", str(tmp_path))
    servers = {name: {"command": name} for name in ("uvx", "npx", "thing")}
    found = needs({"agents": [{"backend": "scripted"}], "toolsets": [{"type": "mcp", "servers": servers}]}, PLUGINS)

    assert [need.missing for need in found if need.what == "program"] == ["pip install uv", "install Node.js", "install thing"]


def test_a_plugin_that_is_missing_is_named_with_its_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that what to install can be copied."""
    monkeypatch.setenv("OPENAI_API_KEY", "here")
    found = needs(
        {"agents": [{"backend": "openai"}, {"backend": {"type": "nobody"}}], "toolsets": ["code"]}, PLUGINS.narrowed(None, ["toolset.code"])
    )
    lacks = {need.name: need.missing for need in found if need.missing}

    assert set(lacks) == {"backend.nobody", "toolset.code"}


FOREIGN = {
    "listed": "[1, 2]",
    "dated": '{"version": 1, "agents": [{"backend": "scripted", "system": date(2020, 1, 1)}]}',
    "looped": "LOOP",
    "half": '{"version": 1, "agents": [{"backend": "scripted", "system": "\\ud800"}]}',
    "untyped": '{"version": 1, "agents": [{"backend": {"type": 3}}]}',
    "numbered": '{"version": 1, "agents": [{"backend": "scripted"}], "toolsets": [{"type": "code", "executor": 4}]}',
    "worded": '{"version": 1, "agents": "everybody"}',
}


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """An installed distribution whose presets are of all kinds of wrong; return the folder that it is in."""
    site = tmp_path / "site"
    (site / "foreign").mkdir(parents=True)
    (site / "foreign-1.0.dist-info").mkdir()
    (site / "foreign-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: foreign\nVersion: 1.0\nSummary: Presets.\n")
    points = "".join(f"preset.{name} = foreign.{name}\n" for name in FOREIGN)
    (site / "foreign-1.0.dist-info" / "entry_points.txt").write_text(f"[massgen.v1]\n{points}")
    for name, text in FOREIGN.items():
        (site / "foreign" / f"{name}.py").write_text(
            "from datetime import date\nfrom massgen_core.api import PresetSpec, hookimpl\nLOOP = {'version': 1}\nLOOP['agents'] = [LOOP]\n\n\n"
            f"@hookimpl\ndef massgen_presets():\n    return [PresetSpec(name='{name}', summary='A preset.', document={text})]\n"
        )
    return site


def test_a_malformed_preset_of_a_stranger_is_told_as_such(foreign: Path, tmp_path: Path) -> None:
    """Wherever it is met, with its distribution and without a traceback; the others are listed."""
    script = tmp_path / "all.py"
    script.write_text(
        "import json, sys\nfrom massgen_core.cli.main import main\n"
        f"names = {list(FOREIGN)}\n"
        "codes = {'list': main(['config', 'presets'])}\n"
        "for name in names:\n"
        "    codes[name] = [main(['config', 'presets', name]), main(['run', '--dry-run', '--preset', name, 'Q']),\n"
        "                   main(['config', 'new', '--preset', name, '--yes', f'{name}.yaml'])]\n"
        "open('codes.json', 'w').write(json.dumps(codes))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(foreign), "XDG_CONFIG_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100, check=False)
    codes = json.loads((tmp_path / "codes.json").read_text())

    assert "Traceback" not in done.stdout + done.stderr
    assert codes["list"] == 0
    assert "quick-local: " in done.stdout
    for name in ("listed", "dated", "looped", "half"):
        assert f"{name}: cannot be used: preset.{name} of foreign 1.0 is broken" in done.stdout
    assert "untyped: cannot be used: something else stands where a name of kind backend is expected" in done.stdout
    assert all(code for name in FOREIGN for code in codes[name][1:])
