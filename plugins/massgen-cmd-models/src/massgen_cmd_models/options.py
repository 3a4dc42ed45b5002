"""A backend's options on the command line."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

from massgen_core.api import UsageProblem

__all__ = ["add_options", "read_options"]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add `--set`."""
    parser.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], dest="sets", help="an option of the backend, as in a configuration; repeatable"
    )


def read_options(sets: Sequence[str]) -> dict[str, Any]:
    """Return options; a value is JSON where it reads as such, and text else; dots lead into mappings.

    Raises:
        UsageProblem: One has no `=`.
    """
    options: dict[str, Any] = {}
    for given in sets:
        path, is_there, text = given.partition("=")
        if not is_there or not path.strip("."):
            raise UsageProblem(f"--set {given!r} is no KEY=VALUE")
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        *above, last = path.split(".")
        place = options
        for name in above:
            inner = place.setdefault(name, {})
            if not isinstance(inner, dict):
                raise UsageProblem(f"--set {path}: {name} was given a value already")
            place = inner
        place[last] = value
    return options
