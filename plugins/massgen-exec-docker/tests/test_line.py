"""The socket over which the agent in a container speaks: one connection, and nothing for commands."""

from __future__ import annotations

import os
from pathlib import Path

import anyio
import pytest

from massgen_core.api import Limits, SandboxLost
from massgen_exec_docker.engine import Engine
from massgen_exec_docker.line import Line

from .stage import SECONDS, python, sandbox

pytestmark = pytest.mark.anyio
LOOK = "import os; print(os.listdir('/run/massgen/line'), sum(os.readlink(f'/proc/self/fd/{n}').startswith('socket') for n in (0, 1, 2)))"
FORGED = """
import json, os, struct
def say(number, *frames):
    with open(f"/proc/1/fd/{number}", "wb", buffering=0) as stream:
        for kind, data in frames:
            stream.write(struct.pack(">cII", kind, 1, len(data)) + data)
say(1, (b"H", b"[]"), (b"O", b"forged"), (b"X", json.dumps(dict(status=0, ordered=False, cpu=0, memory=0, starved=False)).encode()))
say(0, (b"K", b""))
os.system("sleep 0.3; echo true")
"""


@pytest.mark.once
async def test_commands_cannot_speak_as_the_agent(engine: Engine, tmp_path: Path) -> None:
    """They find the streams of the container's first process, and what they write there is heard neither here nor by the agent."""
    with anyio.fail_after(SECONDS):
        async with sandbox(tmp_path) as (executor, _):
            results = [await python(executor, FORGED) for _ in range(2)]

    assert [(result.status, result.stdout) for result in results] == [("exited", b"true\n")] * 2


FLOOD = """
import struct, sys
with open("/proc/1/fd/1", "wb", buffering=0) as stream:
    while True:
        stream.write(struct.pack(">cII", b"O", 1, 60000) + bytes(60000))
"""


@pytest.mark.once
async def test_more_than_an_agent_may_send_is_not_kept(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the agent speaks over the engine, a command that speaks as it loses its container before it fills this machine's memory."""
    monkeypatch.setattr(Engine, "is_here", False)
    with anyio.fail_after(SECONDS):
        async with sandbox(tmp_path) as (executor, _):
            with pytest.raises(SandboxLost, match="does not make sense"):
                await python(executor, FLOOD, limits=Limits(seconds=30))
            result = await python(executor, "print('x' * 1000000)")

    assert len(result.stdout) == 1000001


@pytest.mark.once
async def test_commands_find_no_socket(engine: Engine, tmp_path: Path) -> None:
    """It is gone before the first command; commands hold none of it, and the folder here is removed."""
    with anyio.fail_after(SECONDS):
        async with sandbox(tmp_path) as (executor, _):
            result = await python(executor, LOOK)
            (session,) = executor._sessions.values()  # type: ignore[attr-defined]
            line = session._line

    assert result.stdout == b"[] 0\n"
    assert line is not None


async def test_the_folder_goes_with_the_line() -> None:
    """Whether anybody came or not; who waits for an agent that never comes is told that the container has ended."""
    line, ended = Line(), anyio.Event()
    await line.open()
    assert os.path.exists(f"{line.folder}/socket")  # noqa: ASYNC240
    assert os.stat(os.path.dirname(line.folder)).st_mode & 0o777 == 0o700, "other users of this machine would get to the socket"
    ended.set()
    with anyio.fail_after(SECONDS):
        assert await line.accepted(ended) is None
    await line.close()
    assert not os.path.exists(os.path.dirname(line.folder))  # noqa: ASYNC240


async def test_one_connection_is_taken() -> None:
    """What it says is heard."""
    line = Line()
    await line.open()
    with anyio.fail_after(SECONDS):
        async with await anyio.connect_unix(f"{line.folder}/socket") as agent:
            stream = await line.accepted(anyio.Event())
            assert stream is not None
            await agent.send(b"hello")
            assert await stream.receive() == b"hello"
            await stream.aclose()
    await line.close()
