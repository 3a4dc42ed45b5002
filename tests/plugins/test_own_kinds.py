"""Plugins that bring kinds, hooks and events of their own."""

from __future__ import annotations

import pytest

from massgen_core.api import PluginBlocked, PluginBroken, PluginMissing, PluginRefused

REFEREE = """
import attrs
from massgen_core.api import *

@attrs.frozen(kw_only=True)
class RefereeSpec(Spec):
    whistle: str = "short"

class Hooks:
    @hookspec
    def massgen_referees(self):
        "Provide referees."

@hookimpl
def massgen_hookspecs():
    return [Hooks]

@hookimpl
def massgen_kinds():
    return [Kind(name="referee", hook="massgen_referees", spec=RefereeSpec, summary="somebody who decides")]
"""
STRICT = """
from massgen_core.api import *
from referee import RefereeSpec

@hookimpl
def massgen_referees():
    return [RefereeSpec(name="strict", factory="os:getcwd", whistle="long")]
"""
DICE = """
import attrs
from typing import ClassVar
from massgen_core.api import *

@attrs.frozen(kw_only=True)
class DiceRolled(Event):
    type: ClassVar[str] = "dice.rolled"
    eyes: int

@hookimpl
def massgen_event_types():
    return [DiceRolled]
"""


@pytest.fixture
def referees(site):
    """Two distributions: one defines the kind, the other provides a referee."""
    site.install("massgen-referee", {"kind.referee": "referee"}, {"referee.py": REFEREE})
    site.install("massgen-referee-strict", {"referee.strict": "strict"}, {"strict.py": STRICT})
    return site


def test_a_plugin_adds_a_kind_and_its_hook(referees):
    """Another distribution's spec of the new kind is had by kind and name, without loading the kind first by hand."""
    plugins = referees.plugins()
    spec = plugins.get("referee", "strict")

    assert (type(spec).__name__, spec.name, spec.whistle) == ("RefereeSpec", "strict", "long")
    assert plugins.kinds["referee"].summary == "somebody who decides"
    assert plugins.factory("referee", "strict")
    assert [entry.title for entry in plugins.entries()] == ["kind.referee", "referee.strict"]


def test_a_plugin_may_define_a_kind_and_provide_it(site):
    """One module can bring the kind, the hook and the first spec."""
    own = "@hookimpl\ndef massgen_referees():\n    return [RefereeSpec(name='mild', factory='os:getcwd')]\n"
    site.install("massgen-referee", {"kind.referee": "referee", "referee.mild": "referee"}, {"referee.py": REFEREE + own})
    plugins = site.plugins()

    assert plugins.get("referee", "mild").whistle == "short"
    assert plugins.check(plugins.entry("kind", "referee")) is None


def test_a_module_with_a_spec_of_ones_own_kind_loads_for_another_kind_too(referees):
    """A module that provides a backend and a referee works when the backend is asked for first."""
    backend = "@hookimpl\ndef massgen_backends():\n    return [BackendSpec(name='acme', factory='os:getcwd')]\n"
    referees.install("both", {"backend.acme": "both", "referee.both": "both"}, {"both.py": STRICT.replace("strict", "both") + backend})
    plugins = referees.plugins()

    assert plugins.get("backend", "acme").name == "acme"
    assert plugins.get("referee", "both").name == "both"


def test_a_kind_that_nobody_defines(site):
    """A spec of an unknown kind says which entry point is missing; a kind that is unknown altogether, which kinds there are."""
    site.install("massgen-referee-strict", {"referee.strict": "strict"}, {"strict.py": STRICT})
    plugins = site.plugins()
    with pytest.raises(PluginMissing) as undefined:
        plugins.get("referee", "strict")
    with pytest.raises(PluginMissing) as unknown:
        plugins.get("backnd", "x")

    assert str(undefined.value) == (
        "referee.strict of massgen-referee-strict 1.0 is of the kind 'referee', which no installed plugin defines; "
        "install the distribution that declares 'kind.referee', which the readme of massgen-referee-strict should name"
    )
    assert str(unknown.value).startswith("there is no kind of plugin 'backnd' (kinds: backend, classifier, ")
    assert str(unknown.value).endswith("; did you mean 'backend'?")


def test_a_missing_name_of_an_own_kind(referees):
    """Names of plugins' kinds are suggested as the kernel's are."""
    with pytest.raises(PluginMissing, match=r"no installed plugin provides referee 'strikt' \(installed: strict\); did you mean 'strict'\?"):
        referees.plugins().get("referee", "strikt")


def test_a_kind_whose_plugin_is_blocked(referees):
    """Blocking the plugin that defines a kind blocks the kind, and the message names who."""
    with pytest.raises(PluginBlocked, match=r"kind 'referee' is provided by massgen-referee 1\.0, which the block list forbids"):
        referees.plugins(block=["massgen-referee"]).get("referee", "strict")


def test_a_kind_whose_plugin_is_broken(site):
    """The failure of the plugin that defines a kind is what a user of the kind sees; a hook without its kind is refused."""
    site.install("massgen-referee", {"kind.referee": "referee"}, {"referee.py": "1 / 0"})
    site.install(
        "both",
        {"referee.strict": "strict", "backend.acme": "strict"},
        {"strict.py": STRICT.replace("referee import RefereeSpec", "massgen_core.api import Spec as RefereeSpec").replace(', whistle="long"', "")},
    )
    plugins = site.plugins()
    with pytest.raises(PluginBroken, match=r"kind\.referee of massgen-referee 1\.0 is broken: its hook module referee raised ZeroDivisionError"):
        plugins.get("referee", "strict")
    with pytest.raises(PluginRefused, match="it implements the hook massgen_referees, which this one does not know"):
        plugins.get("backend", "acme")


KIND = 'Kind(name="referee", hook="massgen_referees", spec=RefereeSpec'


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        (
            KIND,
            "Kind(name='referees', hook='massgen_referees', spec=RefereeSpec",
            "its entry point promises 'kind.referee', but hook massgen_kinds of referee yields referees",
        ),
        (
            KIND,
            "Kind(name='backend', hook='massgen_referees', spec=RefereeSpec",
            "hook massgen_kinds of referee holds the kind 'backend', which exists already",
        ),
        (KIND, "Kind(name='kind', hook='massgen_referees', spec=RefereeSpec", "holds the kind 'kind', which exists already"),
        (KIND, "Kind(name='A b', hook='massgen_referees', spec=RefereeSpec", "holds a kind named 'A b'; a kind's name has lower-case letters"),
        (KIND, "Kind(name='referee', hook='massgen_backends', spec=RefereeSpec", "with the hook 'massgen_backends', which has another use"),
        (KIND, "Kind(name='referee', hook='massgen_kinds', spec=RefereeSpec", "with the hook 'massgen_kinds', which has another use"),
        (
            KIND,
            "Kind(name='referee', hook='massgen_umpires', spec=RefereeSpec",
            "with the hook 'massgen_umpires', which no massgen_hookspecs specifies",
        ),
        (KIND, "Kind(name='referee', hook='massgen_referees', spec=dict", "with the spec class <class 'dict'>; it must inherit from Spec"),
        (KIND, "dict(name='referee'", "which is no Kind; it must return a list of Kind"),
        (
            "return [Hooks]",
            "return Hooks",
            "hook massgen_hookspecs of referee returned <class 'referee.Hooks'>; it must return a list of modules or classes that specify hooks",
        ),
        ("return [Hooks]", "return ['Hooks']", "referee breaks a rule of hooks: ValueError: did not find any 'massgen' hooks in 'Hooks'"),
        ("def massgen_referees", "def massgen_backends", "referee breaks a rule of hooks: ValueError: Hook 'massgen_backends' is already registered"),
    ],
)
def test_a_kind_that_makes_no_sense(site, old, new, found):
    """Each rule of kinds has its message, and nothing of such a plugin is kept."""
    assert old in REFEREE
    site.install("massgen-referee", {"kind.referee": "referee"}, {"referee.py": REFEREE.replace(old, new)})
    plugins = site.plugins()
    with pytest.raises(PluginBroken) as caught:
        plugins.check(plugins.entry("kind", "referee"))

    assert "kind.referee of massgen-referee 1.0 is broken: " in str(caught.value)
    assert found in str(caught.value)
    assert "referee" not in plugins.kinds


def test_two_plugins_that_define_one_kind(referees):
    """Two distributions that define one kind are a conflict, as with any name."""
    referees.install("another-referee", {"kind.referee": "another"}, {"another.py": REFEREE})
    with pytest.raises(PluginBroken.__base__, match=r"kind 'referee' is claimed by another-referee 1\.0 and by massgen-referee 1\.0"):
        referees.plugins().get("referee", "strict")


def test_events_of_a_plugin(site):
    """Events are loaded when they are asked for; a plugin that fails is passed over, so that a journal stays readable."""
    site.install("dice", {"events.dice": "dice"}, {"dice.py": DICE})
    site.install("cards", {"events.cards": "cards"}, {"cards.py": "1 / 0"})
    types = site.plugins().event_types()

    assert [(name, cls.__name__) for name, cls in types.items()] == [("dice.rolled", "DiceRolled")]


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        (
            "return [DiceRolled]",
            "return [7]",
            "hook massgen_event_types of dice holds 7, which is no subclass of Event; it must return a list of Event classes",
        ),
        ('"dice.rolled"', '"run.started"', "holds DiceRolled with the type 'run.started', which is taken"),
        ('"dice.rolled"', '"dice"', "holds DiceRolled with the type 'dice'; a type is written noun.verbed"),
        ("return [DiceRolled]", "return []", "its entry point promises 'events.dice', but hook massgen_event_types of dice yields nothing"),
    ],
)
def test_events_that_make_no_sense(site, old, new, found):
    """Each rule of events has its message."""
    assert old in DICE
    site.install("dice", {"events.dice": "dice"}, {"dice.py": DICE.replace(old, new)})
    plugins = site.plugins()
    with pytest.raises(PluginBroken) as caught:
        plugins.check(plugins.entry("events", "dice"))

    assert found in str(caught.value)
    assert plugins.event_types() == {}


def test_two_plugins_with_one_event_type(site):
    """The second plugin that takes an event's type is refused; the first one's events stay."""
    site.install("dice", {"events.dice": "dice"}, {"dice.py": DICE})
    site.install("more-dice", {"events.more": "more_dice"}, {"more_dice.py": DICE})
    plugins = site.plugins()

    assert plugins.event_types()["dice.rolled"].__module__ == "dice"
    with pytest.raises(PluginBroken, match=r"'dice\.rolled', which is taken"):
        plugins.check(plugins.entry("events", "more"))
