"""Plain data to classes: nothing is converted, and every mistake is named at once."""

from __future__ import annotations

import copy
import enum
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NewType

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_core.config.classes import members, said, unstructure
from massgen_core.config.document import parse
from massgen_core.config.sections import AgentConfig, LimitsConfig, PermissionsConfig, PluginConfig, RunConfig
from massgen_core.config.structure import Expanded, plugin_options, structure
from massgen_core.errors import ConfigProblem, ConfigProblems, PluginBroken, PluginMissing
from massgen_core.messages import Sampling
from massgen_core.plugins.manager import Plugins

Port = NewType("Port", int)


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@attrs.frozen(kw_only=True)
class Circle:
    type: Literal["circle"]
    radius: float


@attrs.frozen(kw_only=True)
class Square:
    type: Literal["square"]
    side: float


@attrs.frozen(kw_only=True)
class Tree:
    name: str = ""
    branches: tuple[Tree, ...] = ()


@attrs.frozen(kw_only=True)
class Everything:
    flag: bool = False
    count: int = attrs.field(default=0, validator=attrs.validators.ge(0))
    ratio: float = 0.0
    text: str = ""
    maybe: int | None = None
    number_or_text: int | str = 0
    choice: Literal["a", "b", 1] = "a"
    colour: Colour = Colour.RED
    place: Path = Path("x")
    names: tuple[str, ...] = ()
    pair: tuple[int, str] = (0, "")
    listed: list[int] = attrs.field(factory=list)
    some: frozenset[str] = frozenset()
    table: Mapping[str, int] = attrs.field(factory=dict)
    free: Any = None
    shape: Circle | Square | None = None
    tree: Tree = Tree()
    port: Port = Port(1)
    noted: Annotated[int, "note"] = 0
    plugin: PluginConfig | None = None


@attrs.frozen(kw_only=True)
class Locked:
    token: str = ""
    password: str = attrs.field(default="", validator=attrs.validators.matches_re("[A-Z]*"))


@attrs.frozen(kw_only=True)
class Needy:
    must: str = attrs.field(metadata={"help": "what is needed"})
    sampling: Sampling = Sampling()


def problem(cls: type, text: str, **options: Any) -> ConfigProblem:
    """Return the one problem of a YAML text."""
    root = parse(text, "f.yaml")
    with pytest.raises(ConfigProblems) as caught:
        structure(cls, root.plain(), place=root, **options)
    (only,) = caught.value.problems
    return only


PLAIN = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=2), max_leaves=4)
NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True)
PLUGINS = st.builds(PluginConfig, type=NAMES, options=st.dictionaries(NAMES.filter(lambda name: name != "type"), PLAIN, max_size=2))
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
LIMITS = st.builds(LimitsConfig, seconds=st.none() | st.floats(0, 1e9), tokens=st.none() | st.integers(0), calls=st.none() | st.integers(0))
PERMISSIONS = st.builds(PermissionsConfig, allow=st.lists(st.text(max_size=4), max_size=2).map(tuple))
AGENTS = st.builds(
    AgentConfig, name=NAMES, backend=PLUGINS, toolsets=st.lists(PLUGINS, max_size=2).map(tuple), limits=LIMITS, options=st.just({"a": [1]})
)
RUNS = st.builds(
    RunConfig,
    agents=st.lists(AGENTS, min_size=1, max_size=3).map(tuple),
    strategy=PLUGINS,
    middlewares=st.none() | st.lists(PLUGINS, max_size=2).map(tuple),
    permissions=PERMISSIONS,
    display=st.none() | PLUGINS,
    durability=st.sampled_from(["off", "process", "power"]),
    seed=st.none() | st.integers(),
)
SHAPES = st.none() | st.builds(Circle, type=st.just("circle"), radius=FLOATS) | st.builds(Square, type=st.just("square"), side=FLOATS)
TREES = st.recursive(
    st.builds(Tree, name=st.text(max_size=3)), lambda inner: st.builds(Tree, branches=st.lists(inner, max_size=2).map(tuple)), max_leaves=4
)
EVERYTHING = st.builds(
    Everything,
    flag=st.booleans(),
    count=st.integers(0),
    ratio=FLOATS,
    text=st.text(max_size=5),
    maybe=st.none() | st.integers(),
    number_or_text=st.integers() | st.text(max_size=5),
    choice=st.sampled_from(["a", "b", 1]),
    colour=st.sampled_from(Colour),
    names=st.lists(st.text(max_size=3), max_size=3).map(tuple),
    pair=st.tuples(st.integers(), st.text(max_size=3)),
    listed=st.lists(st.integers(), max_size=3),
    some=st.frozensets(st.text(max_size=3), max_size=3),
    table=st.dictionaries(st.text(max_size=3), st.integers(), max_size=3),
    free=PLAIN,
    shape=SHAPES,
    tree=TREES,
    plugin=st.none() | PLUGINS,
)


@given(RUNS | EVERYTHING)
def test_what_was_taken_apart_is_put_together_equal(value: Any) -> None:
    """Structuring the plain data of an instance gives an equal instance."""
    assert structure(type(value), unstructure(value)) == value


@given(
    st.sampled_from([RunConfig, Everything, AgentConfig, Needy]),
    st.recursive(
        PLAIN,
        lambda inner: st.dictionaries(NAMES | st.sampled_from(["agents", "name", "shape", "type", "table", "plugin"]), inner, max_size=4),
        max_leaves=8,
    ),
)
def test_any_data_is_structured_or_refused(cls: type, data: Any) -> None:
    """Whatever the data: an instance, or problems with paths."""
    problems: tuple[ConfigProblem, ...] = ()
    try:
        made: Any = structure(cls, data)
    except ConfigProblems as error:
        problems, made = error.problems, None

    assert problems or isinstance(made, cls)
    assert all(problem.message.isprintable() for problem in problems)


@pytest.mark.parametrize(
    ("text", "path", "said_of_it"),
    [
        ("flag: yes", "flag", "expected true or false, not 'yes'; write true, without quotes"),
        ("flag: 'true'", "flag", "expected true or false, not 'true'; write true, without quotes"),
        ("flag: Off", "flag", "write false"),
        ("flag: 1", "flag", "expected true or false, not 1"),
        ("count: 3.7", "count", "expected a whole number, not 3.7; it has no fraction"),
        ("count: 3.0", "count", "it has no fraction"),
        ("count: '5'", "count", "write 5, without quotes"),
        ("count: true", "count", "expected a whole number, not true"),
        ("count: 007", "count", "write 7, or 0o… for an octal number"),
        ("count: 1_000", "count", "write 1000"),
        ("count:", "count", "expected a whole number, not null"),
        ("count: -1", "count", "'count' must be >= 0: -1"),
        ("ratio: true", "ratio", "expected a number"),
        ("ratio: .inf", "ratio", "expected a number"),
        ("text: 5", "text", "expected text, not 5; put it in quotes"),
        ("text: true", "text", "put it in quotes"),
        ("text: [a]", "text", "expected text, not a list"),
        ("text:", "text", "expected text, not null"),
        ("maybe: x", "maybe", "expected a whole number, not 'x'"),
        ("number_or_text: 1.5", "number_or_text", "expected a whole number or text, not 1.5"),
        ("choice: c", "choice", "expected one of a, b, 1, not 'c'"),
        ("choice: true", "choice", "expected one of a, b, 1, not true"),
        ("colour: rad", "colour", "expected one of red, blue, not 'rad'; did you mean 'red'?"),
        ("place: 1", "place", "expected a path"),
        ("names: abc", "names", "expected a list of texts, not 'abc'"),
        ("names: {a: b}", "names", "expected a list of texts, not a mapping"),
        ("names: [a, 1]", "names[1]", "expected text, not 1"),
        ("pair: [1]", "pair", "expected a list of 2 items, not of 1"),
        ("pair: [1, 2]", "pair[1]", "expected text"),
        ("table: [1]", "table", "expected a mapping to a whole number, not a list"),
        ("table: {x.y: a}", 'table["x.y"]', "expected a whole number"),
        ("shape: {type: circle, side: 1}", "", ""),
        ("shape: {type: oval}", "shape", "expected a mapping or a mapping or null"),
        ("shape: 1", "shape", "expected"),
        ("tree: {branches: [{nme: x}]}", "tree.branches[0].nme", "unknown key 'nme'; did you mean `name`?"),
        ("tree: name:x", "tree", "a space belongs after the `:`"),
        ("plugin: a:b", "plugin", "never given as code"),
        ("plugin: {type: os.path:join}", "plugin.type", "never given as code"),
        ("plugin: {x: 1}", "plugin", "`type` is missing"),
        ("plugin: 1", "plugin", "expected a plugin's name, or a mapping with `type`, not 1"),
        ("flagg: true", "flagg", "did you mean `flag`?"),
        ("Count: 1", "Count", "did you mean `count`?"),
    ],
)
def test_nothing_is_converted(text: str, path: str, said_of_it: str) -> None:
    """A value of another type is an error with a remedy, at its place."""
    if not path:
        root = parse(text, "f.yaml")
        with pytest.raises(ConfigProblems) as caught:
            structure(Everything, root.plain(), place=root)
        assert [one.path for one in caught.value.problems] == ["shape", "shape.side"]
        return
    found = problem(Everything, text)

    assert found.path == path
    assert said_of_it in found.message
    assert found.source == "f.yaml"
    assert found.line == 1


def test_a_whole_number_counts_as_a_number() -> None:
    """`temperature: 1` is what people write."""
    made = structure(Everything, {"ratio": 1})

    assert made.ratio == 1.0
    assert type(made.ratio) is float


def test_all_mistakes_come_at_once_and_in_order() -> None:
    """One look at the file suffices."""
    text = """\
        agents:
          - name: a
            backend: {}
            temprature: 1
          - backend: x
            sampling: {top_p: high}
        durability: of
        tool_seconds: "3"
    """
    root = parse("\n".join(line[8:] for line in text.splitlines()), "f.yaml")
    with pytest.raises(ConfigProblems) as caught:
        structure(RunConfig, root.plain(), place=root)

    found = [(one.line, one.column, one.path) for one in caught.value.problems]
    assert found == [
        (3, 14, "agents[0].backend"),
        (4, 5, "agents[0].temprature"),
        (6, 23, "agents[1].sampling.top_p"),
        (7, 13, "durability"),
        (8, 15, "tool_seconds"),
    ]
    assert (
        str(caught.value)
        .splitlines()[1]
        .startswith("f.yaml:4:5: agents[0].temprature: unknown key 'temprature'; did you mean `sampling.temperature`?")
    )


def test_a_problem_carries_what_is_allowed_as_data() -> None:
    """So that an editor or a fixer need not read prose."""
    unknown, wrong = problem(Everything, "flagg: 1"), problem(Everything, "colour: rad")

    assert unknown.nearest == "flag"
    assert "ratio" in unknown.allowed
    assert (wrong.allowed, wrong.nearest) == (("red", "blue"), "red")


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("flag: 'yes'", "true"),
        ("count: '7'", "7"),
        ("count: 7.0", "7"),
        ("text: 5", '"5"'),
        ("text: true", '"true"'),
        ("count: 7.5", ""),
        ("count: x", ""),
    ],
)
def test_a_problem_carries_what_to_write_where_that_is_certain(text: str, fix: str) -> None:
    """And nothing where something else could be meant."""
    assert problem(Everything, text).fix == fix


def test_what_is_missing_is_explained() -> None:
    """A required key says what it is for, at the place of the mapping that lacks it."""
    found = problem(Needy, "sampling: {}")

    assert found.message == "`must` is missing (what is needed)"
    assert (found.line, found.column) == (1, 1)


def test_a_text_of_the_environment_is_read_as_a_plain_value_and_never_shown() -> None:
    """`port: ${PORT}` works; messages show the reference."""
    made = structure(Everything, {"count": Expanded("5", "${N}"), "text": Expanded("5", "${N}"), "flag": Expanded("true", "${F}")})

    assert (made.count, made.text, made.flag) == (5, "5", True)
    assert type(made.text) is str
    for data in ({"count": Expanded("hunter2", "${N}")}, {"colour": Expanded("hunter2", "${N}")}, {"choice": Expanded("hunter2", "${N}")}):
        with pytest.raises(ConfigProblems) as caught:
            structure(Everything, data)
        assert "hunter2" not in str(caught.value)
        assert "${N}" in str(caught.value)
    with pytest.raises(ConfigProblems) as caught:
        structure(Everything, {"count": Expanded("-31415", "${N}")})
    assert "-31415" not in str(caught.value)


def test_what_may_be_secret_is_not_shown() -> None:
    """A value of the wrong type under a telling key is not repeated."""
    assert "hunter2" not in problem(Everything, "table: {api_key: hunter2}").message
    assert "31415" not in problem(Locked, "token: 31415").message
    assert "hunter2" not in problem(Locked, "password: hunter2").message
    assert "'many'" in problem(Everything, "table: {max_tokens: many}").message


def test_a_text_of_the_environment_can_be_copied() -> None:
    """Plugins may copy their options as they like."""
    text = Expanded("a", "${A}")

    assert copy.deepcopy({"k": text})["k"].template == "${A}"
    assert json.dumps([text]) == '["a"]'


def test_types_in_words() -> None:
    """Messages and references name types as people do."""
    assert said(tuple[int, ...] | None) == "a list of whole numbers or null"
    assert said(Literal["a"]) == "one of a"
    assert members(Annotated[Port | None, "x"]) == (int, type(None))


@attrs.frozen(kw_only=True)
class Impossible:
    made_of: complex = 0j


@attrs.frozen(kw_only=True)
class Dangling:
    made_of: Nowhere = 0  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize("cls", [Impossible, Dangling])
def test_a_class_that_cannot_be_used_is_a_defect_of_its_author(cls: type) -> None:
    """It is not reported as a mistake in the configuration."""
    with pytest.raises(TypeError, match=r"complex|Nowhere"):
        structure(cls, {})


def test_options_are_structured_by_the_plugins_own_class(plugins: Plugins) -> None:
    """Problems have the path and the place of the option in the whole document."""
    root = parse("strategy:\n  type: consensus\n  anwsers: 3\n", "f.yaml")
    use = structure(PluginConfig, root.plain()["strategy"])
    with pytest.raises(ConfigProblems) as caught:
        plugin_options(plugins, "strategy", use, path="strategy", place=root)

    (found,) = caught.value.problems
    assert (found.line, found.column, found.path, found.nearest) == (3, 3, "strategy.anwsers", "answers")
    assert plugin_options(plugins, "strategy", PluginConfig(type="consensus", options={"answers": 1})).answers == 1


def test_a_plugin_without_options_takes_none(plugins: Plugins) -> None:
    """Options that nobody reads are a mistake."""
    assert plugin_options(plugins, "strategy", PluginConfig(type="single")) is None
    with pytest.raises(ConfigProblems, match=r"strategy 'single'.*unknown key 'x' \(allowed: none\)"):
        plugin_options(plugins, "strategy", PluginConfig(type="single", options={"x": 1}), path="strategy 'single'")


def test_a_plugin_that_is_missing_or_broken_is_named(plugins: Plugins) -> None:
    """Its own errors pass through."""
    with pytest.raises(PluginMissing, match="pip install massgen-strategy-majority"):
        plugin_options(plugins, "strategy", PluginConfig(type="majority"))
    with pytest.raises(PluginBroken, match=r"options of sink 'broken' cannot be used.*report it"):
        plugin_options(plugins, "sink", PluginConfig(type="broken"))
