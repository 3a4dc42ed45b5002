"""The recipes of `examples/cookbook`: each is sound, is shown on its page as it is, and runs with scripted backends in place of its own."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from massgen_core.cli.main import main
from massgen_core.config.document import read

ROOT = Path(__file__).resolve().parents[2]
RECIPES = sorted((ROOT / "examples" / "cookbook").glob("*.yaml"))
PAGE = (ROOT / "docs" / "how-to" / "cookbook.md").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that agents may be given, with runs kept elsewhere."""
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    for name in ("MASSGEN_CONFIG", "MASSGEN_PLUGINS", "MODEL_SERVER", "AZURE_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    variables = {"MASSGEN_RUNS": "runs", "HOME": "", "XDG_CONFIG_HOME": "config", "XDG_CACHE_HOME": "cache", "XDG_STATE_HOME": "state"}
    for name, value in variables.items():
        monkeypatch.setenv(name, str(tmp_path / value))
    monkeypatch.setenv("TICKETS_TOKEN", "not-a-token")


def without_network(recipe: Path) -> list[str]:
    """Return options that put servers aside, and this machine's sandbox in the place of an engine."""
    data = read(recipe).plain()
    words = []
    for where, section in [("", data), *((f"agents.{number}.", agent) for number, agent in enumerate(data.get("agents", [])))]:
        for number, toolset in enumerate(section.get("toolsets", [])):
            key = f"{where}toolsets.{number}"
            words += ["--set", f"{key}={{type: mcp}}"] if toolset["type"] == "mcp" else ["--set", f"{key}.executor=local"]
    return words


def test_there_are_twenty_and_more_and_all_are_short() -> None:
    """A recipe is read at a glance."""
    assert len(RECIPES) >= 20
    assert [recipe.name for recipe in RECIPES if len(recipe.read_text(encoding="utf-8").splitlines()) > 16] == []


def test_the_page_shows_every_recipe_as_it_is() -> None:
    """Title, sentence and file; and no other."""
    shown = dict(re.findall(r"^```yaml\n# examples/cookbook/([a-z-]+)\.yaml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))
    texts = {recipe.stem: recipe.read_text(encoding="utf-8").partition("\n") for recipe in RECIPES}

    assert {name: rest for name, (_, _, rest) in texts.items()} == shown
    for name, (first, _, _) in texts.items():
        title, _, said = first.removeprefix("# ").partition(". ")
        assert f"## {title}\n\n{said}\n\n```yaml\n# examples/cookbook/{name}.yaml\n" in PAGE


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_is_sound_and_runs(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not even a warning, and an answer at the end."""
    assert main(["config", "check", "--strict", str(recipe)]) == 0
    capsys.readouterr()
    assert main(["run", "Who are you?", "-c", str(recipe), "--backend", "scripted", "--json", "--quiet", *without_network(recipe)]) == 0
    assert json.loads(capsys.readouterr().out)["status"] == "answered"
