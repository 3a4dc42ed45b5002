"""The conformance suite of commands."""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import pytest

from massgen_core.cli.app import ConsoleApp
from massgen_testkit.distribution import PluginSuite
from massgen_testkit.project import Project

MILLISECONDS = 20.0


class CommandSuite(PluginSuite):
    """What every command must do. A subclass gives `name`.

    Attributes:
        files: Files of the folder in which the command runs; a `massgen.yaml` among them is trusted.
        example: Arguments with which it succeeds; or `unsupported = {"example": "why"}`.
        stdin: What it reads from standard input.
        mistakes: Arguments that a person could get wrong, beside an option that does not exist.
    """

    kind: ClassVar[str] = "command"
    files: ClassVar[Mapping[str, Any]] = {}
    example: ClassVar[Sequence[str]] = ()
    stdin: ClassVar[str] = ""
    mistakes: ClassVar[Sequence[Sequence[str]]] = ()

    def features(self) -> frozenset[str]:
        return frozenset({"example"})

    @property
    def words(self) -> tuple[str, ...]:
        """What is typed after `massgen`: the command `mcp.list` is typed `mcp list`."""
        return tuple(self.name.split("."))

    def configured(self) -> tuple[Any, argparse.ArgumentParser]:
        """Return the command, and a parser with its options."""
        command = self.plugins.factory(self.kind, self.name)()
        parser = argparse.ArgumentParser(prog=" ".join(("massgen", *self.words)))
        command.configure(parser)
        return command, parser

    def test_configure_is_quick(self) -> None:
        """Adding options costs nothing, since `massgen --help` may do it for every command."""
        command = self.plugins.factory(self.kind, self.name)()
        times: list[float] = []
        for _ in range(5):
            parser = argparse.ArgumentParser()
            started = time.thread_time()
            command.configure(parser)
            times.append((time.thread_time() - started) * 1000)
        assert min(times) < MILLISECONDS, f"configure takes {min(times):.1f} ms"

    def test_options_are_explained(self) -> None:
        """Every argument and option has a help text."""
        _, parser = self.configured()
        silent = [action.dest for action in parser._actions if not action.help and not isinstance(action, argparse._SubParsersAction)]

        assert silent == []

    def test_help_works(self, massgen_project: Callable[..., Project]) -> None:
        """`massgen NAME --help` prints how the command is used."""
        result = massgen_project(self.files).trusted().run(*self.words, "--help").check()

        assert "usage:" in result.stdout
        assert " ".join(self.words) in result.stdout

    def test_example_succeeds(self, massgen_project: Callable[..., Project]) -> None:
        """The example ends with exit code 0."""
        self.need("example")
        massgen_project(self.files).trusted().run(*self.words, *self.example, stdin=self.stdin).check()

    def test_exit_code_is_a_number(self, massgen_project: Callable[..., Project], monkeypatch: pytest.MonkeyPatch) -> None:
        """`run` returns an int."""
        self.need("example")
        project = massgen_project(self.files).trusted()
        monkeypatch.chdir(project.folder)
        monkeypatch.setattr("sys.stdin", io.StringIO(self.stdin))
        for key, value in project.variables().items():
            monkeypatch.setenv(key, value)
        command, parser = self.configured()
        code = command.run(parser.parse_args(list(self.example)), ConsoleApp(self.plugins))

        assert type(code) is int, f"run returned {code!r}"

    def test_mistakes_get_a_message(self, massgen_project: Callable[..., Project]) -> None:
        """A person's mistake gives one message and an exit code, no traceback."""
        project = massgen_project(self.files).trusted()
        for arguments in (("--no-such-option",), *self.mistakes):
            result = project.run(*self.words, *arguments, stdin=self.stdin)
            if result.exit_code == 0 or "Traceback" in result.stderr or not result.stderr.strip():
                pytest.fail(f"massgen {' '.join((*self.words, *arguments))} ended with {result.exit_code}:\n{result.stderr}")
