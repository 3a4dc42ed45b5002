"""Background jobs of one agent: commands that go on while the agent does something else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import anyio
import attrs

from massgen_core.api import ExecCommand, ExecResult, MassGenError, Process, clean_line
from massgen_tools_code.events import CodeJobEnded
from massgen_tools_code.output import Captured, bytes_text, readable, whole_characters
from massgen_tools_code.sandbox import Sandbox
from massgen_tools_code.words import ending

__all__ = ["Job", "Jobs"]

ENDED = 20  # that are remembered


@attrs.define(eq=False)
class Job:
    """One job.

    Attributes:
        kept: Keeps all of its output.
        unread: What it wrote since it was read last, the newest part.
        missed: Bytes before that, which nobody read in time.
    """

    name: str
    code: str
    kept: Captured
    most: int
    began: float
    unread: bytearray = attrs.field(factory=bytearray)
    missed: int = 0
    process: Process | None = None
    result: ExecResult | None = None
    fault: MassGenError | None = None
    is_stopped: bool = False
    is_ready: anyio.Event = attrs.field(factory=anyio.Event)
    is_over: anyio.Event = attrs.field(factory=anyio.Event)
    has_news: anyio.Event = attrs.field(factory=anyio.Event)

    async def take(self, pieces: AsyncIterator[bytes]) -> None:
        """Read a stream to its end."""
        with suppress(MassGenError):
            async for piece in pieces:
                self.kept.add(piece)
                self.unread += piece
                self._trim()
                self.has_news.set()

    def _trim(self) -> None:
        """Forget what nobody read in time, up to the end of a line where that is near: half of a secret would not be known as one."""
        if (beyond := len(self.unread) - self.most) <= 0:
            return
        end = self.unread.find(b"\n", beyond - 1, beyond + self.most // 2) + 1 or beyond
        self.missed += end
        del self.unread[:end]

    def read(self) -> str:
        """Return what is new as text, and begin anew."""
        end = len(self.unread) if self.is_over.is_set() else whole_characters(self.unread)
        data, missed = bytes(self.unread[:end]), self.missed
        del self.unread[:end]
        self.missed, self.has_news = 0, anyio.Event()
        lost = f"[{bytes_text(missed)} before this were not read in time]\n" if missed else ""
        return lost + readable(data)

    def state(self, limit: float) -> str:
        """Return how it is, as a sentence."""
        if not self.is_over.is_set():
            return f"{self.name} runs for {anyio.current_time() - self.began:.1f} s."
        if self.fault is not None:
            return f"{self.name} is lost: {self.fault}"
        assert self.result is not None
        if self.is_stopped:
            return f"{self.name} was stopped after {self.result.seconds:.2f} s."
        return f"{self.name} has ended. {ending(self.result, limit)}"


class Jobs:
    """The jobs of one agent.

    Args:
        sandbox: Where they run.
        agent: Whose.
        start: Runs something in a task of its own until the run's end.
    """

    def __init__(self, sandbox: Sandbox, agent: str, start: Callable[..., None]) -> None:
        self._sandbox, self._agent, self._start = sandbox, agent, start
        self._every: dict[str, Job] = {}
        self._count = 0

    @property
    def running(self) -> list[Job]:
        """Those that are not over."""
        return [job for job in self._every.values() if not job.is_over.is_set()]

    @property
    def every(self) -> list[Job]:
        """Those that run, and the last ones that ended."""
        return list(self._every.values())

    def find(self, name: str) -> Job | None:
        """Return a job by its name."""
        return self._every.get(name)

    async def start(self, command: ExecCommand, code: str, kept: Captured, began: Callable[[Job], None]) -> Job:
        """Start a job and return when it runs, or when it is certain that it does not.

        Args:
            command: What to run.
            code: As people say it.
            kept: Keeps its output.
            began: Is told of the job before it runs.

        Raises:
            MassGenError: The executor refuses it.
        """
        self._count += 1
        most = self._sandbox.config.output
        job = Job(name=f"job-{self._count}", code=code, kept=kept, most=most, began=anyio.current_time())
        self._every[job.name] = job
        for old in [each.name for each in self._every.values() if each.is_over.is_set()][:-ENDED]:
            del self._every[old]
        began(job)
        self._start(lambda: self._run(job, command))
        await job.is_ready.wait()
        if job.process is None and job.fault is not None:
            del self._every[job.name]
            raise job.fault
        return job

    async def _run(self, job: Job, command: ExecCommand) -> None:
        try:
            async with self._sandbox.executor.start(command) as process:
                job.process = process
                job.is_ready.set()
                if job.is_stopped:  # while it was being started
                    await process.kill()
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(job.take, process.stdout())
                    tasks.start_soon(job.take, process.stderr())
                job.result = await process.wait()
        except MassGenError as fault:
            job.fault = fault
        finally:
            if job.result is None and job.fault is None:
                job.fault, job.is_stopped = MassGenError("the run ended"), True
            job.kept.close()
            job.is_over.set()
            job.is_ready.set()
            job.has_news.set()
            self._tell(job)

    def _tell(self, job: Job) -> None:
        result, fault = job.result, job.fault
        self._sandbox.context.emit(
            CodeJobEnded(
                agent=self._agent,
                job=job.name,
                status="stopped" if job.is_stopped else "failed" if result is None else result.status,
                exit_code=None if result is None else result.exit_code,
                seconds=anyio.current_time() - job.began if result is None else result.seconds,
                cpu_seconds=None if result is None else result.cpu_seconds,
                memory=None if result is None else result.memory,
                output=job.kept.total,
                stored=job.kept.stored,
                reason="" if fault is None else clean_line(str(fault)),
            )
        )

    async def stop(self, job: Job) -> None:
        """End a job and all that it started; one that is over stays as it ended."""
        if not job.is_over.is_set():
            job.is_stopped = True
            if job.process is not None:
                await job.process.kill()
            await job.is_over.wait()

    async def close(self) -> None:
        """End all jobs."""
        async with anyio.create_task_group() as tasks:
            for job in self.running:
                tasks.start_soon(self.stop, job)
