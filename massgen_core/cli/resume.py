"""`massgen resume`: goes on with a run that stopped; what is recorded is not paid for again."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from massgen_core.cli.run import find_run, finish, finished, open_display
from massgen_core.errors import UsageProblem

if TYPE_CHECKING:
    from massgen_core.cli.app import ConsoleApp

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments and options."""
    parser.add_argument("run", metavar="RUN", help="a run's id, the beginning of it, or 'last'")
    parser.add_argument("--display", metavar="NAME", help="live interface: an installed display, or 'plain'")
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    parser.add_argument("--json", action="store_true", help="print the outcome as one JSON object")


def run(arguments: argparse.Namespace, app: ConsoleApp) -> int:
    """Resume a run and print its answer."""
    from massgen_core.config.load import load  # noqa: PLC0415 - `--help` needs none of it
    from massgen_core.runtime.run import Job, recorded  # noqa: PLC0415

    folder = find_run(app.runs, arguments.run)
    task, earlier, ended = recorded(folder, app.plugins)
    if ended is not None:
        raise UsageProblem(f"run {folder.name} has ended ({ended.status}); look at it with: massgen show {folder.name}")
    loaded = load(app.plugins, file=folder / "config.yaml")
    job = Job(
        run=folder.name,
        folder=folder,
        task=task,
        config=loaded.config,
        plugins=loaded.plugins,
        display=None if arguments.quiet else open_display(arguments.display, loaded.config, loaded.plugins),
        earlier=earlier,
        catches_signals=True,
    )
    return finish(finished(job), app, is_json=arguments.json, is_quiet=arguments.quiet)
