"""Layers: what wins over what, what a command line can change, and what is said where nothing is configured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from massgen_core.config.load import Loaded, load
from massgen_core.config.sections import PluginConfig
from massgen_core.config.tree import leaves, show_path
from massgen_core.errors import ConfigProblem, ConfigProblems
from massgen_core.plugins.manager import Plugins

Loading = Callable[..., Loaded]

ONE = """\
version: 1
agents:
  - name: one
    backend: {type: acme, port: 1}
"""


def problems(loading: Loading, **options: Any) -> tuple[ConfigProblem, ...]:
    with pytest.raises(ConfigProblems) as caught:
        loading(**options)
    return caught.value.problems


def only(loading: Loading, **options: Any) -> ConfigProblem:
    (problem,) = problems(loading, **options)
    return problem


def names(loaded: Loaded) -> list[str]:
    return [agent.name for agent in loaded.config.agents]


# Layers


def test_without_anything_the_default_preset_is_used(loading: Loading) -> None:
    """A fresh machine runs without a configuration; every value says where it comes from."""
    loaded = loading()

    assert [agent.backend.type for agent in loaded.config.agents] == ["plain", "plain"]
    assert names(loaded) == ["agent1", "agent2"]
    assert loaded.config.strategy == PluginConfig(type="consensus")
    assert loaded.config.limits.calls == 9
    assert loaded.origins["limits.calls"] == "preset default"
    assert loaded.origins["limits.tokens"] == "default"
    assert loaded.origins["agents[0].name"] == "default"


def test_files_lie_over_each_other(loading: Loading) -> None:
    """The project's file wins over the user's, key by key; a list is replaced."""
    user = "version: 1\nlimits: {calls: 5, tokens: 6}\nagents: [{backend: plain}, {backend: plain}]\n"
    loaded = loading(user=user, project=ONE + "limits: {calls: 7}\n")

    assert (loaded.config.limits.calls, loaded.config.limits.tokens) == (7, 6)
    assert names(loaded) == ["one"]
    assert loaded.origins["limits.calls"] == "massgen.yaml:5:17"
    assert loaded.origins["limits.tokens"].endswith("config.yaml:2:28")


def test_a_user_file_without_agents_lies_over_the_default_preset(loading: Loading) -> None:
    """So that a limit can be set once and for all."""
    loaded = loading(user="version: 1\nlimits: {calls: 5}\nstrategy: single\n")

    assert len(loaded.config.agents) == 2
    assert loaded.config.limits.calls == 5
    assert loaded.config.strategy.type == "single"


def test_a_chosen_file_stands_alone(loading: Loading) -> None:
    """`--config` means this file, whatever lies around; so does MASSGEN_CONFIG."""
    other = "version: 1\nagents: [{backend: plain}]\nlimits: {calls: 5}\n"
    chosen = loading(config=ONE, user=other, project=other)
    assert chosen.config.limits.calls is None
    assert names(chosen) == ["one"]

    path = str(chosen.place.at(("agents",)).source)
    by_environment = loading(config=ONE, user=other, project=other, file=None, environment={"MASSGEN_CONFIG": path})
    assert by_environment.document == chosen.document


def test_a_chosen_file_is_not_completed_by_the_default_preset(loading: Loading) -> None:
    """What is missing in it is a mistake in it."""
    assert "`agents` is missing" in only(loading, config="version: 1\n").message
    assert names(loading(config="version: 1\n", agents=["a=plain"])) == ["a"]


def test_a_preset_lies_below_a_chosen_file_and_replaces_the_others(loading: Loading) -> None:
    """`--preset` starts from the preset; the user's and the project's files are for when nothing is chosen."""
    loaded = loading(preset="duo", project=ONE)
    assert names(loaded) == ["agent1", "agent2"]
    assert loaded.config.strategy.type == "single"
    assert loaded.origins["strategy.type"] == "preset duo"

    both = loading(preset="duo", config="version: 1\nlimits: {calls: 1}\n")
    assert names(both) == ["agent1", "agent2"]
    assert both.config.limits.calls == 1


def test_an_unknown_preset_names_those_that_exist(loading: Loading) -> None:
    """It is a mistake of the command line."""
    found = only(loading, preset="trio")

    assert found.source == "preset trio"
    assert "(installed: default, duo)" in found.message


def test_agents_of_the_command_line_replace_all_others(loading: Loading) -> None:
    """A model's name may hold colons and equals signs; without a name, agents are numbered."""
    loaded = loading(config=ONE, agents=["a=acme:llama3:8b", "plain:x=y", "plain"])

    assert [(agent.name, agent.backend.type, agent.model) for agent in loaded.config.agents] == [
        ("a", "acme", "llama3:8b"),
        ("agent2", "plain", "x=y"),
        ("agent3", "plain", ""),
    ]
    assert loaded.origins["agents[0].model"] == "--agent"
    assert loaded.origins["agents[1].name"] == "default"


@pytest.mark.parametrize("text", ["", "=x", "a=", ":m", "a=:m"])
def test_what_is_no_agent_is_refused(loading: Loading, text: str) -> None:
    """The message shows how one is written."""
    found = problems(loading, agents=[text])

    assert {problem.source for problem in found} == {"--agent"}


def test_a_backend_for_all_agents(loading: Loading) -> None:
    """`--backend` keeps names and models, and drops options of another backend with their variables."""
    text = "version: 1\nagents: [{name: a, model: m, backend: {type: acme, url: '${NOT_SET}'}}, {backend: plain}]\n"
    loaded = loading(config=text, backend="plain")

    assert [(agent.name, agent.model, agent.backend) for agent in loaded.config.agents] == [
        ("a", "m", PluginConfig(type="plain")),
        ("agent2", "", PluginConfig(type="plain")),
    ]
    assert loaded.origins["agents[0].backend.type"] == "--backend"


def test_a_strategy_of_the_command_line(loading: Loading) -> None:
    """Options of the same strategy stay, those of another are dropped."""
    text = ONE + "strategy: {type: consensus, answers: 1}\n"

    assert loading(config=text, strategy="consensus").config.strategy.options == {"answers": 1}
    assert loading(config=text, strategy="single").config.strategy == PluginConfig(type="single")


def test_a_name_over_options_of_the_same_plugin_keeps_them(loading: Loading) -> None:
    """Naming a plugin and naming it in a mapping are one and the same."""
    loaded = loading(user="version: 1\nstrategy: {type: consensus, answers: 1}\n", project=ONE + "strategy: consensus\n")

    assert loaded.config.strategy.options == {"answers": 1}


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("limits.calls=3", "limits.calls", 3),
        ("strategy.answers=1", "strategy.answers", 1),
        ("strategy=single", "strategy.type", "single"),
        ("agents[0].system=", "agents[0].system", ""),
        ("agents.0.system=yes", "agents[0].system", "yes"),
        ('agents[0].system="5"', "agents[0].system", "5"),
        ("agents[0].system=a=b", "agents[0].system", "a=b"),
        ("agents[0].backend.port=9", "agents[0].backend.port", 9),
        ("agents[0].backend.headers.X-A=b", "agents[0].backend.headers.X-A", "b"),
        ("agents[0].backend.tags=[a, b]", "agents[0].backend.tags[1]", "b"),
        ("agents[1]={name: two, backend: plain}", "agents[1].backend.type", "plain"),
        ("agents[1].backend=plain", "agents[1].name", "agent2"),
        ("toolsets[0]=dice", "toolsets[0].type", "dice"),
        ("display=null", "display", None),
        ("permissions.allow={}", "", "expected a list of texts"),
        ("agents[0].model=5", "", "put it in quotes"),
        ("agents[5].model=m", "", "name an item by its number (0 to 0, and 1 to add one)"),
        ("agents.one.model=m", "", "agents is a list"),
        ("seed.x=1", "", "expected a whole number"),
        ("version=2", "", "expected one of 1"),
        ("limits.calls", "", "write KEY.PATH=VALUE"),
        ("=1", "", "write KEY.PATH=VALUE"),
        ("a b=1", "", "no key path"),
        ("limits.calls=[", "", "not YAML"),
        ("limit.calls=1", "", "did you mean `limits`?"),
    ],
)
def test_single_values_can_be_set(loading: Loading, text: str, path: str, value: Any) -> None:
    """`--set` reaches every key; what it cannot set is said with its own name as the source."""
    if not path:
        found = only(loading, config=ONE, sets=[text])
        assert found.source == "--set"
        assert value in found.message
        return
    loaded = loading(config=ONE, sets=[text])

    assert {show_path(found): leaf for found, leaf in leaves(loaded.document)}[path] == value
    assert loaded.origins[path] == ("default" if path.endswith("name") else "--set")


def test_the_last_setting_wins(loading: Loading) -> None:
    """Settings are applied in their order, after everything else."""
    loaded = loading(agents=["a=plain"], strategy="single", sets=["strategy=consensus", "strategy.answers=1", "strategy.answers=2"])

    assert loaded.config.strategy == PluginConfig(type="consensus", options={"answers": 2})


def test_a_file_of_the_environment_that_is_gone_says_who_named_it(loading: Loading) -> None:
    """Nobody remembers what was exported last week."""
    found = only(loading, environment={"MASSGEN_CONFIG": "/nowhere/x.yaml"})

    assert str(found) == "MASSGEN_CONFIG: the file /nowhere/x.yaml does not exist"


def test_where_the_users_file_lies(loading: Loading, tmp_path: Path, plugins: Plugins) -> None:
    """XDG_CONFIG_HOME moves it; a relative one is ignored, as its standard says."""
    folder = tmp_path / "xdg" / "massgen"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(ONE)
    environment = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "xdg")}

    assert names(load(plugins, folder=tmp_path, environment=environment)) == ["one"]
    assert names(load(plugins, folder=tmp_path, environment={**environment, "XDG_CONFIG_HOME": "xdg"})) == ["agent1", "agent2"]


# Nothing there


def test_without_any_plugin_it_says_what_to_install(nothing: Plugins, tmp_path: Path) -> None:
    """The kernel alone can do nothing, and says how to change that."""
    with pytest.raises(ConfigProblems, match="pip install massgen-backend-local massgen-strategy-consensus"):
        load(nothing, folder=tmp_path, environment={"HOME": str(tmp_path)})
    with pytest.raises(ConfigProblems) as caught:
        load(nothing, folder=tmp_path, environment={"HOME": str(tmp_path)}, agents=["a=local"])
    assert [problem.path for problem in caught.value.problems] == ["agents[0].backend.type", "strategy.type"]
    assert "pip install massgen-backend-local" in caught.value.problems[0].message
    assert "pip install massgen-strategy-consensus" in caught.value.problems[1].message


def test_without_a_start_configuration_it_names_the_backends(plugins: Plugins, tmp_path: Path) -> None:
    """Whoever has a backend needs only to name it."""
    without = Plugins(plugins.index, dict.fromkeys(plugins.entries("preset"), "is not wanted"))

    with pytest.raises(ConfigProblems, match=r"--agent NAME=BACKEND:MODEL \(installed backends: acme, plain\)"):
        load(without, folder=tmp_path, environment={"HOME": str(tmp_path)})
