"""The rules against their examples, against dangerous lines, and against ordinary ones."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from massgen_safety_commands.judge import find, read
from massgen_safety_commands.rule import On, Rule
from massgen_safety_commands.rules import RULES

HERE = Path(__file__).parent
# What was reached with the lists beside this file; it may rise, and must not fall.
CAUGHT, REFUSED = 1.0, 0.97
CAUGHT_OF_TRICKY = 0.86  # at the first try 0.55 of the first 117, and, after mending, 0.69 of the others
_LANGUAGE = re.compile(r"(python|perl|ruby|javascript|php): ([\s\S]*)")


def matched(example: str) -> set[str]:
    found = _LANGUAGE.match(example)
    facts = read(found[1], found[2]) if found else read("shell", example)
    assert not facts.unclear
    return {finding.rule.name for finding in find(facts)}


def lines(name: str) -> Iterator[list[str]]:
    r"""Yield the fields of a list; `\n` in its last one is a line break."""
    fields = 3 if name == "dangerous.txt" else 2
    for line in (HERE / name).read_text(encoding="utf-8").splitlines():
        *first, code = line.split(" ", fields - 1)
        yield [*first, code.replace("\\n", "\n")]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_rule_keeps_to_its_examples(rule: Rule) -> None:
    """It matches its own examples, and lets its look-alikes through."""
    assert [example for example in rule.matches if rule.name not in matched(example)] == []
    assert [example for example in rule.passes if rule.name in matched(example)] == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_rule_is_well_formed(rule: Rule) -> None:
    """It has a name that can be written, a reason, examples of both kinds, and conditions that say something."""
    assert re.fullmatch("[a-z]+(-[a-z]+)*", rule.name)
    assert rule.reason.startswith("it ")
    assert ";" not in rule.reason
    assert rule.matches
    assert rule.passes
    for on in rule.when:
        assert on != On()
        assert bool(on.access) == bool(on.paths)
        assert [bool(on.programs), bool(on.paths), bool(on.text)].count(True) == 1
        for pattern in (on.arguments, on.unless, on.paths, on.text):
            re.compile(pattern)


def test_names_are_unique() -> None:
    """A name stands for one rule."""
    assert len({rule.name for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("unit", ["-C ", "--a ", "-c x ", "--data", "--data=", "-d=", "-d@", "-e", "push -", "/..", "-v /tmp/", "net.connect "])
@pytest.mark.parametrize("start", ["git ", "git clean ", "curl --data", "curl -d ", "nc ", "docker ", "kubectl ", "python -m ", "x"])
def test_no_line_holds_a_rule_up(start: str, unit: str) -> None:
    """A line that was made to be slow to match would stop the whole run: the patterns are tried where everything else waits for them."""

    def late(number: int, frame: object) -> None:
        pytest.fail("a pattern takes too long")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(30)
    try:
        list(find(read("shell", f"{start}{unit * (9000 // len(unit))}!")))
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def test_dangerous_lines_are_caught() -> None:
    """Of the lines that were written before the rules were tried, so many are refused, or a person is asked."""
    levels = [(line, {found.rule.level for found in find(read(line[1], line[2]))}) for line in lines("dangerous.txt")]
    caught = [line for line, found in levels if found & {"ask", "deny"}]
    refused = [line for line, found in levels if "deny" in found]
    deserved = [line for line, _ in levels if line[0] == "deny"]

    assert len(levels) >= 80
    assert len(caught) / len(levels) >= CAUGHT, [line for line, found in levels if not found & {"ask", "deny"}]
    assert len(refused) / len(deserved) >= REFUSED


def test_lines_that_try_to_get_around_are_caught_in_part() -> None:
    """These were written to be hard, after the rules, and tried blindly; what is missed shows why it is the sandbox that protects."""
    missed = [line for line in lines("tricky.txt") if not {found.rule.level for found in find(read(line[0], line[1]))} & {"ask", "deny"}]

    assert 1 - len(missed) / len([*lines("tricky.txt")]) >= CAUGHT_OF_TRICKY, missed


def test_ordinary_lines_are_left_alone() -> None:
    """No line of everyday development is refused, and nobody is asked about one by a rule."""
    every = [*lines("ordinary.txt")]
    alarms = {code: names for language, code in every if (names := {found.rule.name for found in find(read(language, code))})}

    assert len(every) >= 200
    assert alarms == {}


def test_readme_lists_the_rules() -> None:
    """Each with its level and its reason, in the order in which the command lists them."""
    rows = re.findall(r"^\| `([a-z-]+)` \| (deny|ask|warn) \| (.+) \|$", HERE.parent.joinpath("README.md").read_text(encoding="utf-8"), re.MULTILINE)

    assert rows == [(rule.name, rule.level, rule.reason) for rule in RULES]
