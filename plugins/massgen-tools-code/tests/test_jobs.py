from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from massgen_core.api import Question, SandboxLost
from massgen_testkit import Leaks, PlainContext
from massgen_tools_code import toolset
from massgen_tools_code.events import CodeJobEnded, CodeJobStarted
from massgen_tools_code.jobs import ENDED, Job
from massgen_tools_code.output import Captured

from .conftest import Agent, Open
from .nearby import Nearby

pytestmark = pytest.mark.anyio


def ended(context: PlainContext) -> list[CodeJobEnded]:
    return context.records.of(CodeJobEnded)


async def over(agent: Agent, job: str) -> str:
    """Wait for a job's end; return everything that it wrote meanwhile."""
    told = ""
    with anyio.fail_after(30):
        while "has ended" not in (text := await agent.told("read_job", job=job, seconds=20)):
            told += text
    return told + text


async def test_a_dialogue(agent: Open, context: PlainContext) -> None:
    """A job reads what is written to it, tells what is new once, and ends when its input does."""
    async with agent() as ann:
        assert await ann.told("start_job", command="echo hello; cat") == "job-1 was started; read what it writes with read_job."
        assert "New output:\nhello" in await ann.told("read_job", job="job-1", seconds=20)
        await ann.told("write_job", job="job-1", text="ping\n")
        text = await ann.told("read_job", job="job-1", seconds=20)
        assert "New output:\nping" in text
        assert "hello" not in text
        assert "Nothing new" in await ann.told("read_job", job="job-1")
        await ann.told("write_job", job="job-1", close=True)
        assert "Exit code 0" in await over(ann, "job-1")
        assert "has ended" in await ann.told("read_job", job="job-1", seconds=60)
        assert "runs no more" in await ann.refused("write_job", job="job-1", text="x")

    (begun,) = context.records.of(CodeJobStarted)
    assert (begun.job, begun.code, begun.executor, begun.call) == ("job-1", "echo hello; cat", "local", "call-1")
    assert [(event.job, event.status, event.exit_code, event.output) for event in ended(context)] == [("job-1", "exited", 0, 11)]


async def test_what_nobody_reads_is_forgotten_by_whole_lines(tmp_path: Path) -> None:
    """The rest of a secret whose beginning is forgotten would not be known as one."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(1000):
            yield b"key sesame-sesame\n"

    kept = Captured(tmp_path / "log", "log", shown=200, stored=0, redact=str)
    job = Job(name="job-1", code="", kept=kept, most=200, began=0.0)
    await job.take(pieces())
    kept.close()

    said, _, lines = job.read().partition("in time]\n")
    assert said == "[17.8 kB before this were not read "
    assert lines == "key sesame-sesame\n" * 11


async def test_a_job_that_does_not_read_holds_nobody_up(agent: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever writes more than a pipe holds is told so, long before the run gives the call up."""
    monkeypatch.setattr(toolset, "WRITE_SECONDS", 0.2)
    async with agent() as ann:
        await ann.told("start_job", command="sleep 60")
        with anyio.fail_after(30):
            assert "only a part is in its input" in await ann.refused("write_job", job="job-1", text="x" * 10_000_000)
            assert "was stopped" in await ann.told("stop_job", job="job-1")


async def test_a_job_is_stopped(agent: Open, context: PlainContext, leaks: Leaks) -> None:
    """With all that it started; once more does nothing."""
    async with agent() as ann:
        before = leaks.held()
        await ann.told("start_job", command="sleep 60 & sleep 60")
        assert "was stopped" in await ann.told("stop_job", job="job-1")
        assert "was stopped" in await ann.told("stop_job", job="job-1")
        await leaks.none_since(before)

    assert [event.status for event in ended(context)] == ["stopped"]


async def test_jobs_end_with_the_agent(agent: Open, context: PlainContext, leaks: Leaks) -> None:
    """None of them goes on, and the journal has the end of each."""
    before = leaks.held()
    async with agent() as ann:
        for _ in range(3):
            await ann.told("start_job", command="sleep 60")
    await leaks.none_since(before)

    assert sorted((event.job, event.status) for event in ended(context)) == [(f"job-{number}", "stopped") for number in (1, 2, 3)]


async def test_only_so_many_run_at_once(agent: Open) -> None:
    """The next one may start when one has ended."""
    async with agent(jobs=2) as ann:
        for _ in range(2):
            await ann.told("start_job", command="sleep 60")
        assert "2 jobs run already" in await ann.refused("start_job", command="true")
        await ann.told("stop_job", job="job-1")
        await ann.told("start_job", command="true")


async def test_no_more_run_at_once_where_a_person_is_asked(agent: Open, context: PlainContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many are asked about at the same time."""

    async def thinks(context: PlainContext, question: Question) -> str:
        await anyio.wait_all_tasks_blocked()
        return "allow"

    monkeypatch.setattr(PlainContext, "ask", thinks)
    async with agent(jobs=1, permissions={"ask": ["*"]}) as ann:
        found: list[str] = []

        async def start() -> None:
            found.append((await ann.call("start_job", command="sleep 60")).text)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(start)
            tasks.start_soon(start)

    assert sorted(text.partition(" ")[0] for text in found) == ["1", "job-1"]


async def test_a_run_that_is_cancelled_stops_its_jobs(agent: Open, context: PlainContext, leaks: Leaks) -> None:
    """The journal says so."""
    before = leaks.held()
    with anyio.CancelScope() as scope:
        async with agent() as ann:
            await ann.told("start_job", command="sleep 60")
            scope.cancel()
            await anyio.sleep_forever()
    await leaks.none_since(before)

    assert [(event.status, event.reason) for event in ended(context)] == [("stopped", "the run ended")]


async def test_they_are_listed(agent: Open) -> None:
    """With state and command; those that ended long ago are forgotten."""
    async with agent() as ann:
        assert await ann.told("list_jobs") == "There are no jobs."
        for number in range(1, ENDED + 5):
            await ann.told("start_job", command=f"exit {number}")
            await over(ann, f"job-{number}")
        await ann.told("start_job", command="sleep 60")
        lines = (await ann.told("list_jobs")).splitlines()

    assert len(lines) == ENDED + 1
    assert lines[-1].startswith(f"job-{ENDED + 5} runs for ")
    assert "Exit code 24" in lines[-2]


async def test_what_nobody_reads_is_dropped_from_memory_only(agent: Open, context: PlainContext) -> None:
    """The newest part is there, how much is missing is told, and the run keeps all of it."""
    async with agent(output=1000) as ann:
        await ann.told("start_job", command="seq 100000")
        with anyio.fail_after(30):
            while not ended(context):  # noqa: ASYNC110 - nothing tells
                await anyio.sleep(0.01)
        text = await ann.told("read_job", job="job-1")

    assert "before this were not read in time]" in text
    assert text.endswith("\n100000")
    assert len(text) < 1300
    assert (context.folder / ended(context)[0].stored[0]).read_text().count("\n") == 100_000


async def test_a_job_has_its_time(agent: Open, context: PlainContext) -> None:
    """One that runs too long is stopped, and says so."""
    async with agent(job_seconds=0.3) as ann:
        await ann.told("start_job", command="sleep 60")
        assert "Timed out" in await over(ann, "job-1")

    assert ended(context)[0].status == "timed_out"


async def test_a_job_that_does_not_start_says_why(agent: Open, context: PlainContext, nearby: Nearby) -> None:
    """And takes no place."""
    async with agent(jobs=1) as ann:
        nearby.fault = SandboxLost("the container went away")
        assert await ann.refused("start_job", command="true") == "the container went away"
        nearby.fault = None
        await ann.told("start_job", command="true", folder="nowhere")
        assert "It did not start" in await over(ann, "job-2")

    assert [(event.job, event.status) for event in ended(context)] == [("job-1", "failed"), ("job-2", "not_found")]


async def test_a_job_that_is_not_there(agent: Open) -> None:
    """The model is told which there are."""
    async with agent() as ann:
        assert "jobs: none" in await ann.refused("read_job", job="job-9")
        await ann.told("start_job", command="true")
        assert "jobs: job-1" in await ann.refused("stop_job", job="7")
