"""`massgen config migrate`: rewrites a file of an older format in today's, comments included."""

from __future__ import annotations

import argparse
import difflib
import json
import re
from pathlib import Path

from massgen_cmd_config.files import read_text, write
from massgen_cmd_config.keys import masked, secrets
from massgen_cmd_config.rewrite import rewritten
from massgen_cmd_config.texts import format_of, text_of
from massgen_core.api import App, ConfigProblem, ConfigProblems, Document, MassGenError, read_document

__all__ = ["Migrate", "migrated_text"]


# Texts, which may hold what looks like a comment, or a comment.
_COMMENTS = {
    ".toml": re.compile(r'"""[\s\S]*?"""|\'\'\'[\s\S]*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|(#)'),
    ".jsonc": re.compile(r'"(?:\\.|[^"\\])*"|(//|/\*)'),
}


class Migrate:
    """The command."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add arguments and options."""
        parser.add_argument("files", nargs="+", metavar="FILE", type=Path, help="files of any format that an installed plugin reads")
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--diff", action="store_true", help="show what would change (default)")
        how.add_argument("--print", action="store_true", dest="prints", help="print the new text instead")
        how.add_argument("--write", action="store_true", help="change the files, each after a copy of it")

    def run(self, arguments: argparse.Namespace, app: App) -> int:
        """Migrate, and return 0 where every file has, or would get, today's format, else 2."""
        refused = 0
        for path in arguments.files:
            document = read_document(path)
            notes: list[ConfigProblem] = []
            try:
                new, steps = document.migrated(app.plugins, notes)
            except ConfigProblems as error:
                for problem in error.problems:
                    app.err(f"massgen: {problem}")
                refused += 1
                continue
            for note in notes:
                app.err(f"massgen: {note}")
            if not steps:
                app.err(f"{path} has today's format")
            elif not self._change(arguments, app, path, document, new):
                refused += 1
        return 2 if refused else 0

    def _change(self, arguments: argparse.Namespace, app: App, path: Path, document: Document, new: Document) -> bool:
        text = read_text(path)
        is_toml = format_of(path) == "toml"
        made = text_of(new, "toml", app.plugins) if is_toml else migrated_text(path, new, text)
        if arguments.write:
            if number := comment_line(path, text):
                app.err(
                    f"massgen: {path}:{number}: error: the file is not changed: only YAML keeps its comments, and this one would be lost; remove it, "
                    f"or write the new text beside it: massgen config migrate --print {path} > new{path.suffix}"
                )
                return False
            app.err(f"{path} is migrated; what it was is in {write(path, made).backup}")
            return True
        hidden = [leak.text for leak in secrets(document)]
        lines = made.splitlines()
        if not arguments.prints:
            lines = list(difflib.unified_diff(text.splitlines(), lines, str(path), str(path), lineterm=""))
        if hidden:
            app.err(f"massgen: secrets of {path} are shown as stars; --write keeps them as they are")
        for line in lines:
            app.out(masked(line, hidden))
        return True


def comment_line(path: Path, text: str) -> int:
    """Return the line of the first comment of a file whose comments cannot be kept; 0 where it has none, or is YAML."""
    pattern = _COMMENTS.get(path.suffix)
    found = next((match for match in pattern.finditer(text) if match[1]), None) if pattern else None
    return text.count("\n", 0, found.start(1)) + 1 if found else 0


def migrated_text(path: Path, new: Document, text: str) -> str:
    """Return the new text of a file.

    Args:
        path: The file.
        new: What it comes to, its places being those of the file.
        text: What it holds now.

    Raises:
        MassGenError: The new text would not say the same; a defect, and nothing is written.
    """
    if path.suffix in (".json", ".jsonc"):
        return json.dumps(new.data, ensure_ascii=False, indent=2) + "\n"
    made = rewritten(new, text.replace("\r\n", "\n").removeprefix("\ufeff"))
    if _data(made, path) != new.data:
        raise MassGenError(f"{path} cannot be written in today's format without a change of its meaning; report this, with the file")
    return made


def _data(text: str, path: Path) -> object:
    import tempfile  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="massgen-") as folder:
        copy = Path(folder) / "config.yaml"
        copy.write_text(text, encoding="utf-8", newline="")
        try:
            return read_document(copy, name=str(path)).data
        except ConfigProblems:
            return None
