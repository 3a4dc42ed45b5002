"""The keyring of a Linux desktop, started without a desktop in the way that the README names."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
from massgen_core.api import Secret
from massgen_credentials_keyring.store import KeyringStore

store, value = KeyringStore(None), "two lines\\nand an ümlaut"
print("kept in", store.set("MASSGEN_TEST_KEY", Secret(value)))
print(KeyringStore(None).get("MASSGEN_TEST_KEY") == Secret(value), list(store.names()))
print(store.delete("MASSGEN_TEST_KEY"), store.delete("MASSGEN_TEST_KEY"), store.get("MASSGEN_TEST_KEY"), list(store.names()))
"""


@pytest.mark.skipif(
    not (shutil.which("gnome-keyring-daemon") and shutil.which("dbus-run-session")), reason="not in CI: gnome-keyring-daemon and dbus are not here"
)
def test_a_secret_service_keeps_secrets(tmp_path: Path) -> None:
    """A daemon that is unlocked with a password on standard input takes, gives and forgets a secret."""
    (tmp_path / "run").mkdir(mode=0o700)
    (tmp_path / "code.py").write_text(CODE)
    folders = {"HOME": tmp_path, "XDG_RUNTIME_DIR": tmp_path / "run", "XDG_DATA_HOME": tmp_path / "data", "XDG_CONFIG_HOME": tmp_path / "config"}
    script = f"gnome-keyring-daemon --unlock --components=secrets > /dev/null; {sys.executable} code.py"
    done = subprocess.run(
        ["dbus-run-session", "--", "sh", "-c", script],
        input="a password",
        env={**os.environ, **{name: str(folder) for name, folder in folders.items()}},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )

    assert done.stdout.splitlines() == ["kept in keyring: SecretService Keyring", "True ['MASSGEN_TEST_KEY']", "True False None []"]
