"""`npx` and `uvx` in an image of one server."""

from __future__ import annotations

import pytest

from massgen_core.api import MassGenError
from massgen_exec_docker.inside.launch import asked, parted
from massgen_exec_docker.servers import _known

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


@pytest.mark.parametrize(
    ("program", "version"), [("python3", "1"), ("node", "1"), ("../../bin/true", "1"), ("fine", "1\nENV PATH=/opt"), ("fine", "1 a=b")]
)
def test_a_package_takes_no_place_in_its_image(program: str, version: str) -> None:
    """Neither of the agent's interpreter, nor of a path elsewhere, nor of a line of what the image is: what packages say of themselves is theirs."""
    with pytest.raises(MassGenError, match="not installed"):
        _known("some", version, {program: ("node", "/x", "")}, "some")
    assert _known("some", "1.0-rc.1+2", {"python-server": ("node", "/x", "")}, "some")["programs"]
