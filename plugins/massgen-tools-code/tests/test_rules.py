from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_core.api import LEVELS
from massgen_tools_code.config import CommandPermissions
from massgen_tools_code.rules import Rules

GIVEN = CommandPermissions(allow=("ls*", "pytest*", "python:print*"), ask=("git push*",), deny=("*secret*", "rm *"))


def level(code: str, language: str = "shell", permissions: CommandPermissions = GIVEN) -> str:
    verdict = Rules(permissions).judge(language, code)
    return verdict.level if verdict else ""


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("ls -l", "allow"),
        ("  ls -l\n", "allow"),
        ("ls; pytest -q && ls", "allow"),
        ("git status", "ask"),
        ("git push origin", "ask"),
        ("ls && git push", "ask"),
        ("ls; curl x", "ask"),
        ("ls $(curl x)", "ask"),
        ("ls `curl x`", "ask"),
        ("ls <(curl x)", "ask"),
        ("rm -rf x", "deny"),
        ("ls\nrm -rf x", "deny"),
        ("ls || rm x", "deny"),
        ("cat secrets.txt", "deny"),
        (";", "ask"),
        ("pytest -q 2>&1 | ls", "allow"),
        ("pytest 2>&1; curl x", "ask"),
        ("pytest >&1curl x", "ask"),
        ("pytest & curl x", "ask"),
    ],
)
def test_the_strictest_pattern_wins(code: str, wanted: str) -> None:
    """A line is as strict as the strictest of its parts, and allowed where all of them are."""
    assert level(code) == wanted


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("ls > f", "ask"),
        ("ls >> f", "ask"),
        ("ls 2> f", "ask"),
        ("ls >| f", "ask"),
        ("ls &> f", "ask"),
        ("ls <> f", "ask"),
        ("ls > /dev/nullx", "ask"),
        ("ls >/dev/null'x'", "ask"),
        ("ls\\' > f '", "ask"),
        ("ls # '\nls > f '", "ask"),
        ("ls 'a\nb' > f 'c'", "ask"),
        ("pytest -q; ls > f", "ask"),
        ("ls > /dev/null 2>&1", "allow"),
        ("ls 2>/dev/null; pytest >>/dev/null", "allow"),
        ("ls 'a > b' \"c > d\"", "allow"),
        ("pytest -q > log", "allow"),
        ("ls 2>&1; pytest -q > log", "allow"),
        ("pytest -q > log; ls > f", "ask"),
    ],
)
def test_a_pattern_lets_a_shell_write_only_where_it_says_so(code: str, wanted: str) -> None:
    """What a command is allowed to read is no leave to write its output to any file."""
    assert level(code, permissions=CommandPermissions(allow=("ls*", "pytest*", "pytest* > log"))) == wanted
    assert level(code, permissions=CommandPermissions(allow=("*",))) == "allow"


def test_code_of_other_languages_is_named_by_it() -> None:
    """A pattern of command lines does not match a program, unless it matches anything."""
    assert level("print(1)", "python") == "allow"
    assert level("ls", "python") == "ask"
    assert level("open('secret')", "python") == "deny"
    assert level("rm x", "python") == "ask"


@pytest.mark.parametrize(
    ("pattern", "code", "language", "wanted"),
    [
        ("*pytest*", "curl x; pytest", "shell", "ask"),
        ("*pytest*", "curl x # pytest", "python", "ask"),
        ("*.py", "ls $(curl x).py", "shell", "ask"),
        ("sh*", "curl x", "shell", "ask"),
        ("py*", "import os", "python", "ask"),
        ("shell:ls*", "ls; curl x", "shell", "ask"),
        ("shell:ls*", "ls; ls -l", "shell", "allow"),
        ("*:print*", "print(1)", "python", "allow"),
        ("python:*", "import os\nprint(1)", "python", "allow"),
        ("shell:*", "ls $(curl x)", "shell", "allow"),
        ("*", "ls $(curl x)", "shell", "allow"),
        ("*", "print(1)", "python", "allow"),
    ],
)
def test_a_pattern_allows_no_more_than_it_names(pattern: str, code: str, language: str, wanted: str) -> None:
    """Neither the other commands of a line, nor what only a language's name makes it match."""
    assert level(code, language, CommandPermissions(allow=(pattern,))) == wanted


def test_a_pattern_that_denies_programs_need_not_name_the_language() -> None:
    """The stricter reading counts; but a line of a shell is not what the word `shell` matches."""
    assert level("import os", "python", CommandPermissions(deny=("py*",))) == "deny"
    assert level("ls", permissions=CommandPermissions(deny=("sh*",))) == "allow"


def test_without_allow_nothing_more_is_asked() -> None:
    """Patterns that deny alone leave everything else."""
    only = CommandPermissions(deny=("rm *",))

    assert level("curl x", permissions=only) == "allow"
    assert level("curl x; rm y", permissions=only) == "deny"


def test_without_patterns_there_is_no_opinion() -> None:
    """The run's own permissions are what counts then."""
    assert Rules(CommandPermissions()).judge("shell", "rm -rf /") is None


@given(st.text(alphabet="ls rm;&|\n$()`x", max_size=30), st.text(alphabet="ls rm;&|\n$()`x", max_size=30))
def test_adding_a_command_never_makes_a_line_laxer(line: str, more: str) -> None:
    """What follows an operator can only make it stricter."""
    if line.strip():
        assert LEVELS.index(level(f"{line}\n{more}")) >= LEVELS.index(level(line)) or not more.strip() or "`" in line or "(" in line
