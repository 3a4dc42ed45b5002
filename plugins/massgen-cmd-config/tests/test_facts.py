"""What `massgen config new` asks of a plugin comes from the class of its options; no plugin is known by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from massgen_cmd_config.drafting import document
from massgen_cmd_config.facts import Facts, facts
from massgen_cmd_config.questions import Question
from massgen_cmd_config.walk import Walk
from massgen_core.cli.app import ConsoleApp
from massgen_core.plugins.index import Entry, Index
from massgen_core.plugins.manager import Plugins

MODULE = """
from __future__ import annotations
from typing import Literal
import attrs
from massgen_core.api import BackendSpec, hookimpl

@attrs.frozen(kw_only=True)
class Options:
    region: Literal["north", "south"] = attrs.field(metadata={"help": "where it is"})
    hosts: tuple[str, ...] = attrs.field(default=(), metadata={"help": "which hosts", "ask": "Which hosts may answer?"})
    depth: int = attrs.field(default=2, validator=attrs.validators.lt(10), metadata={"help": "how deep", "ask": True})
    fast: bool = attrs.field(default=True, metadata={"help": "sooner", "ask": True})
    quiet: int = attrs.field(default=0, metadata={"help": "not asked for"})

@hookimpl
def massgen_backends():
    return [BackendSpec(name="cloud", factory="cloud_plugin:Options", summary="somewhere else", config=Options, keys={"CLOUD_KEY": ""})]
"""


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Facts:
    """What is installed where a plugin of somebody else's is the only one."""
    (tmp_path / "cloud_plugin.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("CLOUD_KEY", "not-to-be-shown")
    entry = Entry("backend", "cloud", "cloud_plugin", "massgen-backend-cloud", "1.0")
    broken = Entry("backend", "broken", "no_such_module", "massgen-backend-broken", "1.0")
    return facts(ConsoleApp(Plugins(Index((broken, entry)))), tmp_path)


def questions(known: Facts, **answers: str) -> dict[str, Question]:
    """Return the questions of the backend `cloud`, by key."""
    walk = Walk.begin(known, {"backends": "cloud", **answers})
    return {one.key.removeprefix("backend.cloud."): one for one in walk.questions if one.key.startswith("backend.cloud.")}


def test_what_has_no_default_and_what_wants_to_be_asked_is_asked(known: Facts) -> None:
    """With the class's own words, choices and defaults."""
    asked = questions(known)

    assert list(asked) == ["region", "hosts", "depth", "fast"]
    assert list(asked["region"].choices) == ["north", "south"]
    assert (asked["region"].default, asked["region"].help) == ("", "where it is")
    assert asked["hosts"].text == "Which hosts may answer?"
    assert (asked["hosts"].default, asked["depth"].default, asked["fast"].default) == ("none", "2", "true")
    assert Walk.begin(known, {"preset": "none", "purpose": "data", "backends": "cloud"}).at == "backend.cloud.region"


def test_an_answer_is_judged_by_the_class(known: Facts) -> None:
    """As far as it can be alone, and with the others at the last."""
    asked = questions(known)

    assert "a whole number is needed" in asked["depth"].refusal("deep")
    assert "depth" in questions(known, **{"backend.cloud.region": "north", "backend.cloud.depth": "99"})["fast"].refusal("true")


def test_answers_become_options_of_their_types(known: Facts) -> None:
    """Lists are separated by commas."""
    answers = {"region": "south", "hosts": "a, b", "depth": "3", "fast": "false"}
    made = document(known, {"backends": "cloud", **{f"backend.cloud.{key}": answer for key, answer in answers.items()}})

    assert made["agents"][0]["backend"] == {"type": "cloud", "region": "south", "hosts": ["a", "b"], "depth": 3, "fast": False}


def test_keys_are_found_and_not_shown(known: Facts) -> None:
    """What can be used comes first; what is broken is said and does not end the questions."""
    first, last = known.backends

    assert (first.name, first.said) == ("cloud", "ready: CLOUD_KEY is set")
    assert (last.name, last.is_ready, "cannot be used" in last.said) == ("broken", False, True)
    assert "not-to-be-shown" not in repr(known)
