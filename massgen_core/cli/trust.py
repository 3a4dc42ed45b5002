"""Asks whether a project's file is trusted, where there is somebody to ask."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from massgen_core.errors import ConfigUntrusted

if TYPE_CHECKING:
    from massgen_core.cli.app import ConsoleApp
    from massgen_core.config.load import Loaded

__all__ = ["load_asking"]


def load_asking(app: ConsoleApp, *, is_trusted: bool, **options: Any) -> Loaded:
    """Load a configuration; a project's file that is not trusted is put to the person at the terminal.

    What was trusted for once holds for the whole conversation, as it was then: agents may change files.

    Args:
        app: Where it is said.
        is_trusted: A person said so on the command line.
        options: As `massgen_core.config.load.load` takes them.

    Raises:
        ConfigProblems: Every mistake.
        ConfigUntrusted: Nobody is there to be asked, or they said no.
    """
    from massgen_core.config.load import load  # noqa: PLC0415 - it is what takes long

    known, app.trusted = app.trusted, app.trusted or ""
    try:
        return load(app.plugins, is_trusted=known or False, **options)
    except ConfigUntrusted as error:
        if known is not None or not is_trusted:
            _ask(app, error)
        app.trusted = error.digest
        # What is loaded now is what was asked about; a file that changed meanwhile is refused.
        return load(app.plugins, is_trusted=error.digest, **options)


def _ask(app: ConsoleApp, error: ConfigUntrusted) -> None:
    if not (sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()):
        raise error
    app.err(f"massgen: {error}")
    answer = _asked()
    if not answer:
        raise ConfigUntrusted("it is not trusted, so nothing was started", source=error.source, file=error.file, digest=error.digest) from None
    if answer == "always":
        _remember(app, error)


def _asked() -> str:
    """Return `always`, `once`, or nothing."""
    sys.stderr.write("Trust it? [a]lways, until it changes; [o]nce; anything else: no > ")
    sys.stderr.flush()
    word = sys.stdin.readline().strip().lower()
    return {"a": "always", "always": "always", "o": "once", "once": "once"}.get(word, "")


def _remember(app: ConsoleApp, error: ConfigUntrusted) -> None:
    from massgen_core.reading import trust_store  # noqa: PLC0415

    store = trust_store(os.environ)
    store.add(error.file, error.digest)
    app.err(f"massgen: kept in {store.file}; massgen config trust --revoke takes it back")
