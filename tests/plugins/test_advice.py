"""What to do about a name that nobody provides."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_core.errors import PluginMissing
from massgen_core.plugins import advice
from massgen_core.plugins.index import Entry, Index, parse
from massgen_core.plugins.known import DISTRIBUTIONS, STARTERS
from massgen_core.plugins.manager import Plugins
from massgen_core.specs import KINDS
from massgen_core.terminal import clean_line

ROOT = Path(__file__).resolve().parents[2]
PROJECTS = [tomllib.loads(path.read_text(encoding="utf-8"))["project"] for path in sorted((ROOT / "plugins").glob("*/pyproject.toml"))]


@pytest.mark.parametrize(
    ("kind", "name", "remedy"),
    [
        ("backend", "openai", "install it with: pip install massgen-backend-openai"),
        ("backend", "opnai", "did you mean 'openai'? install it with: pip install massgen-backend-openai"),
        ("backend", "acmee", "did you mean 'acme'?"),
        ("executor", "docker", "install it with: pip install massgen-exec-docker"),
        ("backend", "zzz", "choose another, or install a distribution that declares 'backend.zzz' in the entry-point group massgen.v1"),
    ],
)
def test_a_missing_name(kind, name, remedy):
    """The message lists what is installed, suggests the nearest name, installed or not, and ends with the command that mends it."""
    plugins = Plugins(Index((Entry("backend", "acme", "a", "a", "1"), Entry("backend", "zeta", "z", "z", "1"))))
    with pytest.raises(PluginMissing) as caught:
        plugins.entry(kind, name)

    assert str(caught.value) == (
        f"no installed plugin provides {kind} {name!r} (installed: {'acme, zeta' if kind == 'backend' else 'none'}); {remedy}"
    )


@given(st.text(), st.text())
def test_any_name_has_an_answer(kind, name):
    """Whatever is asked for, the answer is one line that can be shown, and data to tell it by."""
    with pytest.raises(PluginMissing) as caught:
        Plugins(Index()).get(kind, name)

    assert str(caught.value) == clean_line(str(caught.value), 2000)


def test_the_table_of_known_plugins_is_well_formed():
    """Each line of the table is a name of a kind that the kernel has; the first commands that a newcomer is told are in it."""
    assert {parse(title)[0] for title in DISTRIBUTIONS} <= {kind.name for kind in KINDS}
    assert set(STARTERS) <= set(DISTRIBUTIONS.values())
    assert list(DISTRIBUTIONS) == sorted(DISTRIBUTIONS)


@pytest.mark.parametrize("project", PROJECTS, ids=lambda project: project["name"])
def test_the_table_knows_the_plugins_of_this_repository(project):
    """What a distribution of this repository provides is in the table, and the table promises nothing that it does not provide."""
    provided = set(project.get("entry-points", {}).get("massgen.v1", {}))
    promised = {title for title, distribution in DISTRIBUTIONS.items() if distribution == project["name"]}

    assert promised == {title for title in provided if not title.startswith(("kind.", "events."))}


def test_every_error_is_data_too():
    """Errors carry kind, name and distributions, for whoever does not show text."""
    entry = Entry("backend", "acme", "a", "acme", "1")
    error = advice.claimed([entry, entry._replace(distribution="other")])

    assert (error.kind, error.name, error.distributions) == ("backend", "acme", ("acme 1", "other 1"))
