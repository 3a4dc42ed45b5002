from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from massgen_core.cli.app import ConsoleApp
from massgen_core.plugins.manager import Plugins

SECRET = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ConsoleApp:
    """The program, in an empty folder, with nobody's own configuration."""
    for name in ("MASSGEN_CONFIG", "MASSGEN_PLUGINS", "UNSET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return ConsoleApp(Plugins.discover())


@pytest.fixture
def call(app: ConsoleApp, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Call a command as the program does; return its exit code and what it wrote."""

    def invoke(command: Any, *arguments: str) -> tuple[int, str, str]:
        parser = argparse.ArgumentParser()
        command.configure(parser)
        code = app.invoke(command, parser.parse_args(arguments))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return invoke
