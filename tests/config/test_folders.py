"""Folders in configurations: relative to the file, refused at their place where no agent should have them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from massgen_core.config.load import load
from massgen_core.errors import ConfigProblems
from massgen_core.folders import folder_refusal
from massgen_core.plugins.manager import Plugins

AGENT = {"backend": "plain"}


@pytest.fixture
def config_folder(tmp_path: Path) -> Path:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "data").mkdir()
    return tmp_path / "config"


def loaded(plugins: Plugins, folder: Path, data: dict[str, Any], *, name: str = "m.yaml", **more: Any) -> Any:
    (folder / name).write_text(json.dumps({"version": 1, **data}), encoding="utf-8")
    environment = {"HOME": str(folder.parent / "home"), "XDG_CONFIG_HOME": str(folder.parent / "settings")}
    given: dict[str, Any] = {"file": folder / name} if name == "m.yaml" else {}
    return load(plugins, folder=folder, environment=environment, **given, **more)


def problems(plugins: Plugins, folder: Path, data: dict[str, Any], **more: Any) -> list[str]:
    with pytest.raises(ConfigProblems) as caught:
        loaded(plugins, folder, data, **more)
    return [f"{problem.path}: {problem.message}" for problem in caught.value.problems]


def test_folders_are_relative_to_their_file(plugins: Plugins, config_folder: Path) -> None:
    """Whatever the working folder is; the resolved document, which a resumed run reads, has them whole."""
    data = {"agents": [{**AGENT, "workspace": "work/a"}], "context_paths": [{"path": "data", "permission": "write"}]}
    found = loaded(plugins, config_folder, data)

    assert found.config.agents[0].workspace == str(config_folder / "work" / "a")
    assert found.config.context_paths[0].path == str(config_folder / "data")
    assert found.document["context_paths"] == [{"path": str(config_folder / "data"), "permission": "write"}]
    assert found.origins["context_paths[0].path"].startswith(f"{config_folder}/m.yaml:1:")


def test_on_the_command_line_they_are_relative_to_the_working_folder(plugins: Plugins, config_folder: Path) -> None:
    """As everything is that is typed there."""
    found = loaded(plugins, config_folder, {"agents": [AGENT]}, sets=["agents.0.workspace=here"])

    assert found.config.agents[0].workspace == str(config_folder / "here")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("gone", "does not exist"),
        ("/", "too much"),
        ("/usr", "too much"),
        ("/proc/self", "belongs to the system"),
        ("/sys", "belongs to the system"),
        ("/dev/shm", "belongs to the system"),
        ("/var/run/docker.sock", "belongs to the system"),
        ("/var/lib", "too much"),
        ("HOME", "too much"),
        ("HOME/..", "too much"),
        ("SETTINGS/massgen", "secrets"),
        ("SETTINGS/massgen/.env", "secrets"),
        ("SETTINGS", "secrets"),
        ("out", "leads out"),
        ("out/inner", "leads out"),
        ("", "path is empty"),
        ("a\0b", "no folder can have this name"),
    ],
)
def test_what_agents_are_not_given(plugins: Plugins, config_folder: Path, path: str, reason: str) -> None:
    """The machine's, the home as a whole, where secrets are, and where a link leads out of the file's folder; each at its place."""
    home, settings = config_folder.parent / "home", config_folder.parent / "settings"
    (home / "inner").mkdir(parents=True)
    (settings / "massgen").mkdir(parents=True)
    (settings / "massgen" / ".env").write_text("KEY=1", encoding="utf-8")
    (config_folder / "out").symlink_to(home)
    path = path.replace("HOME", str(home)).replace("SETTINGS", str(settings))
    (only,) = problems(plugins, config_folder, {"agents": [AGENT], "context_paths": [{"path": path}]})

    assert only.startswith("context_paths[0].path: ")
    assert reason in only


def test_a_link_to_what_agents_are_not_given_is_no_way_around(tmp_path: Path) -> None:
    """Where links lead counts."""
    (tmp_path / "innocent").symlink_to("/proc")

    assert "belongs to the system" in folder_refusal(str(tmp_path / "innocent"))
    assert "belongs to the system" in folder_refusal(str(tmp_path / "innocent" / "self"))
    assert folder_refusal(str(tmp_path)) == ""


def test_two_agents_share_a_folder_only_on_purpose(plugins: Plugins, config_folder: Path) -> None:
    """The message names both; with both saying so it is fine; one within the other's is never."""
    two = [{**AGENT, "name": "ann", "workspace": "w"}, {**AGENT, "name": "bob", "workspace": "x/../w"}]
    (config_folder / "w").mkdir()
    (config_folder / "link").symlink_to("w")

    assert problems(plugins, config_folder, {"agents": two}) == [
        "agents[1].workspace: ann and bob would work in the same folder; where that is meant, write shares_workspace: true for both"
    ]
    assert len(problems(plugins, config_folder, {"agents": [two[0], {**two[1], "workspace": "link"}]})) == 1
    assert "one in the other's" in problems(plugins, config_folder, {"agents": [two[0], {**two[1], "workspace": "w/inner"}]})[0]
    assert len(problems(plugins, config_folder, {"agents": [{**two[0], "shares_workspace": True}, two[1]]})) == 1
    loaded(plugins, config_folder, {"agents": [{**agent, "shares_workspace": True} for agent in two]})


def test_what_an_agent_could_replace_is_not_given(plugins: Plugins, config_folder: Path) -> None:
    """A path in a folder that agents write to could become a link to anything."""
    (config_folder / "data" / "inner").mkdir()
    write = {"path": "data", "permission": "write"}

    assert "could be replaced" in problems(plugins, config_folder, {"agents": [AGENT, AGENT], "context_paths": [write, {"path": "data/inner"}]})[0]
    assert "could be replaced" in problems(plugins, config_folder, {"agents": [{**AGENT, "workspace": "data/w"}], "context_paths": [write]})[0]
    assert (
        "can change it anyway"
        in problems(plugins, config_folder, {"agents": [{**AGENT, "workspace": "data", "context_paths": [{"path": "data/inner"}]}]})[0]
    )
    loaded(plugins, config_folder, {"agents": [AGENT], "context_paths": [{"path": "data"}, {"path": "data/inner"}]})


def test_a_projects_file_names_only_what_is_in_the_project(plugins: Plugins, config_folder: Path) -> None:
    """It may be a stranger's: nothing above, nothing absolute, no way out by a link."""
    (config_folder.parent / "other").mkdir()
    (config_folder / "out").symlink_to("../other")
    for path in ("..", "../other", str(config_folder.parent / "other"), "~/x", "out"):
        found = problems(plugins, config_folder, {"agents": [AGENT], "context_paths": [{"path": path}]}, name="massgen.yaml", is_trusted=True)
        assert "in the project" in found[0]
        found = problems(plugins, config_folder, {"agents": [{**AGENT, "workspace": path}]}, name="massgen.yaml", is_trusted=True)
        assert "in the project" in found[0]
    loaded(plugins, config_folder, {"agents": [AGENT], "context_paths": [{"path": "data"}]}, name="massgen.yaml", is_trusted=True)


def test_a_workspace_is_a_folder(plugins: Plugins, config_folder: Path) -> None:
    """A file cannot be worked in."""
    (config_folder / "file").write_text("", encoding="utf-8")

    assert "is no folder" in problems(plugins, config_folder, {"agents": [{**AGENT, "workspace": "file"}]})[0]
