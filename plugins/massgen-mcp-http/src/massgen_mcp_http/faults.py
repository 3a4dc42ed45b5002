"""What HTTP answers mean, for a person and for the client."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Mapping
from typing import Any

import attrs
import httpx2

from massgen_core.api import MassGenError, clean_line

__all__ = ["NOT_FOUND", "SESSION_GONE", "HttpFault", "Problem", "lost", "of_status", "retry_after"]

LOST = -32000
SESSION_GONE = -32600
NOT_FOUND = -32601
FAILED = -32603
UNREADABLE = -32700


class HttpFault(MassGenError):
    """Something between us and a server failed. The link lives.

    Args:
        message: What happened and what to do.
        status: The HTTP status; 0 where there was none.
        retry_after: Seconds after which the server wants to be asked again; None where it does not say.
    """

    def __init__(self, message: str, *, status: int = 0, retry_after: float | None = None) -> None:
        self.status, self.retry_after = status, retry_after
        super().__init__(message)


@attrs.frozen(kw_only=True)
class Problem:
    """Why a request has no answer: what its caller is told.

    Attributes:
        code: The JSON-RPC code.
        text: For a person.
        status: The HTTP status; 0 where there was none.
        retry_after: Seconds that the server asks to wait.
        is_sent: The server may have received the request.
    """

    code: int
    text: str
    status: int = 0
    retry_after: float | None = None
    is_sent: bool = True

    def data(self) -> dict[str, Any]:
        """Return what stands beside the message in the JSON-RPC error."""
        found: dict[str, Any] = {"status": self.status} if self.status else {}
        if not self.is_sent:
            found["sent"] = False
        return found if self.retry_after is None else {**found, "retry_after": self.retry_after}

    def fault(self) -> HttpFault:
        """Return it as an exception."""
        return HttpFault(self.text, status=self.status, retry_after=self.retry_after)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a server asks to wait: a number or a date in its header; never more than a day."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(min(int(text[:9]), 86_400))
    try:
        when = email.utils.parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
    return min(max(0.0, when - time.time()), 86_400.0)


def of_status(response: httpx2.Response, *, has_session: bool) -> Problem:
    """Return what an answer that is no success means."""
    status, wait = response.status_code, retry_after(response.headers)
    if response.has_redirect_location:
        location = clean_line(response.headers.get("location", "").partition("?")[0], 200)
        text = f"HTTP {status}: it redirects to {location}, which is not followed; set url to that address, or add its host to redirect_hosts"
        return Problem(code=SESSION_GONE, text=text, status=status)
    words = {
        401: "the server wants credentials, or others; give it a token in auth or headers, or log in",
        403: "the credentials do not allow this; ask for the rights, or use others",
        404: f"there is nothing at {response.request.url.path}; check url",
        405: "the server does not take this kind of request at this address; check url and type",
        406: "the server cannot answer in a form that MCP knows; check url",
        408: "the server waited too long for the request; try again",
        413: "the request is too large for the server",
        415: "the server does not take JSON at this address; check url",
        429: f"too many requests; try again {'later' if wait is None else f'in {wait:g} s'}",
    }
    text = words.get(status, "the server failed; try again later, or look into its own log" if status >= 500 else "the server refused the request")
    code = FAILED
    if status == 404:
        code = SESSION_GONE if has_session else NOT_FOUND
        text = "Session terminated: the server does not know this session any more; it is begun anew" if has_session else text
    return Problem(code=code, text=f"HTTP {status}: {text}", status=status, retry_after=wait)


_UNSENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError)


def lost(error: Exception, url: str) -> Problem:
    """Return what a failed connection means."""
    host = httpx2.URL(url).host
    name = type(error).__name__
    if isinstance(error, httpx2.ConnectTimeout):
        text = f"{host} could not be reached in time (connect_seconds)"
    elif isinstance(error, httpx2.TimeoutException):
        text = f"{host} sent nothing for too long (idle_seconds)"
    elif isinstance(error, httpx2.ConnectError | httpx2.ProxyError):
        text = f"{host} cannot be reached: {clean_line(str(error)) or name}"
    else:
        text = f"the connection to {host} broke: {clean_line(str(error)) or name}"
    return Problem(code=LOST, text=text, is_sent=not isinstance(error, _UNSENT))
