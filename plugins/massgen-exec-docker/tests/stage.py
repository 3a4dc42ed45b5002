"""What the tests here share: opening executors, and programs that own containers."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from massgen_core.api import ExecCommand, ExecResult, Executor
from massgen_core.config.structure import structure
from massgen_exec_docker.config import DockerConfig
from massgen_exec_docker.engine import Engine
from massgen_exec_docker.factory import open_docker
from massgen_testkit import PlainContext

SECONDS = 120.0


@asynccontextmanager
async def sandbox(folder: Path, **options: Any) -> AsyncIterator[tuple[Executor, PlainContext]]:
    """Yield an executor with its context; its workspace is a folder of `folder`."""
    context = PlainContext(folder=folder, workspace=folder / "workspace")
    async with context, open_docker(structure(DockerConfig, options), context) as executor:
        yield executor, context


async def python(executor: Executor, code: str, *arguments: str, **more: Any) -> ExecResult:
    """Run Python code in the sandbox."""
    return await executor.run(ExecCommand(argv=("python3", "-c", code, *arguments), **more))


def owner(folder: Path, argv: tuple[str, ...], **options: Any) -> subprocess.Popen[str]:
    """Start a process that runs a command in a sandbox until it is killed."""
    asked = {"name": "docker", "options": options, "folder": str(folder), "commands": [argv, argv]}
    (folder / "workspace").mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen([sys.executable, "-m", "massgen_testkit.sandboxes.owner"], stdin=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL)
    assert process.stdin
    process.stdin.write(json.dumps(asked) + "\n")
    process.stdin.close()
    return process


def containers_of(engine: Engine, pid: int) -> list[Mapping[str, Any]]:
    """Return the containers whose labels name a process as their owner."""
    return [each for each in engine.containers() if (each.get("Labels") or {}).get("massgen.owner.pid") == str(pid)]


def until(condition: Any, seconds: float = SECONDS) -> float:
    """Wait until something holds; return how long that took."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() < begun + seconds, f"not within {seconds} s"
        time.sleep(0.02)
    return time.monotonic() - begun
