"""Agents that run code do not reach one another, of one run or of two; the same look finds everything where there are no walls."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest

from massgen_core.api import ToolCall, ToolUse, structure
from massgen_testkit import PlainContext
from massgen_tools_code.config import CodeConfig
from massgen_tools_code.toolset import CodeToolset, open_code

SECONDS = 120.0
BOXED = {"type": "local", "sandbox": "bubblewrap"}
OPEN = {"type": "local", "sandbox": "none"}
DOCKER = {"type": "docker"}
HAS_BUBBLEWRAP = pytest.mark.skipif(not shutil.which("bwrap") and not os.environ.get("CI"), reason="not in CI: this machine has no bubblewrap")
# What one agent has: files in three places, a process, a variable, and two listeners.
HOLD = """
import os, socket, sys, time
marker = sys.argv[1]
for folder in (".", "/tmp", "/dev/shm"):
    open(f"{folder}/{marker}", "w").write("mine")
near = socket.create_server(("127.0.0.1", 0))
named = socket.socket(socket.AF_UNIX)
named.bind("\\0" + marker)
named.listen()
print("port", near.getsockname()[1], flush=True)
time.sleep(600)
"""
# What another agent finds of it.
LOOK = """
import glob, json, os, socket
marker, secret, folder, port = json.loads(GIVEN)

def holds(path, what):
    try:
        return what.encode() in open(path, "rb").read()
    except OSError:
        return False

def reaches(family, address):
    with socket.socket(family) as peer:
        peer.settimeout(5)
        try:
            peer.connect(address)
            return True
        except OSError:
            return False

places = [folder, ".", "..", "/tmp", "/dev/shm", *glob.glob("/proc/[0-9]*/cwd"), *glob.glob(f"/proc/[0-9]*/root{folder}")]
print(json.dumps(sorted(
    {"file" for place in places if os.path.exists(f"{place}/{marker}")}
    | {"process" for path in glob.glob("/proc/[0-9]*/cmdline") if holds(path, marker)}
    | {"variable" for path in glob.glob("/proc/[0-9]*/environ") if holds(path, secret)}
    | {"port" for _ in "x" if reaches(socket.AF_INET, ("127.0.0.1", port))}
    | {"name" for _ in "x" if reaches(socket.AF_UNIX, chr(0) + marker)}
)))
"""
EVERYTHING = ["file", "name", "port", "process", "variable"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@attrs.define
class Agent:
    """An agent that calls tools."""

    toolset: CodeToolset
    context: PlainContext

    async def told(self, tool: str, **arguments: Any) -> str:
        """Call a tool that succeeds, and return its text."""
        found = next(each for each in self.toolset.tools() if each.name == tool)
        call = ToolCall(id=uuid.uuid4().hex, name=tool, arguments=json.dumps(arguments))
        use = ToolUse(call=call, tool=found, arguments=arguments, agent=self.context.agent, turn=1, emit=self.context.emit)
        with anyio.fail_after(SECONDS):
            result = await self.toolset.call(use)
        assert not result.is_error, result.text
        return result.text


@asynccontextmanager
async def opened(folder: Path, run: str, name: str, executor: Mapping[str, Any], **env: str) -> AsyncIterator[Agent]:
    """Yield an agent of a run, with a folder of its own."""
    context = PlainContext(folder=folder / run, run=run, agent=name, workspace=folder / run / "workspaces" / name)
    assert context.workspace
    context.workspace.mkdir(parents=True)
    config = structure(CodeConfig, {"executor": {**executor, "env": env}})
    async with context, open_code(config, context) as toolset:
        yield Agent(toolset, context)


async def hold(agent: Agent, marker: str) -> int:
    """Let an agent have everything that another might find; return the port of its listener."""
    assert agent.context.workspace
    (agent.context.workspace / "hold.py").write_text(HOLD, encoding="utf-8")
    await agent.told("start_job", command=f"python3 hold.py {marker}")
    said = ""
    with anyio.fail_after(SECONDS):
        while "port " not in said:
            said += await agent.told("read_job", job="job-1", seconds=20)
    return int(said.split("port ")[1].split()[0])


async def look(agent: Agent, owner: Agent, marker: str, port: int) -> list[str]:
    """Return what an agent finds of what another has."""
    given = json.dumps([marker, variable(marker)["VARIABLE"], str(owner.context.workspace), port])
    text = await agent.told("execute_code", language="python", code=LOOK.replace("GIVEN", repr(given)))
    names: list[str] = json.loads(text.split("stdout:\n")[1].splitlines()[0])
    return names


def variable(marker: str) -> dict[str, str]:
    """Return the variable of the agent that has everything."""
    return {"VARIABLE": f"value-of-{marker}"}


@pytest.fixture
def marker() -> Iterator[str]:
    """A text that is nowhere else; what it leaves where there are no walls is removed."""
    name = f"massgen-{uuid.uuid4().hex}"
    yield name
    for folder in ("/tmp", "/dev/shm"):
        with suppress(FileNotFoundError):
            Path(folder, name).unlink()


PAIRS = [pytest.param(("run-1", "ann"), ("run-1", "ben"), id="agents-of-a-run"), pytest.param(("run-1", "ann"), ("run-2", "ann"), id="runs-at-once")]


@pytest.mark.anyio
@HAS_BUBBLEWRAP
@pytest.mark.parametrize(("one", "other"), PAIRS)
async def test_agents_in_sandboxes_of_this_machine_are_apart(tmp_path: Path, marker: str, one: tuple[str, str], other: tuple[str, str]) -> None:
    """Neither files, processes, variables nor listeners of one are there for the other."""
    async with opened(tmp_path, *one, BOXED, **variable(marker)) as ann, opened(tmp_path, *other, BOXED) as ben:
        assert await look(ben, ann, marker, await hold(ann, marker)) == []


@pytest.mark.anyio
async def test_without_walls_an_agent_finds_everything_of_another(tmp_path: Path, marker: str) -> None:
    """The control: the same look, with the same executor and its walls taken down on purpose."""
    async with opened(tmp_path, "run-1", "ann", OPEN, **variable(marker)) as ann, opened(tmp_path, "run-1", "ben", OPEN) as ben:
        assert await look(ben, ann, marker, await hold(ann, marker)) == EVERYTHING


@pytest.mark.anyio
@HAS_BUBBLEWRAP
async def test_a_folder_is_shared_on_purpose(tmp_path: Path) -> None:
    """What the configuration lets both write to, one reads from the other, and nothing beside it."""
    shared = tmp_path / "shared"
    shared.mkdir()
    (tmp_path / "beside").write_text("secret", encoding="utf-8")
    executor = {**BOXED, "write": [str(shared)]}
    async with opened(tmp_path, "run-1", "ann", executor) as ann, opened(tmp_path, "run-1", "ben", executor) as ben:
        await ann.told("execute_command", command=f"echo from ann > {shared}/note")
        assert "from ann" in await ben.told("execute_command", command=f"cat {shared}/note")
        assert "Exit code 1" in await ben.told("execute_command", command=f"cat {tmp_path}/beside")


@pytest.mark.anyio
@pytest.mark.once
@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(("one", "other"), PAIRS)
async def test_agents_in_containers_are_apart(tmp_path: Path, marker: str, one: tuple[str, str], other: tuple[str, str]) -> None:
    """Neither files, processes, variables nor listeners of one are there for the other; the control is the agent itself."""
    async with opened(tmp_path, *one, DOCKER, **variable(marker)) as ann, opened(tmp_path, *other, DOCKER) as ben:
        port = await hold(ann, marker)
        assert await look(ben, ann, marker, port) == []
        assert await look(ann, ann, marker, port) == EVERYTHING


@HAS_BUBBLEWRAP
def test_agents_of_a_run_have_folders_of_their_own(massgen_project: Callable[..., Any]) -> None:
    """In a whole run each agent works in its own folder, and beside it there is nothing."""

    def agent(name: str) -> dict[str, Any]:
        call = {"name": "execute_command", "arguments": {"command": f"echo {name} > mine; ls .. ; cat ../*/mine"}}
        return {"name": name, "backend": {"type": "scripted", "steps": [{"calls": [call]}, {"answer": name}, {"vote": "ann"}, {"vote": "ann"}]}}

    document = {
        "version": 1,
        "agents": [agent("ann"), agent("ben")],
        "toolsets": [{"type": "code", "executor": BOXED}],
        "permissions": {"allow": ["execute_*"]},
    }
    project = massgen_project({"massgen.yaml": document})
    project.run("run", "Say it.", "--config", "massgen.yaml").check()
    (journal,) = project.home.rglob("journal.jsonl")
    events = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
    said = {event["data"]["agent"]: event["data"]["result"]["content"][0]["text"] for event in events if event["type"] == "tool.returned"}

    assert {name: text.split("stdout:\n")[1].splitlines()[:2] for name, text in said.items()} == {name: [name, name] for name in ("ann", "ben")}
