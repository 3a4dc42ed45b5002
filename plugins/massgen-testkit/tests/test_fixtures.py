"""The fixtures, the recorder, the queue of answers, and what loading the pytest plugin costs."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from massgen_core.api import (
    AnswerGiven,
    Message,
    ModelRequest,
    NoticeGiven,
    Overloaded,
    PluginMissing,
    SecretMissing,
    SinkSpec,
    StopChunk,
    TextChunk,
    hookimpl,
)
from massgen_testkit import Leaks, PlainContext, Project, QueueBackend, Records, Stall, call, say

REQUEST = ModelRequest(messages=(Message.of("user", "2 + 2?"),))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def test_records_finds_events(records: Records) -> None:
    """A recorder is a sink and finds events by class and by name."""
    records.emit(NoticeGiven(level="info", text="hello"))
    records.emit(AnswerGiven(agent="ann", number=1, content="4"))

    assert records.types == ["notice.given", "answer.given"]
    assert [event.content for event in records.of(AnswerGiven)] == ["4"]
    assert [record.seq for record in records.all] == [1, 2]


def test_context_keeps_what_is_emitted_and_hides_secrets(context: PlainContext, records: Records) -> None:
    """A context emits into the recorder; a secret that it does not hold is missing."""
    context.emit(NoticeGiven(level="info", text="hello"))
    context.secrets = {"env:KEY": "value-of-key"}

    assert records.types == ["notice.given"]
    assert context.secret("env:KEY").reveal() == "value-of-key"
    assert context.redact("it is value-of-key") == "it is ***"
    with pytest.raises(SecretMissing, match="env:OTHER"):
        context.secret("env:OTHER")


def test_kernel_without_discovery_knows_nothing_that_is_installed(kernel_without_discovery: Callable[..., Any]) -> None:
    """Only the given hook modules exist."""
    module = types.ModuleType("massgen_made_up")

    @hookimpl
    def massgen_log_sinks() -> list[SinkSpec]:
        return [SinkSpec(name="made-up", factory="collections:Counter")]

    module.massgen_log_sinks = massgen_log_sinks  # type: ignore[attr-defined]
    sys.modules["massgen_made_up"] = module
    try:
        plugins = kernel_without_discovery(module)

        assert [entry.title for entry in plugins.entries()] == ["sink.made-up"]
        assert plugins.get("sink", "made-up").name == "made-up"
        assert plugins.factory("sink", "made-up").__name__ == "Counter"
        with pytest.raises(PluginMissing):
            plugins.get("strategy", "consensus")
        assert kernel_without_discovery().entries() == ()
    finally:
        del sys.modules["massgen_made_up"]


def test_no_network_lets_only_this_machine_through(no_network: list[str]) -> None:
    """Loopback works; everything else fails at once and is remembered."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname(), timeout=5):
        pass
    with socket.socket() as far, pytest.raises(OSError, match="no network"):
        far.connect_ex(("2001:db8::1", 80))
    for action in (
        lambda: socket.create_connection(("192.0.2.7", 80), timeout=5),
        lambda: socket.getaddrinfo("example.org", 80),
    ):
        with pytest.raises(OSError, match="no network"):
            action()

    assert no_network == ["2001:db8::1", "192.0.2.7", "example.org"]


def test_leaks_names_threads_and_descriptors(leaks: Leaks) -> None:
    """What is still held is named."""
    release = threading.Event()
    thread = threading.Thread(target=release.wait, name="forgotten")

    def leak() -> int:
        with leaks.none(within=0.05):
            thread.start()
            return os.dup(0)

    with pytest.raises(AssertionError, match=r"thread forgotten .*file descriptors"):
        leak()
    release.set()
    thread.join()
    with leaks.none():
        pass


@pytest.mark.anyio
async def test_leaks_names_tasks_and_processes(leaks: Leaks) -> None:
    """A task and a child process that go on are named; once they are gone, nothing is."""
    before = leaks.held()
    async with anyio.create_task_group() as group:
        process = await anyio.open_process([sys.executable, "-c", "input()"])
        group.start_soon(anyio.sleep_forever, name="endless")
        await anyio.lowlevel.checkpoint()
        with pytest.raises(AssertionError, match=r"endless.*process \d+"):
            await leaks.none_since(before, within=0.02)
        process.kill()
        await process.aclose()
        group.cancel_scope.cancel()
    await leaks.none_since(before, within=2)


@pytest.mark.anyio
async def test_queue_backend_plays_answers_in_order() -> None:
    """Lists of chunks are played, faults are raised in their place, and one call too many says so."""
    backend = QueueBackend(say("fo", "ur"), [TextChunk("half "), Overloaded("busy")], call("vote", {"agent": "ann"}))
    heard: list[Any] = []

    async def listen() -> None:
        async with backend.respond(REQUEST) as stream:
            async for chunk in stream:
                heard.append(chunk)

    await listen()
    assert heard[:2] == [TextChunk("fo"), TextChunk("ur")]
    assert heard[-1] == StopChunk("stop")
    with pytest.raises(Overloaded):
        await listen()
    assert heard[-1] == TextChunk("half ")
    await listen()
    assert [chunk.arguments for chunk in heard if getattr(chunk, "arguments", "")] == ['{"agent": "ann"}']
    with pytest.raises(AssertionError, match="called 4 times and had 3 answers"):
        await listen()
    assert backend.requests == [REQUEST] * 4


@pytest.mark.anyio
async def test_queue_backend_stalls_until_it_is_cancelled() -> None:
    """A stall waits, and a call that was cancelled is not under way any more."""
    backend = QueueBackend([TextChunk("half "), Stall()])
    with anyio.move_on_after(0.05) as scope:
        async with backend.respond(REQUEST) as stream:
            async for _ in stream:
                assert backend.running == 1
    assert scope.cancelled_caught
    assert backend.running == 0


def test_project_runs_massgen_at_home(massgen_project: Callable[..., Project], tmp_path: Path) -> None:
    """A project has its own folder and home, and a person's settings do not reach it."""
    project = massgen_project({"notes/a.txt": "hello", "b.json": {"version": 1}})

    assert (project.folder / "notes" / "a.txt").read_text(encoding="utf-8") == "hello"
    assert tmp_path in project.home.parents
    assert "massgen-core" in project.run("--version").check().stdout
    failed = project.run("no-such-command")
    assert failed.exit_code != 0
    assert "no-such-command" in failed.stderr
    with pytest.raises(AssertionError, match="no-such-command"):
        failed.check()


def test_project_shows_what_a_terminal_would(massgen_project: Callable[..., Project]) -> None:
    """On a terminal the same command fits its width, errors stand where a person sees them, and who does not end is stopped."""
    project = massgen_project({})
    lines = project.show("--help", columns=60).check().stdout.splitlines()
    failed = project.show("no-such-command")

    assert max(map(len, lines)) <= 60
    assert len(lines) > len(project.run("--help", env={"COLUMNS": "200"}).check().stdout.splitlines())
    assert (failed.exit_code, failed.stderr) == (2, "")
    assert "no-such-command" in failed.stdout
    with pytest.raises(subprocess.TimeoutExpired):
        project.show("run", "--agent", "a=gone", seconds=0.0)


def test_loading_the_pytest_plugin_is_cheap() -> None:
    """pytest loads the plugin in every session of an environment that has it: nothing of the kernel and nothing heavy comes with it."""
    code = "import pytest, sys; before = set(sys.modules); import massgen_testkit.fixtures; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout.split() == ["massgen_testkit", "massgen_testkit.fixtures"]


def test_every_public_name_can_be_imported() -> None:
    """What the package lists exists."""
    import massgen_testkit  # noqa: PLC0415

    assert [name for name in massgen_testkit.__all__ if not hasattr(massgen_testkit, name)] == []
    assert massgen_testkit.__all__ == sorted(massgen_testkit.__all__, key=lambda name: (name.upper() != name, name[0].islower(), name))
    with pytest.raises(AttributeError, match="no attribute 'Absent'"):
        _ = massgen_testkit.Absent
