from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import attrs
import pytest

from massgen_core.api import Event, Record
from massgen_core.cli.app import ConsoleApp
from massgen_core.plugins.manager import Plugins
from massgen_mcp_log.config import McpLogConfig
from massgen_mcp_log.redact import Redaction
from massgen_mcp_log.sink import McpLog

START = 1_795_161_730.0
TRACE = "0af7651916cd43dd8448eb211c80319c"


@attrs.frozen(kw_only=True)
class Mcp(Event):
    """The fields that all events of MCP have; the log knows names only, so these classes are as good as the client's."""

    server: str = "github"
    transport: str = "stdio"
    era: str = "2026-07-28"
    agent: str = "ann"
    operation: str = ""


@attrs.frozen(kw_only=True)
class Called(Mcp):
    type: ClassVar[str] = "mcp.execution.called"
    method: str = "tools/call"
    tool: str = "search"
    call: str = ""
    bytes: int = 0
    arguments: str = ""


@attrs.frozen(kw_only=True)
class Returned(Mcp):
    type: ClassVar[str] = "mcp.execution.returned"
    method: str = "tools/call"
    tool: str = "search"
    outcome: str = "ok"
    milliseconds: float = 0.0
    bytes: int = 0
    attempts: int = 1
    result: str = ""


@attrs.frozen(kw_only=True)
class Listed(Mcp):
    type: ClassVar[str] = "mcp.discovery.listed"
    what: str = "tools"
    count: int = 0
    names: tuple[str, ...] = ()
    milliseconds: float = 0.0


@attrs.frozen(kw_only=True)
class Measured(Mcp):
    type: ClassVar[str] = "mcp.performance.measured"
    method: str = "tools/call"
    tool: str = "search"
    milliseconds: float = 0.0
    queue_milliseconds: float = 0.0
    counts: Mapping[str, float] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Lost(Mcp):
    type: ClassVar[str] = "mcp.connection.lost"
    reason: str = "exited with code 1"
    exit_code: int | None = 1
    stderr: str = ""
    pending: int = 1


@attrs.frozen(kw_only=True)
class Breaker(Mcp):
    type: ClassVar[str] = "mcp.connection.breaker"
    old: str = "closed"
    new: str = "open"
    failures: int = 5
    seconds: float = 30.0


@attrs.frozen(kw_only=True)
class Framed(Mcp):
    type: ClassVar[str] = "mcp.connection.framed"
    direction: str = "out"
    bytes: int = 0
    payload: str = ""


@attrs.frozen(kw_only=True)
class Raised(Mcp):
    type: ClassVar[str] = "mcp.error.raised"
    kind: str = "lost"
    message: str = ""
    stderr: str = ""


@attrs.frozen(kw_only=True)
class Logged(Mcp):
    type: ClassVar[str] = "mcp.execution.server_logged"
    level: str = "info"
    logger: str = ""
    text: str = ""


EVENTS = {cls.__name__: cls for cls in (Called, Returned, Listed, Measured, Lost, Breaker, Framed, Raised, Logged)}


@pytest.fixture
def events() -> Mapping[str, Any]:
    """Event classes by name."""
    return EVENTS


def recorded(moments: Sequence[tuple[float, Event]]) -> list[Record]:
    return [Record(number, START + at, event, f"{number:016x}", "b7ad6b7169203331", TRACE) for number, (at, event) in enumerate(moments, 1)]


@pytest.fixture
def record() -> Callable[..., list[Record]]:
    """Give events their place: pairs of seconds since the beginning and an event."""
    return recorded


@pytest.fixture
def story() -> list[Record]:
    """A run in which two agents call two servers at the same time; one call is retried, one fails, one hangs when its server dies."""
    moments: list[tuple[float, Event]] = [(0.0, Listed(count=2, names=("search", "merge"), milliseconds=12.5, operation="l1"))]
    for number in range(8):
        at = 0.1 + number * 0.1
        moments += [
            (at, Called(operation=f"a{number}", bytes=20, arguments='{"q":"x"}')),
            (at + 0.04, Returned(operation=f"a{number}", milliseconds=40.0 + number, bytes=1000, result='{"ok":true}')),
            (at + 0.04, Measured(operation=f"a{number}", milliseconds=40.0 + number)),
        ]
    moments += [
        (1.0, Called(operation="b1", agent="bob", tool="merge")),
        (1.05, Called(operation="b2", agent="bob", tool="search")),
        (1.5, Returned(operation="b1", agent="bob", tool="merge", outcome="tool_error", milliseconds=500.0, attempts=3)),
        (1.95, Returned(operation="b2", agent="bob", tool="search", milliseconds=900.0)),
        (2.0, Called(operation="c1", server="files", agent="ann", tool="read")),
        (2.1, Breaker(server="files", agent="")),
        (2.5, Lost(server="files", agent="", stderr="boot\nTraceback\nOSError: disk\n")),
        (2.6, Raised(server="files", agent="", message="files is gone", stderr="Traceback\nOSError: disk\n")),
    ]
    return recorded(moments)


@pytest.fixture
def log_of(tmp_path: Path) -> Iterator[Callable[..., McpLog]]:
    """Open a sink in a folder; it is closed at the end."""
    made: list[McpLog] = []

    def make(folder: Path | None = None, known: Callable[[str], str] | None = None, **options: Any) -> McpLog:
        made.append(McpLog((folder or tmp_path) / "mcp", McpLogConfig(**{"text": False, **options}), Redaction(known)))
        return made[-1]

    yield make
    for log in made:
        log.close()


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ConsoleApp:
    """The program, with a folder of runs."""
    (tmp_path / "runs").mkdir()
    monkeypatch.setenv("MASSGEN_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("TZ", "UTC")
    return ConsoleApp(Plugins.discover())


@pytest.fixture
def run(app: ConsoleApp, story: list[Record]) -> Path:
    """A run that is over, with its log."""
    return kept(app.runs, "run-1", story)


def kept(runs: Path, name: str, records: Sequence[Record], **options: Any) -> Path:
    folder = runs / name
    folder.mkdir()
    (folder / "journal.jsonl").write_bytes(b"")
    log = McpLog(folder / "mcp", McpLogConfig(**{"text": False, "level": "debug", **options}), Redaction())
    log.write(records)
    log.close()
    return folder


@pytest.fixture
def keep(app: ConsoleApp) -> Callable[..., Path]:
    """Write the log of a run."""
    return lambda name, records, **options: kept(app.runs, name, records, **options)


@pytest.fixture
def call(app: ConsoleApp, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Call a command as the program does; return its exit code and what it wrote."""

    def invoke(name: str, *arguments: str, command: Any = None) -> tuple[int, str, str]:
        made = command or app.plugins.factory("command", f"mcp.{name}")()
        parser = argparse.ArgumentParser()
        made.configure(parser)
        code = app.invoke(made, parser.parse_args(arguments))
        sys.stdout.flush()
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return invoke
