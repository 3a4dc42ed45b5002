"""The conformance suite, run on this plugin."""

from __future__ import annotations

import keyring
import pytest
from keyrings.alt.file import PlaintextKeyring

from massgen_testkit import CredentialStoreSuite, PlainContext


class TestMemory(CredentialStoreSuite):
    """With a keyring of the tests' own."""

    name = "keyring"

    def plant(self, key: str, value: str, context: PlainContext, monkeypatch: pytest.MonkeyPatch) -> None:
        keyring.set_password("massgen", key, value)


class TestFile(CredentialStoreSuite):
    """With a published backend that writes a file, and that the person chose."""

    name = "keyring"

    @pytest.fixture(autouse=True)
    def _chosen(self, memory: object, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyrings.alt.file.PlaintextKeyring")
        keyring.core.init_backend()
        assert isinstance(keyring.get_keyring(), PlaintextKeyring)

    def plant(self, key: str, value: str, context: PlainContext, monkeypatch: pytest.MonkeyPatch) -> None:
        keyring.set_password("massgen", key, value)
