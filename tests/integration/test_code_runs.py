"""Code of agents in whole runs and real sandboxes: what goes wrong, and what is known of it afterwards."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from massgen_core.api import ToolCall, ToolUse, structure
from massgen_testkit import PlainContext
from massgen_tools_code.config import CodeConfig
from massgen_tools_code.events import CodeExecuted
from massgen_tools_code.toolset import open_code

pytestmark = pytest.mark.skipif(not shutil.which("bwrap") and not os.environ.get("CI"), reason="not in CI: this machine has no bubblewrap")
BOXED = {"type": "local", "sandbox": "bubblewrap"}
SECONDS = 60.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def told(context: PlainContext, command: str, **options: Any) -> str:
    """Run one command in the toolset; return what the model is told."""
    context.workspace = context.folder / "workspace"
    context.workspace.mkdir(exist_ok=True)
    async with context, open_code(structure(CodeConfig, {"executor": BOXED, **options}), context) as toolset:
        tool = next(tool for tool in toolset.tools() if tool.name == "execute_command")
        arguments = {"command": command}
        call = ToolCall(id="call-1", name=tool.name, arguments=json.dumps(arguments))
        with anyio.fail_after(SECONDS):
            result = await toolset.call(ToolUse(call=call, tool=tool, arguments=arguments, agent="ann", turn=1, emit=context.emit))
    return result.text


@pytest.mark.anyio
async def test_a_program_that_wants_too_much_memory(context: PlainContext) -> None:
    """The sandbox kills it, and the model is told why."""
    executor = {**BOXED, "limits": {"memory": 100_000_000}}
    text = await told(context, "python3 -c \"x = b'x' * 500_000_000\"", executor=executor)

    assert text.startswith("Out of memory: killed")
    assert context.records.of(CodeExecuted)[0].status == "out_of_memory"


@pytest.mark.anyio
async def test_a_flood_of_output_costs_little_memory(context: PlainContext) -> None:
    """The model sees both ends, the run keeps as much as is allowed, and nothing of it piles up here."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    text = await told(context, "echo begin; head -c 200000000 /dev/zero | tr '\\0' x; echo end", stored_output=5_000_000)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024

    (event,) = context.records.of(CodeExecuted)
    assert "stdout:\nbegin\nxxx" in text
    assert text.endswith("xxxend")
    assert event.output == 200_000_010
    assert (context.folder / event.stored[0]).stat().st_size == 5_000_000
    assert grown < 50_000_000


@pytest.mark.anyio
async def test_bytes_that_are_no_text_and_control_sequences(context: PlainContext) -> None:
    """The model gets readable text."""
    text = await told(context, "printf '\\377\\033[31mred\\033[0m\\033]0;title\\007\\n'")

    assert "stdout:\n\ufffdred" in text
    assert "\x1b" not in text


def processes(marker: str) -> list[str]:
    """Return the processes of this machine that have a text in their command line."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marker.encode() in file.read_bytes():
                found.append(file.parent.name)
        except OSError:
            continue
    return found


@pytest.mark.once
def test_a_killed_run_leaves_no_process_and_its_audit_knows_of_the_command(massgen_project: Callable[..., Any]) -> None:
    """Nobody saw how it ended: the audit says so, and the model is told when the run goes on; what it calls then is another entry."""
    marker = f"massgen-{uuid.uuid4().hex}"
    line = f"test -e begun && exit; touch begun; exec python3 -c 'import time; time.sleep(600)' {marker}"
    call = {"name": "execute_command", "arguments": {"command": line}}
    document = {
        "version": 1,
        "strategy": "single",
        "agents": [{"name": "ann", "backend": {"type": "scripted", "steps": [{"calls": [call]}, {"answer": "done"}]}}],
        "toolsets": [{"type": "code", "executor": BOXED}],
        "permissions": {"allow": ["execute_*"]},
    }
    project = massgen_project({"massgen.yaml": document})
    command = [sys.executable, "-m", "massgen_core", "run", "Wait.", "--config", "massgen.yaml", "--quiet"]
    run = subprocess.Popen(command, cwd=project.folder, env=project.variables(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: bool(list(project.home.rglob("begun"))) and bool(processes(marker)))
    finally:
        run.send_signal(signal.SIGKILL)
        run.wait()
    until(lambda: not processes(marker))
    (before,) = audit(project)
    project.run("resume", "last").check()
    after, again = audit(project)

    assert (before["status"], before["verdict"], after["status"], again["status"]) == ("unfinished", "allow", "failed", "exited")
    assert marker in before["code"]
    assert "nobody knows whether it took effect" in after["reason"]


def audit(project: Any) -> list[dict[str, Any]]:
    """Return what the audit of the last run lists."""
    return [json.loads(line) for line in project.run("code", "audit", "--json").check().stdout.splitlines()]


def until(condition: Callable[[], bool]) -> None:
    """Wait until something holds."""
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, f"not within {SECONDS} s"
        time.sleep(0.05)
