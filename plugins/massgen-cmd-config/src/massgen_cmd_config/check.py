"""`massgen config check`: every mistake at once, before anything is started or paid for."""

from __future__ import annotations

import argparse
from pathlib import Path

from massgen_cmd_config.findings import Checked, check
from massgen_cmd_config.formats import as_json, as_sarif, as_text
from massgen_core.api import App, UsageProblem

__all__ = ["Check"]

_SUFFIXES = (".yaml", ".yml", ".json", ".jsonc", ".toml")


class Check:
    """The command."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add arguments and options."""
        parser.add_argument("files", nargs="*", metavar="FILE", type=Path, help="files, or folders of files; none: what a run would use here")
        parser.add_argument("--format", choices=("text", "json", "sarif"), default="text", help="how findings are written (default: text)")
        parser.add_argument("--strict", action="store_true", help="let warnings count as errors")

    def run(self, arguments: argparse.Namespace, app: App) -> int:
        """Check, and return 0 where a run can begin with each file, else 2."""
        checked: list[Checked] = []
        for path in _files(arguments.files):
            one = check(app.plugins, path)
            checked.append(one)
            if arguments.format == "text":
                for paragraph in as_text([one]):
                    app.out(paragraph)
        if arguments.format != "text":
            app.out(as_json(checked) if arguments.format == "json" else as_sarif(checked))
        errors = sum(one.errors for one in checked)
        warnings = sum(len(one.findings) for one in checked) - errors
        app.err(f"{_many(len(checked), 'file')} checked: {_many(errors, 'error')}, {_many(warnings, 'warning')}")
        return 2 if errors or (arguments.strict and warnings) else 0


def _files(given: list[Path]) -> list[Path | None]:
    files: list[Path | None] = []
    for path in given:
        if path.is_dir():
            inside = sorted(one for one in path.rglob("*") if one.suffix in _SUFFIXES and one.is_file())
            if not inside:
                raise UsageProblem(f"there is no configuration in {path}: no file that ends in {', '.join(_SUFFIXES)}")
            files += inside
        else:
            files.append(path)
    return files or [None]


def _many(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
