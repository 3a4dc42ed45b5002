"""The toolset `code`: what agents call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel
import attrs

from massgen_core.api import (
    ConfigProblems,
    Context,
    MassGenError,
    Question,
    Text,
    Tool,
    ToolResult,
    ToolUse,
    Verdict,
    clean_line,
    structure,
)
from massgen_tools_code.config import CodeConfig
from massgen_tools_code.events import CodeExecuted, CodeJobStarted, CodeRefused
from massgen_tools_code.jobs import Job, Jobs
from massgen_tools_code.offers import ARGUMENTS, ExecuteCode, ExecuteCommand, ListJobs, OfJob, ReadJob, StartJob, WriteJob, tools
from massgen_tools_code.rules import Rules
from massgen_tools_code.sandbox import Done, Sandbox, open_sandbox
from massgen_tools_code.words import report

__all__ = ["CodeToolset", "open_code"]

ALLOW, DENY = "allow", "deny"
CODE_KEPT = 20_000
FILES_KEPT = 100
READ_SECONDS = 60.0
WRITE_SECONDS = 10.0


class Refused(Exception):
    """The model is told why nothing ran."""


@asynccontextmanager
async def open_code(config: CodeConfig, context: Context) -> AsyncIterator[CodeToolset]:
    """Open the agent's sandbox and yield its tools; jobs end with it.

    Raises:
        MassGenError: The executor is missing or wrongly configured, or makes no sandbox here.
    """
    sandbox = await open_sandbox(config, context)
    jobs = Jobs(sandbox, context.agent, context.start)
    try:
        yield CodeToolset(sandbox, jobs, context)
    finally:
        await jobs.close()


class CodeToolset:
    """The tools of one agent.

    Args:
        sandbox: Where code runs.
        jobs: What runs in the background.
        context: Of the agent.
    """

    def __init__(self, sandbox: Sandbox, jobs: Jobs, context: Context) -> None:
        self._sandbox, self._jobs, self._context, self._config = sandbox, jobs, context, sandbox.config
        self._rules = Rules(sandbox.config.permissions)
        self._tools = tools(sandbox.config, sandbox.languages)
        self._does: Mapping[str, Callable[[Any, ToolUse], Awaitable[ToolResult]]] = {
            "execute_command": self._command,
            "execute_code": self._code,
            "start_job": self._start,
            "read_job": self._read,
            "write_job": self._write,
            "stop_job": self._stop,
            "list_jobs": self._list,
        }

    def tools(self) -> Sequence[Tool]:
        """The tools; they do not change."""
        return self._tools

    async def call(self, use: ToolUse) -> ToolResult:
        """Run something; whatever fails is a result that says so."""
        await anyio.lowlevel.checkpoint()
        name = use.tool.name
        if name not in {tool.name for tool in self._tools}:
            return _answer(use, f"there is no tool {clean_line(name, 60)!r} here", is_error=True)
        try:
            asked: Any = structure(ARGUMENTS[name], use.arguments)
        except ConfigProblems as problems:
            return _answer(use, f"the arguments do not fit: {problems}", is_error=True)
        try:
            return await self._does[name](asked, use)
        except Refused as refusal:
            return _answer(use, str(refusal), is_error=True)
        except (MassGenError, ValueError) as fault:  # what executors raise for what they do not take
            return _answer(use, self._context.redact(str(fault)), is_error=True)

    # To the end

    async def _command(self, asked: ExecuteCommand, use: ToolUse) -> ToolResult:
        return await self._execute("shell", asked.command, asked.folder, asked.seconds, use)

    async def _code(self, asked: ExecuteCode, use: ToolUse) -> ToolResult:
        if asked.language not in self._sandbox.languages:
            raise Refused(f"there is no {clean_line(asked.language, 40)!r} here; languages: {', '.join(self._sandbox.languages)}")
        return await self._execute(asked.language, asked.code, "", asked.seconds, use)

    async def _execute(self, language: str, code: str, folder: str, seconds: float | None, use: ToolUse) -> ToolResult:
        limit = self._seconds(seconds)
        verdict = await self._permit(language, code, use)
        command = self._sandbox.command(language, code, folder=folder, seconds=limit, use=use)
        told = CodeExecuted(
            agent=use.agent,
            turn=use.turn,
            call=use.call.id,
            tool=use.tool.name,
            language=language,
            code=self._shown(code),
            executor=self._config.executor_name,
            folder=folder,
            verdict=verdict.level if verdict else "",
            rule=verdict.rule if verdict else "",
            status="cancelled",
        )
        began = anyio.current_time()
        try:
            done = await self._sandbox.run(command, use)
        except (MassGenError, ValueError) as fault:
            told = attrs.evolve(told, status="failed", reason=self._context.redact(clean_line(str(fault), 500)))
            raise
        else:
            told = _told(told, done)
        finally:  # whatever happens: what was begun is told
            use.emit(told if told.seconds else attrs.evolve(told, seconds=anyio.current_time() - began))
        failed = done.result.status != "exited"
        data = {"status": done.result.status, "exit_code": done.result.exit_code, "stored": list(done.stored)}
        return attrs.evolve(_answer(use, report(done, limit), is_error=failed), structured=data)

    def _seconds(self, seconds: float | None) -> float:
        most = self._config.most_seconds
        if seconds is None:
            return min(self._config.seconds, most)
        if not seconds > 0:
            raise Refused("`seconds` must be more than 0")
        return min(seconds, most)

    # Permissions

    async def _permit(self, language: str, code: str, use: ToolUse) -> Verdict | None:
        """Return the verdict of the patterns under which something may run.

        Raises:
            Refused: It may not.
        """
        if not code.strip():
            raise Refused("there is nothing to run")
        verdict = self._rules.judge(language, code)
        if verdict is None or verdict.level == "allow":
            return verdict
        if verdict.level == "ask":
            text = f"May {use.agent} run this? ({verdict.reason})"
            question = Question(text=text, detail=self._shown(code), options=(DENY, ALLOW), default=DENY, agent=use.agent)
            if await self._context.ask(question) == ALLOW:
                return attrs.evolve(verdict, level="allow", rule=f"{verdict.rule} (approved by a person)")
            reason = f"a person did not approve it ({verdict.reason})"
        else:
            reason = verdict.reason
        who: dict[str, Any] = {"agent": use.agent, "turn": use.turn, "call": use.call.id, "tool": use.tool.name}
        use.emit(CodeRefused(**who, language=language, code=self._shown(code), reason=reason, rule=verdict.rule))
        raise Refused(f"this was not run: {reason}. Go on without it")

    def _shown(self, code: str) -> str:
        text = self._context.redact(code)
        return text if len(text) <= CODE_KEPT else f"{text[:CODE_KEPT]}\n[{len(text) - CODE_KEPT} characters more]"

    # In the background

    def _job(self, name: str) -> Job:
        job = self._jobs.find(name)
        if job is None:
            known = ", ".join(each.name for each in self._jobs.every) or "none; start one with start_job"
            raise Refused(f"there is no job {clean_line(name, 40)!r}; jobs: {known}")
        return job

    def _check_room(self) -> None:
        if len(self._jobs.running) >= self._config.jobs:
            raise Refused(f"{self._config.jobs} jobs run already, and no more may run at once; stop one with stop_job")

    async def _start(self, asked: StartJob, use: ToolUse) -> ToolResult:
        self._check_room()
        verdict = await self._permit("shell", asked.command, use)
        self._check_room()  # others may have been started while a person thought about it
        command = self._sandbox.command("shell", asked.command, folder=asked.folder, seconds=self._config.job_seconds, use=use)
        executor, code = self._config.executor_name, self._shown(asked.command)

        def began(job: Job) -> None:
            use.emit(
                CodeJobStarted(
                    agent=use.agent,
                    turn=use.turn,
                    call=use.call.id,
                    job=job.name,
                    code=code,
                    executor=executor,
                    folder=asked.folder,
                    verdict=verdict.level if verdict else "",
                    rule=verdict.rule if verdict else "",
                )
            )

        job = await self._jobs.start(command, code, self._sandbox.captured(use, "log"), began)
        return _answer(use, f"{job.name} was started; read what it writes with read_job.")

    async def _read(self, asked: ReadJob, use: ToolUse) -> ToolResult:
        job = self._job(asked.job)
        if asked.seconds > 0 and not job.unread and not job.is_over.is_set():
            with anyio.move_on_after(min(asked.seconds, READ_SECONDS)):
                await job.has_news.wait()
        state = job.state(self._config.job_seconds)
        text = self._context.redact(job.read()).rstrip("\n")
        return _answer(use, f"{state}\n{f'New output:{chr(10)}{text}' if text else 'Nothing new was written.'}")

    async def _write(self, asked: WriteJob, use: ToolUse) -> ToolResult:
        job = self._job(asked.job)
        if job.is_over.is_set() or job.process is None:
            raise Refused(f"{job.name} runs no more and reads nothing")
        if asked.text:
            await self._permit("shell", asked.text, use)
        try:
            with anyio.move_on_after(WRITE_SECONDS) as patience:
                if asked.text:
                    await job.process.send(asked.text.encode("utf-8", "surrogateescape"))
                if asked.close:
                    await job.process.close_stdin()
        except BrokenPipeError:
            raise Refused(f"{job.name} does not read its input any more") from None
        if patience.cancelled_caught:
            raise Refused(f"{job.name} did not read all of it in {WRITE_SECONDS:g} s: only a part is in its input. Read its output, or stop it")
        return _answer(use, f"Written to {job.name}{' and its input closed' if asked.close else ''}; read what it says with read_job.")

    async def _stop(self, asked: OfJob, use: ToolUse) -> ToolResult:
        job = self._job(asked.job)
        await self._jobs.stop(job)
        return _answer(use, job.state(self._config.job_seconds))

    async def _list(self, asked: ListJobs, use: ToolUse) -> ToolResult:
        limit = self._config.job_seconds
        lines = [f"{job.state(limit)} {len(job.unread)} bytes unread. Command: {clean_line(job.code)}" for job in self._jobs.every]
        return _answer(use, "\n".join(lines) or "There are no jobs.")


def _told(told: CodeExecuted, done: Done) -> CodeExecuted:
    result = done.result
    return attrs.evolve(
        told,
        status=result.status,
        exit_code=result.exit_code,
        seconds=result.seconds,
        cpu_seconds=result.cpu_seconds,
        memory=result.memory,
        output=done.output,
        stored=done.stored,
        files=(done.files or ())[:FILES_KEPT],
        changes=None if done.files is None else len(done.files),
    )


def _answer(use: ToolUse, text: str, *, is_error: bool = False) -> ToolResult:
    return ToolResult(call=use.call.id, content=(Text(text=text),), is_error=is_error)
