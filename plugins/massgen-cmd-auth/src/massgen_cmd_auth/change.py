"""`massgen auth set` and `massgen auth delete`."""

from __future__ import annotations

import argparse
import os
import re
import sys

from massgen_cmd_auth.stores import ENVIRONMENT, Stores, with_stores
from massgen_core.api import App, MassGenError, Secret, UsageProblem, WritableStore

__all__ = ["Delete", "Set"]

MOST = 1 << 20
# How the keys of providers begin: a name never does.
_VALUE = re.compile(r"(?:\A|:)(?:(?:sk|pk|xai|csk|nvapi|pplx|glpat)-|(?:gsk|fw|hf|tgp|r8|gh[pousr])_|AIza)(?=[\w-]*\d)[\w-]{12,}\Z")


class Set:
    """Keeps a secret; its value comes from a prompt or from standard input, never from the command line."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.description = (
            "Keep a key in a store, the operating system's keyring where that is installed. The value is asked for without being shown, or read from "
            "standard input: massgen auth set OPENAI_API_KEY < key.txt"
        )
        parser.add_argument("name", metavar="NAME", help="the key's name, for instance OPENAI_API_KEY; STORE:NAME names the store too")
        # Whoever gives the value here all the same must not see it repeated in a message.
        parser.add_argument("rest", nargs="*", default=[], help=argparse.SUPPRESS)
        parser.add_argument("--store", default="", metavar="STORE", help="where to keep it (default: the safest store that is installed)")

    def run(self, arguments: argparse.Namespace, app: App) -> int:
        if arguments.rest or "=" in arguments.name or _VALUE.search(arguments.name):
            raise UsageProblem(
                "a value is never given on the command line, where every program of this machine and your shell's history see it; "
                "name the key only. If that was the real value, replace it at its provider"
            )
        key, store = with_stores(app, lambda stores: self._place(arguments, stores))
        # Not in an event loop, which would take the person's Ctrl-C for its own.
        value = _read(key, store)
        with_stores(app, lambda stores: self._set(key, value, store, app, stores))
        return 0

    def _place(self, arguments: argparse.Namespace, stores: Stores) -> tuple[str, str]:
        store, key = _chosen(arguments, stores)
        return key, stores.writable(store)[0]

    def _set(self, key: str, value: Secret, name: str, app: App, stores: Stores) -> None:
        _, made = stores.writable(name)
        where = made.set(key, value)
        app.out(f"{key}: kept in {name} ({where}); refer to it as {name}:{key}" + ("" if ":" in key else f", or as {key}"))
        for other in stores.names[: stores.names.index(name)]:
            holder, found, _ = stores.where(other, key)
            if found is not None and found != value:
                what = "the environment" if holder == ENVIRONMENT else f"store {holder!r}"
                app.err(f"note: {what} holds another {key}, and is asked first where a reference names no store")


class Delete:
    """Deletes a secret."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.description = "Delete a key from a store."
        parser.add_argument("name", metavar="NAME", help="the key's name; STORE:NAME names the store too")
        parser.add_argument("--store", default="", metavar="STORE", help="the store (default: the one that holds it)")

    def run(self, arguments: argparse.Namespace, app: App) -> int:
        return with_stores(app, lambda stores: self._delete(arguments, app, stores))

    def _delete(self, arguments: argparse.Namespace, app: App, stores: Stores) -> int:
        store, key = _chosen(arguments, stores)
        holders = [stores.writable(store)[0]] if store else self._holders(key, stores)
        if len(holders) > 1:
            raise UsageProblem(f"several stores hold {key}: {', '.join(holders)}; choose one with --store")
        for name in holders:
            if stores.writable(name)[1].delete(key):
                app.out(f"{key}: deleted from {name}")
                if os.environ.get(key):
                    app.err(f"note: the environment of this shell holds {key}, too")
                return 0
        wrong = "".join(f"\n{name}: {problem}" for name, problem in stores.problems.items())
        raise MassGenError(f"{f'store {store!r} holds no' if store else 'no store that can be written holds'} {key}{wrong}")

    def _holders(self, key: str, stores: Stores) -> list[str]:
        names = [name for name in stores.names[1:] if stores.where(name, key)[0]]
        return [name for name in names if isinstance(stores.open(name), WritableStore)]


def _chosen(arguments: argparse.Namespace, stores: Stores) -> tuple[str, str]:
    store, key = stores.split(arguments.name)
    if store and arguments.store and store != arguments.store:
        raise UsageProblem(f"the name says store {store!r}, --store says {arguments.store!r}; give one of them")
    return arguments.store or store, key


def _read(key: str, store: str) -> Secret:
    """Return the value that a person types, or that comes through a pipe.

    Raises:
        UsageProblem: There is none, or it is no text.
    """
    is_person = sys.stdin is not None and sys.stdin.isatty()
    value = _asked(f"{key} (kept in {store}; not shown): ").strip() if is_person else _piped()
    if not value:
        raise UsageProblem(f"no value was given for {key}; type it at the prompt, or send it through standard input")
    return Secret(value)


def _asked(prompt: str) -> str:
    import getpass  # noqa: PLC0415 - for a person only
    import warnings  # noqa: PLC0415

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)
            return getpass.getpass(prompt, stream=sys.stderr)
    except getpass.GetPassWarning:
        raise UsageProblem("this terminal would show what you type; send the value through standard input instead") from None
    except EOFError:
        return ""


def _piped() -> str:
    if sys.stdin is None:
        return ""
    content = sys.stdin.buffer.read(MOST + 1)
    if len(content) > MOST:
        raise UsageProblem(f"what came through standard input has more than {MOST} bytes; it is no key")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageProblem("what came through standard input is no UTF-8 text; encode it, for instance with base64") from None
    # The line's end belongs to the file or to `echo`, not to the key.
    return text.removesuffix("\n").removesuffix("\r")
