"""`massgen config new`: a working configuration by questions, by options, or by both."""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from massgen_cmd_config.files import write
from massgen_cmd_config.findings import check
from massgen_cmd_config.formats import as_text
from massgen_cmd_config.questions import QUESTIONS, Question, Setting, document, questions
from massgen_cmd_config.rewrite import rewritten
from massgen_core.api import App, Document, MassGenError, PresetSpec, UsageProblem, clean_line, read_document

__all__ = ["New"]

_HINT = "Enter takes the answer in brackets; < goes back, ? explains, = shows the file so far, Ctrl-C leaves."


class _Left(Exception):
    """The end of the input came before that of the questions."""


class New:
    """The command."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add arguments and options."""
        parser.add_argument("file", nargs="?", type=Path, default=Path("massgen.yaml"), metavar="FILE", help="what to write (default: massgen.yaml)")
        parser.add_argument("--preset", metavar="NAME", help="write an installed preset instead of asking")
        keys = ", ".join(question.key for question in QUESTIONS)
        parser.add_argument("--set", metavar="KEY=ANSWER", action="append", default=[], dest="sets", help=f"answer a question: {keys}")
        parser.add_argument("--answers", metavar="FILE", type=Path, help="a YAML or JSON file of answers, by the same keys")
        parser.add_argument("--yes", action="store_true", help="take the default of every question that is not answered")
        parser.add_argument("--force", action="store_true", help="replace a file that exists, after a copy of it")
        parser.add_argument("--print", action="store_true", dest="prints", help="print it and write nothing")

    def run(self, arguments: argparse.Namespace, app: App) -> int:
        """Ask what is not answered, check the result, and write it."""
        path: Path = arguments.file
        if path.exists() and not arguments.force and not arguments.prints:
            raise UsageProblem(f"{path} exists; --force replaces it after a copy, another name leaves it alone")
        answers = _given(arguments, app)
        try:
            made = _preset(arguments, app) if arguments.preset else document(self._answered(arguments, app, answers))
        except (_Left, KeyboardInterrupt):
            app.err(f"\nnothing is written; go on with: {_command(arguments, answers)}")
            return 130
        text = _text(made)
        if not _is_sound(app, text, path):
            app.err(f"nothing is written; change an answer: {_command(arguments, answers)}")
            return 2
        if arguments.prints:
            app.out(text.rstrip("\n"))
        elif path.exists():
            app.err(f"{path} is replaced; what it was is in {write(path, text).backup}")
        else:
            _create(path, text)
            app.err(f"{path} is written; try it: massgen run -c {shlex.quote(str(path))} QUESTION")
        app.err(f"the same again: {_command(arguments, answers)}")
        return 0

    def _answered(self, arguments: argparse.Namespace, app: App, answers: dict[str, str]) -> Mapping[str, str]:
        """Fill in what is not answered, in place, and return it."""
        is_asking = not arguments.yes and sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()
        if is_asking:
            app.err(_HINT)
        asked: list[str] = []
        while True:
            setting = Setting(plugins=app.plugins, answers=answers)
            question = next((one for one in questions(setting) if one.key not in answers), None)
            if question is None:
                return answers
            default = question.default(setting)
            if arguments.yes:
                if refusal := question.refusal(default, setting):
                    raise UsageProblem(f"{question.key} has no default here: {refusal}")
                answers[question.key] = default
                app.err(f"{question.key}: {default}")
            elif not is_asking:
                raise UsageProblem(
                    f"there is no terminal to ask: {question.text} Answer it with --set {question.key}=ANSWER, or take defaults with --yes"
                )
            elif (answer := _ask(app, question, setting, default)) is not None:
                answers[question.key] = answer
                asked.append(question.key)
            elif asked:
                del answers[asked.pop()]


def _ask(app: App, question: Question, setting: Setting, default: str) -> str | None:
    """Ask until there is an answer, and return it; None to go back."""
    app.err(f"\n{question.text}")
    for name, said in question.choices(setting).items():
        app.err(f"  {name}{f': {clean_line(said, 100)}' if said else ''}")
    while True:
        sys.stderr.write(f"{question.key} [{clean_line(default, 200)}]: ")
        sys.stderr.flush()
        try:
            line = sys.stdin.readline()
        except UnicodeDecodeError:
            app.err("this is no text in UTF-8")
            continue
        if not line:
            raise _Left
        answer = clean_line(line, 2000).strip() or default
        if answer == "<":
            return None
        if answer == "?":
            app.err(f"  {question.help}")
        elif answer == "=":
            for row in _preview(setting):
                app.err(f"  {row}")
        elif refusal := question.refusal(answer, setting):
            app.err(f"  {clean_line(refusal, 500)}")
        else:
            return answer


def _preview(setting: Setting) -> Iterator[str]:
    """Yield the file as it would be with defaults for what is not answered yet."""
    answers = dict(setting.answers)
    for question in QUESTIONS:
        now = Setting(plugins=setting.plugins, answers=answers)
        if question.key not in answers and question.is_asked(now):
            answers[question.key] = question.default(now)
    yield from _text(document(answers)).splitlines()


def _given(arguments: argparse.Namespace, app: App) -> dict[str, str]:
    """Return the answers of the options, each checked."""
    found: dict[str, str] = {}
    if arguments.answers:
        data = read_document(arguments.answers).data
        if not isinstance(data, dict):
            raise UsageProblem(f"{arguments.answers} is no mapping of answers")
        found = {key: ", ".join(map(str, value)) if isinstance(value, list) else str(value) for key, value in data.items()}
    for text in arguments.sets:
        key, separator, answer = text.partition("=")
        if not separator:
            raise UsageProblem(f"{text!r} is no answer; write KEY=ANSWER")
        found[key.strip()] = answer.strip()
    known = {question.key: question for question in QUESTIONS}
    if arguments.preset and found:
        raise UsageProblem("a preset is written as it is; leave out --preset to answer questions")
    setting = Setting(plugins=app.plugins, answers=found)
    for key, answer in found.items():
        if key not in known:
            raise UsageProblem(f"there is no question {key!r}; there are: {', '.join(known)}")
        if refusal := known[key].refusal(answer, setting):
            raise UsageProblem(f"{key}: {refusal}")
    return found


def _preset(arguments: argparse.Namespace, app: App) -> dict[str, Any]:
    spec = app.plugins.get("preset", arguments.preset)
    return dict(spec.document) if isinstance(spec, PresetSpec) else {}


def _text(made: Mapping[str, Any]) -> str:
    head = "# Written by: massgen config new. Every key is told by: massgen config explain\n"
    return head + rewritten(Document.of(made, ""), "")


def _is_sound(app: App, text: str, path: Path) -> bool:
    with tempfile.TemporaryDirectory(prefix="massgen-") as folder:
        copy = Path(folder) / path.with_suffix(".yaml").name
        copy.write_text(text, encoding="utf-8")
        checked = check(app.plugins, copy)
    for paragraph in as_text([checked]):
        app.err(paragraph)
    return not checked.errors


def _create(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise MassGenError(f"{path} cannot be written: {error.strerror}") from error


def _command(arguments: argparse.Namespace, answers: Mapping[str, str]) -> str:
    words = ["massgen", "config", "new", str(arguments.file)]
    words += ["--preset", arguments.preset] if arguments.preset else []
    words += [word for key, answer in answers.items() for word in ("--set", f"{key}={answer}")]
    return shlex.join(words)
