"""Layers, origins, references to the environment, and what is checked beyond classes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from massgen_core.config.document import parse
from massgen_core.config.load import Loaded, load
from massgen_core.config.render import render
from massgen_core.config.sections import PluginConfig, RunConfig
from massgen_core.config.structure import plugin_options, structure
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

    assert found.source == "--preset"
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


# What is checked


def test_everything_is_checked_at_once(loading: Loading) -> None:
    """Classes, plugins, their options, names and variables: one list, in the order of the file."""
    text = """\
        version: 1
        agents:
          - name: a
            backend: {type: acme, prot: 1, mode: god, url: "${NOT_SET}"}
          - name: a
            backend: gone
          - name: "a b"
            backend: plain
            limit: 1
        strategy: {type: judge}
        sinks: [broken]
        display: nowhere
        durability: none
    """
    found = problems(loading, config=text)

    assert [(one.line, one.column, one.path) for one in found] == [
        (4, 27, "agents[0].backend.prot"),
        (4, 42, "agents[0].backend.mode"),
        (4, 52, "agents[0].backend.url"),
        (5, 11, "agents[1].name"),
        (6, 14, "agents[1].backend.type"),
        (7, 11, "agents[2].name"),
        (9, 5, "agents[2].limit"),
        (10, 11, "strategy"),
        (11, 9, "sinks[0].type"),
        (12, 10, "display.type"),
        (13, 13, "durability"),
    ]
    assert "pip install" not in found[0].message
    assert found[4].allowed == ("acme", "plain")


def test_a_validator_of_a_plugin_speaks_with_the_place_of_its_option(loading: Loading) -> None:
    """A class may check more than types."""
    found = only(loading, config="version: 1\nagents: [{backend: {type: acme, retry: {times: -1}}}]\n")

    assert found.path == "agents[0].backend.retry.times"
    assert found.column == 48


def test_agents_are_needed(loading: Loading) -> None:
    """An empty list is no configuration."""
    assert only(loading, config="version: 1\nagents: []\n").message == "at least one agent is needed"
    assert only(loading, config="version: 1\nagents: 3\n").message == "expected a list of mappings, not 3"


def test_files_that_cannot_be_read_are_all_named(loading: Loading) -> None:
    """A mistake in the user's file does not hide that of the project's."""
    found = problems(loading, user="a: [", project="version: 1\nversion: 1\n", agents=["=x"])

    assert {Path(one.source).name for one in found} == {"config.yaml", "massgen.yaml", "--agent"}


@pytest.mark.parametrize("text", ["permissions: {allow: ['*']}", "agents: [{backend: plain, permissions: {allow: [x]}}]"])
def test_a_project_cannot_give_itself_permissions(loading: Loading, text: str) -> None:
    """A repository that somebody else wrote must not decide what its agents may do here; a person may choose its file."""
    document = f"version: 1\n{text}\n"

    assert "a project's file cannot allow tools" in only(loading, project=document).message
    assert loading(user=document)
    assert loading(config=document, agents=["a=plain"])
    assert loading(project="version: 1\npermissions: {deny: ['*']}\n").config.permissions.deny == ("*",)


def test_the_kernels_own_display_needs_no_plugin(loading: Loading) -> None:
    """`display: plain` works everywhere, and has no options."""
    assert loading(sets=["display=plain"]).document["display"] == {"type": "plain"}
    assert "unknown key 'x'" in only(loading, sets=["display={type: plain, x: 1}"]).message


@pytest.mark.parametrize("text", ["limits.calls=-1", "tool_seconds=0", "tool_output=-1"])
def test_numbers_that_make_no_sense_are_refused(loading: Loading, text: str) -> None:
    """The kernel's own classes check more than types, too."""
    assert only(loading, sets=[text]).path == text.partition("=")[0]


@pytest.mark.parametrize("name", ["os:system", "massgen_core.cli:main", "../x", "a b", ""])
def test_code_cannot_be_named(loading: Loading, name: str) -> None:
    """Plugins have names; nothing that a document says is imported."""
    found = only(loading, config=f"version: 1\nagents: [{{backend: {{type: '{name}'}}}}]\n")

    assert "never given as code" in found.message


# The environment


def test_options_may_refer_to_the_environment(loading: Loading) -> None:
    """The configuration has the values, the document that is kept has the references."""
    text = """\
        version: 1
        agents:
          - name: a
            system: costs $5, ${NOT_EXPANDED}
            backend:
              type: acme
              url: "https://${HOST:-localhost}/$$x"
              port: ${PORT}
              api_key: pre-${TOKEN}
              headers: {X: "${EMPTY}", Y: "${EMPTY:-full}"}
            options: {user: "${TOKEN}"}
    """
    environment = {"PORT": "8080", "TOKEN": "hunter2", "EMPTY": ""}
    loaded = loading(config=text, environment=environment)
    (agent,) = loaded.config.agents
    options = plugin_options_of(loaded)

    assert options.url == "https://localhost/$x"
    assert options.port == 8080
    assert options.api_key == "pre-hunter2"
    assert options.headers == {"X": "", "Y": "full"}
    assert agent.options == {"user": "hunter2"}
    assert agent.system == "costs $5, ${NOT_EXPANDED}"
    assert "hunter2" not in str(loaded.document)
    assert "hunter2" not in render(loaded)
    assert "hunter2" not in repr(loaded)
    assert loaded.document["agents"][0]["backend"]["api_key"] == "pre-${TOKEN}"
    # A default that copies another option is left out, it would hold the value.
    assert "echo" not in loaded.document["agents"][0]["backend"]


def plugin_options_of(loaded: Loaded) -> Any:
    import kit_config.plugin  # type: ignore[import-not-found]  # noqa: PLC0415 - installed by the fixture

    return structure(kit_config.plugin.AcmeConfig, loaded.config.agents[0].backend.options)


def test_a_missing_variable_names_field_and_variable(loading: Loading) -> None:
    """It is found before anything is started."""
    found = only(loading, config="version: 1\nagents: [{backend: {type: acme, url: 'a${NOT_SET}'}}]\n")

    assert (found.path, found.line, found.column) == ("agents[0].backend.url", 2, 38)
    assert "NOT_SET is not set; set it, or write ${NOT_SET:-instead}" in found.message


@pytest.mark.parametrize("text", ["${}", "${a-b}", "${a", "${1}"])
def test_what_is_no_reference_is_refused(loading: Loading, text: str) -> None:
    """A reference with a mistake in it is not passed on as text."""
    found = only(loading, config=f"version: 1\nagents: [{{backend: {{type: acme, url: '{text}'}}}}]\n")

    assert "write `$${`" in found.message


def test_a_value_of_the_environment_that_does_not_fit_is_not_shown(loading: Loading) -> None:
    """Messages may end in a log."""
    text = "version: 1\nagents: [{backend: {type: acme, port: '${TOKEN}', mode: '${TOKEN}', retry: {times: '${LOW}'}}}]\n"
    found = problems(loading, config=text, environment={"TOKEN": "hunter2", "LOW": "-31415"})

    assert len(found) == 3
    assert "hunter2" not in str(found)
    assert "31415" not in str(found)


# The resolved document


def test_the_document_is_whole(loading: Loading) -> None:
    """Every default is in it, those of plugins' options too."""
    document = loading(config=ONE).document

    assert document["tool_output"] == 40_000
    assert document["strategy"] == {"type": "consensus", "answers": 3, "tie": "lot"}
    assert document["agents"][0]["backend"]["retry"] == {"times": 2, "wait": 0.5}
    assert document["agents"][0]["sampling"]["stop"] == []


LINES = st.lists(
    st.sampled_from(
        [
            "limits: {calls: 3}",
            "strategy: single",
            "strategy: {type: consensus, answers: 2}",
            "strategy: {answers: 1}",
            "toolsets: [dice, {type: dice}]",
            "display:",
            "agents: [{backend: plain}, {name: b, backend: {type: acme, tags: [x, y]}}]",
            "permissions: {deny: [a]}",
            "durability: off",
            "seed: 4",
        ]
    ),
    unique_by=lambda line: line.partition(":")[0],
    max_size=5,
).map(lambda lines: "\n".join(["version: 1", *lines]))
SETS = st.lists(
    st.sampled_from(["limits.calls=1", "limits={tokens: 2}", "strategy=single", "strategy=consensus", "agents[0].model=m", "seed=null"]), max_size=3
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(user=LINES, project=LINES, sets=SETS, strategy=st.sampled_from([None, "single", "consensus"]))
def test_every_leaf_has_an_origin_and_the_document_loads_again(
    loading: Loading, user: str, project: str, sets: list[str], strategy: str | None
) -> None:
    """What is kept of a run says where each value came from, and gives the same configuration when it is used itself."""
    refusal: tuple[ConfigProblem, ...] = ()
    try:
        loaded = loading(user=user, project=project, sets=sets, strategy=strategy)
    except ConfigProblems as error:
        refusal = error.problems
    if refusal:
        # Options of consensus under single.
        assert {problem.path for problem in refusal} == {"strategy.answers"}
        return

    assert set(loaded.origins) == {show_path(path) for path, _ in leaves(loaded.document)}
    again = loading(config=yaml.safe_dump(dict(loaded.document)))
    assert again.document == loaded.document
    assert attrs.evolve(again.config, strategy=loaded.config.strategy, agents=loaded.config.agents) == loaded.config
    assert loading(config=render(loaded)).document == loaded.document
    assert structure(RunConfig, parse(render(loaded), "f.yaml").plain()).limits == loaded.config.limits


def test_where_the_users_file_lies(loading: Loading, tmp_path: Path, plugins: Plugins) -> None:
    """XDG_CONFIG_HOME moves it; a relative one is ignored, as its standard says."""
    folder = tmp_path / "xdg" / "massgen"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(ONE)
    environment = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "xdg")}

    assert names(load(plugins, folder=tmp_path, environment=environment)) == ["one"]
    assert names(load(plugins, folder=tmp_path, environment={**environment, "XDG_CONFIG_HOME": "xdg"})) == ["agent1", "agent2"]


def test_the_options_that_a_run_opens_are_those_that_were_checked(loading: Loading, plugins: Plugins) -> None:
    """A run structures the same options again, with the environment in them."""
    loaded = loading(config="version: 1\nagents: [{backend: {type: acme, port: '${PORT}'}}]\n", environment={"PORT": "5"})

    made = plugin_options(plugins, "backend", loaded.config.agents[0].backend, path="agents[0].backend", place=loaded.place)
    assert made.port == 5
