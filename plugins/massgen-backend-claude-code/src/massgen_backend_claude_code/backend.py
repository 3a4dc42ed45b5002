"""The backend: finds or begins the session that knows a conversation, and turns what it says into chunks."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import Any
from uuid import uuid4

import anyio
import attrs
from claude_agent_sdk import AssistantMessage, ClaudeSDKError, ResultMessage, SystemMessage
from claude_agent_sdk import Message as Said

from massgen_backend_claude_code.answers import REFUSED, Answer, Spent, is_filtered, spent, text_of
from massgen_backend_claude_code.catalogue import price_of
from massgen_backend_claude_code.config import ClaudeCodeConfig
from massgen_backend_claude_code.faults import Faults
from massgen_backend_claude_code.launch import Place, launch_of
from massgen_backend_claude_code.prompts import BACKEND, demand, prompt_of, result_of, transcript_of
from massgen_backend_claude_code.session import Session
from massgen_core.api import (
    BackendFault,
    Chunk,
    ConnectionLost,
    Context,
    Dialect,
    ItemChunk,
    Message,
    ModelRequest,
    NoticeGiven,
    ProviderItem,
    Question,
    Secret,
    StopChunk,
    TimedOut,
    ToolFitter,
    ToolResult,
    UsageChunk,
)

__all__ = ["ClaudeCodeBackend"]

ALLOW, DENY = "allow", "deny"
# A wait is cut into pieces, so that who limits the silence from outside sees that somebody is there while tools run.
PULSE = 5.0
SINCE = "What was said and done since then, as a record. Go on from its end."
BROKEN = "The connection broke, and is back. Go on from where you are; do not repeat what is done."

logging.getLogger("claude_agent_sdk").addHandler(logging.NullHandler())  # it raises what it logs, and would write to the terminal


class ClaudeCodeBackend:
    """Runs the program, a process for each conversation that is under way.

    Args:
        key: Handed to each process; None where it logs in by itself.
    """

    def __init__(self, config: ClaudeCodeConfig, context: Context, key: Secret | None) -> None:
        self._config, self._context, self._key = config, context, key
        self._faults = Faults(config.reference or config.key, context.redact)
        self._fitter = ToolFitter(Dialect(root_unions=False), backend=BACKEND, emit=context.emit)
        self._sessions: list[Session] = []
        # Answers that broke off after tools of the program's own had done something: by whom and when, what was asked, and the record.
        self._broken: dict[tuple[str, str], tuple[ModelRequest, tuple[str, str]]] = {}

    async def close(self) -> None:
        """End all processes."""
        await self._end(self._sessions)

    @asynccontextmanager
    async def respond(self, request: ModelRequest) -> AsyncIterator[AsyncIterator[Chunk]]:
        """Start an answer; see the contract."""
        session = await self._session(request)
        is_kept, is_left = False, True
        try:
            answer = Answer(session.ours, session.used, session.running)
            try:
                # A call has begun when the model's server has seen it.
                first = await self._next(session, answer, request)
            except ConnectionLost:
                if not session.mark:
                    raise
                # One that waited had died, and only now told: another goes on.
                session = await self._session(request)
                answer = Answer(session.ours, session.used, session.running)
                first = await self._next(session, answer, request)
            async with aclosing(self._answer(session, answer, first, request)) as chunks:
                yield chunks
            is_kept, is_left = bool(session.mark) and not session.is_busy, answer.stop is None
        except BackendFault:
            is_left = False
            raise
        finally:
            if not is_kept:
                await self._end([session], hurries=is_left)
                if answer.has_worked:
                    self._broken[session.agent, session.turn] = request, (session.identifier, answer.last)

    # Which session

    async def _session(self, request: ModelRequest) -> Session:
        """Return a session that was told everything that the request adds to what it knows.

        Raises:
            BackendFault: The program does not start, or cannot do what is asked.
        """
        place, mark = _mark(request.messages)
        known = next((each for each in self._sessions if mark and each.mark == mark.get("answer") and not each.is_busy), None)
        if known is not None and known.transport.is_ready() and _goes_on(known.asked, request):
            known.is_busy, known.asked = True, request
            try:
                await self._tell(known, request.messages[place + 1 :])
            except BaseException as error:
                await self._end([known], hurries=not isinstance(error, Exception))
                if isinstance(error, ClaudeSDKError):
                    raise self._faults.of_process(str(error), known.transport.complaints) from None
                raise
            return known
        agent, turn = request.metadata.get("agent", "") or self._context.agent, request.metadata.get("turn", "")
        earlier = [each for each in self._sessions if each.agent == agent and not each.is_busy and "0" not in (turn, each.turn)]
        folders = self._context.folders_of(agent)
        where = Place.of(
            self._config,
            folder=self._context.folder,
            workspace=folders.workspace if folders else None,
            agent=agent,
            granted=folders.context_paths if folders else (),
        )
        # Turn 0 is a question beside the conversation; it ends nothing. A process writes its record when it ends.
        await self._end(earlier)
        before, record = self._broken.pop((agent, turn), (None, ("", "")))
        if before is not None and before.messages == request.messages and where.holds(record[0], is_login=self._config.is_login):
            # The same call again: what its tools have done must not be done twice.
            resumes, blocks = record, [{"type": "text", "text": BROKEN}, *demand(request)]
        else:
            resumes, blocks = await self._resumed(request, place, mark, where, earlier)
        return await self._begun(request, where, resumes, blocks, agent=agent, turn=turn)

    async def _resumed(
        self, request: ModelRequest, place: int, mark: Mapping[str, Any], where: Place, earlier: Sequence[Session]
    ) -> tuple[tuple[str, str], list[dict[str, Any]]]:
        """Return the session whose record a new process goes on with, none where there is none, and what it must be told."""
        talk = [message for message in request.messages if message.role != "system"]
        resumes, blocks = ("", ""), list[dict[str, Any]]()
        if mark and where.holds(str(mark.get("session") or ""), is_login=self._config.is_login):
            resumes = (str(mark["session"]), str(mark.get("last") or ""))
            later = request.messages[place:]
            # A record keeps no calls whose results it never got: they are told again with their results.
            later = later if later[0].calls else later[1:]
            is_plain = all(message.role == "user" for message in later)
            blocks = await prompt_of(later) if is_plain else await transcript_of(later, introduction=SINCE)
        elif len(talk) == 1 and talk[0].role == "user":
            blocks = await prompt_of(talk)
            last = next((each for each in reversed(earlier) if each.identifier and each.last), None) if self._config.continue_session else None
            if last is not None and where.holds(last.identifier, is_login=self._config.is_login):
                resumes = (last.identifier, last.last)
        else:
            blocks = await transcript_of(talk)
        return resumes, [*(blocks or [{"type": "text", "text": "Go on."}]), *demand(request)]

    async def _begun(
        self, request: ModelRequest, where: Place, resumes: tuple[str, str], blocks: Sequence[dict[str, Any]], *, agent: str, turn: str
    ) -> Session:
        launch = launch_of(self._config, request, where, key=self._key, resumes=resumes)

        async def permit(tool: str, arguments: dict[str, Any]) -> str:
            return await self._permit(agent, tool, arguments)

        session = Session(launch=launch, permit=permit, fitted=self._fitter.tools, agent=agent, turn=turn, asked=request)
        # A process that goes on with a record counts what others used before it, too.
        session.used = None if resumes[0] else Spent()
        self._sessions.append(session)
        try:
            await session.start()
            await session.say(blocks)
        except Exception as error:  # the SDK raises plain exceptions, too
            await self._end([session])
            raise self._faults.of_process(str(error), session.transport.complaints) from None
        except BaseException:
            await self._end([session], hurries=True)
            raise
        return session

    async def _tell(self, session: Session, later: Sequence[Message]) -> None:
        """Tell a session what it does not know yet: results that it waits for, and what a person said."""
        results = {part.call: part for message in later for part in message.content if isinstance(part, ToolResult)}
        said = [message for message in later if message.role == "user"]
        waiting, session.open = session.open, ()
        if not waiting:
            await session.say([*(await prompt_of(said) or [{"type": "text", "text": "Go on."}]), *demand(session.asked)])
            return
        texts = [message.text for message in said]
        texts += [block["text"] for block in demand(session.asked)]
        for identifier in waiting:
            result = results.get(identifier) or ToolResult(call=identifier, is_error=True)
            # It takes what a person says between results only with one of them.
            session.settle(identifier, await result_of(result, after=texts if identifier == waiting[-1] else ()))

    async def _end(self, sessions: Sequence[Session], *, hurries: bool = False) -> None:
        ending = list(sessions)
        self._sessions = [each for each in self._sessions if each not in ending]
        with anyio.CancelScope(shield=True):
            async with anyio.create_task_group() as group:
                for session in ending:
                    group.start_soon(partial(session.end, hurries=hurries))

    # The answer

    async def _answer(self, session: Session, answer: Answer, said: Said, request: ModelRequest) -> AsyncGenerator[Chunk, None]:
        while True:
            if isinstance(said, ResultMessage):
                for chunk in answer.end(said):
                    yield chunk
                session.used = spent(said)
            else:
                for chunk in answer.take(said):
                    yield chunk
            if answer.stop is not None:
                break
            said = await self._next(session, answer, request)
        price = price_of(answer.model) if answer.usage.cost is None else None
        if price is not None:
            answer.usage = attrs.evolve(answer.usage, cost=price.of(answer.usage))
            yield UsageChunk(answer.usage)
        if answer.stop in ("stop", "tools", "length"):
            session.mark, session.last = uuid4().hex, answer.last or session.last
            item = {"type": "mark", "answer": session.mark, "session": session.identifier, "last": session.last}
            yield ItemChunk(ProviderItem(backend=BACKEND, item=item))
            session.open = tuple(answer.calls) if answer.stop == "tools" else ()
            if answer.stop == "tools" and session.used is not None:
                session.used += Spent(tokens=attrs.evolve(answer.usage, cost=None), cost=answer.usage.cost or 0.0)
            # A question beside the conversation is never gone on with; a cut answer is, but the program would try to mend it by itself.
            session.is_busy = answer.stop == "length" or (session.turn == "0" and answer.stop == "stop")
        yield StopChunk(answer.stop, answer.model, answer.detail)

    async def _next(self, session: Session, answer: Answer, request: ModelRequest) -> Said:
        """Return the next message that belongs to an answer.

        Raises:
            BackendFault: It is none; or the program ended, or was silent for too long.
        """
        limit, silent = self._config.idle_seconds, 0.0
        while True:
            seconds = PULSE if limit is None or answer.is_working else min(PULSE, limit - silent)
            try:
                said = await session.hear(seconds)
            except StopAsyncIteration:
                fault = await self._ended(session, "Claude Code ended in the middle of an answer")
            except Exception as error:
                fault = await self._ended(session, str(error))
            else:
                if said is not None:
                    self._check(said, session, request)
                    if not isinstance(said, SystemMessage) or said.subtype == REFUSED:
                        return said
                    silent = 0.0
                    continue
                silent = 0.0 if answer.is_working else silent + seconds
                if limit is None or silent < limit:
                    continue
                raise TimedOut(f"Claude Code's model was silent for {limit:g} s (idle_seconds)")
            raise fault

    async def _ended(self, session: Session, what: str) -> BackendFault:
        await self._end([session])
        return self._faults.of_process(what, session.transport.complaints)

    def _check(self, said: Said, session: Session, request: ModelRequest) -> None:
        """Note the session's name, and raise what a message says went wrong."""
        if isinstance(said, SystemMessage):
            if said.subtype == "init":
                session.identifier = str(said.data.get("session_id") or "")
            elif said.subtype == "api_retry" and not self._config.fallback_model:
                raise self._faults.of_retry(said.data, request.model)
        elif isinstance(said, AssistantMessage):
            if said.error and said.parent_tool_use_id is None and not is_filtered(said):
                raise self._faults.of_words(text_of(said), said.error, None, request.model)
        elif isinstance(said, ResultMessage) and (said.is_error or said.subtype != "success"):
            if said.subtype == "success":
                raise self._faults.of_words(said.result or "", "", said.api_error_status, request.model)
            if said.subtype != "error_max_turns":
                raise self._faults.of_end(said.subtype, "; ".join(said.errors or ()))

    async def _permit(self, agent: str, tool: str, arguments: dict[str, Any]) -> str:
        reply = DENY
        if self._config.asks:
            question = Question(
                text=f"May {agent or 'Claude Code'} use {tool} of Claude Code?",
                detail=json.dumps(arguments, ensure_ascii=False),
                options=(DENY, ALLOW),
                default=DENY,
                agent=agent,
            )
            reply = await self._context.ask(question)
            if reply == ALLOW:
                self._context.emit(NoticeGiven(level="info", text=f"a person allowed a call of {tool} of Claude Code", agent=agent))
                return ""
        self._context.emit(NoticeGiven(level="warning", text=f"{tool} of Claude Code was denied; allowed_tools can allow it", agent=agent))
        return f"{tool} is not permitted here; go on without it"


def _mark(messages: Sequence[Message]) -> tuple[int, Mapping[str, Any]]:
    """Return the place of the last answer that carries a mark of ours, and the mark; -1 and nothing where there is none."""
    for place in range(len(messages) - 1, -1, -1):
        if messages[place].role == "assistant":
            for part in messages[place].content:
                if isinstance(part, ProviderItem) and part.backend == BACKEND and isinstance(part.item, Mapping) and part.item.get("type") == "mark":
                    return place, part.item
            break
    return -1, {}


def _goes_on(before: ModelRequest, now: ModelRequest) -> bool:
    """Tell whether a process that was started for one request can go on with another: what it was started with must still hold."""
    return (
        before.messages == now.messages[: len(before.messages)]
        and before.tools == now.tools
        and (before.tool_choice == "none") == (now.tool_choice == "none")
        and (before.model, before.sampling, before.reasoning_effort, before.options) == (now.model, now.sampling, now.reasoning_effort, now.options)
    )
