"""Names from metadata."""

from __future__ import annotations

import sys

from hypothesis import given
from hypothesis import strategies as st

from massgen_core import api
from massgen_core.plugins.index import GROUP, Entry, normal, parse, read

kinds = st.from_regex(r"[a-z][a-z0-9_-]*", fullmatch=True)
TORN = "TypeError: Pair.__new__() missing 1 required positional argument: 'value'"
names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]*", fullmatch=True)


@given(kinds, names)
def test_titles_are_split_at_the_first_dot(kind, name):
    """A kind has no dot, a name may have some: `kind.name` is split without doubt and put together again."""
    assert parse(f"{kind}.{name}") == (kind, name)


@given(st.text())
def test_any_text_is_parsed_or_refused(text):
    """Whatever stands in metadata is either a kind and a name that make it up again, or nothing."""
    halves = parse(text)

    assert halves is None or (".".join(halves) == text and text.isascii() and text.isprintable() and " " not in text)


@given(st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", fullmatch=True))
def test_names_of_distributions_are_compared_as_installers_compare_them(name):
    """Case and the kind of separator do not matter, and normalising again changes nothing."""
    assert normal(normal(name)) == normal(name)
    assert normal(name.upper()) == normal(name.lower())
    assert normal(name.replace("-", "_")) == normal(name.replace("_", "-"))


def test_the_group_is_the_one_of_the_api():
    """The group's name, which plugin authors write, is the same wherever the kernel says it."""
    assert GROUP == api.GROUP == f"massgen.v{api.API_VERSION[0]}"


def test_an_installed_distribution_is_found(site):
    """Kind, name, module, distribution, version and summary come from metadata; the hook module need not even exist."""
    site.install("massgen-backend-acme", {"backend.acme": "massgen_backend_acme.plugin", "command.acme": "massgen_backend_acme.plugin"})

    assert site.index().entries == (
        Entry("backend", "acme", "massgen_backend_acme.plugin", "massgen-backend-acme", "1.0", "A plugin of the tests."),
        Entry("command", "acme", "massgen_backend_acme.plugin", "massgen-backend-acme", "1.0", "A plugin of the tests."),
    )


def test_nothing_installed(site):
    """Without plugins the index is empty, and that is no problem."""
    site.install("somebody-else", {"tool": "somebody:main"}, group="console_scripts")

    assert site.index() == ((), (), ())


def test_a_distribution_that_is_found_twice_counts_once(new_site):
    """The same distribution in two folders of the path is one, as the first folder has it: that is the one that would be imported."""
    first, second = new_site("first"), new_site("second")
    first.install("Massgen_Backend.Acme", {"backend.acme": "acme.plugin"}, version="2.0")
    second.install("massgen-backend-acme", {"backend.acme": "acme.plugin"}, version="1.0")

    assert [entry.label for entry in first.index(second.folder).entries] == ["Massgen_Backend.Acme 2.0"]


def test_other_majors_of_the_plugin_api_are_noticed(site):
    """Plugins made for another plugin API are listed apart; groups that only look alike are not ours."""
    site.install("acme", {"backend.acme": "acme.plugin"}, version="2.0", group="massgen.v2")
    site.install("lookalike", {"backend.acme": "acme.plugin"}, group="massgen.vendor")
    found = site.index()

    assert found.entries == ()
    assert [(entry.title, entry.label, entry.group) for entry in found.foreign] == [("backend.acme", "acme 2.0", "massgen.v2")]


def test_an_entry_point_without_a_kind_is_reported(site):
    """A name that is no `kind.name` hides nothing else, and its distribution is named."""
    site.install("acme", {"acme": "acme.plugin", "backend.acme": "acme.plugin"})
    found = site.index()

    assert [entry.title for entry in found.entries] == ["backend.acme"]
    assert found.problems == ("acme 1.0 has the entry point 'acme' in massgen.v1; it must be of the form <kind>.<name>",)


def test_metadata_that_cannot_be_read_hides_no_other_plugin(site):
    """One distribution's broken file is a problem with its place, not the end of the program."""
    site.install("torn", metadata={"entry_points.txt": "[massgen.v1]\na line without a value\n"})
    site.install("nameless", {"backend.x": "x.plugin"}, metadata={"METADATA": "Metadata-Version: 2.1\n"})
    site.install("acme", {"backend.acme": "acme.plugin"})
    found = site.index()

    assert [entry.title for entry in found.entries] == ["backend.acme"]
    assert found.problems == (
        f"a distribution in {site.folder} has metadata that cannot be read (ValueError: it names no distribution); install it again",
        f"torn in {site.folder} has metadata that cannot be read ({TORN}); install it again",
    )


def test_metadata_cannot_command_a_terminal(site):
    """Escape sequences and other tricks in metadata are taken out before anybody sees them."""
    site.install("acme", {"backend.acme": "acme.plugin\x1b[2J"}, version="1\x9b31m", summary="Be\x1b]0;title\x07nign\u202e\x00 text")
    (entry,) = site.index().entries

    assert entry.summary == "Benign text"
    assert all(part.isprintable() for part in entry)


def test_the_scan_happens_once():
    """A second call returns the same object: metadata has no cache of its own."""
    assert read() is read()


def test_listing_imports_little(site):
    """The names cost no plugin, no attrs and no pluggy, and few modules: every command pays for them."""
    site.install("acme", {"backend.acme": "acme_that_must_not_be_imported"}, {"acme_that_must_not_be_imported.py": "raise SystemExit('imported')"})
    done = site.python(
        """
import sys
before = set(sys.modules)
from massgen_core.plugins.manager import Plugins
plugins = Plugins.discover()
assert "acme" in plugins.names("backend"), plugins.entries()
new = set(sys.modules) - before
heavy = {"attr", "attrs", "pluggy", "cattrs", "yaml", "msgspec", "anyio", "asyncio", "massgen_core.specs", "massgen_core.api"}
print(len(new), sorted(new & heavy))
"""
    )
    count, heavy = done.stdout.split(" ", 1)

    assert done.stderr == ""
    assert heavy == "[]\n"
    assert int(count) <= 120, f"{count} modules on Python {sys.version_info}"
