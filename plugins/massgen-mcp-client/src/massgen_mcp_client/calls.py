"""One request to a server: permitted by its breaker, bounded in time, made again where that is safe, and told from beginning to end."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import attrs
from mcp import MCPError
from mcp.types import CONNECTION_CLOSED

from massgen_core.api import Context, Event, McpCall, ToolAnnotations, clean_line
from massgen_mcp_client.events import CallCalled, CallCancelled, CallProgressed, CallRetried, CallReturned, ErrorRaised, McpEvent, PerformanceMeasured
from massgen_mcp_client.faults import McpFault, about, ended, leaf
from massgen_mcp_client.retry import delays, may_repeat
from massgen_mcp_client.session import Session, final_report
from massgen_mcp_client.tap import CURRENT, Operation, size

if TYPE_CHECKING:
    from massgen_mcp_client.server import Server

__all__ = ["Caller", "Request", "request"]

SESSION_LOST = -32600
# Whoever asks for more patience than this gets none: the model is told, and may come back.
LONGEST_WAIT = 60.0
UNAVAILABLE = frozenset({429, 500, 502, 503, 504})


@attrs.frozen(kw_only=True)
class Caller:
    """For whom a request is made.

    Attributes:
        context: The agent's.
        call: The id of the agent's tool call.
        span: Of that call.
        trace: Of the run.
    """

    context: Context
    call: str = ""
    span: str = ""
    trace: str = ""


@attrs.frozen(kw_only=True)
class Request:
    """What is asked of a server.

    Attributes:
        method: `tools/call`, `resources/read` or `prompts/get`.
        name: The tool, the resource's address, or the prompt.
        annotations: What the server says of the tool.
    """

    method: str
    name: str
    arguments: Mapping[str, Any] = attrs.field(factory=dict)
    annotations: ToolAnnotations | None = None
    caller: Caller


@attrs.define(eq=False)
class _Run:
    """One request on its way.

    Attributes:
        operation: The present attempt; all attempts share its ids.
        attempts: So far.
        sent_at: When the last attempt began.
        late: The limit that was passed, where one was.
    """

    server: Server
    request: Request
    operation: Operation
    attempts: int = 0
    sent_at: float = 0.0
    late: McpFault | None = None

    def fact(self, event: type[McpEvent], **fields: Any) -> McpEvent:
        return self.server.fact(event, agent=self.request.caller.context.agent, operation=self.operation.span, **fields)

    def tell(self, event: type[McpEvent], **fields: Any) -> None:
        self.emit(self.fact(event, **fields))

    def emit(self, *events: Event) -> None:
        caller = self.request.caller
        caller.context.emit(*events, span=self.operation.span, parent=caller.span)


async def request(server: Server, wanted: Request) -> dict[str, Any]:
    """Make a request and return the result as the server sent it.

    Raises:
        McpFault: It failed; a tool that says that it failed is a result.
    """
    began = time.monotonic()
    config = server.config
    operation = server.operation(wanted.caller)
    operation.main = wanted.method
    operation.total = anyio.current_time() + config.call_total_seconds
    run = _Run(server, wanted, operation)
    sent = size(wanted.arguments)
    what = {"method": wanted.method, "tool": wanted.name, "call": wanted.caller.call}
    run.tell(CallCalled, bytes=sent, arguments=server.shown(wanted.arguments) if server.shows("execution.called", wanted.name) else "", **what)
    outcome, result = "error", None
    try:
        # One clock for both limits: it is set to the nearer one.
        with anyio.CancelScope(deadline=operation.total) as operation.scope:
            result = await _around(run)
            outcome = "tool_error" if result.get("isError") is True else "ok"
        if result is None:
            raise run.late or _late(run, config.call_total_seconds, "call_total_seconds")
        return result
    except McpFault as fault:
        outcome = {"timeout": "timed_out", "lost": "lost", "connect": "lost", "refused": "refused"}.get(fault.kind, "error")
        server.raised(fault, run.tell, tool=wanted.name)
        if fault.kind in ("unavailable", "auth"):
            server.degraded(fault, is_told=True)
        raise
    except anyio.get_cancelled_exc_class():
        outcome = "cancelled"
        run.tell(CallCancelled, tool=wanted.name, call=wanted.caller.call, reason="the agent gave it up")
        raise
    finally:
        milliseconds, received = (time.monotonic() - began) * 1000, size(result) if result is not None else 0
        shown = server.shown(result) if result is not None and server.shows("execution.returned", wanted.name) else ""
        returned = run.fact(
            CallReturned, outcome=outcome, milliseconds=milliseconds, bytes=received, attempts=max(1, run.attempts), result=shown, **what
        )
        measured = run.fact(
            PerformanceMeasured,
            method=wanted.method,
            tool=wanted.name,
            milliseconds=milliseconds,
            queue_milliseconds=max(0.0, (run.sent_at or time.monotonic()) - began) * 1000,
            bytes_out=sent,
            bytes_in=received,
            retries=max(0, run.attempts - 1),
        )
        run.emit(returned, measured)


async def _around(run: _Run) -> dict[str, Any]:
    """Go through the middlewares."""
    middlewares = run.request.caller.context.around("mcp")
    if not middlewares:
        return await _attempts(run)

    async def innermost(call: McpCall) -> dict[str, Any]:
        run.request = attrs.evolve(run.request, name=call.name, arguments=call.arguments)
        return await _attempts(run)

    following = innermost
    for middleware in reversed(middlewares):
        following = partial(middleware, following=following)

    wanted = run.request
    call = McpCall(
        server=run.server.config.name,
        method=wanted.method,
        name=wanted.name,
        arguments=wanted.arguments,
        agent=wanted.caller.context.agent,
        emit=run.emit,
    )
    return await following(call)


async def _attempts(run: _Run) -> dict[str, Any]:
    """Try, and try again where that is safe and may help."""
    server, waits = run.server, None
    # One permit for all attempts: the breaker counts what agents asked for, not how often we tried.
    permit = server.permit()
    is_well: bool | None = None
    try:
        while True:
            run.attempts += 1
            try:
                result = await _once(run)
                is_well = True
                return result
            except McpFault as fault:
                is_well = None if fault.kind == "refused" else not fault.counts
                waits = waits or delays(server.config.retry, server.rng)
                delay = next(waits, None) if _is_repeatable(run, fault) else None
                if delay is None or (fault.retry_after or 0.0) > LONGEST_WAIT:
                    raise
                delay = max(delay, fault.retry_after or 0.0)
                wanted = run.request
                reason = clean_line(str(fault))
                run.tell(CallRetried, tool=wanted.name, call=wanted.caller.call, attempt=run.attempts + 1, delay=delay, reason=reason)
            await anyio.sleep(delay)
    finally:
        server.report(permit, False if run.late is not None and run.late.counts else is_well)


def _is_repeatable(run: _Run, fault: McpFault) -> bool:
    if not fault.is_retryable:
        return False
    was_sent = run.operation.was_sent and fault.was_executed
    return may_repeat(run.request.method, was_sent=was_sent, annotations=run.request.annotations, is_trusted=run.server.config.trust)


async def _once(run: _Run) -> dict[str, Any]:
    server, operation = run.server, run.operation
    session = await server.connection.ready()
    operation.was_sent, operation.raw, operation.ids = False, None, []
    operation.idle_seconds = server.config.call_idle_seconds
    run.sent_at = time.monotonic()
    server.connection.calls += 1
    session.operations.add(operation)
    token = CURRENT.set(operation)
    try:
        server.clock(operation)
        await _send(run, session)
        return _result(operation)
    except Exception as error:  # whatever the SDK raises for one request
        return await _read(run, session, leaf(error))
    except anyio.get_cancelled_exc_class():
        now = anyio.current_time()
        if operation.scope is not None and operation.scope.deadline <= now < operation.total:
            is_mute = session.tap.last_received < run.sent_at
            if is_mute:
                server.suspect(session)
            run.late = _late(run, server.config.call_idle_seconds, "call_idle_seconds", counts=is_mute)
        raise
    finally:
        CURRENT.reset(token)
        operation.stop()
        session.operations.discard(operation)
        session.tap.forget(operation)


async def _send(run: _Run, session: Session) -> None:
    wanted, client = run.request, session.client

    async def progress(progress: float, total: float | None, message: str | None) -> None:
        run.operation.progressed()
        run.tell(
            CallProgressed,
            tool=wanted.name,
            call=wanted.caller.call,
            progress=progress,
            total=total or 0.0,
            message=clean_line(message or ""),
        )

    if wanted.method == "tools/call":
        await client.call_tool(wanted.name, dict(wanted.arguments), progress_callback=progress)
    elif wanted.method == "resources/read":
        await client.read_resource(wanted.name)
    else:
        await client.get_prompt(wanted.name, {key: str(value) for key, value in wanted.arguments.items()})


def _result(operation: Operation) -> dict[str, Any]:
    return operation.raw if isinstance(operation.raw, dict) else {}


def _late(run: _Run, seconds: float, limit: str, *, counts: bool = False) -> McpFault:
    name = run.server.config.name
    what = "without a result or progress" if limit == "call_idle_seconds" else "without a result"
    text = f"{run.request.name!r} of MCP server {name!r} was stopped after {seconds:g} s {what} ({limit}); ask for less at once, or go on without it"
    return McpFault(text, server=name, kind="timeout", counts=counts)


async def _read(run: _Run, session: Session, error: BaseException) -> dict[str, Any]:
    """Return the result of a request that the SDK did not take, or raise what went wrong."""
    server, operation = run.server, run.operation
    name = server.config.name
    if isinstance(error, MCPError):
        raise await _fault(run, session, error) from None
    if isinstance(error, anyio.BrokenResourceError | anyio.ClosedResourceError | anyio.EndOfStream):
        raise ended(name, await final_report(session.link), was_executed=operation.was_sent) from None
    is_asking = isinstance(operation.raw, dict) and operation.raw.get("resultType") == "input_required"
    if operation.raw is not None and not is_asking and isinstance(error, RuntimeError | ValueError):
        # The result came and is not what the protocol or the tool's own schema says: the model may still use it.
        reason = clean_line(str(error), 300)
        run.tell(ErrorRaised, kind="protocol", message=f"a result is not what was promised: {reason}", tool=run.request.name)
        return _result(operation)
    text = f"{run.request.name!r} of MCP server {name!r} failed: {type(error).__name__}: {clean_line(str(error), 300)}"
    raise McpFault(text, server=name, kind="protocol") from error


async def _fault(run: _Run, session: Session, error: MCPError) -> McpFault:
    server, wanted = run.server, run.request
    name, code = server.config.name, error.code
    if code == CONNECTION_CLOSED and (session.tap.has_ended or server.connection.session is not session):
        return ended(name, await final_report(session.link), was_executed=run.operation.was_sent)
    status, wait, was_sent = about(error)
    words = {"server": name, "code": code, "report": session.link.report(), "retry_after": wait}
    message = clean_line(error.message, 500)
    if code == SESSION_LOST and (status == 404 or "session" in message.lower()):
        server.connection.reset(session, f"the server does not know the session any more ({message})", is_harmless=True)
        text = f"MCP server {name!r} has forgotten its session: {message}"
        return McpFault(text, kind="lost", is_retryable=True, was_executed=False, **words)  # type: ignore[arg-type]
    if status in (401, 403):
        text = f"MCP server {name!r} refuses the credentials: HTTP {status}; a person can log in with: massgen mcp login {name}"
        return McpFault(text, kind="auth", counts=True, **words)  # type: ignore[arg-type]
    if code == CONNECTION_CLOSED or status in UNAVAILABLE:
        text = f"MCP server {name!r} cannot be reached at the moment: {message}"
        was_executed = was_sent and status not in (429, 503)
        return McpFault(text, kind="unavailable", is_retryable=True, was_executed=was_executed, counts=True, **words)  # type: ignore[arg-type]
    text = f"{wanted.name!r} of MCP server {name!r} was refused: {message} (code {code})"
    return McpFault(text, kind="protocol", **words)  # type: ignore[arg-type]
