"""The installed stores, opened for one command."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar, cast

import attrs

from massgen_core.api import (
    App,
    Context,
    CredentialStore,
    CredentialStoreSpec,
    MassGenError,
    PluginProblem,
    Secret,
    StoreProblem,
    UsageProblem,
    WritableStore,
    clean_line,
    credential_stores,
    is_reference,
)

__all__ = ["ENVIRONMENT", "Stores", "with_stores"]

T = TypeVar("T")
ENVIRONMENT = "env"
_INSTALL = "pip install massgen-credentials-keyring (the operating system's keyring) or massgen-credentials-dotenv (a file of your own)"


def with_stores(app: App, work: Callable[[Stores], T]) -> T:
    """Open the installed stores, do something with them, and return what was done."""
    import anyio  # noqa: PLC0415 - the command's module is imported for its help, too

    async def main() -> T:
        async with app.context() as context:
            return work(Stores(app, context))

    result: Any = anyio.run(main)
    return cast("T", result)


@attrs.define
class Stores:
    """The stores in the order in which they are asked.

    Attributes:
        app: The program.
        context: What stores are made with.
        problems: What is wrong with stores that could not be asked, by name.
    """

    app: App
    context: Context
    problems: dict[str, str] = attrs.field(factory=dict)
    _made: dict[str, CredentialStore] = attrs.field(factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Their names, that of the environment first."""
        return (ENVIRONMENT, *credential_stores(self.app.plugins))

    def open(self, name: str) -> CredentialStore:
        """Return a store by its name.

        Raises:
            PluginProblem: There is none, or it is broken.
        """
        if name not in self._made:
            self._made[name] = self.context.make("credentials", name)
        return self._made[name]

    def get(self, name: str, key: str) -> Secret | None:
        """Return what a store holds.

        Raises:
            MassGenError: It cannot be asked.
        """
        if name == ENVIRONMENT:
            value = os.environ.get(key) if "\0" not in key else None
            return Secret(value) if value else None
        return self.open(name).get(key)

    def split(self, text: str) -> tuple[str, str]:
        """Return store and key of what a person typed; the store is empty where none was.

        Raises:
            UsageProblem: It is no name. It is not shown: it may be the secret.
        """
        store, key = text.split(":", 1) if is_reference(text, self.app.plugins) else ("", text)
        if not key or len(key) > 200 or not key.isprintable() or "=" in key or any(part.isspace() for part in key):
            raise UsageProblem(
                "name the secret, for instance OPENAI_API_KEY; its value is asked for, or read from standard input, and never written here"
            )
        return store, key

    def where(self, store: str, key: str) -> tuple[str, Secret | None, tuple[str, ...]]:
        """Return the store that holds a key, the secret, and what was wrong with stores that were asked in vain.

        Args:
            store: The only one to ask; empty: all, in order.
            key: The name.
        """
        wrong: list[str] = []
        for name in (store,) if store else self.names:
            try:
                found = self.get(name, key)
            except MassGenError as error:
                wrong.append(f"{name}: {error}")
                self.problems.setdefault(name, str(error))
                continue
            if found is not None:
                return name, found, ()
        return "", None, tuple(wrong)

    def writable(self, name: str = "") -> tuple[str, WritableStore]:
        """Return a store that can be written: the one of this name, or the safest that is installed.

        Raises:
            UsageProblem: There is none, or it cannot be written.
            PluginProblem: There is no such store.
        """
        if name == ENVIRONMENT:
            raise UsageProblem("the environment is set by your shell: export NAME=... there, or choose another store with --store")
        for one in (name,) if name else self._safest():
            made = self.open(one)
            if isinstance(made, WritableStore):
                return one, made
            if name:
                raise UsageProblem(
                    f"store {name!r} cannot be written from here; change it with the program that keeps it, or choose another with --store"
                )
        raise UsageProblem(f"no installed store can be written; {_INSTALL}")

    def _safest(self) -> list[str]:
        names: list[tuple[bool, str]] = []
        for name in self.names[1:]:
            try:
                names.append((not cast(CredentialStoreSpec, self.app.plugins.get("credentials", name)).is_protected, name))
            except PluginProblem as error:
                self.app.err(str(error))
        return [name for _, name in sorted(names, key=lambda pair: pair[0])]

    def listed(self) -> dict[tuple[str, str], str]:
        """Return what stores that can be written hold: by store and name, where it is. A store that cannot be asked is among the problems."""
        found: dict[tuple[str, str], str] = {}
        for name in self.names[1:]:
            try:
                made = self.open(name)
                if isinstance(made, WritableStore):
                    found |= {(name, key): clean_line(where, 200) for key, where in made.names().items()}
            except (PluginProblem, StoreProblem) as error:
                self.problems.setdefault(name, str(error))
        return found
