"""The scripts that set up, run and add up the checks."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
SUITE = '<testsuites><testsuite name="pytest" time="1.5">{}</testsuite></testsuites>'
PASSED = '<testcase classname="a" name="b"/>'
FAILED = '<testcase classname="a" name="b"><failure message="no"/></testcase>'
SKIPPED = '<testcase classname="a" name="c"><skipped type="pytest.skip" message="{0}">{1}: {0}</skipped></testcase>'
EXPECTED_TO_FAIL = '<testcase classname="a" name="b"><skipped type="pytest.xfail" message="known"/></testcase>'


def module_of(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("cases", "in_ci", "code", "last"),
    [
        ([PASSED, PASSED], True, 0, "2 passed, 0 failed, 0 skipped"),
        ([PASSED, FAILED], False, 1, "1 passed, 1 failed, 0 skipped"),
        ([PASSED, SKIPPED.format("no zstd", "tests/test_a.py:3")], False, 0, "1 passed, 0 failed, 1 skipped"),
        ([PASSED, SKIPPED.format("no zstd", "tests/test_a.py:3")], True, 1, "1 passed, 1 failed, 0 skipped"),
        ([PASSED, SKIPPED.format("not in CI: needs a key", "tests/test_a.py:3")], True, 0, "1 passed, 0 failed, 1 skipped"),
        ([PASSED, SKIPPED.format("no images", "src/massgen_testkit/backend.py:3")], True, 0, "1 passed, 0 failed, 1 skipped"),
        ([PASSED, EXPECTED_TO_FAIL], True, 0, "2 passed, 0 failed, 0 skipped"),
        ([], True, 1, "0 passed, 0 failed, 0 skipped"),
    ],
)
def test_summary(
    cases: list[str], in_ci: bool, code: int, last: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What failed fails; in continuous integration so do a skip without an excuse and a run without tests."""
    summary = module_of(ROOT / "scripts" / "summary.py")
    (tmp_path / "kernel.xml").write_text(SUITE.format("".join(cases)), encoding="utf-8")
    monkeypatch.setattr(summary, "REPORTS", tmp_path)
    monkeypatch.setenv("CI", "true" if in_ci else "")

    assert summary.main(0) == code
    assert capsys.readouterr().out.splitlines()[-1] == last


def test_summary_forgives_what_another_environment_ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A test that needs a second plugin is skipped where there is one alone; so is a module as a whole."""
    summary = module_of(ROOT / "scripts" / "summary.py")
    skipped = SKIPPED.format("no second plugin", "tests/test_a.py:3").replace('"c"', '"b"')
    module = '<testcase classname="" name="a"><skipped type="pytest.skip" message="no second plugin">tests/a.py:3: no</skipped></testcase>'
    (tmp_path / "plugin-one.xml").write_text(SUITE.format(skipped + module), encoding="utf-8")
    (tmp_path / "lowest.xml").write_text(SUITE.format(PASSED), encoding="utf-8")
    monkeypatch.setattr(summary, "REPORTS", tmp_path)
    monkeypatch.setenv("CI", "true")

    assert summary.main(0) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "1 passed, 0 failed, 2 skipped"


def test_summary_keeps_the_exit_code_of_tox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment without tests, such as `type`, can fail too."""
    summary = module_of(ROOT / "scripts" / "summary.py")
    (tmp_path / "kernel.xml").write_text(SUITE.format(PASSED), encoding="utf-8")
    monkeypatch.setattr(summary, "REPORTS", tmp_path)

    assert summary.main(3) == 3


def bootstrap(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "bootstrap.py", *arguments],
        cwd=ROOT,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )


def test_bootstrap_says_what_it_can_do() -> None:
    """Called without a command it explains itself; an option that it does not know is named."""
    alone, asked, unknown = bootstrap(), bootstrap("--help"), bootstrap("run", "--tiny")

    assert (alone.returncode, asked.returncode, unknown.returncode) == (2, 0, 1)
    assert "python3 bootstrap.py run" in alone.stdout
    assert alone.stdout == asked.stdout
    assert "unknown option --tiny" in unknown.stderr
    assert "--small" in unknown.stderr


def test_bootstrap_imports_the_standard_library_only() -> None:
    """It runs before anything is installed."""
    ended = subprocess.run(
        [sys.executable, "-I", "-S", "-c", "import runpy; runpy.run_path('bootstrap.py', run_name='x')"], cwd=ROOT, timeout=60, check=False
    )

    assert ended.returncode == 0


def test_bootstrap_says_what_a_python_without_environments_misses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Debian's Python comes without ensurepip; who is not root, or has no apt, reads which package to install."""
    script = module_of(ROOT / "bootstrap.py")
    monkeypatch.setattr(script, "can_make_environments", lambda: False)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(script.Stop, match=r"install python3\.\d+-venv"):
        script.environment(tmp_path / "new", ["tox"], [])
    assert not (tmp_path / "new").exists()


def test_bootstrap_leaves_an_environment_that_fits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The second call does nothing, without a network; a change of what it was made from makes it anew."""
    script = module_of(ROOT / "bootstrap.py")
    calls: list[list[str]] = []

    def call(command: list[str], *, failure: str) -> None:
        calls.append(command)
        (tmp_path / "new" / "bin").mkdir(parents=True, exist_ok=True)
        (tmp_path / "new" / "bin" / "python").touch()

    monkeypatch.setattr(script, "call", call)
    watched = tmp_path / "pyproject.toml"
    watched.write_text("one", encoding="utf-8")

    script.environment(tmp_path / "new", ["tox"], [watched])
    made = len(calls)
    script.environment(tmp_path / "new", ["tox"], [watched])
    again = len(calls)
    watched.write_text("two", encoding="utf-8")
    script.environment(tmp_path / "new", ["tox"], [watched])

    assert (made, again, len(calls)) == (2, 2, 4)
