"""The way of a tool call: validate, permit, judge, ask a person, snapshot, middleware, call, limit, event."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import anyio
import anyio.lowlevel

from massgen_core.config.sections import PermissionsConfig
from massgen_core.contracts import Classifier, Middleware, Question, Toolset, ToolUse, Workspace
from massgen_core.errors import ToolFault
from massgen_core.events import Event, NoticeGiven, ToolApproved, ToolCalled, ToolJudged, ToolReturned, WorkspaceSnapshotted
from massgen_core.messages import Text, Tool, ToolCall, ToolResult
from massgen_core.safety import Verdict, join

__all__ = ["Toolbox", "chain", "may_change_files", "permit", "unfinished"]

CLASSIFIER_SECONDS = 30.0
ALLOW, DENY = "allow", "deny"


class _Tell(Protocol):
    def __call__(self, event: Event, span: str = "") -> None: ...


class _Durable(Protocol):
    async def __call__(self) -> None: ...


def chain(middlewares: Sequence[Middleware], innermost: Callable[[Any], Awaitable[Any]]) -> Callable[[Any], Awaitable[Any]]:
    """Return a function that goes through the middlewares, the first one outermost, to `innermost`."""
    following = innermost
    for middleware in reversed(middlewares):
        following = partial(middleware, following=following)
    return following


def permit(tool: str, permissions: Sequence[PermissionsConfig]) -> Verdict | None:
    """Return what the configuration says of a tool, the strictest matching pattern first; None where no pattern matches."""
    for level in ("deny", "ask", "allow"):
        for section in permissions:
            for pattern in getattr(section, level):
                if fnmatchcase(tool, pattern):
                    return Verdict(level=level, reason=f"permissions.{level} names {pattern!r}", rule=f"permissions.{level}")
    return None


class Toolbox:
    """All tools of one agent, and the gate in front of them.

    Args:
        agent: Whose.
        toolsets: Where the tools come from; two of one name are refused by the scope that opens them.
        permissions: The configuration's patterns, of all agents and of this one.
        classifiers: Opinions, by name.
        middlewares: Around "tool", outermost first.
        ask: Asks a person.
        durable: Returns when the journal survives what its mode promises.
        folder: The run's folder, for output that is too long.
        seconds: After which a call is given up.
        output: Characters of output that a model is shown.
        trace: W3C trace id of the run.
        workspace: Opens what keeps the agent's files; None where nothing does.
    """

    def __init__(
        self,
        agent: str,
        *,
        toolsets: Sequence[Toolset] = (),
        permissions: Sequence[PermissionsConfig] = (),
        classifiers: Mapping[str, Classifier] | None = None,
        middlewares: Sequence[Middleware] = (),
        ask: Callable[[Question], Awaitable[str]],
        durable: _Durable,
        folder: Path,
        seconds: float = 300.0,
        output: int = 40_000,
        trace: str = "",
        workspace: Callable[[], Awaitable[Workspace | None]] | None = None,
    ) -> None:
        self._agent, self._toolsets, self._permissions = agent, tuple(toolsets), permissions
        self._classifiers, self._middlewares = classifiers or {}, middlewares
        self._ask, self._durable, self._folder = ask, durable, folder
        self._seconds, self._output, self._trace = seconds, output, trace
        self._workspace, self._keeping = workspace, anyio.Lock()

    def tools(self) -> tuple[Tool, ...]:
        """The tools as they are now."""
        return tuple(tool for toolset in self._toolsets for tool in toolset.tools())

    async def call(self, call: ToolCall, turn: int, tell: _Tell, span: str) -> None:
        """Carry out a call and tell its result, whatever happens: a refusal, a time-out and a fault are results too."""
        await anyio.lowlevel.checkpoint()
        began = anyio.current_time()
        stored = ""
        found = next(((toolset, tool) for toolset in self._toolsets for tool in toolset.tools() if tool.name == call.name), None)
        if found is None:
            result = _failure(call, f"tool {call.name!r} is gone; call another one")
        else:
            toolset, tool = found
            try:
                tool, call = _meant(toolset, tool, call)
                arguments = call.parsed()
            except ValueError as error:
                result = _failure(call, f"the arguments of {call.name!r} are not valid: {error}; write one JSON object")
            else:
                refusal = await self._gate(tool, call, turn, tell, span)
                if refusal:
                    result = _failure(call, refusal)
                else:
                    use = ToolUse(
                        call=call,
                        tool=tool,
                        arguments=arguments,
                        agent=self._agent,
                        turn=turn,
                        emit=lambda event: tell(event, span),
                        span=span,
                        trace=self._trace,
                    )
                    result, stored = await self._carry_out(toolset, use, tell)
        tell(
            ToolReturned(agent=self._agent, turn=turn, tool=call.name, result=result, seconds=anyio.current_time() - began, stored=stored),
            span,
        )

    async def _gate(self, tool: Tool, call: ToolCall, turn: int, tell: _Tell, span: str) -> str:
        """Return why the call is refused; empty where it may be carried out."""
        verdict = await self._judge(tool, call)
        who: dict[str, Any] = {"agent": self._agent, "turn": turn, "call": call.id, "tool": tool.name}
        tell(
            ToolJudged(**who, level=verdict.level, reason=verdict.reason, rule=verdict.rule, is_idempotent=verdict.is_idempotent),
            span,
        )
        if verdict.level == "deny":
            return f"calling {tool.name!r} is not permitted: {verdict.reason}"
        if verdict.level == "warn":
            tell(NoticeGiven(level="warning", text=f"{tool.name}: {verdict.reason}", agent=self._agent), span)
        is_risky = may_change_files(tool, verdict)
        if verdict.level != "ask":
            if is_risky:
                await self._keep(who, tell, span)
            return ""
        question = Question(
            text=f"May {self._agent} call {tool.name}? ({verdict.reason})",
            detail=call.arguments,
            options=(DENY, ALLOW),
            default=DENY,
            agent=self._agent,
        )
        reply = await self._ask(question)
        tell(ToolApproved(**who, is_approved=reply == ALLOW), span)
        if reply == ALLOW and is_risky:
            await self._keep(who, tell, span)
        return "" if reply == ALLOW else f"a person did not approve calling {tool.name!r}; go on without it"

    async def _judge(self, tool: Tool, call: ToolCall) -> Verdict:
        stated = permit(tool.name, self._permissions)
        if stated is not None and stated.level == "deny":
            return stated
        judged = [await _opinion(name, classifier, tool, call) for name, classifier in self._classifiers.items()]
        opinions = [opinion for opinion in judged if opinion is not None]
        if stated is None:
            return join(opinions)
        if stated.level == "allow" and not any(opinion.level == "deny" for opinion in opinions):
            claims = tool.annotations
            is_idempotent = claims is not None and (claims.read_only or claims.idempotent)
            return Verdict(level="allow", reason=stated.reason, rule=stated.rule, is_idempotent=is_idempotent)
        return join((stated, *opinions))

    async def keep(self, turn: int, tell: _Tell, span: str) -> None:
        """Keep what is in the working folder before a model is called whose backend changes files by itself."""
        await self._keep({"agent": self._agent, "turn": turn, "call": "", "tool": ""}, tell, span)

    async def _keep(self, who: Mapping[str, Any], tell: _Tell, span: str) -> None:
        """Keep what is in the working folder before a call that may change it; that it could not be kept is told and stops nobody."""
        if self._workspace is None:
            return
        what = f"before {who['tool'] or 'a model call'}"
        began = anyio.current_time()
        try:
            async with self._keeping:  # calls of one answer run beside each other
                workspace = await self._workspace()
                if workspace is None:
                    return
                snapshot = await workspace.snapshot(f"{what}, turn {who['turn']}")
        except Exception as error:  # a plugin's; the call was permitted, and a person reads of it
            text = f"the working folder of {self._agent} was not kept {what}, which cannot be rolled back: {error}"
            tell(NoticeGiven(level="warning", text=text, agent=self._agent), span)
            return
        kept = WorkspaceSnapshotted(**who, snapshot=snapshot, path=str(workspace.path), seconds=anyio.current_time() - began)
        tell(kept, span)

    async def _carry_out(self, toolset: Toolset, use: ToolUse, tell: _Tell) -> tuple[ToolResult, str]:
        call = use.call
        tell(ToolCalled(agent=self._agent, turn=use.turn, call=call.id, tool=call.name, arguments=call.arguments), use.span)
        # Nothing with effects is started before the journal surely knows of it.
        await self._durable()
        result: ToolResult | None = None
        try:
            with anyio.move_on_after(self._seconds):
                result = await chain(self._middlewares, toolset.call)(use)
        except ToolFault as fault:
            return _failure(call, str(fault)), ""
        except Exception as defect:  # a toolset's defect is told to the model, and the run goes on
            return _failure(call, f"tool {call.name!r} broke: {type(defect).__name__}: {defect}"), ""
        if result is None:
            return _failure(call, f"tool {call.name!r} gave no result within {self._seconds:g} s and was stopped"), ""
        return self._limit(result, use)

    def _limit(self, result: ToolResult, use: ToolUse) -> tuple[ToolResult, str]:
        text = result.text
        if len(text) <= self._output:
            return result, ""
        folder = self._folder / "outputs"
        folder.mkdir(exist_ok=True)
        name = re.sub(r"[^A-Za-z0-9_.-]", "_", f"{self._agent}-{use.turn}-{use.call.id}")[:100]
        path = folder / f"{name}-{use.span}.txt"
        path.write_text(text, encoding="utf-8", errors="replace")
        half = self._output // 2
        shown = f"{text[:half]}\n[{len(text) - 2 * half} characters left out; the whole output is in {path}]\n{text[-half:]}"
        others = tuple(part for part in result.content if not isinstance(part, Text))
        short = ToolResult(call=result.call, content=(Text(text=shown), *others), is_error=result.is_error)
        return short, str(path.relative_to(self._folder))


def may_change_files(tool: Tool, verdict: Verdict) -> bool:
    """Say whether a call may change the working folder: its tool works there, and it is not known to be harmless.

    Harmless is what was let through as repeatable, of a tool that does not itself claim to do more than read. Deleting a file is repeatable, too.
    """
    is_harmless = verdict.level == "allow" and verdict.is_idempotent and (tool.annotations is None or tool.annotations.read_only)
    return tool.uses_workspace and not is_harmless


def _meant(toolset: Toolset, tool: Tool, call: ToolCall) -> tuple[Tool, ToolCall]:
    """Return the tool and the call that are judged, told and carried out: those that the model named, or those that they stand for."""
    meant = getattr(toolset, "meant", None)
    return (tool, call) if meant is None else meant(tool, call)


async def _opinion(name: str, classifier: Classifier, tool: Tool, call: ToolCall) -> Verdict | None:
    """Return a classifier's verdict, None where it has none; one that fails or takes too long counts as `ask`."""
    try:
        with anyio.fail_after(CLASSIFIER_SECONDS):
            return await classifier.judge(tool, call)
    except Exception as error:  # fail closed, whatever a plugin raised
        return Verdict(level="ask", reason=f"classifier {name!r} failed ({type(error).__name__})", rule=f"{name}.failed")


def _failure(call: ToolCall, text: str) -> ToolResult:
    return ToolResult(call=call.id, content=(Text(text=text),), is_error=True)


def unfinished(call: ToolCall) -> ToolResult:
    """Return the result of a call whose process ended in the middle of it."""
    text = f"The program ended while {call.name!r} was running; nobody knows whether it took effect. Check before you call it again."
    return _failure(call, text)
