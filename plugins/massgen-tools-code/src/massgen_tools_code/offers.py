"""The tools as models see them, and the arguments that they take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from massgen_core.api import Tool, ToolAnnotations
from massgen_tools_code.config import CodeConfig

__all__ = ["ARGUMENTS", "ExecuteCode", "ExecuteCommand", "ListJobs", "OfJob", "ReadJob", "StartJob", "WriteJob", "tools"]


@attrs.frozen(kw_only=True)
class ExecuteCommand:
    """Arguments of `execute_command`."""

    command: str
    folder: str = ""
    seconds: float | None = None


@attrs.frozen(kw_only=True)
class ExecuteCode:
    """Arguments of `execute_code`."""

    language: str
    code: str
    seconds: float | None = None


@attrs.frozen(kw_only=True)
class StartJob:
    """Arguments of `start_job`."""

    command: str
    folder: str = ""


@attrs.frozen(kw_only=True)
class OfJob:
    """Arguments of `stop_job`."""

    job: str


@attrs.frozen(kw_only=True)
class ReadJob:
    """Arguments of `read_job`."""

    job: str
    seconds: float = 0.0


@attrs.frozen(kw_only=True)
class WriteJob:
    """Arguments of `write_job`."""

    job: str
    text: str = ""
    close: bool = False


@attrs.frozen(kw_only=True)
class ListJobs:
    """`list_jobs` takes none."""


ARGUMENTS: Mapping[str, type] = {
    "execute_command": ExecuteCommand,
    "execute_code": ExecuteCode,
    "start_job": StartJob,
    "read_job": ReadJob,
    "write_job": WriteJob,
    "stop_job": OfJob,
    "list_jobs": ListJobs,
}
READS = ToolAnnotations(read_only=True, destructive=False, open_world=False)
ACTS = ToolAnnotations(read_only=False, destructive=True, open_world=True)


def _text(description: str, **more: Any) -> dict[str, Any]:
    return {"type": "string", "description": description, **more}


def _tool(name: str, description: str, annotations: ToolAnnotations, properties: Mapping[str, Any], required: tuple[str, ...] = ()) -> Tool:
    parameters = {"type": "object", "properties": dict(properties), "required": list(required), "additionalProperties": False}
    return Tool(name=name, description=description, parameters=parameters, annotations=annotations, source="code", uses_workspace=annotations is ACTS)


def tools(config: CodeConfig, languages: Iterable[str]) -> tuple[Tool, ...]:
    """Return the tools of a sandbox that has these languages."""
    known = tuple(languages)
    seconds = {
        "type": "number",
        "description": f"Stop after so many seconds; {min(config.seconds, config.most_seconds):g} if left out, at most {config.most_seconds:g}.",
    }
    folder = _text("Folder to run in, relative to your working folder; left out: the working folder.")
    job = _text("Name of the job, for instance job-1.")
    made = []
    if "shell" in known:
        made.append(
            _tool(
                "execute_command",
                "Run a shell command line in your sandbox and wait for its end. Returns exit code, output and changed files. Files stay in the "
                "working folder; nothing else stays: variables, the current folder and processes end with the command.",
                ACTS,
                {"command": _text("The command line."), "folder": folder, "seconds": seconds},
                ("command",),
            )
        )
    if known:
        made.append(
            _tool(
                "execute_code",
                "Run a program in your sandbox and wait for its end. Returns exit code, output and changed files. Print what you want to see. Each "
                "call is a new process in the working folder; keep things in files.",
                ACTS,
                {"language": _text("The language.", enum=list(known)), "code": _text("The whole program."), "seconds": seconds},
                ("language", "code"),
            )
        )
    if config.jobs and "shell" in known:
        made += _job_tools(config, folder, job)
    return tuple(made)


def _job_tools(config: CodeConfig, folder: Mapping[str, Any], job: Mapping[str, Any]) -> list[Tool]:
    wait = {"type": "number", "description": "Wait up to so many seconds for something new; 0 if left out, at most 60."}
    return [
        _tool(
            "start_job",
            f"Start a shell command line in the background, for long work or a dialogue; at most {config.jobs} at once. Returns the job's name.",
            ACTS,
            {"command": _text("The command line."), "folder": folder},
            ("command",),
        ),
        _tool(
            "read_job",
            "Return what a background job wrote since it was read last, and whether it still runs.",
            READS,
            {"job": job, "seconds": wait},
            ("job",),
        ),
        _tool(
            "write_job",
            "Write text to the standard input of a background job; end lines with a line break.",
            ACTS,
            {"job": job, "text": _text("What to write."), "close": {"type": "boolean", "description": "Close the input afterwards."}},
            ("job",),
        ),
        _tool("stop_job", "Kill a background job and all that it started.", ACTS, {"job": job}, ("job",)),
        _tool("list_jobs", "List your background jobs with their state.", READS, {}),
    ]
