"""What may be shared with commands, and what can be read and written from outside."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from massgen_core.api import MassGenError
from massgen_exec_local.files import Files, shared


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "workspace").mkdir()
    return tmp_path / "workspace"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/", "too much"),
        ("/usr", "too much"),
        ("/home", "too much"),
        ("~", "too much"),
        ("~/..", "too much"),
        ("/var/lib", "too much"),
        ("/etc", "belongs to the system"),
        ("/proc/self", "belongs to the system"),
        ("/run", "belongs to the system"),
        ("/dev/shm", "belongs to the system"),
        ("here", "no absolute path"),
        ("../up", "no absolute path"),
        ("/no/such/folder", "does not exist"),
    ],
)
def test_what_is_too_much_is_not_shared(path: str, reason: str, workspace: Path) -> None:
    """The message names the option and its place, and says what to do."""
    with pytest.raises(MassGenError, match=rf"executor local: read\[1\]: .*{reason}"):
        shared("read", (str(workspace.parent), path), writable=(str(workspace),))


def test_what_an_agent_could_replace_is_not_shared(workspace: Path, tmp_path: Path) -> None:
    """A path through the workspace might be a link by the time it is mounted, and already is one here."""
    (workspace / "link").symlink_to("/opt")
    (workspace / "folder").mkdir()
    (tmp_path / "outer").symlink_to(workspace / "folder")
    for path in ("link", "folder"):
        with pytest.raises(MassGenError, match=r"write\[0\]|read\[0\]"):
            shared("read", (str(workspace / path),), writable=(str(workspace),))
    with pytest.raises(MassGenError, match="can write to"):
        shared("read", (str(tmp_path / "outer"),), writable=(str(workspace),))


def test_links_of_the_machine_are_resolved(workspace: Path, tmp_path: Path) -> None:
    """A link outside of the workspace leads to where it leads when the sandbox is opened."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")

    assert shared("read", (str(tmp_path / "link"),), writable=(str(workspace),)) == (str(tmp_path / "real"),)


def test_sockets_are_not_shared(workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket is a door to whoever listens there."""
    monkeypatch.chdir(tmp_path)  # names of sockets are short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("door")
        with pytest.raises(MassGenError, match="neither a folder nor a file"):
            shared("read", (str(tmp_path / "door"),), writable=())


def test_a_single_file_is_shared_for_reading_only(workspace: Path, tmp_path: Path) -> None:
    """To write a file its folder has to be shared."""
    file = tmp_path / "one.txt"
    file.write_text("one", encoding="utf-8")

    assert shared("read", (str(file),), writable=()) == (str(file),)
    with pytest.raises(MassGenError, match="share the folder"):
        shared("write", (str(file),), writable=())
    assert Files(workspace=str(workspace), read=(str(file),)).read_file(str(file)) == b"one"


def test_a_failed_write_leaves_the_file(workspace: Path) -> None:
    """What is no file is not cut off either, and nothing waits for a pipe's reader."""
    files = Files(workspace=str(workspace))
    os.mkfifo(workspace / "pipe")
    for path in ("pipe", "/dev/null", ""):
        with pytest.raises(OSError):  # noqa: PT011 - each says something else
            files.write_file(path, b"x")
