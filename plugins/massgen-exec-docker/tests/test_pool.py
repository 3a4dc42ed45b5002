"""Containers that wait, without any: who takes them, and what becomes of them when whoever asks is cancelled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import anyio.abc
import anyio.lowlevel
import pytest

from massgen_exec_docker.pool import Pool

pytestmark = pytest.mark.anyio


class Waiting:
    """What a pool sees of a container."""

    def __init__(self) -> None:
        self.lost, self.is_closed = "", False

    async def close(self) -> None:
        await anyio.lowlevel.checkpoint()
        self.is_closed = True


class Opener:
    """Opens them when it is told to."""

    def __init__(self) -> None:
        self.go, self.made = anyio.Event(), list[Waiting]()

    async def __call__(self) -> Any:
        await self.go.wait()
        self.made.append(Waiting())
        return self.made[-1]


def pool(tasks: anyio.abc.TaskGroup, opener: Opener) -> Pool:
    def start(work: Callable[[], Any]) -> None:
        tasks.start_soon(work)

    return Pool(1, opener, start)


@pytest.mark.parametrize("is_closed_first", [False, True])
async def test_whoever_is_cancelled_takes_nothing_along(is_closed_first: bool) -> None:
    """A container for which a cancelled command waited is the next one's, and is gone when the pool is closed, before or after."""
    opener = Opener()
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            made = pool(tasks, opener)
            made.fill()
            async with anyio.create_task_group() as asking:
                asking.start_soon(made.take)
                await anyio.wait_all_tasks_blocked()
                if is_closed_first:
                    await made.close()
                asking.cancel_scope.cancel()
                opener.go.set()
            await made.close()

    assert [each.is_closed for each in opener.made] == [True]


async def test_one_that_died_is_replaced() -> None:
    """It is passed over, and others are started in its place."""
    opener = Opener()
    opener.go.set()
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            made = pool(tasks, opener)
            made.fill()
            await anyio.wait_all_tasks_blocked()
            opener.made[0].lost = "it died"
            taken: Any = await made.take()
            assert taken is opener.made[1]
            await made.close()

    assert [each.is_closed for each in opener.made] == [True, False, True]
