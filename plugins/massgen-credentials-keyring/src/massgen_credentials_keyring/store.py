"""The operating system's keyring as a store of secrets."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from massgen_core.api import Context, Secret, StoreProblem, clean_line
from massgen_credentials_keyring.names import Names, names_file

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

__all__ = ["SERVICE", "KeyringStore"]

T = TypeVar("T")

SERVICE = "massgen"
# Below, `keyring` itself does not recommend a backend: it writes plain text.
RECOMMENDED = 1
OTHERWISE = "use another store: massgen auth set NAME --store dotenv (pip install massgen-credentials-dotenv), or a variable of the environment"
HEADLESS = (
    "start one, for instance: dbus-run-session -- sh -c 'gnome-keyring-daemon --unlock --components=secrets; massgen run ...' (it reads the "
    "keyring's password from standard input)"
)


class KeyringStore:
    """Entries of the service `massgen`, one for each name.

    The keyring is looked for when the store is first asked. It may ask the person at the screen to unlock it.
    """

    def __init__(self, config: None, context: Context | None = None) -> None:
        del config, context
        self._names = Names(names_file())

    def get(self, key: str) -> Secret | None:
        """Return a secret; see the contract.

        Raises:
            StoreProblem: There is no keyring here, or it stays locked.
        """
        if not key or "\0" in key:
            return None
        value = _asked(lambda keyring: keyring.get_password(SERVICE, key))
        return Secret(value) if value else None

    def set(self, key: str, value: Secret) -> str:
        """Keep a secret; see the contract.

        Raises:
            StoreProblem: There is no keyring here, it stays locked, or it does not take the value.
        """
        if not key or "\0" in key or len(key) > 200:
            raise StoreProblem("the keyring holds names of 1 to 200 characters, without NUL; use another name")
        if not value:
            raise StoreProblem("the keyring cannot hold an empty value; to forget a secret: massgen auth delete NAME")
        title = _asked(lambda keyring: _set(keyring, key, value.reveal()), value)
        self._names.add(key)
        return title

    def delete(self, key: str) -> bool:
        """Forget a secret; see the contract.

        Raises:
            StoreProblem: There is no keyring here, it stays locked, or it does not let go.
        """
        if self.get(key) is None:
            self._names.remove(key)
            return False
        _asked(lambda keyring: keyring.delete_password(SERVICE, key))
        self._names.remove(key)
        return True

    def names(self) -> Mapping[str, str]:
        """Return the names that were set from here and are still there; see the contract. A keyring cannot be asked what it holds.

        Raises:
            StoreProblem: There is no keyring here, or it stays locked.
        """
        title = _asked(_title)
        return {name: title for name in self._names.read() if self.get(name) is not None}


def _set(keyring: KeyringBackend, key: str, value: str) -> str:
    """Keep a value and return the keyring's title."""
    keyring.set_password(SERVICE, key, value)
    # Some backends take everything and keep nothing.
    if keyring.get_password(SERVICE, key) != value:
        raise StoreProblem(f"the {_title(keyring)} did not keep the value as it is; {OTHERWISE}")
    return _title(keyring)


def _keyring() -> KeyringBackend:
    """Return the keyring of this machine.

    Raises:
        StoreProblem: There is none that can be trusted with secrets.
    """
    import keyring  # noqa: PLC0415 - a tenth of a second, where it is asked only
    from keyring.backends import fail  # noqa: PLC0415

    found = keyring.get_keyring()
    priority = _first(found).priority
    is_there = not isinstance(found, fail.Keyring)
    if is_there and (priority >= RECOMMENDED or _is_chosen()):
        return found
    if is_there:
        raise StoreProblem(
            f"the only keyring here ({_title(found)}) does not protect what it holds, so it is not used; {OTHERWISE}. To use it all the same: "
            f"export PYTHON_KEYRING_BACKEND={type(found).__module__}.{type(found).__qualname__}"
        )
    remedy = HEADLESS if sys.platform.startswith("linux") else "log in to a desktop session"
    raise StoreProblem(f"this machine has no keyring that can be reached from here (no desktop session?); {OTHERWISE}; or {remedy}")


def _is_chosen() -> bool:
    """Say whether a person chose the backend, in the ways that `keyring` has for that."""
    from keyring.util.platform_ import config_root  # noqa: PLC0415

    return bool(os.environ.get("PYTHON_KEYRING_BACKEND")) or os.path.isfile(os.path.join(config_root(), "keyringrc.cfg"))


def _title(keyring: KeyringBackend) -> str:
    return clean_line(f"keyring: {_first(keyring).name}", 120)


def _first(keyring: KeyringBackend) -> KeyringBackend:
    """Return the keyring that is written into: a chain of several writes into its first."""
    for one in getattr(keyring, "backends", ()):
        first: KeyringBackend = one
        return first
    return keyring


def _asked(action: Callable[[KeyringBackend], T], value: Secret | None = None) -> T:
    """Do something with the keyring; what goes wrong there is told without a value that it may repeat.

    Raises:
        StoreProblem: It went wrong.
    """
    try:
        return action(_keyring())
    except StoreProblem:
        raise
    except Exception as error:  # backends raise whatever their systems do
        problem = _problem(error, value)
    # Raised here, without the error as its context: that, or its traceback, may hold the value.
    raise problem


def _problem(error: Exception, value: Secret | None) -> StoreProblem:
    name, text = type(error).__name__, clean_line(str(error), 300)
    if value is not None:
        text = text.replace(clean_line(value.reveal(), 300), "***") if len(value.reveal()) >= 3 else ""
    said = f"{name}: {text}" if text else name
    if name in ("KeyringLocked", "InitError"):
        return StoreProblem(f"the keyring is locked or cannot be reached ({said}); unlock it and try again, or {OTHERWISE}")
    if value is not None:
        return StoreProblem(f"the keyring did not take the value of {len(value.reveal())} characters ({said}); {OTHERWISE}")
    return StoreProblem(f"the keyring failed ({said}); {OTHERWISE}")
