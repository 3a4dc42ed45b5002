"""`massgen runs`: what was asked, newest first, and what came of it."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import attrs

from massgen_cmd_runs.digest import STATUSES, Digest, digest
from massgen_cmd_runs.text import cells, clock, dollars, fitted, table, when
from massgen_core.api import App, MassGenError, UsageProblem, clean, clean_line, columns

__all__ = ["Runs"]

_DAY = 86_400.0
_NUMBERS = {"AGENTS", "TIME", "TOKENS", "COST"}
# What a narrow terminal goes without, first things first, until so many cells are left for the question.
_DISPENSABLE = ("COST", "TOKENS", "AGENTS", "TIME", "WHEN", "WINNER")
_QUESTION = 32


class Runs:
    """The command."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add arguments and options."""
        parser.add_argument("action", nargs="?", choices=("list", "prune"), default="list", help="what to do (default: list)")
        parser.add_argument("-n", "--number", type=int, default=20, metavar="N", help="list the newest N runs; 0: all (default: 20)")
        parser.add_argument("--status", action="append", choices=STATUSES, default=[], help="only runs of this status; repeatable")
        parser.add_argument("--json", action="store_true", help="print a JSON array")
        group = parser.add_argument_group("prune", "delete old runs; a run that a process is working on is never deleted")
        group.add_argument("--keep", type=int, metavar="N", help="keep the newest N")
        group.add_argument("--older-than", type=float, metavar="DAYS", help="keep what began within the last DAYS days")
        group.add_argument("--dry-run", action="store_true", help="only say what would be deleted")

    def run(self, arguments: argparse.Namespace, app: App) -> int:
        """List or prune runs and return the exit code."""
        if arguments.action == "prune":
            return _prune(arguments, app)
        if arguments.keep is not None or arguments.older_than is not None or arguments.dry_run:
            raise UsageProblem("--keep, --older-than and --dry-run belong to: massgen runs prune")
        if arguments.number < 0:
            raise UsageProblem("-n takes the number of runs to list; 0 lists all")
        found = []
        for brief in _digests(app):
            if arguments.status and brief.status not in arguments.status:
                continue
            found.append(brief)
            if len(found) == arguments.number:
                break
        if arguments.json:
            app.out(json.dumps([{**attrs.asdict(brief), "folder": str(app.runs / brief.run)} for brief in found], indent=2))
        elif found:
            _print(app, found)
        else:
            app.err(f"no run{' of this status' if arguments.status else ''} in {app.runs}")
        return 0


def _folders(runs: Path) -> list[str]:
    """Return the names of all runs, newest first: a run's name begins with its time."""
    try:
        with os.scandir(runs) as entries:
            return sorted((entry.name for entry in entries if entry.is_dir(follow_symlinks=False)), reverse=True)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise MassGenError(f"the runs in {runs} cannot be listed: {error.strerror}") from error


def _digests(app: App) -> Iterator[Digest]:
    now = time.time()
    for name in _folders(app.runs):
        brief = digest(app.runs / name, app.is_live, now)
        if brief is not None:
            yield brief


def _print(app: App, found: list[Digest]) -> None:
    heads: tuple[str, ...] = ("RUN", "WHEN", "STATUS", "AGENTS", "WINNER", "TIME", "TOKENS", "COST", "QUESTION")
    rows: list[tuple[str, ...]] = [
        (
            clean_line(brief.run, 60),
            when(brief.at),
            brief.status,
            str(len(brief.agents) or ""),
            clean_line(brief.winner, 20),
            clock(brief.seconds),
            "" if brief.tokens is None else f"{brief.tokens:,}",
            dollars(brief.cost) or ("unknown" if brief.tokens else ""),
            clean_line(clean(brief.question[:4000]).strip().partition("\n")[0], 300),
        )
        for brief in found
    ]
    # A pipe gets whole lines, a person what fits: a question says more than figures, which `massgen show` has.
    width = columns()
    for title in _DISPENSABLE if width else ():
        if max(map(cells, table(heads[:-1], [row[:-1] for row in rows]))) + _QUESTION <= width:
            break
        place = heads.index(title)
        heads, rows = heads[:place] + heads[place + 1 :], [row[:place] + row[place + 1 :] for row in rows]
    right = [place for place, title in enumerate(heads) if title in _NUMBERS]
    for line in table(heads, rows, right=right):
        app.out(fitted(line, width) if width else line)
    stopped = next((brief.run for brief in found if brief.status == "stopped"), "")
    if stopped and sys.stderr.isatty():
        app.err(f"stopped runs can go on, for instance: massgen resume {stopped}")


def _prune(arguments: argparse.Namespace, app: App) -> int:
    if arguments.keep is None and arguments.older_than is None:
        raise UsageProblem("say what to keep: massgen runs prune --keep N, --older-than DAYS, or both")
    if (arguments.keep or 0) < 0 or (arguments.older_than or 0.0) < 0:
        raise UsageProblem("--keep and --older-than take numbers from 0")
    limit = time.time() - arguments.older_than * _DAY if arguments.older_than is not None else float("inf")
    deleted = 0
    for place, brief in enumerate(_digests(app)):
        is_old = (brief.at or float("-inf")) < limit
        if place < (arguments.keep or 0) or not is_old or (arguments.status and brief.status not in arguments.status):
            continue
        folder = app.runs / brief.run
        if app.is_live(folder):
            continue
        if not arguments.dry_run:
            try:
                shutil.rmtree(folder)
            except OSError as error:
                raise MassGenError(f"{folder} cannot be deleted: {error.strerror}") from error
        app.out(f"{'would delete' if arguments.dry_run else 'deleted'} {brief.run}  {brief.status}  {clean_line(brief.question, 100)}")
        deleted += 1
    app.err(f"{deleted} run{'' if deleted == 1 else 's'} {'would be ' if arguments.dry_run else ''}deleted")
    return 0
