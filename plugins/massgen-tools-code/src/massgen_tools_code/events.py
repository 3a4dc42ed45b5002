"""Facts of executions."""

from __future__ import annotations

from typing import ClassVar

import attrs

from massgen_core.api import Event

__all__ = ["EVENTS", "CodeExecuted", "CodeJobEnded", "CodeJobStarted", "CodeRefused", "FileChange"]


@attrs.frozen(kw_only=True)
class FileChange:
    """A file of the working folder that was `made`, `changed` or `removed` while a command ran; `size` is in bytes."""

    path: str
    change: str
    size: int = 0


@attrs.frozen(kw_only=True)
class CodeExecuted(Event):
    """A command or a program of an agent came to its end.

    Attributes:
        call: The id of the tool call, by which its `tool.judged` is found.
        language: `shell` for a command line.
        code: What was run, without known secrets; cut where it is very long.
        folder: The working folder; empty for the agent's own.
        verdict: Of the toolset's own patterns; empty where there are none.
        rule: The patterns' rule, and whether a person approved.
        status: As in `ExecResult`; or `cancelled`, or `failed` where the sandbox itself did, which `reason` tells.
        exit_code: None where there is none.
        output: Bytes of both streams.
        stored: Paths, within the run's folder, of outputs that were too long for the model.
        files: What changed meanwhile in the working folder; the first ones where there are many.
        changes: How many changed; None where that was not looked at.
    """

    type: ClassVar[str] = "code.executed"
    agent: str
    turn: int
    call: str
    tool: str
    language: str
    code: str
    executor: str
    folder: str = ""
    verdict: str = ""
    rule: str = ""
    status: str
    exit_code: int | None = None
    seconds: float = 0.0
    cpu_seconds: float | None = None
    memory: int | None = None
    output: int = 0
    stored: tuple[str, ...] = ()
    files: tuple[FileChange, ...] = ()
    changes: int | None = None
    reason: str = ""


@attrs.frozen(kw_only=True)
class CodeRefused(Event):
    """A command or a program was not run, because a pattern or a person did not let it."""

    type: ClassVar[str] = "code.refused"
    agent: str
    turn: int
    call: str
    tool: str
    language: str
    code: str
    reason: str
    rule: str = ""


@attrs.frozen(kw_only=True)
class CodeJobStarted(Event):
    """A background job began."""

    type: ClassVar[str] = "code.job.started"
    agent: str
    turn: int
    call: str
    job: str
    code: str
    executor: str
    folder: str = ""
    verdict: str = ""
    rule: str = ""


@attrs.frozen(kw_only=True)
class CodeJobEnded(Event):
    """A background job is over; `status` is that of a command, or `stopped` by the agent or by the end of the run."""

    type: ClassVar[str] = "code.job.ended"
    agent: str
    job: str
    status: str
    exit_code: int | None = None
    seconds: float = 0.0
    cpu_seconds: float | None = None
    memory: int | None = None
    output: int = 0
    stored: tuple[str, ...] = ()
    reason: str = ""


EVENTS: tuple[type[Event], ...] = (CodeExecuted, CodeRefused, CodeJobStarted, CodeJobEnded)
