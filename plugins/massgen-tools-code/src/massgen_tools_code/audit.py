"""`massgen code audit`: everything that agents ran, and what was refused, from the run's journal."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

import attrs

from massgen_core.api import App, ModelAnswered, Record, RunResumed, ToolApproved, ToolCalled, ToolJudged, ToolReturned, clean_line
from massgen_tools_code.events import CodeExecuted, CodeJobEnded, CodeJobStarted, CodeRefused
from massgen_tools_code.output import bytes_text

__all__ = ["Audit", "Entry", "entries"]

# The tools by which something is run; other toolsets may have one of the same name, and it is listed, too.
RUN = frozenset({"execute_code", "execute_command", "start_job", "write_job"})


@attrs.define(kw_only=True)
class Entry:
    """One execution.

    Attributes:
        at: Seconds since the epoch.
        verdict: Of the gate in front of all tools; with what a person said where one was asked.
        own: Of the toolset's own patterns.
        status: How it ended; `refused`; `unfinished` where the journal knows of no end.
        job: The name of a background job.
    """

    at: float
    agent: str
    turn: int
    call: str
    tool: str
    language: str = ""
    code: str = ""
    executor: str = ""
    folder: str = ""
    verdict: str = ""
    rule: str = ""
    own: str = ""
    status: str = "unfinished"
    reason: str = ""
    job: str = ""
    exit_code: int | None = None
    seconds: float | None = None
    cpu_seconds: float | None = None
    memory: int | None = None
    output: int = 0
    stored: tuple[str, ...] = ()
    files: tuple[Any, ...] = ()

    def take(self, event: Any, *names: str) -> None:
        """Take values over from an event."""
        for name in names:
            setattr(self, name, getattr(event, name))


# Agent, turn, the call's id and its span: providers give ids twice, and so does one that begins anew after a crash.
_Key: TypeAlias = tuple[str, int, str, str]
_ENDED = ("status", "exit_code", "seconds", "cpu_seconds", "memory", "output", "stored", "reason")
_BEGUN = ("code", "executor", "folder")


def entries(records: Iterable[Record], *, is_live: bool = False) -> list[Entry]:
    """Return the executions of a journal, in the order in which they were asked for.

    A call that was judged and came to no end is among them, so that nothing is lost where a program was killed in the middle of it.

    Args:
        records: The journal.
        is_live: A process is working on the run now, so that its jobs may still run.
    """
    found: dict[_Key, Entry] = {}
    jobs: dict[tuple[str, str], Entry] = {}
    asked: dict[str, dict[str, str]] = {}  # each agent's last calls: all that is known of what is refused
    for record in records:
        event = record.event
        if isinstance(event, ModelAnswered):
            asked[event.agent] = {call.id: call.arguments for call in event.message.calls}
        elif isinstance(event, ToolJudged | ToolCalled | ToolApproved) and event.tool in RUN:
            entry = _of(found, record, event)
            entry.code = entry.code or asked.get(event.agent, {}).get(event.call, "")
            if isinstance(event, ToolJudged):
                entry.verdict, entry.rule = event.level, event.rule
                if event.level == "deny":
                    entry.status, entry.reason = "refused", event.reason
            elif isinstance(event, ToolApproved):
                entry.verdict = f"{entry.verdict}, {'approved' if event.is_approved else 'not approved'}"
                entry.status = entry.status if event.is_approved else "refused"
            else:
                entry.code = entry.code or event.arguments
        elif isinstance(event, CodeExecuted | CodeRefused | CodeJobStarted):
            _add(_of(found, record, event), event, jobs)
        elif isinstance(event, CodeJobEnded) and (event.agent, event.job) in jobs:
            jobs[event.agent, event.job].take(event, *_ENDED)
        elif isinstance(event, ToolReturned) and event.tool in RUN:
            _returned(found, record, event)
        elif isinstance(event, RunResumed):
            jobs.clear()
            _cut_off(found)
    if not is_live:
        _cut_off(found)
    return list(found.values())


def _cut_off(found: Mapping[_Key, Entry]) -> None:
    """Note of jobs that run that their program ended."""
    for entry in found.values():
        if entry.status == "running":
            entry.status = "unfinished"


def _of(found: dict[_Key, Entry], record: Record, event: Any) -> Entry:
    tool = getattr(event, "tool", "start_job")
    key = (event.agent, event.turn, event.call, record.span)
    return found.setdefault(key, Entry(at=record.at, agent=event.agent, turn=event.turn, call=event.call, tool=tool))


def _add(entry: Entry, event: CodeExecuted | CodeRefused | CodeJobStarted, jobs: dict[tuple[str, str], Entry]) -> None:
    if isinstance(event, CodeRefused):
        entry.take(event, "language", "code", "reason")
        entry.status, entry.own = "refused", event.rule
        return
    entry.take(event, *_BEGUN)
    entry.own = event.rule
    if isinstance(event, CodeExecuted):
        entry.take(event, "language", "files", *_ENDED)
    else:
        entry.language, entry.job, entry.status = "shell", event.job, "running"
        jobs[event.agent, event.job] = entry


def _returned(found: dict[_Key, Entry], record: Record, event: ToolReturned) -> None:
    key = (event.agent, event.turn, event.result.call)
    # What a crash cut off is answered later, under another span.
    entry = found.get((*key, record.span)) or next((found[each] for each in reversed(found) if each[:3] == key), None)
    if entry is not None and entry.status == "unfinished":
        entry.status, entry.reason = ("failed" if event.result.is_error else "done"), clean_line(event.result.text)


class Audit:
    """The command."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add arguments and options."""
        parser.add_argument("run", metavar="RUN", nargs="?", default="last", help="a run's id, the beginning of it, or 'last' (default)")
        parser.add_argument("--agent", metavar="NAME", help="only what this agent ran")
        parser.add_argument("--json", action="store_true", help="print one JSON object a line, with whole programs")

    def run(self, arguments: argparse.Namespace, app: App) -> int:
        """Print the executions and return the exit code."""
        folder = app.find_run(arguments.run)
        every = [entry for entry in entries(app.records(folder), is_live=app.is_live(folder)) if arguments.agent in (None, entry.agent)]
        for entry in every:
            for line in [json.dumps(attrs.asdict(entry))] if arguments.json else _lines(entry):
                app.out(line)
        if not every:
            app.err(f"nothing was run in {folder.name}")
        return 0


def _lines(entry: Entry) -> Iterator[str]:
    at = datetime.fromtimestamp(entry.at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    code = "" if entry.exit_code is None else f" {entry.exit_code}"
    used = [
        "" if entry.seconds is None else f"{entry.seconds:.2f} s",
        "" if entry.cpu_seconds is None else f"CPU {entry.cpu_seconds:.2f} s",
        "" if entry.memory is None else f"memory {bytes_text(entry.memory)}",
        f"output {bytes_text(entry.output)}" if entry.output else "",
        f"{len(entry.files)} files changed" if entry.files else "",
    ]
    judged = "; ".join(part for part in (f"{entry.verdict} ({entry.rule})" if entry.rule else entry.verdict, entry.own) if part)
    where = f"{entry.executor}:{entry.folder or '.'}" if entry.executor else ""
    parts = (at, entry.agent, entry.job or entry.tool, where, f"{entry.status}{code}", *used, f"verdict: {judged}" if judged else "")
    yield "  ".join(clean_line(part, 80) for part in parts if part)
    if entry.code:
        language = f"{entry.language}: " if entry.language not in ("", "shell") else ""
        yield f"    {clean_line(language + entry.code, 160)}"
    if entry.reason:
        yield f"    ({clean_line(entry.reason, 200)})"
