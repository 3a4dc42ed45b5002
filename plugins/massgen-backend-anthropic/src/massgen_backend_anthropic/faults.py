"""What went wrong, as the errors that every backend raises."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import httpx2

from massgen_core.api import (
    AuthenticationFailed,
    BackendFault,
    BadRequest,
    ConnectionLost,
    ContextTooLong,
    ModelMissing,
    Overloaded,
    RateLimited,
    TimedOut,
    clean_line,
    retry_after,
)

__all__ = ["Faults", "is_filtered"]

SHOWN = 600  # characters of a provider's own words
_TOO_LONG = re.compile(
    r"prompt is too long|context[ _-]?(?:length|window|limit|size)|maximum context|exceeds? the (?:available |model's )?context", re.IGNORECASE
)
_NO_CREDIT = re.compile(r"credit balance|billing|payment", re.IGNORECASE)
_FILTERED = re.compile(r"content filtering policy", re.IGNORECASE)
# Inside of a stream there is no status: the error's type stands for it.
_STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "timeout_error": 504,
    "gateway_timeout_error": 504,
    "overloaded_error": 529,
}


def _told(body: Any) -> tuple[str, str]:
    """Return the type and the message in an error's body; empty where it says none."""
    error = body.get("error", body) if isinstance(body, Mapping) else body
    if isinstance(error, Mapping):
        kind, message = error.get("type"), error.get("message")
        return kind if isinstance(kind, str) else "", message if isinstance(message, str) else ""
    return "", error if isinstance(error, str) else ""


def is_filtered(body: Any) -> bool:
    """Tell whether an error is the provider's filter, which took the answer away."""
    return bool(_FILTERED.search(_told(body)[1]))


class Faults:
    """Makes errors of one server.

    Args:
        where: The server's address, for messages.
        reference: The reference to the key, for messages; never the key.
        redact: Removes secrets from text.
    """

    def __init__(self, where: str, reference: str, redact: Callable[[str], str]) -> None:
        self.where, self.reference, self._redact = where, reference, redact

    def of_event(self, body: Any, model: str) -> BackendFault:
        """Return the error that a server says inside of a stream."""
        return self.of_status(_STATUSES.get(_told(body)[0], 500), {}, body, model)

    def of_status(self, status: int, headers: Mapping[str, str], body: Any, model: str) -> BackendFault:
        """Return the error of an answer whose status is not 2xx."""
        _, message = _told(body)
        # Secrets go before the text is cut, or half of one could stay.
        text = clean_line(self._redact(message))[:SHOWN] or f"HTTP {status} without a word"
        said = f"{self.where} says: {text}"
        if status == 413 or (status in (400, 422, 500) and _TOO_LONG.search(message)):
            return ContextTooLong(f"{said} The conversation does not fit into the context of {model!r}.", status=status)
        if status == 402 or (status in (400, 403) and _NO_CREDIT.search(message)):
            return AuthenticationFailed(f"{said} The account behind {self.reference or 'this server'!r} cannot pay.", status=status)
        if status in (401, 403, 407):
            check = f"Check the key of {self.reference!r}." if self.reference else "No key was sent; name one in the option `key`."
            return AuthenticationFailed(f"{said} {check}", status=status)
        wait = retry_after(headers)
        if status == 429 or (status == 503 and wait is not None):
            return RateLimited(said, retry_after=wait, status=status)
        if status in (408, 504):
            return TimedOut(said, status=status)
        if status >= 500 or status == 409:
            return Overloaded(said, status=status)
        if status == 404:
            if "model" in message.lower():
                return ModelMissing(f"{said} (model {model!r}; massgen models --backend anthropic lists some)", status=status)
            return BadRequest(f"{said} Is the base_url right? /v1/messages is appended to it.", status=status)
        if 300 <= status < 400:
            return BadRequest(f"{self.where} sends its callers elsewhere (HTTP {status}); write the final address as base_url", status=status)
        return BadRequest(said, status=status)

    def of_transport(self, error: BaseException) -> BackendFault:
        """Return the error of a connection that failed."""
        what = clean_line(self._redact(str(error)))[:SHOWN] or type(error).__name__
        if isinstance(error, httpx2.ConnectTimeout):
            return TimedOut(f"{self.where} did not take a connection in time (connect_seconds)")
        if isinstance(error, httpx2.ReadTimeout):
            return TimedOut(f"{self.where} sent nothing for too long (idle_seconds)")
        if isinstance(error, httpx2.TimeoutException):
            return TimedOut(f"{self.where} took too long: {what}")
        if isinstance(error, httpx2.ConnectError):
            return ConnectionLost(f"cannot connect to {self.where}: {what}. Is the server running, and is base_url right?")
        return ConnectionLost(f"the connection to {self.where} broke: {what}")

    def garbled(self, what: str) -> BackendFault:
        """Return the error of a server that does not keep to the protocol."""
        return ConnectionLost(f"{self.where} sent {what}")
