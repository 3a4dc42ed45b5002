"""Allow and block lists, the environment variable, and `--no-plugins`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_core.errors import PluginBlocked
from massgen_core.plugins.index import Entry
from massgen_core.plugins.selection import forbid
from massgen_core.terminal import clean_line

names = st.sampled_from(["acme", "Acme", "a-c.me", "a_c_me", "other"])
entries = st.lists(
    st.builds(Entry, st.sampled_from(["backend", "sink"]), st.sampled_from(["x", "y"]), st.just("m"), names, st.just("1")), unique=True
)
items = st.one_of(names, st.sampled_from(["backend.x", "backend.y", "sink.x", "unheard-of"]))
lists = st.lists(items, max_size=4)

IMPORT = "from massgen_core.api import *\n"


@given(entries)
def test_without_lists_everything_may_be_used(installed):
    """No list and an empty variable forbid nothing."""
    assert forbid(installed, None, (), "") == {}
    assert forbid(installed, None, (), " , ") == {}


@given(entries, lists, lists)
def test_an_empty_allow_list_and_none_forbid_everything(installed, block, allow):
    """`--no-plugins` and `MASSGEN_PLUGINS=none` leave nothing, whatever else is said."""
    assert set(forbid(installed, (), block, "")) == set(installed)
    assert set(forbid(installed, allow, block, "none")) == set(installed)


@given(entries, lists, lists, lists)
def test_blocking_is_stronger_than_allowing(installed, allow, block, variable):
    """What a block list names is forbidden, whatever allows it; and blocking more never frees anything."""
    forbidden = forbid(installed, allow, block, ",".join(variable))

    assert all(entry in forbidden for entry in installed if entry.title in block or entry.distribution in block)
    assert set(forbidden) <= set(forbid(installed, allow, [*block, "acme"], ",".join(variable)))
    assert set(forbid(installed, None, block, "")) <= set(forbidden)


@given(entries, lists)
def test_the_variable_and_the_allow_list_say_the_same(installed, allow):
    """A comma-separated variable allows exactly what an allow list with these items does; both together allow what both do."""
    if not allow:
        return
    by_list, by_variable = forbid(installed, allow, (), ""), forbid(installed, None, (), " , ".join(allow))

    assert set(by_list) == set(by_variable)
    assert set(forbid(installed, allow, (), ",".join([*allow, "unheard-of"]))) == set(by_list)


@given(entries, lists)
def test_a_minus_in_the_variable_blocks(installed, block):
    """`-name` in the variable is the same as `name` in the block list."""
    assert set(forbid(installed, None, (), ",".join(f"-{item}" for item in block))) == set(forbid(installed, None, block, ""))


@given(entries, lists, lists, st.text())
def test_every_reason_completes_a_sentence(installed, allow, block, variable):
    """Whatever the lists say, each forbidden entry has a reason that can be printed."""
    for reason in forbid(installed, allow, block, variable).values():
        assert reason == clean_line(reason, 1000)
        assert reason


def test_distributions_are_matched_as_installers_match_them():
    """Case and separators in a list do not matter."""
    entry = Entry("backend", "acme", "m", "Massgen_Backend.Acme", "1")

    assert entry in forbid([entry], None, ["massgen-backend-acme"], "")


@pytest.mark.parametrize(
    ("lists", "variable", "remedy"),
    [
        (((), ()), "", "backend 'acme' is provided by acme 1.0, which may not be used, because no plugin may (--no-plugins, or an empty allow list)"),
        ((("other",), ()), "", "backend 'acme' is provided by acme 1.0, which the allow list does not name; add acme to it"),
        ((None, ("acme",)), "", "backend 'acme' is provided by acme 1.0, which the block list forbids; take it out of that list"),
        ((None, ("backend.acme",)), "", "backend 'acme' is provided by acme 1.0, which the block list forbids; take it out of that list"),
        ((None, ()), "none", "backend 'acme' is provided by acme 1.0, which MASSGEN_PLUGINS=none forbids; unset it, or name acme in it instead"),
        ((None, ()), "other", "backend 'acme' is provided by acme 1.0, which MASSGEN_PLUGINS=other does not name; add acme to it"),
        ((None, ()), "-acme", "backend 'acme' is provided by acme 1.0, which MASSGEN_PLUGINS=-acme blocks; take it out of that list"),
    ],
)
def test_what_is_forbidden_is_never_imported(site, monkeypatch, lists, variable, remedy):
    """Metadata decides: using a forbidden plugin says who provides it and what forbids it, and its module is not touched."""
    site.install("acme", {"backend.acme": "acme_plugin"}, {"acme_plugin.py": "raise SystemExit('imported')"})
    monkeypatch.setenv("MASSGEN_PLUGINS", variable)
    plugins = site.plugins(allow=lists[0], block=lists[1])
    with pytest.raises(PluginBlocked) as caught:
        plugins.get("backend", "acme")

    assert str(caught.value) == remedy
    assert (caught.value.kind, caught.value.name, caught.value.distributions) == ("backend", "acme", ("acme 1.0",))
    assert plugins.entries() == ()


def test_blocking_one_of_two_settles_a_conflict(site):
    """When two distributions claim one name, blocking either leaves the other usable."""
    source = f"{IMPORT}@hookimpl\ndef massgen_backends():\n    return [BackendSpec(name='acme', factory='os:getcwd', summary=__name__)]\n"
    site.install("acme-one", {"backend.acme": "acme_one"}, {"acme_one.py": source})
    site.install("acme-two", {"backend.acme": "acme_two"}, {"acme_two.py": source})

    assert site.plugins(block=["acme_two"]).get("backend", "acme").summary == "acme_one"
    assert site.plugins(block=["acme_one"]).get("backend", "acme").summary == "acme_two"
