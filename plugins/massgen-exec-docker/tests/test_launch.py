"""`npx` and `uvx` in an image of one server."""

from __future__ import annotations

import pytest

from massgen_exec_docker.inside.launch import asked, parted

KNOWN = {
    "packages": {"@scope/server": {"version": "1.2.3", "program": "server"}},
    "programs": {"server": ("node", "/x", ""), "other": ("node", "/y", "")},
}


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("name", ("name", "")),
        ("name@1.0", ("name", "1.0")),
        ("name==1.0", ("name", "1.0")),
        ("name[extra]==1.0", ("name", "1.0")),
        ("@scope/name", ("@scope/name", "")),
        ("@scope/name@latest", ("@scope/name", "latest")),
    ],
)
def test_names_and_versions_are_told_apart(wanted: str, found: tuple[str, str]) -> None:
    """Also where the name itself begins with the sign."""
    assert parted(wanted) == found


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["-y", "@scope/server", "/data", "-v"], ("server", ["/data", "-v"])),
        (["--yes", "@scope/server@latest"], ("server", [])),
        (["@scope/server@1.2.3", "x"], ("server", ["x"])),
        (["--package=@scope/server", "other", "x"], ("other", ["x"])),
        (["-p", "@scope/server", "--", "other"], ("other", [])),
        (["--python", "3.12", "@Scope/Server"], ("server", [])),
    ],
)
def test_what_is_there_is_started(words: list[str], found: tuple[str, list[str]]) -> None:
    """However the package is named, and with the program's own arguments."""
    assert asked(words, KNOWN) == found


@pytest.mark.parametrize("words", [["other-package"], ["@scope/server@2.0"], ["--call", "x"], ["-y"], []])
def test_what_is_not_there_is_not_taken_for_it(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Another package, another version, an option that installs: told, and nothing is started."""
    with pytest.raises(SystemExit) as ended:
        asked(words, KNOWN)

    assert ended.value.code == 127
    assert capsys.readouterr().err.strip()
