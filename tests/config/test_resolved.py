"""What is checked of a configuration beyond its classes, references to the environment, and the document that a run keeps."""

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
from massgen_core.config.load import Loaded
from massgen_core.config.render import render
from massgen_core.config.sections import RunConfig
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
    assert type(agent.options["user"]) is str
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


def test_the_options_that_a_run_opens_are_those_that_were_checked(loading: Loading, plugins: Plugins) -> None:
    """A run structures the same options again, with the environment in them."""
    loaded = loading(config="version: 1\nagents: [{backend: {type: acme, port: '${PORT}'}}]\n", environment={"PORT": "5"})

    made = plugin_options(plugins, "backend", loaded.config.agents[0].backend, path="agents[0].backend", place=loaded.place)
    assert made.port == 5
