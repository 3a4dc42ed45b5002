"""The conformance suite, run on this plugin."""

from __future__ import annotations

from pathlib import Path

import pytest

from massgen_testkit import CredentialStoreSuite, PlainContext


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")


class TestUser(CredentialStoreSuite):
    """With the user's file."""

    name = "dotenv"

    def plant(self, key: str, value: str, context: PlainContext, monkeypatch: pytest.MonkeyPatch) -> None:
        file = Path.cwd().parent / "config" / "massgen" / ".env"
        file.parent.mkdir(parents=True)
        file.touch(mode=0o600)
        file.write_text(f"{key}={value}\n", encoding="utf-8")


class TestProject(CredentialStoreSuite):
    """With the project's file."""

    name = "dotenv"

    def plant(self, key: str, value: str, context: PlainContext, monkeypatch: pytest.MonkeyPatch) -> None:
        Path(".env").write_text(f"# of the project\nexport {key}='{value}'\n", encoding="utf-8")
