"""`massgen config schema`: the JSON Schema of configurations with the installed plugins, for editors."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from massgen_core.api import App, MassGenError, config_schema

__all__ = ["Schema"]


class Schema:
    """The command."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add arguments and options."""
        parser.add_argument("-o", "--output", metavar="FILE", type=Path, help="write it to a file, and print the line that tells editors of it")

    def run(self, arguments: argparse.Namespace, app: App) -> int:
        """Print or write the schema."""
        text = json.dumps(config_schema(app.plugins), ensure_ascii=False, indent=2)
        if arguments.output is None:
            app.out(text)
            return 0
        try:
            arguments.output.write_text(f"{text}\n", encoding="utf-8")
        except OSError as error:
            raise MassGenError(f"{arguments.output} cannot be written: {error.strerror}") from error
        app.out(f"# yaml-language-server: $schema={arguments.output}")
        app.err("put this line at the top of a configuration, and editors with a YAML language server complete and check it")
        return 0
