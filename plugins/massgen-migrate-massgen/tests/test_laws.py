"""Laws of the migration: it never breaks, gives the same for the same, leaves what it was given, and knows every key of the old format."""

from __future__ import annotations

import copy
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massgen_core.api import ConfigProblem, ConfigProblems
from massgen_migrate_massgen.backends import FRAMEWORKS, OPTIONS, PROGRAMS, TARGETS
from massgen_migrate_massgen.commands import glob_of
from massgen_migrate_massgen.migrate import migrate
from massgen_migrate_massgen.sections import AGENT, COORDINATION, ORCHESTRATOR, TIMEOUTS, TOP, UI

KEYPATHS = Path(__file__).resolve().parents[4] / "shared" / "data" / "configs" / "KEYPATHS.tsv"

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.sampled_from(["${X}", "${cwd}/a", "lenient", "simple"])
anything: st.SearchStrategy[Any] = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=8
)


def sections(*tables: Any) -> st.SearchStrategy[Any]:
    keys = sorted({key for table in tables for key in table})
    return st.dictionaries(st.sampled_from(keys) | st.text(max_size=6), anything, max_size=5)


kinds = st.sampled_from([*TARGETS, *FRAMEWORKS, *PROGRAMS, "gpt"])
servers = st.lists(st.fixed_dictionaries({"name": st.text(max_size=5), "args": anything}), max_size=2) | anything
backends = st.builds(
    lambda section, kind, more: {**section, "type": kind, **more},
    sections(OPTIONS, *(target.rules for target in TARGETS.values())),
    kinds,
    st.fixed_dictionaries({}, optional={"mcp_servers": servers, "cwd": st.just("w"), "base_url": st.just("https://api.z.ai/v4"), "model": anything}),
)
agents = st.builds(lambda section, backend: {**section, "backend": backend}, sections(AGENT), backends | anything)
orchestrators = st.builds(lambda section, inner: {**section, "coordination": inner}, sections(ORCHESTRATOR), sections(COORDINATION) | anything)
documents = st.builds(
    lambda section, more: {**section, **more},
    sections({key: rule for key, rule in TOP.items() if key != "version"}),
    st.fixed_dictionaries(
        {},
        optional={
            "agents": st.lists(agents | anything, max_size=3),
            "agent": agents,
            "orchestrator": orchestrators | anything,
            "timeout_settings": sections(TIMEOUTS) | anything,
            "ui": sections(UI) | anything,
        },
    ),
)
wild = st.dictionaries(st.text(max_size=8), anything, max_size=4)


def outcome(document: dict[str, Any]) -> tuple[Any, list[str]]:
    """Return what comes of a document, and what is warned of."""
    notes: list[ConfigProblem] = []
    try:
        made: Any = migrate(document, notes.append)
    except ConfigProblems as error:
        made = [str(problem) for problem in error.problems]
        assert made
    return made, [str(note) for note in notes]


@settings(max_examples=400, deadline=None)
@given(documents | wild)
def test_no_document_breaks_it(document: dict[str, Any]) -> None:
    """It returns a document of today's format or lists mistakes; twice the same; and changes nothing that it was given."""
    before = copy.deepcopy(document)

    first, second = outcome(document), outcome(document)

    assert repr(first) == repr(second)
    assert repr(document) == repr(before)
    if isinstance(first[0], dict) and document.get("version") in (None, 0):
        assert first[0]["version"] == 1


@settings(max_examples=100, deadline=None)
@given(documents)
def test_what_is_up_to_date_is_left_alone(document: dict[str, Any]) -> None:
    """A second pass changes nothing."""
    made, _ = outcome(document)
    if isinstance(made, dict):
        assert repr(migrate(made)) == repr(made)


def test_every_key_that_was_ever_used_is_known() -> None:
    """None of the keys of MassGen's own examples, of any version, counts as a spelling mistake."""
    if not KEYPATHS.is_file():
        pytest.skip("the table of keys (../shared/data/configs/KEYPATHS.tsv) is not here")
    paths = [row.split("\t")[0] for row in KEYPATHS.read_text(encoding="utf-8").splitlines()[1:]]
    places = {r"agents?(?:\[\])?\.backend": OPTIONS, r"agents?(?:\[\])?": AGENT, "orchestrator": ORCHESTRATOR, "ui": UI, "display": UI}
    places |= {r"orchestrator\.coordination": COORDINATION, "timeout_settings": TIMEOUTS, "timeout": TIMEOUTS}
    unknown = set()
    for path in paths:
        for place, rules in places.items():
            match = re.fullmatch(rf"{place}\.([a-z_]+)", path)
            if match and match[1] not in rules:
                unknown.add(path)
    # `gemini` is the beginning of a file of rate limits, which is no configuration of agents.
    tops = {re.split(r"[.\[]", path)[0] for path in paths}

    assert unknown == set()
    assert tops - set(TOP) == {"gemini"}


def test_every_rule_that_hands_over_has_its_method() -> None:
    """A table names only methods that there are."""
    from massgen_migrate_massgen.migrate import _Reader  # noqa: PLC0415

    tables = [TOP, AGENT, ORCHESTRATOR, COORDINATION, TIMEOUTS, UI, OPTIONS, *(target.rules for target in TARGETS.values())]
    handed = {rule.text for table in tables for rule in table.values() if rule.action == "hand"}

    assert {name for name in handed if not hasattr(_Reader, f"on_{name}")} == set()


pieces = st.sampled_from(["rm", " -rf", "git", "/", ".", ".*", ".+", r"\.", r"\*", "?", "[", "(a|b)", "x+", "push"])
commands = st.lists(st.sampled_from(["rm", " -rf", "git", "/", ".", "*", "a", "push"])).map("".join)


@settings(max_examples=300, deadline=None)
@given(st.lists(pieces, min_size=1, max_size=5).map("".join), st.booleans(), commands)
def test_a_list_of_commands_says_the_same_as_patterns(expression: str, is_whole: bool, command: str) -> None:
    """Where an expression becomes a pattern, both name the same commands."""
    expression += "$" * is_whole
    glob = glob_of(expression)

    if glob is not None:
        assert fnmatchcase(command, glob) is (re.match(expression, command) is not None)
