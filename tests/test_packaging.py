"""What is published: every distribution is built as a wheel and as an archive of its source, and looked into."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
PROJECTS = [ROOT, *sorted(file.parent for file in (ROOT / "plugins").glob("*/pyproject.toml"))]
KERNEL_VERSION = re.search(r'__version__ = "(.+)"', (ROOT / "massgen_core" / "__init__.py").read_text(encoding="utf-8"))


def name_of(project: Path) -> str:
    return "massgen-core" if project == ROOT else project.name


@pytest.fixture(scope="module", params=PROJECTS, ids=name_of)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A project, its wheel and its source archive, built by the backend itself."""
    project: Path = request.param
    target = tmp_path_factory.mktemp(name_of(project))
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-d", str(target)], cwd=project, check=True, capture_output=True, timeout=120)
    (wheel,), (archive,) = target.glob("*.whl"), target.glob("*.tar.gz")
    return project, wheel, archive


def metadata_of(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as files:
        (name,) = (name for name in files.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(files.read(name).decode("utf-8"))


def test_metadata(built: tuple[Path, Path, Path]) -> None:
    """Name, one version, licence, Python, summary, readme and keywords are there; dependencies are ranges."""
    project, wheel, _ = built
    metadata = metadata_of(wheel)

    assert KERNEL_VERSION
    assert (metadata["Name"], metadata["Version"]) == (name_of(project), KERNEL_VERSION[1])
    assert (metadata["License-Expression"], metadata.get_all("License-File")) == ("Apache-2.0", ["LICENSE"])
    assert (metadata["Requires-Python"], metadata["Author"]) == (">=3.11", "MassGen contributors")
    assert metadata["Summary"]
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert str(metadata.get_payload()).startswith("# ")
    for line in metadata.get_all("Requires-Dist", []):
        operators = {specifier.operator for specifier in Requirement(line).specifier}
        assert operators, f"{line}: no lower bound"
        assert operators <= {">=", "<", "!=", "~="}, line


def test_wheel_holds_the_package_and_nothing_else(built: tuple[Path, Path, Path]) -> None:
    """Modules, the type marker and the licence; no tests, no caches, no neighbours."""
    project, wheel, _ = built
    package = name_of(project).replace("-", "_")
    with zipfile.ZipFile(wheel) as files:
        names = files.namelist()

    assert f"{package}/py.typed" in names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert [name for name in names if not re.match(rf"{package}(-[\w.]+\.dist-info)?/", name)] == []
    assert [name for name in names if re.search(r"__pycache__|\.pyc$|/tests?/|\.(bak|orig|swp|log)$|/\.", name)] == []
    assert wheel.stat().st_size < 1_000_000


def test_source_archive_is_whole(built: tuple[Path, Path, Path]) -> None:
    """It holds what its wheel is made from: the project file, the readme, the licence and the package."""
    project, wheel, archive = built
    package = name_of(project).replace("-", "_")
    with tarfile.open(archive) as files:
        members = {member.name.partition("/")[2]: member for member in files.getmembers()}
    with zipfile.ZipFile(wheel) as files:
        modules = [name for name in files.namelist() if name.startswith(f"{package}/")]

    assert {"pyproject.toml", "README.md", "LICENSE", "PKG-INFO"} <= set(members)
    assert {name if project == ROOT else f"src/{name}" for name in modules} <= set(members)
    assert [name for name, member in members.items() if not member.isfile()] == []
    assert [name for name in members if re.search(r"__pycache__|\.pyc$|/\.|\.venv|\.tox", name)] == []


def test_source_archive_builds_the_same_wheel(built: tuple[Path, Path, Path], tmp_path: Path) -> None:
    """Who packages from the source archive gets the files that we publish."""
    _, wheel, archive = built
    with tarfile.open(archive) as files:
        files.extraction_filter = getattr(tarfile, "data_filter", None)  # Python 3.11.2 has none
        files.extractall(tmp_path)
    (source,) = tmp_path.iterdir()
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", "again"], cwd=source, check=True, capture_output=True, timeout=120
    )
    (again,) = (source / "again").glob("*.whl")
    with zipfile.ZipFile(wheel) as ours, zipfile.ZipFile(again) as theirs:
        assert {name: ours.read(name) for name in ours.namelist()} == {name: theirs.read(name) for name in theirs.namelist()}
