"""`massgen auth list` and `massgen auth check`."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from massgen_cmd_auth.stores import ENVIRONMENT, Stores, with_stores
from massgen_cmd_auth.uses import Use, of_backends, of_file
from massgen_core.api import App, clean_line, config_files

__all__ = ["Check", "List"]


class List:
    """Lists names, where they are, and what uses them."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.description = (
            "List the names of the keys in your stores, and those of the environment that installed backends use; never their values."
        )
        parser.add_argument("--json", action="store_true", help="print JSON")

    def run(self, arguments: argparse.Namespace, app: App) -> int:
        return with_stores(app, lambda stores: self._list(arguments, app, stores))

    def _list(self, arguments: argparse.Namespace, app: App, stores: Stores) -> int:
        uses = list(of_backends(app))
        found = stores.listed()
        for use in uses:  # of those that no store can list
            store, key = stores.split(use.reference)
            holder, secret, _ = stores.where(store, key)
            if secret is not None:
                found.setdefault((holder, key), "this environment" if holder == ENVIRONMENT else "")
        rows = [
            {"name": key, "store": store, "where": where, "used_by": _users(store, key, uses, stores)}
            for (store, key), where in sorted(found.items(), key=lambda item: (item[0][1], stores.names.index(item[0][0])))
        ]
        if arguments.json:
            app.out(json.dumps({"keys": rows, "problems": stores.problems}, ensure_ascii=False, indent=2))
            return 0
        cells = [(str(row["name"]), str(row["store"]), str(row["where"]), ", ".join(row["used_by"]) or "-") for row in rows]
        for line in _table((("NAME", "STORE", "WHERE", "USED BY"), *cells) if cells else ()):
            app.out(line)
        if not rows:
            app.out("no key is kept here; keep one: massgen auth set NAME")
        _warn(app, stores)
        return 0


class Check:
    """Says of each reference whether it is found."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.description = (
            "Say of each key whether it is found, and in which store, without showing it: those that the configuration refers to, and those that the "
            "installed backends use by themselves. Exit code 1: one that is named, or that the configuration refers to, is missing."
        )
        parser.add_argument("references", nargs="*", metavar="NAME", help="look for these only: NAME, or STORE:NAME")
        parser.add_argument(
            "-c", "--config", type=Path, metavar="FILE", help="look into this configuration (default: those that a run would use here)"
        )
        parser.add_argument("--json", action="store_true", help="print JSON")

    def run(self, arguments: argparse.Namespace, app: App) -> int:
        return with_stores(app, lambda stores: self._check(arguments, app, stores))

    def _check(self, arguments: argparse.Namespace, app: App, stores: Stores) -> int:
        if arguments.references:
            wanted = [Use(reference=one, user="") for one in arguments.references]
            spare: list[Use] = []
        else:
            files = (arguments.config,) if arguments.config is not None else config_files(os.environ)
            wanted = [use for file in files for use in of_file(app, file)]
            spare = list(of_backends(app))
        needed = [_looked(use, stores) for use in wanted]
        usual = [_looked(use, stores) for use in _together(spare)]
        if arguments.json:
            app.out(json.dumps({"needed": needed, "backends": usual, "problems": stores.problems}, ensure_ascii=False, indent=2))
        else:
            _show(app, "", needed)
            _show(app, "keys that installed backends look for by themselves:", usual)
            if not needed and not usual:
                app.out("nothing here refers to a key")
            app.out(f"stores, in the order in which they are asked: {', '.join(stores.names)}")
            _warn(app, stores)
        missing = dict.fromkeys(clean_line(one["reference"], 200) for one in needed if not one["store"])
        if missing:
            app.err(f"missing: {', '.join(missing)}; keep a key with: massgen auth set NAME")
        return int(bool(missing))


def _together(uses: Sequence[Use]) -> list[Use]:
    """Return one use for each reference, with all who have it."""
    users: dict[str, list[str]] = {}
    for use in uses:
        users.setdefault(use.reference, []).append(use.title)
    return [Use(reference=reference, user=", ".join(titles)) for reference, titles in users.items()]


def _looked(use: Use, stores: Stores) -> dict[str, Any]:
    store, key = stores.split(use.reference)
    holder, secret, wrong = stores.where(store, key)
    if secret is not None:
        stores.context.hide(secret)
    problem = "" if secret is not None else "; ".join(wrong) if store and wrong else "not found"
    return {"reference": use.reference, "used_by": use.title, "store": holder, "problem": problem}


def _show(app: App, title: str, rows: Sequence[dict[str, Any]]) -> None:
    if title and rows:
        app.out(title)
    cells = [(row["reference"], f"found in {row['store']}" if row["store"] else row["problem"], row["used_by"]) for row in rows]
    for line in _table(cells):
        app.out(f"  {line}" if title else line)


def _users(store: str, key: str, uses: Iterable[Use], stores: Stores) -> list[str]:
    """Return what uses a key of a store, in the order of the backends' names."""
    found = []
    for use in uses:
        named, name = stores.split(use.reference)
        if name == key and (not named or named == store):
            found.append(use.title)
    return found


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    clean = [[clean_line(cell, 200) for cell in row] for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(*clean, strict=True)]
    return ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in clean]


def _warn(app: App, stores: Stores) -> None:
    for name, problem in stores.problems.items():
        app.err(f"store {name!r}: {problem}")
