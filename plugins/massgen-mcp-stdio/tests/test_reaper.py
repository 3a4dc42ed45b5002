"""Servers of a process that was killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import anyio
import pytest

from massgen_mcp_stdio import reaper
from massgen_mcp_stdio.environment import setpriv
from massgen_mcp_stdio.procfs import boot_id, start_time

Running: TypeAlias = Callable[[int], bool]
pytestmark = [pytest.mark.anyio, pytest.mark.skipif(not boot_id(), reason="this system has no /proc that tells of other processes")]
OWNER = Path(__file__).parent / "owner.py"


async def killed_owner(behaviour: str) -> tuple[int, int]:
    """Start a program with a server and kill it; return the ids of the server and of what the server started."""
    # It is no task of ours that has to be awaited: it is killed below.
    owner = subprocess.Popen([sys.executable, str(OWNER), behaviour], stdout=subprocess.PIPE)  # noqa: ASYNC220
    assert owner.stdout
    server, child = json.loads(await anyio.to_thread.run_sync(owner.stdout.readline))
    owner.kill()
    owner.wait()
    owner.stdout.close()
    return server, child


async def soon(is_running: Running, pid: int) -> bool:
    """Wait a moment for a process to end; return whether it did."""
    with anyio.move_on_after(3):
        while is_running(pid):  # noqa: ASYNC110 - another's process tells nobody
            await anyio.sleep(0.01)
    return not is_running(pid)


@pytest.mark.skipif(not setpriv(), reason="no setpriv of util-linux is installed")
async def test_a_server_ends_with_a_killed_owner(is_running: Running) -> None:
    """SIGKILL of the owner is SIGTERM for its server, although that one ignores the end of its input."""
    with anyio.fail_after(30):
        server, child = await killed_owner("ignores-end")
        assert await soon(is_running, server)

    reaper.reap(again=True)
    assert await soon(is_running, child)


async def test_the_next_start_ends_what_is_left(is_running: Running) -> None:
    """A server that ignores SIGTERM, and what it started, are killed by the next start, and the note of them is gone."""
    with anyio.fail_after(30):
        server, child = await killed_owner("ignores-all")
        assert is_running(server)
        assert is_running(child)
        assert reaper.reap(again=True) >= 2
        assert await soon(is_running, server)
        assert await soon(is_running, child)

    assert list(folder().iterdir()) == []


def folder() -> Path:
    place = reaper.folder()
    assert place is not None
    return place


def test_nobody_else_is_harmed(is_running: Running) -> None:
    """A live owner's servers, a process that took over a number, and one from before the last start of the machine are left alone."""
    bystander = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(30)"], start_new_session=True)
    try:
        me, it = [os.getpid(), start_time(os.getpid())], [bystander.pid, start_time(bystander.pid)]
        dead = [2**22 + 1, 1]
        notes = {
            "alive": {"boot": boot_id(), "owner": me, "server": it, "token": "t1"},
            "reused": {"boot": boot_id(), "owner": dead, "server": [it[0], it[1] - 1], "token": "t2"},
            "before": {"boot": "another", "owner": dead, "server": it, "token": "t3"},
        }
        for name, note in notes.items():
            (folder() / f"{name}.json").write_text(json.dumps(note), encoding="utf-8")
        (folder() / "half.json").write_text('{"boot": ', encoding="utf-8")
        reaper.reap(again=True)

        assert is_running(bystander.pid)
        assert {file.name for file in folder().iterdir()} == {"alive.json", "half.json"}
    finally:
        os.killpg(bystander.pid, signal.SIGKILL)
        bystander.wait()


def test_a_folder_of_somebody_else_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where others may write, nothing is read and nothing is killed."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "massgen-mcp-servers").mkdir()
    (tmp_path / "massgen-mcp-servers").chmod(0o777)

    assert reaper.folder() is None
    assert reaper.remember(os.getpid(), "t") is None
    assert reaper.reap(again=True) == 0
