"""`massgen run`: standard output carries the answer only; progress goes to standard error."""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from massgen_core.errors import UsageProblem
from massgen_core.messages import Message, Usage

if TYPE_CHECKING:
    from massgen_core.cli.app import ConsoleApp
    from massgen_core.config.sections import RunConfig
    from massgen_core.contracts import Display
    from massgen_core.coordination import Outcome
    from massgen_core.figures import ModelFigures
    from massgen_core.plugins.manager import Plugins
    from massgen_core.runtime.run import Job

__all__ = ["Finished", "add_options", "conduct", "configure", "find_run", "finish", "finished", "open_display", "run"]

EXIT_CODES = {"answered": 0, "partial": 3, "failed": 4, "cancelled": 130}


@attrs.frozen(kw_only=True)
class Finished:
    """A run that ended.

    Attributes:
        files: Where the winner's files are, if it has some.
    """

    outcome: Outcome
    folder: Path
    usage: Usage
    seconds: float
    models: tuple[ModelFigures, ...] = ()
    files: Path | None = None


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments and options."""
    parser.add_argument("question", nargs="?", help="the question; '-' or nothing: read it from standard input")
    parser.add_argument("--file", metavar="FILE", type=Path, help="read the question from a file")
    add_options(parser)
    parser.add_argument("--json", action="store_true", help="print the outcome as one JSON object")
    parser.add_argument("--dry-run", action="store_true", help="say what would be run, and where that comes from; start and write nothing")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options by which a run is configured."""
    group = parser.add_argument_group("configuration")
    group.add_argument("-c", "--config", metavar="FILE", type=Path, help="configuration file (YAML, JSON or TOML)")
    group.add_argument("--preset", metavar="NAME", help="start from an installed preset")
    group.add_argument(
        "--agent", metavar="NAME=BACKEND[:MODEL]", action="append", default=[], help="an agent instead of the configured ones; repeatable"
    )
    group.add_argument("--backend", metavar="NAME", help="one backend for all agents, in place of their own")
    group.add_argument("--strategy", metavar="NAME", help="how the agents come to one answer")
    group.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], dest="sets", help="set one value; repeatable")
    group.add_argument("--trust", action="store_true", help="take the project's massgen.yaml as trusted, for this run")
    group.add_argument("--display", metavar="NAME", help="live interface: an installed display, or 'plain'")
    group.add_argument("--quiet", action="store_true", help="show no progress")


def run(arguments: argparse.Namespace, app: ConsoleApp) -> int:
    """Conduct a run and print its answer; or only say what would be run."""
    if arguments.dry_run:
        from massgen_core.cli.preview import preview  # noqa: PLC0415 - for dry runs

        return preview(arguments, app)
    return finish(conduct(arguments, app, _question(arguments)), app, is_json=arguments.json, is_quiet=arguments.quiet)


def finish(result: Finished, app: ConsoleApp, *, is_json: bool, is_quiet: bool = False) -> int:
    """Print a run's outcome and return the exit code."""
    outcome = result.outcome
    if is_json:
        sys.stdout.write(json.dumps(_plain(result), ensure_ascii=False) + "\n")
    elif outcome.answer:
        app.out(outcome.answer)
    if result.files is not None and not is_json and not is_quiet:
        app.err(f"massgen: the files of {outcome.winner} are in {result.files}")
    if outcome.status != "answered":
        told = outcome.reason or outcome.status
        app.err(f"massgen: {told}")
        for agent, reason in outcome.reasons.items():
            if reason not in told:
                app.err(f"  {agent}: {reason}")
        app.err(f"  everything that was said is in {result.folder}")
    return EXIT_CODES[outcome.status]


def conduct(arguments: argparse.Namespace, app: ConsoleApp, question: str, history: Sequence[Message] = ()) -> Finished:
    """Conduct a run as the options say."""
    from massgen_core.cli.trust import load_asking  # noqa: PLC0415 - `--help` needs none of it
    from massgen_core.config.render import render  # noqa: PLC0415
    from massgen_core.coordination import Task  # noqa: PLC0415
    from massgen_core.runtime.run import Job, make_folder  # noqa: PLC0415

    loaded = load_asking(
        app,
        is_trusted=arguments.trust,
        file=arguments.config,
        preset=arguments.preset,
        backend=arguments.backend,
        agents=arguments.agent,
        sets=arguments.sets,
        strategy=arguments.strategy,
    )
    for warning in loaded.warnings:
        app.err(f"massgen: {warning}")
    display = None if arguments.quiet else open_display(arguments.display, loaded.config, loaded.plugins)
    folder = make_folder(app.runs)
    (folder / "config.yaml").write_text(render(loaded), encoding="utf-8")
    seed = loaded.config.seed if loaded.config.seed is not None else random.SystemRandom().getrandbits(32)
    job = Job(
        run=folder.name,
        folder=folder,
        task=Task(question=question, seed=seed, history=tuple(history)),
        config=loaded.config,
        plugins=loaded.plugins,
        display=display,
        catches_signals=True,
    )
    return finished(job)


def finished(job: Job) -> Finished:
    """Conduct a job in an event loop of its own."""
    import anyio  # noqa: PLC0415

    from massgen_core.events import Event, RunEnded  # noqa: PLC0415
    from massgen_core.figures import Figures  # noqa: PLC0415

    figures, ended = Figures(record.event for record in job.earlier), list[RunEnded]()

    def seen(event: Event) -> None:
        figures.take(event)
        if isinstance(event, RunEnded):
            ended.append(event)

    outcome = anyio.run(partial(job.conduct, seen=seen))
    usage, seconds = (ended[-1].usage, ended[-1].seconds) if ended else (Usage(), 0.0)
    files = _files(job, outcome.winner)
    return Finished(outcome=outcome, folder=job.folder, usage=usage, seconds=seconds, models=figures.rows, files=files)


def _files(job: Job, agent: str) -> Path | None:
    """Return an agent's working folder, where there is something in it."""
    named = next((section.workspace for section in job.config.agents if section.name == agent), None)
    if named is None:
        return None
    folder = Path(named) if named else job.folder / "workspaces" / agent
    try:
        return folder if any(folder.iterdir()) else None
    except OSError:
        return None


def open_display(name: str | None, config: RunConfig, plugins: Plugins) -> Display:
    """Return the display that was asked for, or the best one that is installed; plain lines where standard error is no terminal."""
    from massgen_core.config.sections import PluginConfig  # noqa: PLC0415
    from massgen_core.config.structure import plugin_options  # noqa: PLC0415
    from massgen_core.plain import PlainDisplay  # noqa: PLC0415

    section = PluginConfig(type=name) if name else config.display
    if section is None and sys.stderr.isatty() and "terminal" in plugins.names("display"):
        section = PluginConfig(type="terminal")
    if section is None or section.type == "plain":
        return PlainDisplay()
    options = plugin_options(plugins, "display", section, path="display")
    display: Display = plugins.factory("display", section.type)(options, None)
    return display


def _question(arguments: argparse.Namespace) -> str:
    if arguments.question not in (None, "-") and arguments.file:
        raise UsageProblem("the question is given twice, as an argument and by --file; leave one out")
    if arguments.file:
        try:
            text = arguments.file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise UsageProblem(f"the question cannot be read from {arguments.file}: {reason}") from error
    elif arguments.question in (None, "-"):
        if sys.stdin is None or (arguments.question is None and sys.stdin.isatty()):
            raise UsageProblem('there is no question; write: massgen run "QUESTION"')
        text = sys.stdin.read()
    else:
        text = arguments.question
    if not text.strip():
        raise UsageProblem("the question is empty; give it as an argument in quotes, in a file with --file, or on standard input")
    return str(text).strip()


def _plain(result: Finished) -> dict[str, object]:
    outcome = result.outcome
    return {
        "run": result.folder.name,
        "folder": str(result.folder),
        "status": outcome.status,
        "winner": outcome.winner,
        "answer": outcome.answer,
        "reason": outcome.reason,
        "reasons": dict(outcome.reasons),
        "files": str(result.files) if result.files else None,
        "seconds": round(result.seconds, 3),
        "usage": attrs.asdict(result.usage),
        "models": [
            {
                "agent": row.agent,
                "model": row.model,
                "calls": row.calls,
                "failures": row.failures,
                "usage": attrs.asdict(row.usage),
                "first_token_seconds": row.first,
                "tokens_per_second": row.rate,
                "limits": attrs.asdict(row.limits) if row.limits else None,
            }
            for row in result.models
        ],
    }


def find_run(runs: Path, name: str) -> Path:
    """Return the folder of a run by its id, the beginning of it, `last`, or a path.

    Raises:
        UsageProblem: There is none, or several; the message names some.
    """
    direct = Path(name).expanduser()
    if direct.is_dir() and (direct / "journal.jsonl").exists():
        return direct
    known = sorted(path.name for path in runs.iterdir() if path.is_dir()) if runs.is_dir() else []
    if name == "last" and known:
        return runs / known[-1]
    found = [run for run in known if run == name] or [run for run in known if run.startswith(name)]
    if len(found) == 1:
        return runs / found[0]
    if found:
        raise UsageProblem(f"several runs begin with {name!r}: {', '.join(found[:5])}")
    raise UsageProblem(f"there is no run {name!r} in {runs}" + (f"; the newest is {known[-1]}" if known else "; it holds none"))
