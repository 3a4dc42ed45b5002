"""Owners that are killed at any moment: nothing of their sandboxes is left."""

from __future__ import annotations

import json
import random
import secrets
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import anyio
import pytest

from massgen_exec_local import cgroups
from massgen_exec_local.leftovers import PREFIX

from .sandboxes import NEEDS_BUBBLEWRAP, Open

pytestmark = [pytest.mark.anyio, pytest.mark.once, NEEDS_BUBBLEWRAP]
OWNERS = 10


def with_word(word: str) -> list[int]:
    """Return the processes that have a word on their command line."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if word.encode() in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def kill_at_random(folder: Path, wall: str, word: str) -> list[int]:
    """Start owners of two commands each, and kill each after a while of any length; return who they were."""
    rng, killed = random.Random(7), []
    for number in range(OWNERS):
        place = folder / str(number)
        (place / "workspace").mkdir(parents=True)
        commands = [["sh", "-c", f"setsid sleep 600 {word} & sleep 600; : {word}"]] * 2
        asked = {"name": "local", "options": {"sandbox": wall}, "folder": str(place), "commands": commands}
        with subprocess.Popen([sys.executable, "-m", "massgen_testkit.sandboxes.owner"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as owner:
            assert owner.stdin
            owner.stdin.write(json.dumps(asked).encode() + b"\n")
            owner.stdin.flush()
            time.sleep(rng.uniform(0.2, 1.5))
            owner.kill()
            killed.append(owner.pid)
    return killed


def left_of(owners: list[int]) -> list[str]:
    """Return the folders and control groups that carry the name of one of these processes."""
    places = {Path(tempfile.gettempdir()), *cgroups.find().folders.values()}
    return [file.name for place in places for pid in owners for file in place.glob(f"{PREFIX}{pid}-*")]


@pytest.mark.parametrize("wall", ["bubblewrap", "landlock"])
async def test_nothing_outlives_an_owner(wall: str, tmp_path: Path, sandbox: Open) -> None:
    """Whenever it is killed: no process is left, and control groups and folders go when a sandbox is opened after that."""
    word = f"w{secrets.token_hex(8)}"
    killed = await anyio.to_thread.run_sync(kill_at_random, tmp_path / "owners", wall, word)
    with anyio.fail_after(60):
        while with_word(word):  # noqa: ASYNC110 - nothing tells
            await anyio.sleep(0.05)
        # A supervisor outlives its command by a moment, and its control group goes after it.
        while left_of(killed):
            async with sandbox(sandbox=wall):
                await anyio.sleep(0.05)
