"""A process that runs commands in a sandbox until it is killed: `python -m massgen_testkit.sandboxes.owner`, with what to run on its input."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import anyio

from massgen_core.api import ExecCommand
from massgen_core.config.structure import structure
from massgen_testkit.context import PlainContext


async def own() -> None:
    """Open the executor, run one command and start another, and wait for both."""
    asked = json.loads(sys.stdin.readline())
    folder = Path(asked["folder"])
    context = PlainContext(folder=folder, workspace=folder / "workspace")
    config = context.plugins.get("executor", asked["name"]).config
    made = context.plugins.factory("executor", asked["name"])(None if config is None else structure(config, asked["options"]), context)
    ran, started = (ExecCommand(argv=tuple(argv)) for argv in asked["commands"])
    async with context, anyio.create_task_group() as tasks:
        executor = await context._stack.enter_async_context(made) if hasattr(type(made), "__aenter__") else made
        tasks.start_soon(executor.run, ran)
        async with executor.start(started) as process:
            await process.wait()


if __name__ == "__main__":
    anyio.run(own)
