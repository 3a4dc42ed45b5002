"""`massgen config export` and `massgen config diff`: one configuration in three formats, and what two say differently."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from massgen_cmd_config.check import Check
from massgen_cmd_config.diff import Diff
from massgen_cmd_config.export import Export
from massgen_cmd_config.fix import Fix
from massgen_cmd_config.migrate import Migrate
from massgen_cmd_config.texts import FORMATS, read_back, text_of, without_nulls
from massgen_core.api import ConfigProblems, Document, UsageProblem, load_config, read_document
from massgen_core.plugins.manager import Plugins

SECRET = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"
ROOT = Path(__file__).resolve().parents[3]
REAL = ROOT.parent / "shared" / "data" / "configs"
EXAMPLES = sorted((ROOT / "examples").rglob("*.yaml"))
FILES = [*EXAMPLES, *sorted(path for suffix in ("*.yaml", "*.yml", "*.json") for path in REAL.rglob(suffix))]
ODD = ["\x7f\x85", "\u2028", "\ufeff", "'''", '"""', "a\nb"]
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=8) | st.sampled_from(ODD)
DATA: st.SearchStrategy[Any] = st.recursive(
    st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
TEAM = """\
version: 1
agents:
  - name: ada
    backend: {type: scripted, seed: 7}
  - {name: ben, backend: scripted}   # a comment
strategy: consensus
limits: {calls: 9}
"""

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    """What is installed."""
    return Plugins.discover()


def meant(plugins: Plugins, path: Path) -> Any:
    """Return what a file comes to with all defaults; None where it cannot be run here."""
    try:
        return load_config(plugins, file=path).document
    except ConfigProblems:
        return None


@pytest.mark.once
def test_every_file_survives_every_format(plugins: Plugins, tmp_path: Path) -> None:
    """All examples, and all real files in today's format, are for other readers what they were, and mean the same to a run."""
    compared = 0
    for number, path in enumerate(FILES):
        try:
            document, _ = read_document(path).migrated(plugins)
        except ConfigProblems:
            continue
        text = text_of(document, "toml", plugins)
        assert tomllib.loads(text) == without_nulls(document.data, plugins)[0], path
        assert json.loads(text_of(document, "json", plugins)) == document.data, path
        assert yaml.load(text_of(document, "yaml", plugins), getattr(yaml, "CSafeLoader", yaml.SafeLoader)) == document.data, path
        if path in EXAMPLES or number % 8 == 0:
            (tmp_path / "as-it-was.json").write_text(json.dumps(document.data), encoding="utf-8")
            (tmp_path / "again.toml").write_text(text, encoding="utf-8")
            before = meant(plugins, tmp_path / "as-it-was.json")
            assert meant(plugins, tmp_path / "again.toml") == before, path
            compared += before is not None

    assert compared >= 12


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(TEXTS, DATA, min_size=1, max_size=4))
def test_whatever_data_there_are_survive(data: dict[str, Any]) -> None:
    """Texts, numbers and nesting of any kind; a text is written so that it cannot be misread."""
    for form in FORMATS:
        assert read_back(text_of(Document.of(data, "x"), form, Plugins.discover(allow=())), form) == data


def test_nulls_that_are_defaults_are_left_out_in_toml(plugins: Plugins) -> None:
    """Of the kernel's sections, and of the options of a plugin that is installed."""
    data = {
        "version": 1,
        "seed": None,
        "limits": {"calls": 3, "money": None},
        "agents": [{"backend": {"type": "scripted"}, "reasoning_effort": None}],
    }

    assert text_of(Document.of(data, "x"), "toml", plugins).count("\n") >= 3
    assert without_nulls(data, plugins) == ({"version": 1, "limits": {"calls": 3}, "agents": [{"backend": {"type": "scripted"}}]}, [])


def test_other_nulls_cannot_be_toml(plugins: Plugins) -> None:
    """What leaving them out would mean is something else, or not known."""
    data = {"agents": [{"backend": {"type": "nobody", "x": None}}], "tool_seconds": None, "prices": {"a": None}, "classifiers": [None]}

    assert without_nulls(data, plugins)[1] == ["agents[0].backend.x", "tool_seconds", "prices.a", "classifiers[0]"]
    with pytest.raises(UsageProblem, match=r"TOML has no null.*tool_seconds"):
        text_of(Document.of(data, "x"), "toml", plugins)


def test_a_file_is_exported(call: Call, tmp_path: Path) -> None:
    """To standard output or a file, whose name says the format; comments stay in YAML, and nothing is replaced unasked."""
    (tmp_path / "team.yaml").write_text(TEAM)

    assert "# a comment" in call(Export(), "team.yaml")[1]
    assert json.loads(call(Export(), "team.yaml", "--format", "json")[1])["limits"] == {"calls": 9}
    assert call(Export(), "team.yaml", "-o", "team.toml")[0] == 0
    assert "calls = 9" in (tmp_path / "team.toml").read_text()
    code, _, err = call(Export(), "team.yaml", "-o", "team.toml")
    assert (code, "exists" in err) == (2, True)
    assert call(Export(), "team.yaml", "-o", "team.toml", "--force")[0] == 0
    assert (tmp_path / "team.toml.bak").is_file()
    assert "ends in .toml" in call(Export(), "team.yaml", "-o", "team.yml", "--format", "toml")[2]


def test_what_a_run_would_use_is_exported(call: Call, tmp_path: Path) -> None:
    """Without a file everything is written, defaults included, and the result runs alone."""
    (tmp_path / "team.yaml").write_text(TEAM)

    code, out, _ = call(Export(), "-c", "team.yaml", "--format", "toml", "--set", "limits.calls=5")
    assert (code, "calls = 5" in out, "model_idle_seconds = 600" in out) == (0, True, True)
    (tmp_path / "whole.toml").write_text(out)
    assert call(Diff(), "team.yaml", "whole.toml")[1].splitlines() == [
        "limits.calls",
        "  team.yaml:7:17: 9",
        f"  whole.toml:{out[: out.index('calls = 5')].count(chr(10)) + 1}:9: 5",
    ]


def test_a_secret_is_not_copied(call: Call, tmp_path: Path) -> None:
    """Neither to the screen nor to another file."""
    (tmp_path / "leak.yaml").write_text(f"version: 1\nagents: [{{backend: {{type: chat, key: {SECRET}}}}}]\n")

    code, out, err = call(Export(), "leak.yaml")
    assert (code, out) == (1, "")
    assert "leak.yaml:2" in err
    assert SECRET not in err


def test_differences_are_those_of_meaning(call: Call, tmp_path: Path) -> None:
    """Order, style and format say nothing, nor does a default that is written; agents are compared by name."""
    (tmp_path / "a.yaml").write_text(TEAM)
    (tmp_path / "b.json").write_text(
        json.dumps(
            {
                "version": 1,
                "seed": None,
                "limits": {"calls": 9},
                "agents": [
                    {"name": "ben", "backend": {"type": "scripted"}},
                    {"name": "ada", "backend": {"type": "scripted", "seed": 8}},
                    {"name": "cyd", "backend": "scripted"},
                ],
                "strategy": "single",
            }
        )
    )

    assert call(Diff(), "a.yaml", "a.yaml") == (0, "", "they say the same\n")
    code, out, err = call(Diff(), "a.yaml", "b.json", "--json")
    found = {row["path"]: row for row in json.loads(out)}
    assert (code, err) == (1, "")
    assert found == {
        "agents[0].backend.seed": {
            "path": "agents[0].backend.seed",
            "a": {"value": 7, "origin": "a.yaml:4:37"},
            "b": {"value": 8, "origin": found["agents[0].backend.seed"]["b"]["origin"]},
        },
        "agents[2].name": {"path": "agents[2].name", "b": found["agents[2].name"]["b"]},
        "agents[2].backend.type": {"path": "agents[2].backend.type", "b": found["agents[2].backend.type"]["b"]},
        "strategy.type": {"path": "strategy.type", "a": {"value": "consensus", "origin": "a.yaml:6:11"}, "b": found["strategy.type"]["b"]},
    }


def test_the_order_of_agents_is_told(call: Call, tmp_path: Path) -> None:
    """It decides ties, and who is asked first."""
    (tmp_path / "a.yaml").write_text("version: 1\nagents: [{name: ada, backend: scripted}, {name: ben, backend: scripted}]\n")
    (tmp_path / "b.yaml").write_text("version: 1\nagents: [{name: ben, backend: scripted}, {name: ada, backend: scripted}]\n")

    code, out, _ = call(Diff(), "a.yaml", "b.yaml")
    assert (code, out.splitlines()[0]) == (1, "agents (order)")


def test_files_that_cannot_be_run_are_compared_as_they_are_written(call: Call, tmp_path: Path) -> None:
    """A variable that is not set, or a plugin that is missing, is no reason to say nothing; secrets are not shown."""
    (tmp_path / "a.yaml").write_text(f"version: 1\nagents: [{{backend: {{type: nobody, key: {SECRET}}}}}]\n")
    (tmp_path / "b.yaml").write_text("version: 1\nagents: [{backend: {type: nobody, key: '${UNSET}'}}]\n")

    code, out, err = call(Diff(), "a.yaml", "b.yaml")
    assert (code, "agents[0].backend.key" in out, "cannot be run here" in err) == (1, True, True)
    assert SECRET not in out


def test_toml_is_checked_mended_and_migrated_like_yaml(call: Call, tmp_path: Path) -> None:
    """With the place of each mistake; an old file stays TOML."""
    (tmp_path / "bad.toml").write_text('version = 1\nagents = [{backend = {type = "scripted", sead = "7"}}]\n[limits]\ncalls = "5"\n')
    (tmp_path / "old.toml").write_text('[[agents]]\nid = "fast"\nbackend = { type = "lmstudio", model = "x" }\n')

    code, out, _ = call(Check(), "bad.toml")
    assert (code, [line.partition(": ")[0] for line in out.splitlines() if line.startswith("bad")]) == (
        2,
        ["bad.toml:2:42", "bad.toml:4:9"],
    )
    assert call(Fix(), "--write", "bad.toml")[0] == 2  # one mistake hid another
    assert call(Fix(), "--write", "bad.toml")[0] == 0
    assert (tmp_path / "bad.toml").read_text().splitlines()[1:] == [
        'agents = [{backend = {type = "scripted", seed = 7}}]',
        "[limits]",
        "calls = 5",
    ]
    assert call(Migrate(), "--write", "old.toml")[0] == 0
    assert call(Check(), "--strict", "old.toml")[0] == 0
