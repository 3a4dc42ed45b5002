"""What is particular to copies of folders: the store, its limits, what is left out, what is damaged."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from massgen_core.api import MassGenError, NoticeGiven
from massgen_testkit import PlainContext
from massgen_testkit.trees import fill, tree
from massgen_workspace_files.config import FilesConfig
from massgen_workspace_files.diff import diff
from massgen_workspace_files.store import Store
from massgen_workspace_files.workspace import FilesWorkspace, open_workspace


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "files").mkdir()
    return tmp_path / "files"


def workspace(files: Path, **options: object) -> FilesWorkspace:
    return FilesWorkspace(Store(files.parent / "kept"), files, "ann", FilesConfig(**options))  # type: ignore[arg-type]


def objects(files: Path) -> list[Path]:
    return [path for path in (files.parent / "kept" / "objects").rglob("*") if path.is_file()]


def test_each_content_is_stored_once(files: Path) -> None:
    """Whatever its name, whoever has it, and however often it is kept; nobody shares a file with the store."""
    for name in ("a", "b", "c"):
        (files / name).write_bytes(b"x" * 1000)
    (files / "d").write_bytes(b"y")
    one = workspace(files)
    first = one.keep("one")[0]
    (files / "e").write_bytes(b"x" * 1000)
    second = one.keep("two")[0]

    assert first != second
    assert sorted(path.stat().st_size for path in objects(files)) == [1, 1000]
    assert all(path.stat().st_nlink == 1 for path in (*objects(files), *files.iterdir()))
    assert list((files.parent / "kept").glob("new-*")) == []


def test_what_has_not_changed_is_not_read_again(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that are old enough to be known are told by their marks."""
    for name in ("a", "b"):
        (files / name).write_text(name, encoding="utf-8")
        os.utime(files / name, (1, 1))
    taken: list[int] = []
    take = Store._take

    def counted(self: Store, source: int, most: int) -> tuple[str, int]:
        taken.append(source)
        return take(self, source, most)

    monkeypatch.setattr(Store, "_take", counted)
    monkeypatch.setattr("massgen_workspace_files.store._RACY_NS", -(10**12))  # nobody waits for files to age
    one = workspace(files)
    first = one.keep("one")[0]
    assert len(taken) == 2
    assert one.keep("two")[0] == first
    assert len(taken) == 2
    (files / "a").write_text("A", encoding="utf-8")
    assert workspace(files).keep("three")[0] != first
    assert len(taken) == 3


@pytest.mark.parametrize(("options", "reason"), [({"max_size": 10}, "more than 10 bytes"), ({"max_files": 3}, "more than 3 files")])
def test_too_much_is_refused(files: Path, options: dict[str, int], reason: str) -> None:
    """The message names the limit and what to do; nothing half is left behind. A file that claims to be huge costs nothing."""
    for name in "abcd":
        (files / name).write_text("1234", encoding="utf-8")
    with pytest.raises(MassGenError, match=f"{reason}.*`exclude`"):
        workspace(files, **options).keep("one")
    assert list((files.parent / "kept" / "snapshots").iterdir()) == []
    assert list((files.parent / "kept").glob("new-*")) == []
    with (files / "huge").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(MassGenError, match="bytes"):
        workspace(files).keep("two")


def test_what_is_excluded_is_neither_kept_nor_touched(files: Path) -> None:
    """At any depth, also where its folder did not exist then; the snapshot itself knows what was excluded."""
    fill(files)
    (files / "src" / "node_modules").mkdir()
    (files / "src" / "node_modules" / "x").write_text("big", encoding="utf-8")
    (files / "file").touch()
    before = tree(files)
    snapshot = workspace(files, exclude=("node_modules",)).keep("one")[0]
    (files / "file").unlink()
    (files / "file" / "node_modules").mkdir(parents=True)
    with pytest.raises(MassGenError, match="file"):
        workspace(files).bring_back(snapshot)
    assert (files / "file" / "node_modules").is_dir()
    (files / "file" / "node_modules").rmdir()
    (files / "src" / "node_modules" / "x").write_text("bigger", encoding="utf-8")
    (files / "new" / "node_modules").mkdir(parents=True)
    (files / "new" / "other").write_text("new", encoding="utf-8")
    workspace(files).bring_back(snapshot)

    assert (files / "src" / "node_modules" / "x").read_text(encoding="utf-8") == "bigger"
    assert not (files / "new" / "other").exists()
    assert (files / "new" / "node_modules").is_dir()
    assert {name for name in tree(files) if not name.startswith("new")} == set(before)


def test_a_damaged_store_is_said_and_does_no_harm(files: Path, tmp_path: Path) -> None:
    """A content that is not what it was, one that is gone, and names that somebody wrote by hand to get out."""
    (files / "a").write_text("content", encoding="utf-8")
    (files / "b").write_text("another", encoding="utf-8")
    one = workspace(files)
    snapshot = one.keep("one")[0]
    found = objects(files)
    found[0].chmod(0o600)
    found[0].write_text("CONTENT", encoding="utf-8")
    for name in ("a", "b"):
        (files / name).write_text("later", encoding="utf-8")
    with pytest.raises(MassGenError, match="damaged"):
        one.bring_back(snapshot)
    assert list(files.glob(".massgen-*")) == []
    found[0].unlink()
    with pytest.raises(MassGenError, match="missing"):
        one.bring_back(snapshot)
    digest = found[1].parent.name + found[1].name
    for entries in ([["f", "../out", 420, digest, 7, ""]], [["f", "x/y", 420, digest, 7, ""]], [["f", "/out", 420, digest, 7, ""]], ["?"]):
        lines = [json.dumps({"exclude": []}), *(json.dumps(entry) for entry in entries)]
        (tmp_path / "kept" / "snapshots" / ("0" * 32)).write_text("\n".join(lines), encoding="ascii")
        with pytest.raises(MassGenError, match="damaged"):
            one.bring_back("0" * 32)
    assert not (tmp_path / "out").exists()


def test_contents_come_from_the_store_only(files: Path, tmp_path: Path) -> None:
    """Not from where a digest leads that somebody wrote by hand, and not through a link in its place: a difference would show it."""
    (tmp_path / "outside").write_text("secret", encoding="utf-8")
    (files / "a").write_text("a", encoding="utf-8")
    store, one = Store(tmp_path / "kept"), workspace(files)
    whole = one.keep("one")[0]
    (files / "a").unlink()
    empty = one.keep("two")[0]
    digest = f"aa{'../' * 20}{tmp_path}/outside"
    (tmp_path / "kept" / "objects" / "aa").mkdir(exist_ok=True)
    written = f"{json.dumps({'exclude': []})}\n{json.dumps(['f', 'a', 420, digest, 6, ''])}\n"
    (tmp_path / "kept" / "snapshots" / ("0" * 32)).write_text(written, encoding="ascii")
    with pytest.raises(MassGenError, match="damaged"):
        diff(store, store.manifest(empty), store.manifest("0" * 32))
    (kept,) = objects(files)
    kept.unlink()
    kept.symlink_to(tmp_path / "outside")
    with pytest.raises(MassGenError, match="missing"):
        diff(store, store.manifest(empty), store.manifest(whole))


def test_the_folder_itself_is_never_a_link(files: Path, tmp_path: Path) -> None:
    """Whoever replaces the folder has nothing of where it leads kept or changed."""
    (files / "a").write_text("a", encoding="utf-8")
    one = workspace(files)
    snapshot = one.keep("one")[0]
    files.rename(tmp_path / "moved")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "precious").touch()
    files.symlink_to(tmp_path / "other")
    for attempt in (lambda: one.keep("two"), lambda: one.bring_back(snapshot)):
        with pytest.raises(MassGenError, match="cannot be opened"):
            attempt()
    assert tree(tmp_path / "other").keys() == {"precious"}


_MOUNTED = """
import os, subprocess, sys
from pathlib import Path
from massgen_core.api import MassGenError
from massgen_workspace_files.config import FilesConfig
from massgen_workspace_files.store import Store
from massgen_workspace_files.workspace import FilesWorkspace
files, other = Path("files").absolute(), Path("other").absolute()
one = FilesWorkspace(Store(Path("kept")), files, "ann", FilesConfig())
before = one.keep("before")[0]
(files / "new" / "inner").mkdir(parents=True)
for place in ("known", "new/inner"):
    subprocess.run(["mount", "--bind", other, files / place], check=True)
    left = one.keep("mounted")[1]
    assert left == [place], left
    try:
        one.bring_back(before)
    except MassGenError as error:
        assert "mounted" in str(error), error
    else:
        raise SystemExit("it was brought back")
    assert os.listdir(other) == ["precious"]
    subprocess.run(["umount", files / place], check=True)
assert one.bring_back(before) == []
"""


def test_what_is_mounted_in_the_folder_is_left_alone(files: Path, tmp_path: Path) -> None:
    """Also a folder of the same file system, in a folder that was there before, and in one that is to go."""
    apart = ["unshare", "--mount", "--map-root-user", "--propagation", "private"]
    if shutil.which("unshare") is None or subprocess.run([*apart, "true"], capture_output=True, timeout=60, check=False).returncode:
        pytest.skip("not in CI: folders can only be mounted where namespaces can be made")
    (files / "known").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "precious").touch()
    subprocess.run([*apart, sys.executable, "-c", _MOUNTED], cwd=tmp_path, timeout=60, check=True)


@pytest.mark.anyio
async def test_what_is_left_out_is_told_once(files: Path, context: PlainContext) -> None:
    """With names that command no terminal; and again where it is missing afterwards."""
    context.workspace = files
    os.mkfifo(files / "a\x1b[31mpipe")
    async with context:
        opened = open_workspace(FilesConfig(), context)
        snapshot = await opened.snapshot("one")
        await opened.snapshot("two")
        (files / "a\x1b[31mpipe").unlink()
        await opened.restore(snapshot)

    said = [event.text for event in context.records.of(NoticeGiven)]
    assert len(said) == 2
    assert "not kept" in said[0]
    assert "could not be brought back" in said[1]
    assert "\x1b" not in "".join(said)
