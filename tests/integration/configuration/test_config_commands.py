"""`massgen config fix`, `show`, `explain`, `schema` and `presets`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from massgen_cmd_config.explain import Explain
from massgen_cmd_config.fix import Fix
from massgen_cmd_config.presets import Presets
from massgen_cmd_config.schema import Schema
from massgen_cmd_config.show import Show

SECRET = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"
Call = Callable[..., tuple[int, str, str]]
BROKEN = """\
version: 1   # today's
agents:
  - name:   anna
    backend: { type: scriptd,   sead: '7' }  # played
    sampling: {temprature: 0.5}
strategy: {type: consensus, early_stop: yes}
"""
MENDED = """\
version: 1   # today's
agents:
  - name:   anna
    backend: { type: scripted,   seed: 7 }  # played
    sampling: {temperature: 0.5}
strategy: {type: consensus, early_stop: true}
"""


def test_fix_changes_the_mistakes_and_nothing_else(call: Call, tmp_path: Path) -> None:
    """Comments, spaces and quotes stay; one mistake can hide another, so that it is run until nothing is left."""
    path = tmp_path / "f.yaml"
    path.write_text(BROKEN)
    code, out, err = call(Fix(), "f.yaml")

    assert code == 2
    assert "+    sampling: {temperature: 0.5}" in out.splitlines()
    assert "--write does it" in err
    assert path.read_text() == BROKEN
    for _ in range(3):
        code, _, _ = call(Fix(), "f.yaml", "--write")
        if code == 0:
            break
    assert (code, path.read_text()) == (0, MENDED)
    assert (tmp_path / "f.yaml.bak").read_text() == BROKEN


def test_show_says_where_each_value_is_from(call: Call, tmp_path: Path) -> None:
    """The file with line and column, an option, or the default."""
    (tmp_path / "massgen.yaml").write_text("version: 1\nagents:\n  - backend: scripted\n    model: tiny\n")
    code, out, _ = call(Show(), "--set", "limits.seconds=5")

    assert code == 0
    lines = [line.strip() for line in out.splitlines()]
    assert "model: tiny  # massgen.yaml:4:12" in lines
    assert "seconds: 5.0  # --set" in lines or "seconds: 5  # --set" in lines
    assert "durability: process  # default" in lines
    few = call(Show(), "--set-only")[1]
    assert "durability" not in few
    assert "model: tiny" in few


def test_show_as_data(call: Call) -> None:
    """The document and the origins; without defaults, what is left."""
    whole = json.loads(call(Show(), "--agent", "anna=scripted", "--format", "json")[1])
    few = json.loads(call(Show(), "--agent", "anna=scripted", "--format", "json", "--set-only")[1])

    assert whole["document"]["agents"][0]["name"] == few["document"]["agents"][0]["name"] == "anna"
    assert whole["origins"]["agents[0].name"] == "--agent"
    assert "durability" in whole["document"]
    assert set(few["document"]) == {"agents"}
    assert "default" not in few["origins"].values()


@pytest.mark.parametrize("style", ["yaml", "json"])
def test_show_hides_secrets(call: Call, tmp_path: Path, style: str) -> None:
    """A key that somebody wrote into a file is not shown, and the value of a variable neither."""
    (tmp_path / "f.yaml").write_text(
        f"version: 1\nagents:\n  - backend: scripted\n    system: 'The key is {SECRET}.'\n    options: {{api_key: hunter2hunter2}}\n"
    )
    code, out, _ = call(Show(), "-c", "f.yaml", "--format", style)

    assert code == 0
    assert SECRET not in out
    assert "hunter2" not in out
    assert "The key is ***" in out


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("agents[0].sampling.top_p", ["takes:    a number or null", "draw from the likeliest tokens", "here:     null, from default"]),
        ("agents[0].name", ["unique", 'here:     "anna", from --agent']),
        ("agents.0.backend", ["takes:    a plugin's name", "massgen plugins backend lists"]),
        ("agents[0].backend.seed", ["options of the backend scripted", "agents[].backend.seed", "takes:    a whole number", "default:  0"]),
        ("strategy.tie", ["options of the strategy consensus", "one of lot, registration", "example:  tie:"]),
        ("backend.openai.reasoning", ["options of the backend openai", "reasoning.effort"]),
        ("backend.scripted", ["options of the backend scripted", "seed"]),
        ("limits", ["limits.money", "US dollars"]),
        ("", ["agents", "durability", "strategy"]),
    ],
)
def test_explain_says_what_a_key_takes(call: Call, path: str, said: list[str]) -> None:
    """Its type, its default, its plugin, an example, and what it is here."""
    code, out, _ = call(Explain(), *([path] if path else []), "--agent", "anna=scripted")

    assert code == 0
    assert [text for text in said if text not in out] == []


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("agents[0].samplng.top_p", "agents[].sampling.top_p"),
        ("temperature", "agents[].sampling.temperature"),
        ("backend.nobody", "no installed plugin"),
    ],
)
def test_explain_names_the_nearest_key(call: Call, path: str, said: str) -> None:
    """For a key that there is not."""
    code, out, err = call(Explain(), path)

    assert (code, out) in ((2, ""), (1, ""))
    assert said in err


def test_schema_describes_every_plugin(call: Call, tmp_path: Path) -> None:
    """Options of installed plugins are in it; a file is announced as editors want it."""
    code, out, _ = call(Schema())
    schema = json.loads(out)

    assert code == 0
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert {"backend", "strategy", "toolset"} <= set(schema["$defs"])
    code, out, _ = call(Schema(), "-o", "s.json")
    assert (code, out) == (0, "# yaml-language-server: $schema=s.json\n")
    assert json.loads((tmp_path / "s.json").read_text()) == schema


def test_presets_are_listed_and_shown(call: Call, tmp_path: Path) -> None:
    """One that is shown is a configuration that can be kept."""
    names = [row["name"] for row in json.loads(call(Presets(), "--json")[1])]
    assert "default" in names

    code, out, _ = call(Presets(), names[0])
    assert code == 0
    (tmp_path / "kept.yaml").write_text(out)
    assert call(Show(), "-c", "kept.yaml")[0] == 0
    assert names[0] in call(Presets())[1]
