"""What can go wrong with a server, as one typed error that says what happened, what it means and what to do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, TypeAlias

from massgen_core.api import LinkReport, MassGenError, ToolFault, clean, clean_line

__all__ = ["FaultKind", "McpFault", "about", "advice", "ended", "leaf", "opening"]

FaultKind: TypeAlias = Literal["connect", "lost", "timeout", "protocol", "refused", "auth", "unavailable"]

# What servers write when they die, and what helps. The text is the server's; the advice is ours.
_ADVICE: tuple[tuple[str, str], ...] = (
    (
        r"No module named 'mcp\.server\.fastmcp'|cannot import name '[^']+' from 'mcp|requires mcp ?<\s*2|pin ['\"]?mcp ?<\s*2",
        "the server was written for version 1 of the library mcp; start it with that, for instance: uvx --with 'mcp<2' <the server>",
    ),
    (r"Cannot find module|ERR_MODULE_NOT_FOUND", "a package of the server is missing; install the server again"),
    (r"ModuleNotFoundError|No module named", "a Python package of the server is missing; install the server again, in an environment of its own"),
    (
        r"(?i)(api[_ ]?key|token|credential|secret)s?\b[^\n]{0,80}\b(not set|missing|required|must be|undefined|not found)",
        "give it its credentials in `env`",
    ),
    (r"(?i)\b(not set|missing|required)\b[^\n]{0,80}\b(api[_ ]?key|token|credential|environment variable)", "give it its credentials in `env`"),
    (
        r"UnknownIssuer|CERTIFICATE_VERIFY_FAILED|(?i:self[- ]signed certificate)|UNABLE_TO_(?:GET_ISSUER|VERIFY)",
        "it does not trust the certificates of this network; name yours in its `env`: SSL_CERT_FILE for Python and uvx, NODE_EXTRA_CA_CERTS for npx",
    ),
    (r"EACCES|Permission denied", "it may not read or run a file; look at the permissions of its command and folders"),
    (r"EADDRINUSE|Address already in use", "another program uses its port; stop that one, or give the server another port"),
)


# The SDK's number for a connection that is no more.
_GONE = -32000


class McpFault(ToolFault):
    """A request to a server, or the way to it, failed.

    Args:
        message: What happened and what to do.
        server: The server's name.
        kind: `connect`: it could not be opened; `lost`: it ended; `timeout`; `protocol`: it answered with an error; `refused`: it was not asked;
            `auth`: it wants other credentials; `unavailable`: it answers, but not now.
        code: The JSON-RPC code, 0 where there is none.
        report: How the link was.
        is_retryable: The same may succeed later.
        was_executed: The server may have begun to carry it out.
        counts: The breaker counts it as a failure of the server.
        retry_after: Seconds after which the server wants to be asked again; None where it does not say.
    """

    def __init__(
        self,
        message: str,
        *,
        server: str,
        kind: FaultKind,
        code: int = 0,
        report: LinkReport | None = None,
        is_retryable: bool = False,
        was_executed: bool = True,
        counts: bool = False,
        retry_after: float | None = None,
    ) -> None:
        self.server, self.kind, self.code, self.report, self.retry_after = server, kind, code, report, retry_after
        self.is_retryable, self.was_executed, self.counts = is_retryable, was_executed, counts
        super().__init__(message)

    @property
    def exit_code(self) -> int | None:
        """The exit code of the server's process, where it has one and it ended."""
        return self.report.exit_code if self.report else None

    @property
    def status(self) -> int:
        """The last HTTP status, 0 where there is none."""
        return self.report.status if self.report else 0

    @property
    def stderr(self) -> str:
        """The last lines that the server wrote; untrusted."""
        return self.report.stderr if self.report else ""


def leaf(error: BaseException) -> BaseException:
    """Return what lies at the bottom of exception groups: the first error that is foreseen, else the first one."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    leaves = [leaf(inner) for inner in error.exceptions]
    return next((inner for inner in leaves if isinstance(inner, MassGenError)), leaves[0])


def about(error: BaseException | None) -> tuple[int, float | None, bool]:
    """Return what a transport says of a request that it answered itself: the HTTP status, when to ask again, and whether it was sent."""
    data = getattr(error, "data", None)
    if not isinstance(data, Mapping):
        return 0, None, True
    status, wait = data.get("status"), data.get("retry_after")
    return status if isinstance(status, int) else 0, float(wait) if isinstance(wait, (int, float)) else None, data.get("sent") is not False


def advice(text: str) -> str:
    """Return what helps against what a server wrote, or an empty text."""
    return next((help_text for pattern, help_text in _ADVICE if re.search(pattern, text)), "")


def ended(server: str, report: LinkReport | None, *, was_executed: bool = True, reason: str = "") -> McpFault:
    """Return the fault of a connection that ended while it was in use."""
    why = (report.reason if report else "") or reason or "the connection was closed"
    text = f"MCP server {server!r} is gone: {clean_line(why)}{_wrote(report)}"
    return McpFault(text, server=server, kind="lost", report=report, is_retryable=True, was_executed=was_executed, counts=True)


def opening(server: str, error: BaseException | None, report: LinkReport | None, *, seconds: float = 0.0) -> McpFault:
    """Return the fault of a connection that could not be made.

    Args:
        server: The server's name.
        error: What was raised, exception groups included; None where it ended without a word.
        report: How the link was.
        seconds: The limit that was reached, where that is why.
    """
    cause = leaf(error) if error is not None else None
    if isinstance(cause, McpFault):
        return cause
    status = about(cause)[0] or (report.status if report else 0)
    code = getattr(cause, "code", 0) if isinstance(getattr(cause, "code", 0), int) else 0
    words = {"server": server, "report": report, "code": code, "was_executed": False, "counts": True}
    if seconds:
        wrote = _wrote(report)
        text = f"MCP server {server!r} was not ready within {seconds:g} s (connect_seconds){wrote or '; it wrote nothing that says why'}"
        return McpFault(text, kind="timeout", **words)  # type: ignore[arg-type]
    if status in (401, 403):
        text = f"MCP server {server!r} refuses the credentials: HTTP {status}; log in with: massgen mcp login {server}, or write a token into `auth`"
        return McpFault(text, kind="auth", **words)  # type: ignore[arg-type]
    if isinstance(cause, FileNotFoundError):
        missing = clean_line(str(cause.filename or cause))
        text = f"MCP server {server!r} cannot be started: there is no {missing}; install it, or write the whole path into `command`"
        return McpFault(text, kind="connect", **words)  # type: ignore[arg-type]
    if isinstance(cause, MassGenError):
        return McpFault(f"MCP server {server!r} cannot be opened: {cause}", kind="connect", **words)  # type: ignore[arg-type]
    if isinstance(cause, (ValueError, RuntimeError)):  # the SDK's, of an answer; that it ends afterwards is our doing
        text = f"MCP server {server!r} does not follow the protocol: {clean_line(_first(cause), 300)}{_wrote(report)}"
        return McpFault(text, kind="protocol", **words)  # type: ignore[arg-type]
    # What it answered comes first: that it ends when it is left is our doing.
    why = str(cause) if code not in (0, _GONE) else ""
    why = why or (report.reason if report else "") or (f"{type(cause).__name__}: {cause}" if cause is not None else "it ended without a word")
    # A server that answers with an error, or cannot be reached at the moment, may be there later; one that exits at once will exit again.
    may_return = status in (429, 502, 503, 504) or isinstance(cause, OSError) or (report is not None and report.pid is None and not status)
    text = f"MCP server {server!r} could not be opened: {clean_line(why)}{_wrote(report)}"
    return McpFault(text, kind="connect", is_retryable=may_return, **words)  # type: ignore[arg-type]


def _first(error: Exception) -> str:
    """Return what the SDK says of a message; its models name every mistake over several lines, and one is enough."""
    for one in getattr(error, "errors", list)():
        return f"{'.'.join(map(str, one.get('loc', ())))}: {one.get('msg', '')}"
    return str(error)


def _wrote(report: LinkReport | None) -> str:
    """Return what the server wrote last, and what helps against it."""
    if report is None or not report.stderr.strip():
        return ""
    lines = [line for line in clean(report.stderr).strip().splitlines() if line.strip()][-6:]
    helps = advice(report.stderr)
    return "; it wrote:\n" + "\n".join(f"  {line[:300]}" for line in lines) + (f"\n{helps}" if helps else "")
