"""Documents of other formats."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from massgen_core.config.document import parse
from massgen_core.config.load import Loaded
from massgen_core.config.migrate import migrate
from massgen_core.config.tree import Place
from massgen_core.errors import ConfigProblem, ConfigProblems
from massgen_core.plugins.manager import Plugins

OLD = """\
seconds: 60
agents:
  - id: alice
    backend:
      url: http://a
      tags: [xx, yy]
  - id: bob
    backend: {prot: 1, verbose: 3}
"""


def problem(plugins: Plugins, text: str) -> ConfigProblem:
    with pytest.raises(ConfigProblems) as caught:
        migrate(plugins, parse(text, "f.yaml"))
    (only,) = caught.value.problems
    return only


def test_todays_format_is_left_as_it_is(plugins: Plugins) -> None:
    """Nothing is imported and nothing copied."""
    root = parse("version: 1\na: 2\n", "f.yaml")

    assert migrate(plugins, root) == (root, ())
    assert migrate(plugins, root)[0] is root


def test_what_a_migration_moves_keeps_its_place(plugins: Plugins) -> None:
    """Mistakes in an old file are shown where they are in it."""
    root, used = migrate(plugins, parse(OLD, "f.yaml"))

    assert used == ("old",)
    assert root.plain()["version"] == 1
    assert root.plain()["agents"][1] == {"name": "bob", "backend": {"type": "acme", "prot": 1, "verbose": 3}}
    assert root.at(("agents", 0, "name")) == Place("f.yaml", 3, 9)
    assert root.at(("agents", 0, "backend", "url")) == Place("f.yaml", 5, 12)
    assert root.at(("agents", 0, "backend", "tags", 1)) == Place("f.yaml", 6, 18)
    assert root.at(("agents", 1)) == Place("f.yaml", 7, 9)


def test_an_old_file_runs_and_says_so(loading: Callable[..., Loaded]) -> None:
    """A file without `version` is read through the installed migration."""
    loaded = loading(config=OLD.replace("{prot: 1, verbose: 3}", "{}"))

    assert [agent.name for agent in loaded.config.agents] == ["alice", "bob"]
    assert loaded.config.limits.seconds == 60.0
    assert loaded.origins["agents[0].name"].endswith("chosen.yaml:3:9")
    assert "older format" in loaded.warnings[0]


def test_mistakes_in_an_old_file_have_places(loading: Callable[..., Loaded]) -> None:
    """A number has no place of its own any more, but its neighbourhood has."""
    with pytest.raises(ConfigProblems) as caught:
        loading(config=OLD)

    assert [found.path for found in caught.value.problems] == ["agents[1].backend.prot", "agents[1].backend.verbose"]
    assert {found.line for found in caught.value.problems} <= {7, 8}


def test_what_a_migration_warns_of_has_its_place(loading: Callable[..., Loaded]) -> None:
    """What was left out without harm is said once, with the line of the old file."""
    loaded = loading(config="screen:\n  width: 80\nagents:\n  - id: al\n    backend: {}\n")

    (note,) = loaded.notes
    assert (note.path, note.line, note.column) == ("screen.width", 2, 10)
    assert str(note) in loaded.warnings


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("version: 2\n", 1, "format 2 is newer than this massgen-core reads (1); upgrade it with: pip install --upgrade massgen-core"),
        ("a: 1\nversion: '1'\n", 2, "must be a whole number"),
        ("version: 1.0\n", 1, "must be a whole number"),
        ("version: true\n", 1, "must be a whole number"),
        ("version: 0\n", 1, "must be a whole number"),
        ("version: -1\n", 1, "must be a whole number"),
        ("", 1, "begins with `version: 1`"),
        ("[]", 1, "begins with `version: 1`"),
        ("version:1", 1, "a space belongs after the `:`"),
        ("models: [x]\n", 1, "write agents instead"),
        ("a: 1\ncrash: 1\n", 1, "migration 'old' failed: RuntimeError: out of cheese"),
        ("nonsense: 1\n", 1, "migration 'old' made no mapping"),
    ],
)
def test_what_cannot_be_read_says_why(plugins: Plugins, text: str, line: int, said: str) -> None:
    """With the line, and what to do."""
    found = problem(plugins, text)

    assert said in found.message
    assert found.line == line
    assert found.source == "f.yaml"


def test_without_a_migration_an_old_file_is_explained(nothing: Plugins) -> None:
    """It says how today's files begin."""
    found = problem(nothing, OLD)

    assert "there is no `version`; begin a configuration of today's format with `version: 1`" in found.message
    assert (found.line, found.column) == (1, 1)


def test_a_refusal_of_a_migration_points_into_the_old_file(plugins: Plugins) -> None:
    """Its path is one of the document that it read."""
    found = problem(plugins, "a: 1\nmodels:\n  - x\n")

    assert (found.path, found.line, found.column) == ("models", 3, 3)


def test_what_is_moved_whole_keeps_the_places_within_and_its_key(plugins: Plugins) -> None:
    """Booleans and small numbers, too, though equal ones are one object; a copy changes without the other."""
    text = "agents:\n  - id: one\n    backend:\n      tags: [true, 1]\nseconds: 0.5\n"
    root, _ = migrate(plugins, parse(text, "f.yaml"))
    tags = root.find(("agents", 0, "backend", "tags"))

    assert [tags.value[index].place.column for index in (0, 1)] == [14, 20] if tags else False
    assert root.at(("agents", 0, "backend", "tags"), key=True) == Place("f.yaml", 4, 7)
    assert root.at(("limits", "seconds"), key=True) == Place("f.yaml", 5, 1)


def test_equal_values_keep_their_own_places(plugins: Plugins) -> None:
    """Equal texts are told apart."""
    text = "agents:\n  - id: one\n    backend: {url: same}\n  - id: two\n    backend: {url: same}\n"
    root, _ = migrate(plugins, parse(text, "f.yaml"))

    assert [root.at(("agents", index, "backend", "url")).line for index in (0, 1)] == [3, 5]
