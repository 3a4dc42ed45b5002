"""A whole small project in a folder, and `massgen` run in it."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

_MAIN = "import sys; from massgen_core.cli import main; sys.exit(main(sys.argv[1:]))"
# Variables that would make a test depend on who runs it.
_OURS = ("MASSGEN_", "PYTEST_", "COV_")


@attrs.frozen(kw_only=True)
class Result:
    """How `massgen` ended.

    Attributes:
        stdout: The answer.
        stderr: Progress and errors.
    """

    exit_code: int
    stdout: str
    stderr: str

    def check(self) -> Result:
        """Return itself.

        Raises:
            AssertionError: The exit code is not 0; the message holds both streams.
        """
        assert self.exit_code == 0, f"massgen ended with {self.exit_code}\n--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}"
        return self


@attrs.frozen(kw_only=True)
class Project:
    """A folder with files, and a home of its own.

    Attributes:
        folder: Where the files are and `massgen` runs.
        home: `HOME` of its processes.
        env: Variables added to them.
    """

    folder: Path
    home: Path
    env: Mapping[str, str] = attrs.field(factory=dict)

    @classmethod
    def make(cls, parent: Path, files: Mapping[str, str | Mapping[str, Any]], env: Mapping[str, str] | None = None) -> Project:
        """Write files below `parent`; a mapping is written as JSON, which is YAML too."""
        project = cls(folder=parent / "project", home=parent / "home", env=dict(env or {}))
        project.folder.mkdir(parents=True, exist_ok=True)
        project.home.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            path = project.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content if isinstance(content, str) else json.dumps(content, indent=2), encoding="utf-8")
        return project

    def trusted(self) -> Project:
        """Trust its `massgen.yaml`, where it has one, as `massgen config trust` does, and return it: commands then start what the file names."""
        from massgen_core.api import trust  # noqa: PLC0415 - few projects need it

        if (path := self.folder / "massgen.yaml").is_file():
            trust(path, self.variables())
        return self

    def variables(self) -> dict[str, str]:
        """Return the environment variables that keep its processes at home."""
        folders = {"CACHE": ".cache", "CONFIG": ".config", "DATA": ".local/share", "STATE": ".local/state"}
        homes = {f"XDG_{name}_HOME": str(self.home / folder) for name, folder in folders.items()}
        # The person's keyring is not below their home.
        return {"HOME": str(self.home), "PYTHONUTF8": "1", "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring", **homes, **self.env}

    def run(self, *arguments: str, stdin: str = "", env: Mapping[str, str] | None = None, seconds: float = 60.0) -> Result:
        """Run `massgen` with arguments in a process of its own."""
        done = subprocess.run(  # noqa: S603 - this interpreter
            [sys.executable, "-c", _MAIN, *arguments],
            cwd=self.folder,
            env={**_inherited(), **self.variables(), **(env or {})},
            input=stdin,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=seconds,
            check=False,
        )
        return Result(exit_code=done.returncode, stdout=done.stdout, stderr=done.stderr)

    def show(self, *arguments: str, columns: int = 80, seconds: float = 60.0) -> Result:
        """Run `massgen` on a terminal that is so many characters wide; what a person sees there, errors among it, is in `stdout`.

        Raises:
            TimeoutExpired: It had not ended after `seconds`.
        """
        import pty  # noqa: PLC0415 - not every system has one

        command = [sys.executable, "-c", _MAIN, *arguments]
        environment = {**_inherited(), **self.variables(), "COLUMNS": str(columns)}
        person, side = pty.openpty()
        shown, deadline = b"", time.monotonic() + seconds
        with subprocess.Popen(command, cwd=self.folder, env=environment, stdin=side, stdout=side, stderr=side) as process:  # noqa: S603
            os.close(side)
            try:
                while select.select([person], [], [], max(0.0, deadline - time.monotonic()))[0]:
                    shown += os.read(person, 65536)
            except OSError:
                pass  # nobody has the other side open any more
            finally:
                os.close(person)
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return Result(exit_code=process.returncode, stdout=shown.decode("utf-8", "replace").replace("\r\n", "\n"), stderr="")


def _inherited() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith(_OURS)}
