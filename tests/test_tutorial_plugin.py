"""The tutorials about plugins work as they are written: their files are written, their commands are run, their output is what comes."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "tutorial"
FENCE = re.compile(r'^(?P<fence>`{3,})(?P<language>\w+)(?: title="(?P<title>[^"]+)")?\n(?P<text>.*?)^(?P=fence)$', re.MULTILINE | re.DOTALL)
SECONDS = 300


@attrs.frozen
class Command:
    """A line that begins with `$`, and the output under it."""

    line: str
    output: tuple[str, ...]


def steps(page: str) -> Iterator[tuple[str, str] | Command]:
    """Yield the page's files, each with its name, and its commands, in their order."""
    for block in FENCE.finditer((PAGES / page).read_text(encoding="utf-8")):
        if block["title"]:
            yield block["title"], block["text"]
        elif block["language"] == "console":
            for part in re.split(r"^\$ ", block["text"], flags=re.MULTILINE)[1:]:
                line, *output = part.splitlines()
                yield Command(line, tuple(output))


def has_uv() -> bool:
    return importlib.util.find_spec("uv") is not None


@attrs.define
class Reader:
    """Somebody who follows the page."""

    folder: Path
    home: Path

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        assert path.parent.is_dir(), f"the page makes no folder for {name}"
        path.write_text(text, encoding="utf-8")

    def run(self, line: str) -> str:
        """Run a line and return its standard output; there is no shell, so the lines must be simple."""
        command = shlex.split(line)
        if command[0] == "cd":
            self.folder = self.folder / command[1]
            return ""
        if command[:2] == [".", ".venv/bin/activate"]:
            assert (self.folder / command[1]).is_file()
            return ""
        done = subprocess.run(
            self.here(command), cwd=self.folder, env=self.env(), capture_output=True, text=True, encoding="utf-8", timeout=SECONDS, check=False
        )
        assert done.returncode == 0, f"$ {line}\n{done.stdout}{done.stderr}"
        return done.stdout

    def here(self, command: list[str]) -> list[str]:
        """Return a command with this interpreter, and this repository's distributions in place of published ones."""
        if command[:3] == ["python3", "-m", "venv"]:
            return [sys.executable, "-m", "venv", *(["--without-pip"] if has_uv() else []), *command[3:]]
        if command[:2] == ["pip", "install"]:
            wanted = [str(self.place(word)) if word.startswith("massgen-") else word for word in command[2:]]
            python = str(self.folder / ".venv" / "bin" / "python")
            if has_uv():
                return [sys.executable, "-m", "uv", "pip", "install", "-q", "--no-sources", "--python", python, *wanted]
            return [python, "-m", "pip", "install", "-q", *wanted]
        program = self.folder / ".venv" / "bin" / command[0]
        return [str(program) if program.exists() else command[0], *command[1:]]

    def place(self, distribution: str) -> Path:
        return ROOT if distribution == "massgen-core" else ROOT / "plugins" / distribution

    def env(self) -> dict[str, str]:
        """Return the environment of somebody who has nothing set."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("MASSGEN_", "PYTEST_", "PYTHON", "VIRTUAL_ENV"))}
        # The cache of downloads stays where it is.
        cache = {"XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")}
        return {**kept, **cache, "HOME": str(self.home), "COLUMNS": "200"}


def lines_of(text: str) -> list[str]:
    """Return lines with single spaces and without numbers, which may differ from run to run."""
    return [re.sub(r"\d+(\.\d+)*", "0", " ".join(line.split())) for line in text.splitlines()]


def check(expected: Command, output: str) -> None:
    """Check that the lines on the page come in this order; `...` stands for anything."""
    found = iter(lines_of(output))
    for line in lines_of("\n".join(expected.output)):
        if line != "...":
            pattern = re.escape(line).replace(r"\.\.\.", ".*")
            assert any(re.fullmatch(pattern, other) for other in found), f"$ {expected.line}\nno line like {line!r} in\n{output}"


@pytest.mark.skipif(os.name == "nt", reason="the page's commands are those of Linux and macOS")
@pytest.mark.parametrize("page", ["first-plugin.md", pytest.param("real-provider.md", marks=pytest.mark.once)])
def test_the_tutorial_works_as_it_is_written(page: str, tmp_path: Path) -> None:
    """From an empty folder to a green suite by the page's files and commands alone."""
    (tmp_path / "home").mkdir()
    reader = Reader(tmp_path, tmp_path / "home")
    told = list(steps(page))
    assert sum(isinstance(step, Command) for step in told) > 7
    for step in told:
        if isinstance(step, Command):
            check(step, reader.run(step.line))
        else:
            reader.write(*step)


def test_the_tutorial_is_short() -> None:
    """Ten minutes: the code to write fits on one page."""
    code = [text for step in steps("first-plugin.md") if not isinstance(step, Command) for name, text in [step] if name.endswith(".py")]

    assert sum(text.count("\n") for text in code) < 110
