"""Opening files beneath a folder, by the kernel's own resolution and by the one that stands in for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import massgen_core.beneath
from massgen_core.api import open_beneath


@pytest.fixture(params=["kernel", "walk"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A folder with files and links, open; resolved in both ways."""
    if request.param == "walk":

        def absent(*_: object) -> int:
            raise NotImplementedError

        monkeypatch.setattr(massgen_core.beneath, "_openat2", absent)
    (tmp_path / "secret").write_text("sesame")
    root = tmp_path / "root"
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "b" / "file").write_text("mine")
    for name, target in {"out": "../secret", "absolute": str(tmp_path / "secret"), "up": "..", "loop": "loop", "a/out": "../../secret"}.items():
        (root / name).symlink_to(target)
    descriptor = os.open(root, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def content(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


@pytest.mark.parametrize("path", ["a/b/file", "./a//b/./file"])
def test_what_is_within_is_opened(folder: int, path: str) -> None:
    """Spellings of one path lead to one file, which no child process inherits."""
    descriptor = open_beneath(folder, path)
    assert not os.get_inheritable(descriptor)
    assert content(descriptor) == b"mine"


@pytest.mark.parametrize(
    "path", ["out", "absolute", "up/secret", "loop", "a/out", "../secret", "a/../../secret", "/etc/passwd", "", ".", "a\0b", "/proc/self/cwd/x"]
)
def test_what_leads_out_is_refused(folder: int, path: str) -> None:
    """Links, dots and absolute paths that leave the folder; the error names the path."""
    with pytest.raises(PermissionError) as caught:
        open_beneath(folder, path)
    assert caught.value.filename == path


@pytest.mark.parametrize("path", ["nothing", "nothing/below", "a/b/nothing"])
def test_what_is_not_there_is_told(folder: int, path: str) -> None:
    """A missing file is a missing file."""
    with pytest.raises(FileNotFoundError):
        open_beneath(folder, path)


def test_missing_folders_are_made(folder: int) -> None:
    """Writing makes what lies between, and only within the folder."""
    with os.fdopen(open_beneath(folder, "x/y/z", os.O_WRONLY | os.O_CREAT), "wb") as file:
        file.write(b"new")
    with pytest.raises(PermissionError):
        open_beneath(folder, "up/made/file", os.O_WRONLY | os.O_CREAT)

    assert content(open_beneath(folder, "x/y/z")) == b"new"
    assert "made" not in os.listdir(os.path.join(f"/proc/self/fd/{folder}", ".."))


def test_a_pipe_does_not_hold_us(folder: int) -> None:
    """Nobody waits for the other end of a pipe."""
    os.mkfifo("pipe", dir_fd=folder)
    os.close(open_beneath(folder, "pipe"))


def test_links_within_are_followed_by_the_kernel(tmp_path: Path) -> None:
    """A link that stays inside is no escape."""
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to("file")
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        assert content(open_beneath(folder, "link")) == b"mine"
    finally:
        os.close(folder)
