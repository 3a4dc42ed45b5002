"""Which container a command gets: its agent's, one of its own, one that was started ahead; and images without Python."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from massgen_core.api import ExecCommand, ExecutorUnavailable, Limits, MassGenError
from massgen_exec_docker.borrow import PLACE, borrowed
from massgen_exec_docker.engine import Engine

from .stage import SECONDS, containers_of, python, sandbox, until

pytestmark = [pytest.mark.anyio, pytest.mark.once]
LEAVE = "import os; print(os.path.exists('/tmp/left')); open('/tmp/left', 'w').close(); open('kept', 'a').write('x')"


async def test_each_command_has_a_container_of_its_own(engine: Engine, tmp_path: Path) -> None:
    """With `container: command` nothing that a command leaves but in the workspace is there for the next one; containers go with their commands."""
    with anyio.fail_after(SECONDS):
        async with sandbox(tmp_path, container="command") as (executor, context):
            results = [await python(executor, LEAVE) for _ in range(2)]
            left = containers_of(engine, os.getpid())
            opened = [event for event in context.records.events if event.type == "docker.opened"]

    assert [result.stdout for result in results] == [b"False\n"] * 2
    assert (tmp_path / "workspace" / "kept").read_text(encoding="utf-8") == "xx"
    assert (left, len(opened)) == ([], 2)


async def test_eight_containers_are_started_ahead_at_once(engine: Engine, tmp_path: Path) -> None:
    """They wait before there is a command; eight commands at once take them, one each, and others take their places; at the end none is left."""
    with anyio.fail_after(SECONDS):
        async with sandbox(tmp_path, container="command", pool=8) as (executor, context):
            await anyio.to_thread.run_sync(until, lambda: sum(event.type == "docker.opened" for event in context.records.events) == 8)
            ahead = {str(each["Id"])[:12] for each in containers_of(engine, os.getpid())}
            results = []

            async def one() -> None:
                results.append(await python(executor, LEAVE))

            async with anyio.create_task_group() as tasks:
                for _ in range(8):
                    tasks.start_soon(one)
    told = [event.container for event in context.records.events if event.type == "docker.opened"]  # type: ignore[attr-defined]

    assert ahead == set(told[:8])
    assert [result.stdout for result in results] == [b"False\n"] * 8
    assert containers_of(engine, os.getpid()) == []


async def test_an_agents_container_is_started_ahead(engine: Engine, tmp_path: Path) -> None:
    """The first command runs in the one that waits; what has limits of its own does not, and one that died is passed over."""
    with anyio.fail_after(SECONDS):
        async with sandbox(tmp_path, pool=1) as (executor, context):
            await anyio.to_thread.run_sync(until, lambda: any(event.type == "docker.opened" for event in context.records.events))
            engine.remove(str(containers_of(engine, os.getpid())[0]["Id"]))
            await anyio.to_thread.run_sync(until, lambda: executor.pool._ahead[0].session.lost)  # type: ignore[attr-defined]
            shared = [await python(executor, LEAVE) for _ in range(2)]
            own = await python(executor, LEAVE, limits=Limits(processes=100))
    assert [result.stdout for result in (*shared, own)] == [b"False\n", b"True\n", b"False\n"]
    assert containers_of(engine, os.getpid()) == []


async def test_a_workspace_apart_needs_one_container(engine: Engine, tmp_path: Path) -> None:
    """Where files are in the container, a container for each command makes no sense, which is told."""
    with pytest.raises(MassGenError, match="leave one of them out"):
        async with sandbox(tmp_path, workspace="apart", container="command"):
            pass


async def test_no_container_waits_on_the_network_of_a_run(engine: Engine, tmp_path: Path) -> None:
    """It would have the name of its agent there, and nothing of the agent's would answer."""
    with pytest.raises(MassGenError, match="leave one out"):
        async with sandbox(tmp_path, network="run", pool=1):
            pass


async def test_an_image_without_python_borrows_it(engine: Engine, tmp_path: Path) -> None:
    """In an image with a single file commands are run, limited and killed as in any other; the run's log says whose Python it is."""
    empty = io.BytesIO()
    with tarfile.open(fileobj=empty, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("note"))
    engine.client.api.import_image_from_data(empty.getvalue(), repository="massgen-test-empty", tag="1")
    inside = (f"{PLACE}/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", "--library-path", f"{PLACE}/lib/x86_64-linux-gnu", f"{PLACE}/bin/python3", "-c")
    try:
        with anyio.fail_after(SECONDS):
            async with sandbox(tmp_path, image="massgen-test-empty:1") as (executor, context):
                missing = await executor.run(ExecCommand(argv=("true",)))
                listed = await executor.run(ExecCommand(argv=(*inside, "import os; print(sorted(os.listdir('/')))")))
                slow = await executor.run(ExecCommand(argv=(*inside, "import time; time.sleep(600)"), limits=Limits(seconds=1)))
                spoilt = await executor.run(ExecCommand(argv=(*inside, f"open('{PLACE}/x', 'w')")))
                notices = [event.text for event in context.records.events if event.type == "notice.given"]
            async with sandbox(tmp_path, image="massgen-test-empty:1", workspace="apart") as (executor, _):
                await executor.write("note", b"kept")
                kept = await executor.read("note")
    finally:
        engine.client.api.remove_image("massgen-test-empty:1")

    assert (missing.status, kept) == ("not_found", b"kept")
    assert "note" in eval(listed.stdout)
    assert "usr" not in eval(listed.stdout)
    assert slow.status == "timed_out"
    assert b"Read-only file system" in spoilt.stderr
    assert any("no python3" in text and "massgen-base" in text for text in notices)


async def test_what_was_filled_by_half_is_filled_again(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever was killed while the volume was made leaves an empty one, which is not taken for the whole."""
    monkeypatch.setattr("massgen_exec_docker.borrow.PREFIX", f"massgen-test-python-{os.getpid()}-")
    name = f"massgen-test-python-{os.getpid()}-{engine.image('massgen-base', 'never')[7:19]}"
    engine.client.volumes.create(name)
    try:
        assert borrowed(engine, "some") == borrowed(engine, "some") == name
        listed = engine.client.containers.run("massgen-base", ["ls", "/given/bin"], volumes=[f"{name}:/given:ro"], remove=True, network_mode="none")
        assert b"python3\n" in listed
    finally:
        for each in (name, f"{name}-whole"):
            engine.client.api.remove_volume(each, force=True)


async def test_nothing_to_borrow_from_is_told(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the base image the message says how to make it; other machines than those that are known are told to add Python."""
    monkeypatch.setattr("massgen_exec_docker.borrow.BASE", "massgen-base:no-such")
    with pytest.raises(ExecutorUnavailable, match="build-base"):
        borrowed(engine, "some")
    with pytest.raises(ExecutorUnavailable, match="add it to the image"):
        borrowed(Engine(None, engine.endpoint, {"Architecture": "s390x"}), "some")
