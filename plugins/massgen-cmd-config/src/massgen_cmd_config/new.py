"""`massgen config new`: a working configuration by questions, by options, or by both."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from massgen_cmd_config.drafting import text_of
from massgen_cmd_config.facts import Facts, facts
from massgen_cmd_config.files import write
from massgen_cmd_config.findings import check
from massgen_cmd_config.formats import as_text
from massgen_cmd_config.walk import Walk
from massgen_core.api import App, MassGenError, UsageProblem, clean_line, read_document, trust

__all__ = ["New"]

_INTERRUPTED = 130


class New:
    """The command."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add arguments and options."""
        parser.description = "Make a configuration: by questions on a terminal, or without one by --preset, --set, --answers and --yes."
        parser.add_argument("file", nargs="?", type=Path, default=Path("massgen.yaml"), metavar="FILE", help="what to write (default: massgen.yaml)")
        parser.add_argument("--preset", metavar="NAME", help="start from an installed preset; the same as --set preset=NAME")
        parser.add_argument(
            "--set",
            metavar="KEY=ANSWER",
            action="append",
            default=[],
            dest="sets",
            help="answer a question; repeatable. --list-questions shows the keys",
        )
        parser.add_argument("--answers", metavar="FILE", type=Path, help="a YAML or JSON file of answers, by the same keys; --set comes before it")
        parser.add_argument("--yes", action="store_true", help="take the default of every question that is not answered")
        parser.add_argument("--list-questions", action="store_true", help="print the questions that these options leave or answer, and write nothing")
        parser.add_argument("--force", action="store_true", help="replace a file that exists, after a copy of it")
        parser.add_argument("--print", action="store_true", dest="prints", help="print it and write nothing")
        parser.add_argument("--plain", action="store_true", help="ask line by line, without menus; this is done by itself where TERM is dumb")
        parser.add_argument("--no-try", action="store_true", help="do not start MCP servers to see whether they work")

    def run(self, arguments: argparse.Namespace, app: App) -> int:
        """Ask what is not answered, check the result, and write it."""
        path: Path = arguments.file
        if path.exists() and not (arguments.force or arguments.prints or arguments.list_questions):
            raise UsageProblem(f"{path} exists; --force replaces it after a copy, another name leaves it alone")
        if path.suffix.lower() in (".json", ".jsonc", ".toml"):
            raise UsageProblem(f"this writes YAML; name the file, for instance, {path.with_suffix('.yaml')}")
        answers = _given(arguments)
        known = facts(app, path.parent)
        _refuse_wrong(known, answers, arguments)
        stated = tuple(answers)
        if arguments.list_questions:
            return _list(app, known, answers)
        try:
            with _stopped_by_signals():
                if _is_asking(arguments):
                    _ask(app, arguments, known, answers)
                else:
                    _fill(app, arguments, known, answers)
                asked = Walk.begin(known, answers)
                if unused := [clean_line(key, 60) for key in stated if key not in asked.finished()]:
                    app.err(f"not asked for, and left aside: {', '.join(unused)}")
                return _finish(app, arguments, text_of(known, answers), asked.told())
        except KeyboardInterrupt:
            _leave(app, arguments, answers)
            return _INTERRUPTED
        except EOFError:
            _leave(app, arguments, answers)
            return 1
        except UsageProblem:
            raise
        except BaseException:
            _leave(app, arguments, answers)
            raise


def _given(arguments: argparse.Namespace) -> dict[str, str]:
    """Return the answers of the options."""
    found: dict[str, str] = {}
    if arguments.answers:
        data = read_document(arguments.answers).data
        if not isinstance(data, dict):
            raise UsageProblem(f"{arguments.answers} is no mapping of answers")
        found = {str(key): _as_answer(value) for key, value in data.items()}
    if arguments.preset:
        found["preset"] = arguments.preset
    for text in arguments.sets:
        key, separator, answer = text.partition("=")
        if not separator:
            raise UsageProblem(f"{text!r} is no answer; write KEY=ANSWER")
        found[key.strip()] = answer.strip()
    return found


def _as_answer(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return "none" if value is None else str(value).lower()
    return ", ".join(map(_as_answer, value)) if isinstance(value, list) else str(value).strip()


def _refuse_wrong(known: Facts, answers: Mapping[str, str], arguments: argparse.Namespace) -> None:
    """Refuse what answers no question, and what is no answer.

    Those of a file may wait for questions that are not asked now, as those of a session that was left may do.
    """
    questions = {one.key: one for one in Walk.begin(known, answers).questions}
    stated = {text.partition("=")[0].strip() for text in arguments.sets}
    for key, answer in answers.items():
        if key in questions:
            if refusal := questions[key].refusal(answer):
                raise UsageProblem(f"{key}: {clean_line(refusal, 1000)}")
        elif key in stated or key == "preset":
            raise UsageProblem(f"there is no question {clean_line(key, 60)!r} with these answers; there are: {', '.join(questions)}")


def _list(app: App, known: Facts, answers: Mapping[str, str]) -> int:
    walk = Walk.begin(known, answers)
    found = walk.finished()
    for one in walk.questions:
        choices = f" ({', '.join(one.choices)})" if one.choices else ""
        app.out(f"{one.key}={shlex.quote(found[one.key])}  {one.text}{choices}")
    return 0


def _is_asking(arguments: argparse.Namespace) -> bool:
    return not arguments.yes and sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def _ask(app: App, arguments: argparse.Namespace, known: Facts, answers: dict[str, str]) -> None:
    from massgen_cmd_config.fronts import Front, Lines  # noqa: PLC0415 - for sessions only
    from massgen_cmd_config.session import Session  # noqa: PLC0415

    def ask(front: Front) -> None:
        front.begin(f"massgen config new: {arguments.file}")
        Session(app, front, known, answers, lambda text: _problems(app, text, arguments.file), is_trying=not arguments.no_try).run()

    if arguments.plain or os.environ.get("TERM", "dumb") in ("dumb", "unknown", ""):
        ask(Lines(app))
        return
    from massgen_cmd_config.menus import menus  # noqa: PLC0415 - it takes a second

    with menus() as front:
        ask(front)


def _fill(app: App, arguments: argparse.Namespace, known: Facts, answers: dict[str, str]) -> None:
    """Take defaults, each told; without --yes there must be none to take."""
    while question := (walk := Walk.begin(known, answers)).question:
        if not arguments.yes:
            raise UsageProblem(
                f"there is no terminal to ask: {question.text} Answer it with --set {question.key}=ANSWER, or take defaults with --yes"
            )
        if refusal := question.refusal(question.default):
            raise UsageProblem(f"{question.key} has no default here; answer it with --set {question.key}=ANSWER: {refusal}")
        app.err(f"{question.key}: {question.default}")
        answers.update(walk.answered(question.default).answers)


def _finish(app: App, arguments: argparse.Namespace, text: str, answers: Mapping[str, str]) -> int:
    path: Path = arguments.file
    if problems := _problems(app, text, path):
        for paragraph in problems:
            app.err(paragraph)
        app.err(f"nothing is written; change an answer: {_command(arguments, answers)}")
        return 2
    if arguments.prints:
        app.out(text.rstrip("\n"))
    elif arguments.force and path.exists():
        app.err(f"{path} is replaced; what it was is in {write(path, text).backup}")
        _trust(path)
    else:
        _create(path, text)
        _trust(path)
        app.err(f"{path} is written; try it: massgen run -c {shlex.quote(str(path))} QUESTION")
    app.err(f"the same again: {_command(arguments, answers)}")
    return 0


def _trust(path: Path) -> None:
    """Spare the person, who has just answered every question, the one whether the result can be trusted."""
    if path.name == "massgen.yaml":
        with suppress(MassGenError):  # where nothing can be kept, massgen run asks
            trust(path, os.environ)


def _problems(app: App, text: str, path: Path) -> list[str]:
    """Return what would keep a file from being run, as paragraphs."""
    # Beside where it will be, since paths in it are read from there.
    folder = path.parent if path.parent.is_dir() and os.access(path.parent, os.W_OK) else Path(tempfile.gettempdir())
    handle, name = tempfile.mkstemp(dir=folder, prefix=".massgen-", suffix=".yaml")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        checked = check(app.plugins, Path(name))
    finally:
        os.unlink(name)
    return [paragraph.replace(name, str(path)) for paragraph in as_text([checked])] if checked.errors else []


def _create(path: Path, text: str) -> None:
    """Write a file that is not there: whoever made one meanwhile keeps it."""
    try:
        with path.open("x", encoding="utf-8") as stream:
            try:
                stream.write(text)
                stream.flush()
            except BaseException:
                path.unlink()
                raise
    except OSError as error:
        raise MassGenError(f"{path} cannot be written: {error.strerror}") from error


def _leave(app: App, arguments: argparse.Namespace, answers: Mapping[str, str]) -> None:
    """Keep the answers given so far, and say how to go on with them."""
    if not answers:
        app.err("\nnothing is written")
        return
    kept = _kept(arguments.file, answers)
    words = ["massgen", "config", "new", str(arguments.file), "--answers", str(kept)] if kept else []
    command = shlex.join([*words, *(["--force"] if arguments.force else [])]) if kept else _command(arguments, answers)
    app.err(f"\nnothing is written; go on with: {command}")


def _kept(path: Path, answers: Mapping[str, str]) -> Path | None:
    """Write answers beside the file that was to be; None where that cannot be."""
    text = "".join(f"{json.dumps(key, ensure_ascii=False)}: {json.dumps(answer, ensure_ascii=False)}\n" for key, answer in answers.items())
    for number in range(1, 1000):
        place = path.with_name(f"{path.stem}.answers{'' if number == 1 else number}.yaml")
        try:
            handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            continue
        except OSError:
            return None
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        return place
    return None


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Let what ends a terminal, or is sent to end the program, end it as an error does: with the answers kept."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    wanted = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.signal(number, stop) for number in wanted if signal.getsignal(number) is signal.SIG_DFL}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _command(arguments: argparse.Namespace, answers: Mapping[str, str]) -> str:
    words = ["massgen", "config", "new", str(arguments.file), *(word for key, answer in answers.items() for word in ("--set", f"{key}={answer}"))]
    return shlex.join([*words, "--yes", *(["--force"] if arguments.force else [])])
