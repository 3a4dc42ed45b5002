"""Keyrings that are missing, locked, broken, forgetful or weak."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import keyring
import pytest
from keyring.backends.fail import Keyring as Missing
from keyring.backends.null import Keyring as Forgetful
from keyring.errors import KeyringLocked, PasswordSetError
from keyrings.alt.file import PlaintextKeyring

from massgen_core.api import Secret, StoreProblem, WritableStore
from massgen_credentials_keyring.store import KeyringStore

VALUE = "s3cret-value-of-a-test"


@pytest.fixture
def store() -> KeyringStore:
    return KeyringStore(None)


def test_it_can_be_written(store: KeyringStore) -> None:
    """The store is a writable one."""
    assert isinstance(store, WritableStore)


def test_without_a_keyring_the_message_says_what_to_do(store: KeyringStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine without a desktop session every use names the other ways."""
    keyring.set_keyring(Missing())  # type: ignore[no-untyped-call]
    monkeypatch.setattr(sys, "platform", "linux")
    for action in (lambda: store.get("A"), lambda: store.set("A", Secret(VALUE)), lambda: store.delete("A"), store.names):
        with pytest.raises(StoreProblem) as caught:
            action()
        assert "no keyring that can be reached from here" in str(caught.value)
        assert "--store dotenv" in str(caught.value)
        assert "dbus-run-session" in str(caught.value)


def test_a_keyring_that_protects_nothing_is_used_only_where_a_person_chose_it(store: KeyringStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backend that writes plain text, because some package brought it along, gets no secret before somebody says so."""
    keyring.set_keyring(PlaintextKeyring())
    with pytest.raises(StoreProblem, match=r"does not protect.*PYTHON_KEYRING_BACKEND=keyrings\.alt\.file\.PlaintextKeyring"):
        store.set("A", Secret(VALUE))

    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyrings.alt.file.PlaintextKeyring")
    store.set("A", Secret(VALUE))
    assert store.get("A") == Secret(VALUE)


def test_a_keyring_that_forgets_is_found_out(store: KeyringStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret that is not there after it was set was not kept, and is not listed."""
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    keyring.set_keyring(Forgetful())  # type: ignore[no-untyped-call]
    with pytest.raises(StoreProblem, match="did not keep"):
        store.set("A", Secret(VALUE))

    assert store.names() == {}


@pytest.mark.parametrize("error", [KeyringLocked("Failed to unlock"), PasswordSetError(f"cannot store {VALUE}"), OSError(5, f"bus: {VALUE}")])
def test_what_a_keyring_raises_becomes_a_sentence_without_the_value(
    store: KeyringStore, memory: Any, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Whatever a backend raises is told, with the way out, and never with the secret; not even in the chain of causes."""

    def fail(*arguments: str) -> None:
        raise error

    monkeypatch.setattr(memory, "set_password", fail)
    with pytest.raises(StoreProblem) as caught:
        store.set("A", Secret(VALUE))

    assert VALUE not in str(caught.value)
    assert "--store dotenv" in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_a_backend_that_does_not_exist_is_told(store: KeyringStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt choice of backend is no traceback."""
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "no.such.Keyring")
    keyring.core._keyring_backend = None
    with pytest.raises(StoreProblem, match="ModuleNotFoundError"):
        store.get("A")


def test_names_are_those_that_are_still_there(store: KeyringStore, memory: Any, tmp_path: Path) -> None:
    """What another program took out of the keyring is not listed; the file of names holds no value."""
    store.set("A", Secret(VALUE))
    store.set("B", Secret(VALUE))
    keyring.delete_password("massgen", "A")

    assert store.names() == {"B": "keyring: memory"}
    assert store.delete("A") is False
    file = tmp_path / "data/massgen/keyring-names.json"
    assert file.read_text() == '["B"]'


def test_a_damaged_file_of_names_loses_no_secret(store: KeyringStore, tmp_path: Path) -> None:
    """Names are for listings only."""
    store.set("A", Secret(VALUE))
    (tmp_path / "data/massgen/keyring-names.json").write_text('{"a": ')

    assert store.names() == {}
    assert store.get("A") == Secret(VALUE)


def test_making_the_store_imports_no_keyring() -> None:
    """A run that names no secret of it does not pay for the import."""
    code = "import sys; from massgen_credentials_keyring.store import KeyringStore; KeyringStore(None); sys.exit('keyring' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
