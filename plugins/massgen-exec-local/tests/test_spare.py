"""The sandbox that waits for the next command."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import anyio
import pytest

from massgen_core.api import Limits
from massgen_exec_local.cell import Cell
from massgen_testkit import PlainContext

from .processes import children, cmdline, runs
from .sandboxes import NEEDS_BUBBLEWRAP, Open, command

pytestmark = [pytest.mark.anyio, NEEDS_BUBBLEWRAP]


async def one_waiting(other: int = 0) -> int:
    """Return the supervisor that waits, once there is one and it is not `other`: it is set up beside what else goes on."""
    with anyio.fail_after(60):
        while (there := [number for number in waiting() if number != other]) == []:  # noqa: ASYNC110 - a process of the system, no event of ours
            await anyio.sleep(0.02)
    return there[0]


async def test_the_next_sandbox_is_set_up_ahead(sandbox: Open, context: PlainContext) -> None:
    """After a command one supervisor waits, which the next command takes; it sees a clean sandbox, and closing leaves none."""
    async with sandbox() as found:
        assert waiting() == []
        await found.run(command("sh", "-c", "echo x > /tmp/left; echo y > kept"))
        first = await one_waiting()
        result = await found.run(command("sh", "-c", "ls /tmp; cat kept"))
        second = await one_waiting(first)
    assert b"left" not in result.stdout
    assert result.stdout.endswith(b"y\n")
    assert first != second
    assert waiting() == []


async def test_a_waiting_sandbox_of_another_folder_is_not_taken(sandbox: Open, context: PlainContext) -> None:
    """A workspace that was put in the old one's place meanwhile is the one that commands see."""
    assert context.workspace
    async with sandbox() as found:
        await found.run(command("true"))
        await one_waiting()
        context.workspace.rename(context.workspace.with_name("old"))
        context.workspace.mkdir()
        (context.workspace / "new").write_text("new", encoding="utf-8")
        result = await found.run(command("ls"))
    assert result.stdout == b"new\n"


async def test_a_waiting_sandbox_that_died_is_replaced(sandbox: Open) -> None:
    """Whoever kills it harms no command."""
    async with sandbox() as found:
        await found.run(command("true"))
        await one_waiting()
        for pid in waiting():
            os.killpg(pid, signal.SIGKILL)  # it may be half set up
            with anyio.fail_after(20):
                while runs(pid):  # noqa: ASYNC110 - nothing tells
                    await anyio.sleep(0.01)
        assert (await found.run(command("echo", "x"))).stdout == b"x\n"


async def test_a_sandbox_that_is_half_set_up_leaves_nothing() -> None:
    """Whoever closes it meanwhile ends all of its processes, those that know nothing of each other's ends among them."""
    cell = Cell(lambda control: (["/bin/sh", "-c", "sleep 601 & exec sleep 602"], []))
    with anyio.fail_after(60):
        while not cmdline(cell._popen.pid).startswith("sleep"):  # noqa: ASYNC110 - nothing tells
            await anyio.sleep(0.01)
        (other,) = children(cell._popen.pid)
        cell.close()
        while runs(other):  # noqa: ASYNC110 - nothing tells
            await anyio.sleep(0.01)


async def test_a_command_that_ends_after_its_sandbox_leaves_none(sandbox: Open) -> None:
    """Whoever is cancelled while the sandbox is closed sets up no next one."""
    before = waiting()
    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks, sandbox() as found:
            tasks.start_soon(found.run, command("sh", "-c", "touch begun; sleep 600"))
            while not (Path(found.files.workspace) / "begun").exists():  # noqa: ASYNC110 - nothing tells
                await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
    assert waiting() == before


@pytest.mark.parametrize("more", [{"user": "1234"}, {"limits": Limits(disk=10_000_000)}], ids=["user", "disk"])
async def test_a_waiting_sandbox_of_another_kind_is_not_taken(sandbox: Open, more: dict[str, Any]) -> None:
    """What is fixed when a sandbox is set up is what the command asks for."""
    async with sandbox() as found:
        await found.run(command("true"))
        await one_waiting()
        result = await found.run(command("sh", "-c", "id -u; df -k --output=size /tmp | tail -1", **more))
    user, size = result.stdout.split()
    assert user == b"1234" if "user" in more else int(size) < 10_000


def waiting() -> list[int]:
    return [pid for pid in children(os.getpid()) if "bwrap" in cmdline(pid)]
