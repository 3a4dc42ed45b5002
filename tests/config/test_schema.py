"""The description of what can be written: rows for references, JSON Schema for editors."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal

import attrs
import pytest
import yaml

from massgen_core.config.load import Loaded
from massgen_core.config.schema import describe, schema
from massgen_core.config.sections import RunConfig
from massgen_core.config.structure import structure
from massgen_core.errors import ConfigProblems
from massgen_core.plugins.manager import Plugins


@attrs.frozen(kw_only=True)
class Leaf:
    """A leaf."""

    colour: Literal["red", "green"] = attrs.field(default="green", metadata={"help": "its colour"})


@attrs.frozen(kw_only=True)
class Branch:
    """A branch, with more of them."""

    length: float
    leaves: tuple[Leaf, ...] = attrs.field(default=(), metadata={"help": "what grows | on it"})
    branches: tuple[Branch, ...] = ()
    first: Leaf = Leaf()
    twin: Leaf | None = None
    pair: tuple[int, str] = (1, "a")


def validator(plugins: Plugins | None, cls: type = RunConfig) -> Any:
    jsonschema = pytest.importorskip("jsonschema", reason="the package jsonschema is not installed")
    made = schema(plugins, cls)
    jsonschema.Draft202012Validator.check_schema(made)
    json.dumps(made)
    return jsonschema.Draft202012Validator(made)


def test_rows_follow_the_class() -> None:
    """A section is followed by its own keys, items of lists are written `[]`; a class that holds itself ends."""
    rows = {row.path: row for row in describe(Branch)}

    assert list(rows) == ["length", "leaves", "leaves[].colour", "branches", "first", "first.colour", "twin", "twin.colour", "pair"]
    assert rows["length"].is_required
    assert rows["leaves[].colour"].default == '"green"'
    assert rows["leaves[].colour"].help == "its colour"
    assert rows["leaves[].colour"].type == "one of red, green"
    assert rows["pair"].default == '[1, "a"]'


def test_every_key_of_a_configuration_is_explained() -> None:
    """The reference has no empty cell."""
    rows = describe(RunConfig)

    assert {row.path for row in rows} >= {"version", "agents", "agents[].backend", "agents[].sampling.top_p", "limits.seconds", "strategy"}
    assert next(row.kind for row in rows if row.path == "agents[].toolsets") == "toolset"
    assert [row.path for row in rows if not row.help] == []


def test_editors_accept_what_a_run_accepts(plugins: Plugins, loading: Callable[..., Loaded]) -> None:
    """A resolved document, short forms and references to the environment are valid."""
    check = validator(plugins)
    short = """\
        version: 1
        agents:
          - backend: plain
          - {name: b, backend: {type: acme, port: "${PORT:-1}", tags: [x], retry: {times: 1}}, options: {a: {b: [1]}}}
        strategy: single
        toolsets: [dice]
        display:
    """
    loaded = loading(config=short)

    check.validate(yaml.safe_load(short))
    check.validate(json.loads(json.dumps(loaded.document)))


@pytest.mark.parametrize(
    "change",
    [
        {"agnets": []},
        {"agents": [{}]},
        {"version": 2},
        {"strategy": "nowhere"},
        {"strategy": {"type": "consensus", "tie": "no"}},
        {"strategy": {"type": "consensus", "anwsers": 1}},
        {"strategy": {"type": "single", "x": 1}},
        {"strategy": {"type": "judge"}},
        {"agents": [{"backend": {"type": "acme", "port": "eighty"}}]},
        {"agents": [{"backend": {"port": 1}}]},
        {"limits": {"calls": "3"}},
        {"seed": 1.5},
    ],
)
def test_editors_refuse_what_a_run_refuses(plugins: Plugins, loading: Callable[..., Loaded], change: dict[str, Any]) -> None:
    """The schema and the classes say the same."""
    data = {"version": 1, "agents": [{"backend": "plain"}], **change}

    assert not validator(plugins).is_valid(data)
    with pytest.raises(ConfigProblems):
        loading(config=json.dumps(data))


def test_without_plugins_any_name_is_valid() -> None:
    """The kernel's own part can be published alone."""
    check = validator(None)

    check.validate({"version": 1, "agents": [{"backend": {"type": "x", "y": 1}}]})
    assert not check.is_valid({"version": 1, "agents": [{"backend": 1}]})


def test_a_plugin_that_cannot_be_described_is_named_at_least(plugins: Plugins) -> None:
    """One broken plugin does not take the schema of all others away."""
    document = {"version": 1, "agents": [{"backend": "plain"}], "display": "plain", "sinks": ["broken", {"type": "broken", "number": 1}]}

    validator(plugins).validate(document)


@pytest.mark.parametrize(
    "data",
    [
        {"length": 1},
        {"length": 1.5, "branches": [{"length": 2, "branches": []}], "twin": None, "pair": [2, "b"]},
        {},
        {"length": 1, "pair": [1]},
        {"length": 1, "branches": [{}]},
        {"length": 1, "leaves": [{"colour": "blue"}]},
        {"length": True},
    ],
)
def test_classes_of_any_shape_have_a_schema(data: dict[str, Any]) -> None:
    """Those that hold themselves too; it agrees with `structure`."""
    try:
        structure(Branch, data)
    except ConfigProblems:
        expected = False
    else:
        expected = True

    assert validator(None, Branch).is_valid(data) == expected


def test_titles_and_defaults_help_the_writer(plugins: Plugins) -> None:
    """An editor shows what a key is for and what it is without it."""
    made = schema(plugins)
    options = next(one for one in made["$defs"]["backend"]["anyOf"] if one.get("properties", {}).get("type") == {"const": "acme"})

    assert options["description"] == "Acme's models"
    assert options["properties"]["mode"]["description"] == "how"
    assert options["properties"]["mode"]["default"] == "fast"
    assert made["required"] == ["agents"]
