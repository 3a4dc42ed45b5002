"""`massgen config export`: the same configuration as YAML, JSON or TOML."""

from __future__ import annotations

import argparse
from pathlib import Path

from massgen_cmd_config.files import create, read_text, write
from massgen_cmd_config.keys import secrets
from massgen_cmd_config.options import add_options, loaded
from massgen_cmd_config.texts import FORMATS, format_of, text_of
from massgen_core.api import App, ConfigProblem, Document, MassGenError, UsageProblem, read_document

__all__ = ["Export"]


class Export:
    """The command."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add arguments and options."""
        parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="a file, as it is written; none: everything that a run would use here")
        parser.add_argument("--format", choices=FORMATS, help="default: what the name of --output ends in, else yaml")
        parser.add_argument("-o", "--output", metavar="FILE", type=Path, help="write it to a file")
        parser.add_argument("--force", action="store_true", help="replace a file that exists, after a copy of it")
        add_options(parser)

    def run(self, arguments: argparse.Namespace, app: App) -> int:
        """Print or write the configuration."""
        output: Path | None = arguments.output
        form = arguments.format or (format_of(output) if output else "yaml")
        if output is not None and arguments.format and format_of(output) != form:
            raise UsageProblem(f"{output} would be read as {format_of(output)}; give it a name that ends in .{form}")
        if output is not None and output.exists() and not arguments.force:
            raise UsageProblem(f"{output} exists; --force replaces it after a copy, another name leaves it alone")
        document, original = _document(arguments, app)
        for leak in secrets(document):
            if leak.severity:
                raise MassGenError(f"{leak.problem}; nothing is exported, so that it does not come to a second place")
        text = text_of(document, form, app.plugins, original)
        if output is None:
            app.out(text.rstrip("\n"))
        elif output.exists():
            app.err(f"{output} is replaced; what it was is in {write(output, text).backup}")
        else:
            create(output, text)
            app.err(f"{output} is written")
        return 0


def _document(arguments: argparse.Namespace, app: App) -> tuple[Document, str]:
    """Return what is exported, and the YAML whose comments belong to it."""
    if arguments.file is None:
        found = loaded(arguments, app.plugins, only_reads=True)
        return Document.of(found.document, "the configuration"), ""
    chosen = (arguments.config, arguments.preset, arguments.agent, arguments.backend, arguments.strategy, arguments.sets)
    if any(chosen):
        raise UsageProblem("FILE is exported as it is written; leave it out to export what the other options come to")
    notes: list[ConfigProblem] = []
    document, _ = read_document(arguments.file).migrated(app.plugins, notes)
    for note in notes:
        app.err(f"massgen: {note}")
    is_yaml = format_of(arguments.file) == "yaml"
    return document, read_text(arguments.file).replace("\r\n", "\n").removeprefix("\ufeff") if is_yaml else ""
