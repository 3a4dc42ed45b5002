"""Checks of executors: time-outs, cancellation, floods, and the end of whoever runs the commands."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import pytest

from massgen_core.api import ExecCommand, Executor, Limits
from massgen_testkit.context import PlainContext
from massgen_testkit.leaks import Leaks
from massgen_testkit.sandboxes.base import PATIENCE, Sandboxes

FLOOD = "import os, sys\nleft, piece = int(sys.argv[1]), b'x' * 65536\nwhile left > 0: left -= os.write(int(sys.argv[2]), piece[:left])"
MEGABYTE = 1_000_000


def peak_memory(*, reset: bool = False) -> int:
    """Return this process's peak memory in bytes since it was last reset; 0 where the system does not tell."""
    try:
        if reset:
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        status = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        return 0
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


class EndChecks(Sandboxes):
    """Whatever ends a command ends all of it."""

    # Time-outs

    async def test_a_time_out_is_a_value(self, context: PlainContext, workspace: Path) -> None:
        """What was written until then is kept; a program that ignores every signal it can is no exception."""
        code = """
import signal, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
    signal.signal(number, signal.SIG_IGN)
print("ready", flush=True)
while True:
    time.sleep(1)
"""
        async with self.sandbox(context) as executor:
            for seconds in (1.0, 5.0, 20.0):  # a busy machine may need longer to begin
                result = await self.script(executor, code, limits=Limits(seconds=seconds))
                if result.stdout:
                    break

        assert (result.status, result.stdout) == ("timed_out", b"ready\n")
        assert result.exit_code != 0
        assert result.seconds >= seconds * 0.9

    @pytest.mark.parametrize("kinds", ["child,deaf", "daemon"])
    async def test_a_time_out_kills_the_whole_tree(self, context: PlainContext, workspace: Path, kinds: str) -> None:
        """Children, those that ignore signals, and those that left their session and parent."""
        self.need_kind(kinds)
        async with self.sandbox(context) as executor:
            for seconds in (1.5, 6.0, 24.0):
                with anyio.fail_after(PATIENCE):
                    result = await executor.run(self.tree(f"held-{seconds}", *kinds.split(","), limits=Limits(seconds=seconds)))
                if result.stdout:
                    break
            assert (result.status, result.stdout) == ("timed_out", b"ready\n")
            await self.assert_gone(executor, f"held-{seconds}")

    def need_kind(self, kinds: str) -> None:
        """Skip where the tree holds processes that the executor does not follow."""
        if "daemon" in kinds:
            self.need("detached processes")

    async def test_a_full_input_does_not_outlive_the_time(self, context: PlainContext, workspace: Path) -> None:
        """A program that reads nothing of a large input is ended all the same."""
        async with self.sandbox(context) as executor:
            result = await self.run(executor, "sleep", "600", stdin=b"x" * 5_000_000, limits=Limits(seconds=1))

        assert result.status == "timed_out"

    # What is left in the background

    @pytest.mark.parametrize("kinds", ["child,deaf", "daemon"])
    async def test_a_command_ends_with_what_it_started(self, context: PlainContext, workspace: Path, kinds: str) -> None:
        """Processes in the background, which hold the outputs open, neither hold up the result nor outlive it."""
        self.need_kind(kinds)
        async with self.sandbox(context) as executor:
            with anyio.fail_after(PATIENCE):
                result = await executor.run(self.tree("held", *kinds.split(","), stay=False))
            assert (result.status, result.exit_code, result.stdout) == ("exited", 0, b"ready\n")
            await self.assert_gone(executor, "held")

    # Cancellation

    @pytest.mark.parametrize("kinds", ["child,deaf", "daemon"])
    async def test_cancelling_kills_the_whole_tree(self, context: PlainContext, workspace: Path, kinds: str) -> None:
        """A command that is cancelled is gone with its children when the cancellation is through."""
        self.need_kind(kinds)
        async with self.sandbox(context) as executor:
            with anyio.fail_after(PATIENCE):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(executor.run, self.tree("held", *kinds.split(",")))
                    await self.is_ready(executor, "held")
                    tasks.cancel_scope.cancel()
            await self.assert_gone(executor, "held")

    async def test_cancelling_one_leaves_the_others_alone(self, context: PlainContext, workspace: Path) -> None:
        """Commands of one sandbox end on their own."""
        results: list[int] = []

        async def quiet(executor: Executor) -> None:
            result = await executor.run(self.command("import sys; sys.stdin.read(); open('go').close() if 0 else None; sys.exit(5)", stdin=b"x"))
            results.append(result.exit_code)

        async def talk(executor: Executor, told: anyio.Event, go: anyio.Event) -> None:
            async with executor.start(ExecCommand(argv=("cat",))) as process:
                told.set()
                await go.wait()
                await process.close_stdin()
                results.append((await process.wait()).exit_code)

        async with self.sandbox(context) as executor:
            told, go = anyio.Event(), anyio.Event()
            with anyio.fail_after(PATIENCE):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(talk, executor, told, go)
                    await told.wait()
                    async with anyio.create_task_group() as doomed:
                        doomed.start_soon(executor.run, self.tree("held", "child"))
                        await self.is_ready(executor, "held")
                        doomed.cancel_scope.cancel()
                    go.set()
                    tasks.start_soon(quiet, executor)

        assert sorted(results) == [0, 5]

    async def test_cancellation_at_any_moment_leaves_nothing(self, context: PlainContext, workspace: Path, leaks: Leaks) -> None:
        """Opening, running and ending may be cancelled at any point; no task, process, thread or descriptor is left, and the sandbox still works."""
        rng = random.Random(1)  # noqa: S311 - moments, not secrets
        async with self.sandbox(context) as executor:
            await self.run(executor, self.shell, "-c", "true")
            before = leaks.held()
            with anyio.fail_after(PATIENCE):
                for _ in range(25):
                    with anyio.move_on_after(rng.uniform(0, 0.15)):
                        await executor.run(ExecCommand(argv=(self.shell, "-c", "cat; sleep 0.05 & sleep 0.05"), stdin=b"x" * 200_000))
            await self.assert_no_more(leaks, before)
            result = await self.run(executor, self.shell, "-c", "echo fine")

        assert result.stdout == b"fine\n"

    # Floods

    @pytest.mark.parametrize("stream", [1, 2])
    async def test_a_flood_is_counted_and_not_kept(self, context: PlainContext, workspace: Path, stream: int) -> None:
        """Of two hundred megabytes as many bytes are kept as the limit says, the first; the rest is counted, and costs us no memory."""
        size = 200 * MEGABYTE
        async with self.sandbox(context) as executor:
            await self.run(executor, self.shell, "-c", "true")
            before = peak_memory(reset=True)
            result = await self.script(executor, FLOOD, str(size), str(stream), limits=Limits(output=MEGABYTE, seconds=80))
            grown = peak_memory() - before

        kept = result.stdout if stream == 1 else result.stderr
        assert (result.status, result.exit_code) == ("exited", 0)
        # Compared before it is asserted: what is told of two texts of this size takes minutes to find out.
        is_first = kept == b"x" * MEGABYTE
        assert is_first, f"{len(kept)} bytes were kept"
        assert result.dropped == size - MEGABYTE
        assert grown < 50 * MEGABYTE

    async def test_an_output_limit_is_exact_for_each_stream(self, context: PlainContext, workspace: Path) -> None:
        """Each stream has the limit for itself; output of just that size is whole."""
        code = "import os; os.write(1, b'a' * 1000); os.write(2, b'b' * 1001)"
        async with self.sandbox(context) as executor:
            result = await self.script(executor, code, limits=Limits(output=1000))

        assert (result.stdout, result.stderr, result.dropped) == (b"a" * 1000, b"b" * 1000, 1)

    async def test_output_is_limited_when_nobody_says_so(self, context: PlainContext, workspace: Path) -> None:
        """Without a limit in the command, the executor has one of its own."""
        async with self.sandbox(context) as executor:
            result = await self.script(executor, FLOOD, str(100 * MEGABYTE), "1")

        assert len(result.stdout) + result.dropped == 100 * MEGABYTE
        assert result.dropped > 0
        assert len(result.stdout) >= 10_000

    # The owner

    async def test_commands_end_with_their_owner(self, context: PlainContext, workspace: Path, tmp_path: Path) -> None:
        """When the process that runs commands is killed, they are killed as well: those that run and those that were started."""
        self.need("owner")
        trees = [[*self.tree(name, "child", "deaf", "daemon").argv] for name in ("ran", "started")]
        asked = {"name": self.name, "options": dict(self.options), "folder": str(tmp_path), "commands": trees}
        async with self.sandbox(context) as executor:
            owner = subprocess.Popen(  # noqa: ASYNC220 - it is killed, not waited for
                [sys.executable, "-m", "massgen_testkit.sandboxes.owner"], stdin=subprocess.PIPE, start_new_session=True, text=True
            )
            try:
                with owner:
                    assert owner.stdin
                    owner.stdin.write(json.dumps(asked) + "\n")
                    owner.stdin.close()
                    for name in ("ran", "started"):
                        await self.is_ready(executor, name)
                    os.kill(owner.pid, signal.SIGKILL)
                    owner.wait(10)
                for name in ("ran", "started"):
                    await self.assert_gone(executor, name)
            finally:
                with suppress(OSError):
                    os.killpg(owner.pid, signal.SIGKILL)

    async def test_closing_the_sandbox_ends_its_commands(self, context: PlainContext, workspace: Path) -> None:
        """A command that still runs when the sandbox is closed does not outlive it."""
        ended: list[Any] = []

        async def run(executor: Executor) -> None:
            try:
                ended.append(await executor.run(self.tree("held", "child")))
            except BaseException as error:
                ended.append(error)
                raise

        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as tasks, self.sandbox(context) as executor:
                tasks.start_soon(run, executor)
                await self.is_ready(executor, "held")
                tasks.cancel_scope.cancel()
            async with self.sandbox(PlainContext(folder=context.folder, workspace=workspace)) as again:
                await self.assert_gone(again, "held")

        assert len(ended) == 1
