"""`massgen config trust`: says once that a project's file is trusted, until it changes."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from massgen_core.api import App, ConfigUntrusted, UsageProblem, load_config, trust_store

__all__ = ["Trust"]

_NAME = "massgen.yaml"


class Trust:
    """The command."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add arguments and options."""
        parser.add_argument("file", nargs="?", type=Path, default=Path(_NAME), metavar="FILE", help=f"a {_NAME}, or its folder (default: here)")
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--revoke", action="store_true", help="trust it no more")
        what.add_argument("--list", action="store_true", dest="lists", help="list the files that are trusted")

    def run(self, arguments: argparse.Namespace, app: App) -> int:
        """Trust a file, and say what it then may do; return 0."""
        store = trust_store(os.environ)
        if arguments.lists:
            for path in store.files():
                app.out(path if Path(path).is_file() else f"{path} (it is not there any more)")
            return 0
        file = _file(arguments.file)
        if arguments.revoke:
            was = store.remove(file)
            app.err(f"{file} is {'not trusted any more' if was else 'not among the files that are trusted'}")
            return 0
        if not file.is_file():
            raise UsageProblem(f"there is no file {file}")
        try:
            # Only the project's file is looked at, whatever a run in this environment would use.
            load_config(app.plugins, folder=file.parent, environment={key: value for key, value in os.environ.items() if key != "MASSGEN_CONFIG"})
        except ConfigUntrusted as error:
            store.add(error.file, error.digest)
            app.err(str(error))
            app.err(f"{file} is trusted from now on, until it changes; massgen config trust --revoke takes it back")
            return 0
        trusted = store.place(file) in store.files()
        app.err(f"{file} {'is trusted as it is' if trusted else 'asks for nothing that it would have to be trusted for'}")
        return 0


def _file(given: Path) -> Path:
    file = given / _NAME if given.is_dir() else given
    if file.name != _NAME:
        raise UsageProblem(f"only a file named {_NAME} must be trusted, since it is used by itself; others are named with --config")
    return file
