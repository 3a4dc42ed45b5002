"""The kernel's wheel alone. It runs in an environment without plugins: tox -e kernel-only."""

from __future__ import annotations

import importlib
import os
import pkgutil
import subprocess
import sys
from importlib.metadata import distributions, entry_points
from pathlib import Path

import pytest

import massgen_core

ROOT = Path(__file__).resolve().parent.parent
MASSGEN = Path(sys.executable).with_name("massgen")


def massgen(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("MASSGEN_")}
    env |= {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_STATE_HOME": str(folder)}
    return subprocess.run(
        [str(MASSGEN), *arguments], cwd=folder, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, check=False
    )


def test_no_plugin_is_installed() -> None:
    """Neither a distribution of this repository nor anybody's entry point."""
    names = {distribution.metadata["Name"] for distribution in distributions()}

    assert {name for name in names if name.startswith("massgen")} == {"massgen-core"}
    assert list(entry_points(group="massgen.v1")) == []


def test_the_wheel_is_what_is_tested() -> None:
    """It is imported from the environment, with its type marker, and not from the checkout."""
    place = Path(str(massgen_core.__file__)).parent

    assert not place.is_relative_to(ROOT / "massgen_core")
    assert (place / "py.typed").is_file()


def test_every_module_imports() -> None:
    """Nothing in the kernel needs what its metadata does not name."""
    names = [module.name for module in pkgutil.walk_packages(massgen_core.__path__, "massgen_core.") if not module.name.endswith("__main__")]

    assert len(names) > 20
    for name in names:
        importlib.import_module(name)


def test_a_run_says_what_to_install(tmp_path: Path) -> None:
    """Without a backend there is no answer, but a command that can be pasted; nothing on standard output, no traceback."""
    ended = massgen("run", "x", folder=tmp_path)

    assert (ended.returncode, ended.stdout) == (2, "")
    assert "pip install massgen-backend-local massgen-strategy-consensus" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_named_plugin_says_what_to_install(tmp_path: Path) -> None:
    """A backend that the command line names, and that a known distribution provides, is answered with that distribution."""
    ended = massgen("run", "x", "--agent", "a=openai:some-model", folder=tmp_path)

    assert (ended.returncode, ended.stdout) == (2, "")
    assert "pip install massgen-backend-openai" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("plugins",), ("run", "--help")])
def test_what_works_without_plugins(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """Help, version and the listing."""
    ended = massgen(*arguments, folder=tmp_path)

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout
