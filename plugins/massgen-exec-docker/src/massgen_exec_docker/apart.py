"""Files of a workspace that is in the container alone: read and written by commands there."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable, Sequence

from massgen_core.api import Context, ExecCommand, ExecResult, ExecutorUnavailable, Limits, SandboxLost
from massgen_exec_docker.config import DockerConfig
from massgen_exec_docker.engine import Engine
from massgen_exec_docker.files import WORKSPACE

__all__ = ["check", "read_file", "write_file"]

MOST = 1 << 30
SECONDS = 120.0
# A fifo without another end is opened without waiting, and refused with whatever else is no file.
_PROGRAM = """
import json, os, stat, sys
def opened(flags):
    found = os.open(sys.argv[2], flags | os.O_NONBLOCK, 0o644)
    if not stat.S_ISREG(os.fstat(found).st_mode):
        raise OSError(22, "not a regular file")
    return found
try:
    if sys.argv[1] == "read":
        with os.fdopen(opened(os.O_RDONLY), "rb") as file:
            while data := file.read(65536):
                sys.stdout.buffer.write(data)
    else:
        os.makedirs(os.path.dirname(sys.argv[2]), exist_ok=True)
        with os.fdopen(opened(os.O_WRONLY | os.O_CREAT), "wb") as file:
            file.truncate()
            while data := sys.stdin.buffer.read(65536):
                file.write(data)
    sys.stdout.flush()
except OSError as error:
    sys.stderr.write(json.dumps([error.errno, error.strerror]))
    sys.exit(9)
"""
_Run = Callable[[ExecCommand], Awaitable[ExecResult]]


def check(config: DockerConfig, context: Context, engine: Engine) -> None:
    """Refuse what an engine on another machine cannot do: it has none of the folders of this one.

    Raises:
        ExecutorUnavailable: Something of that is asked for; the message names it.
    """
    if config.workspace == "apart" and engine.is_podman:
        raise ExecutorUnavailable(
            "executor docker: podman gives commands no folder in memory that is theirs, which workspace: apart needs; leave it out, or use Docker"
        )
    if engine.endpoint.is_near:
        return
    shared = {
        "the workspace (say workspace: apart, which keeps files in the container)": config.workspace == "shared",
        "read": bool(config.read),
        "write": bool(config.write),
        "context_paths": bool(context.context_paths),
        "network: allow, whose proxy is on this machine": config.network == "allow",
    }
    if asked := [name for name, is_asked in shared.items() if is_asked]:
        raise ExecutorUnavailable(
            f"executor docker: the engine at {engine.endpoint.url} is on another machine and sees no folder of this one; what asks for that: "
            f"{'; '.join(asked)}"
        )


async def read_file(run: _Run, python: Sequence[str], path: str) -> bytes:
    """Return a file's content; `python` is the command that starts Python there."""
    return (await _done(run, python, "read", path, b"")).stdout


async def write_file(run: _Run, python: Sequence[str], path: str, data: bytes) -> None:
    """Write a file, with its folders."""
    await _done(run, python, "write", path, data)


async def _done(run: _Run, python: Sequence[str], verb: str, path: str, data: bytes) -> ExecResult:
    if "\0" in path:
        raise FileNotFoundError(2, "no file can have this name", path)
    full = os.path.join(WORKSPACE, path)
    argv = (*python, "-I", "-S", "-c", _PROGRAM, verb, full)
    result = await run(ExecCommand(argv=argv, stdin=data, limits=Limits(output=MOST, seconds=SECONDS)))
    if result.exit_code == 9:
        number, reason = json.loads(result.stderr)
        raise OSError(number, reason, path)
    if result.exit_code or result.dropped:
        raise SandboxLost(f"executor docker: the file could not be {'read' if verb == 'read' else 'written'} in the container: {result.status}")
    return result
