"""`massgen mcp archive`: compresses logs of runs that are over, and deletes old ones."""

from __future__ import annotations

import argparse
import shutil
import time
from pathlib import Path

from massgen_core.api import App, MassGenError, UsageProblem
from massgen_mcp_log.archive import Sealed, seal
from massgen_mcp_log.commands.common import size
from massgen_mcp_log.files import ARCHIVE, FOLDER, LOG, SERVERS, TEXT
from massgen_mcp_log.retention import excess, logs_in

__all__ = ["Archive", "seal_run"]


class Archive:
    """The command."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add arguments and options."""
        parser.add_argument("runs", metavar="RUN", nargs="*", help="runs to seal: an id, the beginning of it, a folder, or 'last'")
        parser.add_argument("--all", action="store_true", help="seal all runs that are over")
        parser.add_argument("--older-than", metavar="DAYS", type=float, help="with --all or --prune: only what was not written to for so long")
        parser.add_argument("--line", metavar="N", type=int, help="print one line of a sealed log by its number from 1")
        parser.add_argument("--prune", action="store_true", help="delete logs of MCP instead, oldest first; runs and their journals stay")
        parser.add_argument("--max-size", metavar="MB", type=float, help="with --prune: until all logs together are at most so large")
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")

    def run(self, arguments: argparse.Namespace, app: App) -> int:
        """Do it and return the exit code."""
        if (arguments.older_than or 0.0) < 0 or (arguments.max_size or 0.0) < 0:
            raise UsageProblem("--older-than and --max-size take numbers from 0")
        if arguments.prune:
            return _prune(arguments, app)
        if arguments.line is not None:
            return _line(arguments, app)
        if bool(arguments.runs) == arguments.all:
            raise UsageProblem("name the runs to seal, or --all; to delete old logs: --prune --older-than DAYS or --max-size MB")
        if arguments.max_size is not None or (arguments.older_than is not None and not arguments.all):
            raise UsageProblem("--older-than goes with --all and --prune, --max-size with --prune")
        if arguments.all:
            folders = [kept.folder.parent for kept in excess(logs_in(app.runs), time.time(), days=arguments.older_than or 0.0)]
            folders = [run for run in folders if (run / FOLDER / LOG).is_file() and not app.is_live(run)]
        else:
            folders = [app.find_run(name) for name in arguments.runs]
        for run in folders:
            if app.is_live(run):
                raise MassGenError(f"run {run.name} is going on; its log is sealed when it is over")
            if arguments.dry_run:
                app.out(f"would seal {run.name}")
                continue
            lines, before, after = seal_run(run)
            app.out(f"{run.name}: {lines} lines, {size(before)} are {size(after)} now")
        return 0


def seal_run(run: Path) -> tuple[int, int, int]:
    """Seal the log of a run that is over; return its lines, and its bytes before and after.

    What was sealed is read back before anything is deleted. Logs of single servers and files for people are views of the whole log: they go.

    Raises:
        MassGenError: There is nothing to seal, or what was sealed is not what was there.
    """
    folder = run / FOLDER
    source, target = folder / LOG, folder / ARCHIVE
    if not source.is_file():
        raise MassGenError(f"run {run.name} {'is sealed already' if target.is_file() else 'has no log of MCP'}")
    before = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    try:
        lines = _sealed(source, target)
        errors = list((folder / SERVERS).glob("*.stderr.log"))
        for path in errors:
            _sealed(path, path.with_name(f"{path.name}.zst"))
    except OSError as error:
        raise MassGenError(f"the log of run {run.name} cannot be sealed: {error.strerror}") from error
    views = [*(folder / SERVERS).glob("*.jsonl"), *(folder / SERVERS).glob("*.txt*"), *folder.glob(f"{TEXT.removesuffix('.txt')}*.txt*")]
    for path in (source, *errors, *views):
        path.unlink(missing_ok=True)
    return lines, before, sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _sealed(source: Path, target: Path) -> int:
    """Seal a file, together with what was sealed of it before; prove that it can be read back."""
    joined = source
    if target.is_file():
        joined = source.with_name(f"{source.name}.joined")
        with joined.open("wb") as file:
            file.writelines(line + b"\n" for line in Sealed(target))
            with source.open("rb") as more:
                shutil.copyfileobj(more, file)
    try:
        lines = seal(joined, target)
        with joined.open("rb") as file:
            is_equal = all(line.rstrip(b"\n") == kept for line, kept in zip(file, Sealed(target), strict=True))
        if not is_equal:
            raise MassGenError(f"{target} is not what was sealed; {source} is left as it was")
    except ValueError as error:
        raise MassGenError(f"{target} has other lines than what was sealed; {source} is left as it was") from error
    finally:
        if joined is not source:
            joined.unlink()
    return lines


def _line(arguments: argparse.Namespace, app: App) -> int:
    if len(arguments.runs) != 1:
        raise UsageProblem("--line takes one run")
    run = app.find_run(arguments.runs[0])
    path = run / FOLDER / ARCHIVE
    if not path.is_file():
        raise UsageProblem(f"run {run.name} is not sealed")
    try:
        app.out(Sealed(path).line(arguments.line - 1).decode("utf-8", "replace"))
    except IndexError:
        raise UsageProblem(f"there is no line {arguments.line}; {path} has {Sealed(path).count}") from None
    return 0


def _prune(arguments: argparse.Namespace, app: App) -> int:
    if arguments.older_than is None and arguments.max_size is None:
        raise UsageProblem("say what to keep: --older-than DAYS, --max-size MB, or both")
    if arguments.runs or arguments.all:
        raise UsageProblem("--prune looks at all runs by itself; leave their names and --all out")
    limit = None if arguments.max_size is None else int(arguments.max_size * 1e6)
    freed = 0
    for kept in excess(logs_in(app.runs), time.time(), days=arguments.older_than, size=limit):
        if app.is_live(kept.folder.parent):
            continue
        app.out(f"{'would delete' if arguments.dry_run else 'deleted'} the log of {kept.folder.parent.name}  {size(kept.size)}")
        freed += kept.size
        if not arguments.dry_run:
            shutil.rmtree(kept.folder)
    app.err(f"{size(freed)} {'would be ' if arguments.dry_run else ''}freed")
    return 0
