"""Patterns let commands through or refuse them, as existing configurations mean it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_core.api import CommandRefused, MassGenError
from massgen_exec_local.patterns import Patterns

PYTHON = ("python.*", "python3.*", "pytest.*", "pip.*")  # both lists of the published examples


@pytest.mark.parametrize(
    "argv",
    [
        ("python",),
        ("python3", "-m", "pip", "install", "x"),
        ("/usr/bin/python3", "a.py"),
        ("pytest", "-x"),
        ("sh", "-c", "python a.py"),
        ("bash", "-lc", "  pip list"),
        ("/bin/sh", "-ec", "python3 -V"),
    ],
)
def test_a_pattern_matches_what_a_person_would_type(argv: tuple[str, ...]) -> None:
    """The program by its name or path, or the script that a shell is given: allowed by the one list, blocked by the other."""
    Patterns(PYTHON, ()).check(argv)
    with pytest.raises(CommandRefused, match="blocked by the pattern"):
        Patterns((), PYTHON).check(argv)


@pytest.mark.parametrize("argv", [("ruby", "a.rb"), ("sh", "-c", "ls; python a.py"), ("sh", "script.sh"), ("env", "python"), ("mypython",)])
def test_a_pattern_begins_at_the_beginning(argv: tuple[str, ...]) -> None:
    """What comes later in a command is not looked at, as in the format that the patterns come from; a list of allowed ones refuses it."""
    Patterns((), PYTHON).check(argv)
    with pytest.raises(CommandRefused, match=r"matches no pattern of allowed_commands: 'python\.\*'"):
        Patterns(PYTHON, ()).check(argv)


def test_a_shell_that_is_allowed_does_not_allow_its_script() -> None:
    """With `sh` allowed, a script is still judged for itself."""
    Patterns(("sh .*", "echo .*"), ()).check(("sh", "-c", "echo x"))
    with pytest.raises(CommandRefused):
        Patterns(("sh .*",), ()).check(("sh", "-c", "rm -rf ."))
    Patterns(("sh .*",), ()).check(("sh", "script.sh"))


def test_blocking_is_stronger() -> None:
    """What both lists match is refused."""
    with pytest.raises(CommandRefused, match=r"'git push' is blocked by the pattern 'git push'"):
        Patterns(("git .*",), ("git push",)).check(("git", "push"))


def test_nothing_configured_lets_everything_through() -> None:
    """Without patterns every command passes."""
    Patterns((), ()).check(("rm", "-rf", "/"))


def test_a_broken_pattern_is_explained() -> None:
    """It is named with its place when the sandbox is opened."""
    with pytest.raises(MassGenError, match=r"blocked_commands\[1\] is no regular expression: '\('"):
        Patterns((), ("a", "("))


WORDS = st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=8), min_size=1, max_size=5)


@given(WORDS, WORDS)
def test_the_two_lists_are_each_others_complement_for_programs(argv: list[str], other: list[str]) -> None:
    """Whatever a command is, unless it is a shell's script: the same pattern that allows it in one list blocks it in the other."""
    pattern = re.escape(other[0])

    def passes(patterns: Patterns) -> bool:
        try:
            patterns.check(("true-" + argv[0], *argv[1:]))
        except CommandRefused:
            return False
        return True

    assert passes(Patterns((pattern,), ())) != passes(Patterns((), (pattern,)))
