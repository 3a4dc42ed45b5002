"""Checks of executors: processes with open streams."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from massgen_core.api import ExecCommand, ExecResult, Limits
from massgen_testkit.context import PlainContext
from massgen_testkit.leaks import Leaks
from massgen_testkit.sandboxes.base import PATIENCE, Sandboxes

ECHO = """
import sys
for line in sys.stdin.buffer:
    sys.stdout.buffer.write(b"got " + line)
    sys.stdout.buffer.flush()
    sys.stderr.buffer.write(b"saw %d\\n" % len(line))
    sys.stderr.buffer.flush()
sys.exit(9)
"""


async def until(pieces: AsyncIterator[bytes], end: bytes) -> bytes:
    """Collect pieces until what was collected ends so."""
    found = b""
    while not found.endswith(end):
        found += await anext(pieces)
    return found


async def whole(pieces: AsyncIterator[bytes]) -> bytes:
    """Collect pieces until the stream's end."""
    return b"".join([piece async for piece in pieces])


class StreamChecks(Sandboxes):
    """What `start` owes: streams that flow while the process runs, and an end with its context."""

    async def test_a_process_can_be_talked_to(self, context: PlainContext, workspace: Path) -> None:
        """What is sent is answered while it runs; closing its input ends it, and its code is told."""
        with anyio.fail_after(PATIENCE):
            async with self.sandbox(context) as executor, executor.start(self.command(ECHO)) as process:
                out, err = process.stdout(), process.stderr()
                for line in (b"one\n", b"\xff\x00two\n"):
                    await process.send(line)
                    assert await until(out, b"\n") == b"got " + line
                assert await until(err, b"saw 6\n") == b"saw 4\nsaw 6\n"
                await process.close_stdin()
                result = await process.wait()

        assert (result.status, result.exit_code, result.stdout, result.stderr) == ("exited", 9, b"", b"")

    async def test_input_that_was_given_comes_first(self, context: PlainContext, workspace: Path) -> None:
        """`stdin` of the command is sent before what is sent later."""
        with anyio.fail_after(PATIENCE):
            async with self.sandbox(context) as executor, executor.start(ExecCommand(argv=("cat",), stdin=b"first ")) as process:
                await process.send(b"second")
                await process.close_stdin()

                assert await whole(process.stdout()) == b"first second"

    async def test_large_input_flows_in_both_directions(self, context: PlainContext, workspace: Path) -> None:
        """Four megabytes go in and come out while both sides are busy."""
        data = bytes(range(256)) * 16_000
        with anyio.fail_after(PATIENCE):
            async with self.sandbox(context) as executor, executor.start(ExecCommand(argv=("cat",))) as process, anyio.create_task_group() as tasks:

                async def send() -> None:
                    for start in range(0, len(data), 300_000):
                        await process.send(data[start : start + 300_000])
                    await process.close_stdin()

                tasks.start_soon(send)
                assert await whole(process.stdout()) == data

    async def test_an_end_is_told_to_all_who_wait(self, context: PlainContext, workspace: Path) -> None:
        """Several may wait, before and after the end, and all are told the same."""
        results: list[ExecResult] = []
        with anyio.fail_after(PATIENCE):
            async with self.sandbox(context) as executor, executor.start(self.command(ECHO)) as process:

                async def wait() -> None:
                    results.append(await process.wait())

                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(wait)
                    tasks.start_soon(wait)
                    await process.close_stdin()
                await wait()

        assert [result.exit_code for result in results] == [9, 9, 9]
        assert results[0] == results[1] == results[2]

    async def test_waiting_can_be_given_up(self, context: PlainContext, workspace: Path) -> None:
        """Who stops waiting does not stop the process."""
        with anyio.fail_after(PATIENCE):
            async with self.sandbox(context) as executor, executor.start(self.command(ECHO)) as process:
                with anyio.move_on_after(0.05) as scope:
                    await process.wait()
                assert scope.cancelled_caught
                await process.send(b"still\n")

                assert await until(process.stdout(), b"\n") == b"got still\n"

    async def test_killing_ends_the_process_and_its_streams(self, context: PlainContext, workspace: Path) -> None:
        """It was signalled, its streams end, all of its tree is gone, and killing it again does nothing."""
        with anyio.fail_after(PATIENCE):
            async with self.sandbox(context) as executor:
                async with executor.start(self.tree("held", "child", "deaf")) as process:
                    out = process.stdout()
                    assert await until(out, b"\n") == b"ready\n"
                    await process.kill()
                    await process.kill()
                    result = await process.wait()
                    assert await whole(out) == b""
                    await process.kill()
                await self.assert_gone(executor, "held")

        assert (result.status, result.exit_code) == ("signalled", 137)

    async def test_leaving_kills_the_process(self, context: PlainContext, workspace: Path) -> None:
        """Whoever leaves the context leaves nothing running."""
        with anyio.fail_after(PATIENCE):
            async with self.sandbox(context) as executor:
                async with executor.start(self.tree("held", "child", "deaf")) as process:
                    await until(process.stdout(), b"ready\n")
                await self.assert_gone(executor, "held")

    async def test_an_error_inside_arrives_as_it_is(self, context: PlainContext, workspace: Path) -> None:
        """What is raised in the context is not wrapped, and the process is gone."""
        with anyio.fail_after(PATIENCE):
            async with self.sandbox(context) as executor:
                with pytest.raises(KeyError):  # noqa: PT012 - the context is the subject
                    async with executor.start(self.tree("held", "child")) as process:
                        await until(process.stdout(), b"ready\n")
                        raise KeyError("mine")
                await self.assert_gone(executor, "held")

    async def test_sending_to_the_dead_is_an_error(self, context: PlainContext, workspace: Path) -> None:
        """A process that has ended takes nothing more, and says so."""
        with anyio.fail_after(PATIENCE):
            async with self.sandbox(context) as executor, executor.start(ExecCommand(argv=("true",))) as process:
                await process.wait()
                with pytest.raises(BrokenPipeError):  # noqa: PT012 - what lies between takes some
                    for _ in range(100):
                        await process.send(b"x" * 100_000)
                await process.close_stdin()

    async def test_a_missing_program_is_a_value_here_too(self, context: PlainContext, workspace: Path) -> None:
        """The streams end, and the result says that nothing ran, and why."""
        with anyio.fail_after(PATIENCE):
            async with self.sandbox(context) as executor, executor.start(ExecCommand(argv=("no-such-program-anywhere",))) as process:
                assert await whole(process.stdout()) == b""
                result = await process.wait()

        assert (result.status, result.exit_code) == ("not_found", 127)
        assert b"no-such-program-anywhere" in result.stderr

    async def test_a_time_limit_ends_a_process(self, context: PlainContext, workspace: Path) -> None:
        """A started process has the time that its limits give, and then it was not signalled but timed out."""
        with anyio.fail_after(PATIENCE):
            sleeping = ExecCommand(argv=("sleep", "600"), limits=Limits(seconds=0.5))
            async with self.sandbox(context) as executor, executor.start(sleeping) as process:
                assert await whole(process.stdout()) == b""
                result = await process.wait()

        assert result.status == "timed_out"
        assert result.seconds >= 0.4

    async def test_output_that_nobody_reads_waits(self, context: PlainContext, workspace: Path) -> None:
        """A flood is held up rather than kept in memory, and does not hold up leaving; what follows is in order."""
        code = "import os\nn = 0\nwhile True: os.write(1, b'%09d\\n' % n * 1000); n += 1"
        with anyio.fail_after(PATIENCE):
            async with self.sandbox(context) as executor:
                async with executor.start(self.command(code)) as process:
                    out = process.stdout()
                    found = await anext(out)
                    await anyio.sleep(0.3)
                    for _ in range(50):
                        found += await anext(out)
                after = await self.run(executor, self.shell, "-c", "echo fine")

        numbers = [int(line) for line in found[: len(found) // 10 * 10].splitlines()]
        assert numbers == sorted(numbers)
        assert numbers[-1] - numbers[0] == (len(numbers) - 1) // 1000
        assert after.stdout == b"fine\n"

    async def test_processes_at_once_are_apart(self, context: PlainContext, workspace: Path) -> None:
        """Six processes talk at the same time, each with its own."""
        answers: dict[int, bytes] = {}
        with anyio.fail_after(PATIENCE):
            async with self.sandbox(context) as executor, anyio.create_task_group() as tasks:

                async def talk(number: int) -> None:
                    async with executor.start(self.command(ECHO)) as process:
                        await process.send(b"%d\n" % number)
                        answers[number] = await until(process.stdout(), b"\n")

                for number in range(6):
                    tasks.start_soon(talk, number)

        assert answers == {number: b"got %d\n" % number for number in range(6)}

    async def test_processes_leave_nothing_with_us(self, context: PlainContext, workspace: Path, leaks: Leaks) -> None:
        """However a process ends, no task, thread, process or descriptor is left."""
        with anyio.fail_after(PATIENCE):
            async with self.sandbox(context) as executor:
                async with executor.start(self.command(ECHO)) as process:
                    await process.close_stdin()
                    await process.wait()
                inside = leaks.held()
                async with executor.start(self.command(ECHO)) as process:
                    await process.send(b"unread\n")
                async with executor.start(ExecCommand(argv=("no-such-program-anywhere",))):
                    pass
                async with executor.start(self.command(ECHO)) as process:
                    await process.kill()
                with anyio.move_on_after(0.2):
                    async with executor.start(self.command(ECHO)) as process:
                        await process.wait()
                await self.assert_no_more(leaks, inside)
