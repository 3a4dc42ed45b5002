"""References to secrets: which store holds what a configuration names."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import attrs

from massgen_core.contracts import CredentialStore
from massgen_core.errors import MassGenError, PluginProblem, SecretMissing, StoreProblem
from massgen_core.secrets import Secret
from massgen_core.specs import CredentialStoreSpec

if TYPE_CHECKING:
    from massgen_core.plugins.manager import Plugins

__all__ = ["credential_stores", "is_reference"]

ENVIRONMENT = "env"
# What is written like a variable is no key by accident: keys have lower-case letters, or are shorter on letters.
_BARE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\Z")
_MOST = 100


def credential_stores(plugins: Plugins) -> tuple[str, ...]:
    """Return the names of the installed stores, in the order in which a name without a store asks them; the environment comes before all."""

    def order(name: str) -> tuple[int, str]:
        try:
            return cast(CredentialStoreSpec, plugins.get("credentials", name)).order, name
        except PluginProblem:  # whoever asks it is told
            return 100, name

    return tuple(sorted(plugins.names("credentials"), key=order))


def is_reference(text: str, plugins: Plugins) -> bool:
    """Say whether a text names a store and a key of it, such as `env:TOKEN`. It says nothing of names without a store."""
    store, separator, key = text.partition(":")
    # A store of the authors' own counts although it is not installed: an error that names it helps more than its name sent as a token.
    return bool(separator and key) and not key.startswith("//") and store in {ENVIRONMENT, "dotenv", "keyring", *plugins.names("credentials")}


@attrs.define
class Credentials:
    """Finds secrets by their references; what a store has given once is not asked for again, since that may mean a question to a person.

    Args:
        plugins: The installed plugins.
        make: Makes a store by its name.
    """

    _plugins: Plugins
    _make: Callable[[str], CredentialStore]
    _made: dict[str, CredentialStore] = attrs.field(factory=dict, init=False)
    _found: dict[tuple[str, str], Secret] = attrs.field(factory=dict, init=False)

    def find(self, reference: str) -> tuple[str, Secret]:
        """Return the name of the store that holds a secret, and the secret.

        Args:
            reference: `STORE:KEY`; or a name such as OPENAI_API_KEY, for which the environment and then every installed store is asked.

        Raises:
            SecretMissing: It is not there, the store cannot be asked, or the reference is none.
            PluginProblem: There is no such store, or it is broken.
        """
        store, separator, key = reference.partition(":")
        if separator:
            try:
                found = self._get(store, key)
            except StoreProblem as problem:
                raise SecretMissing(str(problem)) from problem
            if found is None:
                where = "the environment" if store == ENVIRONMENT else f"credential store {store!r}"
                raise SecretMissing(f"{where} holds no {key!r}; {self._advice(key, store)}")
            return store, found
        if not _BARE.match(reference) or len(reference) > _MOST:
            # It may be the secret itself: it is not shown.
            raise SecretMissing("this is no reference to a secret; write STORE:NAME, for instance env:NAME, or a name in capitals such as MY_API_KEY")
        return self._anywhere(reference)

    def _anywhere(self, key: str) -> tuple[str, Secret]:
        order = (ENVIRONMENT, *credential_stores(self._plugins))
        problems: list[str] = []
        for store in order:
            try:
                found = self._get(store, key)
            except MassGenError as problem:  # the others may hold it
                problems.append(f"\n{store}: {problem}")
                continue
            if found is not None:
                return store, found
        raise SecretMissing(f"no store holds {key} (asked: {', '.join(order)}); {self._advice(key)}{''.join(problems)}")

    def _get(self, store: str, key: str) -> Secret | None:
        if store == ENVIRONMENT:
            value = os.environ.get(key) if "\0" not in key else None
            return Secret(value) if value else None
        if (store, key) in self._found:
            return self._found[store, key]
        if store not in self._made:
            self._made[store] = self._make(store)
        try:
            found = self._made[store].get(key)
        except MassGenError:
            raise
        except Exception as error:  # its text may be the secret's
            raise StoreProblem(f"credential store {store!r} is broken ({type(error).__name__}); name another one, and tell its author") from error
        if found is not None:
            self._found[store, key] = found
        return found

    def _advice(self, key: str, store: str = "") -> str:
        export = f"export {key}=..."
        if store == ENVIRONMENT:
            return f"set it ({export}), or name another store in the reference"
        option = f" --store {store}" if store else ""
        if "auth.set" in self._plugins.names("command"):
            return f"set it: massgen auth set {key}{option}" + ("" if store else f", or {export}")
        install = "pip install massgen-cmd-auth"
        return f"to put it there: {install}, then massgen auth set {key}{option}" if store else f"set it ({export}), or keep it in a store: {install}"
