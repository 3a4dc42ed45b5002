"""Distributions that are written by hand, and suites run on them in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest

METADATA = """\
Metadata-Version: 2.4
Name: {name}
Version: 0.1.0
Summary: A plugin for a test.
License-Expression: Apache-2.0
Requires-Python: >=3.11
Requires-Dist: {requires}

"""


class Site:
    """A folder that is on the import path of what runs here."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.site = folder / "site"
        self.site.mkdir(parents=True)

    def install(
        self,
        package: str,
        points: Sequence[str],
        files: Mapping[str, str],
        *,
        readme: str = "",
        requires: str = "massgen-core<0.2,>=0.1",
        is_typed: bool = True,
    ) -> None:
        """Lay out a distribution as an installer would.

        Args:
            package: The import name; the distribution's has hyphens.
            points: Entry points; all lead to the module `plugin`.
            files: Sources within the package.
            readme: The long description.
            requires: The one dependency.
            is_typed: It has `py.typed`.
        """
        for file, text in {"__init__.py": "", **({"py.typed": ""} if is_typed else {}), **files}.items():
            path = self.site / package / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text), encoding="utf-8")
        info = self.site / f"{package}-0.1.0.dist-info"
        info.mkdir()
        rows = "".join(f"{point} = {package}.plugin\n" for point in points)
        (info / "METADATA").write_text(METADATA.format(name=package.replace("_", "-"), requires=requires) + readme, encoding="utf-8")
        (info / "entry_points.txt").write_text(f"[massgen.v1]\n{rows}", encoding="utf-8")
        (info / "RECORD").write_text("", encoding="utf-8")

    def run(self, tests: str, *options: str) -> dict[str, str]:
        """Run tests on what is installed here and in the environment.

        Returns:
            `passed`, `skipped`, or the message of the failure, by `Class.test`.
        """
        file = self.folder / "test_here.py"
        file.write_text(textwrap.dedent(tests), encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(self.folder)]
        env = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "MASSGEN_"))}
        done = subprocess.run(
            [*command, *options, f"--junitxml={self.folder / 'report.xml'}", str(file)],
            env={**env, "PYTHONPATH": str(self.site)},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        results = dict(_results(self.folder / "report.xml")) if (self.folder / "report.xml").is_file() else {}
        assert results, done.stdout + done.stderr
        return results


def _results(report: Path) -> Iterator[tuple[str, str]]:
    for case in ElementTree.parse(report).iter("testcase"):
        problem = next((found for tag in ("failure", "error") if (found := case.find(tag)) is not None), None)
        told = "passed" if case.find("skipped") is None else "skipped"
        yield f"{case.get('classname', '').rpartition('.')[2]}.{case.get('name')}", told if problem is None else str(problem.get("message"))


def failed(results: Mapping[str, str], of: str) -> set[str]:
    """Return the names of a class's tests that failed."""
    mine = {name.partition(".")[2]: told for name, told in results.items() if name.partition(".")[0] == of}
    assert mine, f"no test of {of} ran"
    return {name for name, told in mine.items() if told not in ("passed", "skipped")}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A place to install distributions in."""
    return Site(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="session")
def failures() -> Callable[[Mapping[str, str], str], set[str]]:
    """The function that tells which tests of a class failed."""
    return failed
