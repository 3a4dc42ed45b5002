"""`massgen mcp export`: a diagnostic bundle that can be given away."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from massgen_core.api import App
from massgen_mcp_log.bundle import Bundle, environment_secrets, packed, write
from massgen_mcp_log.commands.common import add_choice, add_run, opened, size, table, wanted_by

__all__ = ["Export"]


class Export:
    """The command."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add arguments and options."""
        add_run(parser)
        add_choice(parser)
        parser.add_argument("--output", "-o", metavar="FILE", type=Path, help="the zip to write; default: massgen-mcp-RUN.zip here")
        parser.add_argument("--preview", action="store_true", help="say what would be in it, and write nothing")
        parser.add_argument("--show", metavar="NAME", help="print one file as it would be in it, and write nothing")
        parser.add_argument("--payloads", action="store_true", help="include payloads, arguments and results, where the log has them")
        parser.add_argument("--force", action="store_true", help="replace the file if it exists")

    def run(self, arguments: argparse.Namespace, app: App) -> int:
        """Write the bundle and return the exit code."""
        log = opened(app, arguments.run)
        bundle = Bundle(log, wanted_by(arguments), with_payloads=arguments.payloads, values=environment_secrets(os.environ))
        files = bundle.files()
        if arguments.show is not None:
            if arguments.show not in files:
                app.err(f"massgen: the bundle has no {arguments.show!r}; it has {', '.join(files)}")
                return 2
            app.out(files[arguments.show].decode("utf-8", "replace"))
            return 0
        manifest = json.loads(files["manifest.json"])
        for row in table(("FILE", "BYTES"), [(name, size(len(data))) for name, data in files.items()], right=(1,)):
            app.out(row)
        redacted = ", ".join(f"{kind} {count}" for kind, count in manifest["redacted"].items())
        app.out(f"{manifest['lines']} lines, {manifest['lines_left_out']} left out by the filter, payloads {manifest['payloads']}")
        app.out(f"redacted just now, beside what the log had redacted already: {redacted or 'nothing'}")
        if arguments.preview:
            app.out("nothing was written; --show NAME prints a file as it would be")
            return 0
        path = arguments.output or Path(f"massgen-mcp-{log.run.name}.zip")
        write(path, packed(files), is_forced=arguments.force)
        app.out(f"written to {path}; look through it before you give it away")
        return 0
