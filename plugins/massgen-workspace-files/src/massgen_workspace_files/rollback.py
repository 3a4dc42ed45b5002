"""`massgen rollback`: brings an agent's folder back to what it was before a step."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from massgen_core.api import App, MassGenError, ToolCalled, UsageProblem, WorkspaceSnapshotted, clean_line
from massgen_workspace_files.config import FilesConfig
from massgen_workspace_files.store import Store
from massgen_workspace_files.workspace import FOLDER, FilesWorkspace

__all__ = ["Rollback", "Step"]

_WIDE = 100
_LATEST = 1 << 40  # seconds; calendars end somewhere


@attrs.frozen(kw_only=True)
class Step:
    """Something before which an agent's folder was kept.

    Attributes:
        number: From 1, in the order of the run.
        at: Seconds since 1970.
        what: What came then, for a person.
        snapshot: What was kept.
        path: The folder.
    """

    number: int
    agent: str
    at: float
    what: str
    snapshot: str
    path: str


class Rollback:
    """The command."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add arguments and options."""
        parser.add_argument("run", metavar="RUN", help="a run's id, the beginning of it, or 'last'")
        parser.add_argument("step", metavar="STEP", nargs="?", type=int, help="bring the folder back to before this step; none: list the steps")
        parser.add_argument("--agent", metavar="NAME", help="only steps of this agent")
        parser.add_argument("--list", action="store_true", help="list the steps, and change nothing")
        parser.add_argument("--diff", action="store_true", help="show what would change, and change nothing")
        parser.add_argument("--yes", action="store_true", help="do not ask before a folder outside of the run's own is changed")
        parser.add_argument("--json", action="store_true", help="list the steps as JSON, for programs")

    def run(self, arguments: argparse.Namespace, app: App) -> int:
        """List steps, or roll back to one."""
        folder = app.find_run(arguments.run)
        every = list(_steps(folder, app))
        steps = [step for step in every if arguments.agent in (None, step.agent)]
        if arguments.agent is not None and not steps:
            names = ", ".join(sorted({step.agent for step in every})) or "nobody"
            raise UsageProblem(f"nothing of {arguments.agent!r} was kept in run {folder.name}; of {names} something was")
        if arguments.step is None or arguments.list or arguments.json:
            return _list(steps, app, folder, is_json=arguments.json)
        step = next((step for step in steps if step.number == arguments.step), None)
        if step is None:
            raise UsageProblem(f"run {folder.name} has no such step; see: massgen rollback {folder.name} --list")
        if app.is_live(folder):
            raise MassGenError(f"a process is working on run {folder.name}; stop it first")
        return _diff(step, folder, app) if arguments.diff else _roll_back(step, folder, app, is_sure=arguments.yes)


def _steps(folder: Path, app: App) -> Iterator[Step]:
    """Yield what was kept, with what the journal says of the calls that came then."""
    kept = folder / FOLDER
    if not kept.is_dir():
        return
    kept_for, arguments = _calls(folder, app)
    for number, line in enumerate(Store(kept).noted(), start=1):
        what, queue = str(line.get("label", "")), kept_for.get(line["agent"], [])
        if queue and queue[0].snapshot == line["id"] and not what.startswith("before rolling back"):
            what = f"{what} {arguments.get((queue[0].agent, queue[0].call), '')}"
            queue.pop(0)
        at = line.get("at")
        yield Step(
            number=number,
            agent=line["agent"],
            at=float(at) if isinstance(at, int | float) and 0 <= at < _LATEST else 0.0,
            what=what.strip(),
            snapshot=line["id"],
            path=line["path"],
        )


def _calls(folder: Path, app: App) -> tuple[dict[str, list[WorkspaceSnapshotted]], dict[tuple[str, str], str]]:
    kept_for: dict[str, list[WorkspaceSnapshotted]] = {}
    arguments: dict[tuple[str, str], str] = {}
    for record in app.records(folder):
        event = record.event
        if isinstance(event, WorkspaceSnapshotted):
            kept_for.setdefault(event.agent, []).append(event)
        elif isinstance(event, ToolCalled):
            arguments[event.agent, event.call] = event.arguments[: 4 * _WIDE]
    return kept_for, arguments


def _list(steps: Sequence[Step], app: App, folder: Path, *, is_json: bool) -> int:
    if is_json:
        app.out(json.dumps([attrs.asdict(step) for step in steps]))
        return 0
    if not steps:
        app.err(f"nothing was kept in run {folder.name}: no tool was called that may change files of an agent's folder")
    for step in steps:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(step.at))
        app.out(f"{step.number:>4}  {step.agent}  {when}  {step.snapshot[:8]}  {clean_line(step.what, _WIDE)}")
    return 0


def _roll_back(step: Step, folder: Path, app: App, *, is_sure: bool) -> int:
    path = Path(step.path)
    _check(path)
    own = os.path.join(os.path.realpath(folder), "workspaces")  # whoever sent the run may have put a link in its place
    if not is_sure and not os.path.realpath(path).startswith(f"{own}{os.sep}") and not _is_wanted(path, step):
        app.err("nothing was changed; --yes does not ask")
        return 1
    store, config = _opened(step, folder)
    workspace = FilesWorkspace(store, path, step.agent, config)
    present, _ = workspace.keep(f"before rolling back to before step {step.number}")
    missing = workspace.bring_back(step.snapshot)
    last = sum(1 for _ in store.noted())
    if present == step.snapshot:
        app.out(f"{path} is as it was before step {step.number} already")
        return 0
    app.out(f"{path} is what it was before step {step.number}; back again with: massgen rollback {folder.name} {last}")
    if missing:
        app.err(f"massgen: could not be brought back, since they had not been kept: {', '.join(clean_line(each, 80) for each in missing[:5])}")
    return 0


def _diff(step: Step, folder: Path, app: App) -> int:
    from massgen_workspace_files.diff import diff  # noqa: PLC0415 - for those who look

    _check(Path(step.path))
    store, config = _opened(step, folder)
    present, _ = FilesWorkspace(store, Path(step.path), step.agent, config).keep("")
    app.out(diff(store, store.manifest(present), store.manifest(step.snapshot)) or "nothing would change")
    return 0


def _opened(step: Step, folder: Path) -> tuple[Store, FilesConfig]:
    store = Store(folder / FOLDER)
    # What was left out then is left alone now, and what is there is kept however much it is.
    return store, FilesConfig(max_size=0, max_files=0, exclude=store.manifest(step.snapshot).exclude)


def _check(path: Path) -> None:
    if not path.is_absolute() or path.is_symlink() or not path.is_dir():
        raise MassGenError(f"the folder {clean_line(str(path), 200)} is not there any more, or has become a link; nothing was changed")


def _is_wanted(path: Path, step: Step) -> bool:
    """Ask a person: a run that somebody sent may name any folder."""
    if not sys.stdin.isatty():
        raise UsageProblem(f"{clean_line(str(path), 200)} lies outside of the run; say --yes to change it back to before step {step.number}")
    sys.stderr.write(f"Change {clean_line(str(path), 200)} back to what it was before step {step.number}? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
