"""What went wrong, as the errors that every backend raises."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import httpx2
import msgspec

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

__all__ = ["Faults", "body_error"]

SHOWN = 600  # characters of a provider's own words

_TOO_LONG = re.compile(
    r"context[ _-]?(?:length|window|size)|maximum context|prompt is too long|too many (?:input )?tokens|max_model_len"
    r"|input (?:is )?too long|exceeds? the (?:available |model's )?(?:context|maximum (?:input|prompt))",
    re.IGNORECASE,
)
_WORDS: tuple[tuple[str, int], ...] = (
    ("overload", 529),
    ("capacity", 529),
    ("unavailable", 503),
    ("rate_limit", 429),
    ("ratelimit", 429),
    ("too_many_requests", 429),
    ("insufficient_quota", 402),
    ("insufficient_balance", 402),
    ("invalid_api_key", 401),
    ("authentication", 401),
    ("unauthorized", 401),
    ("permission", 403),
    ("model_not_found", 404),
    ("timeout", 504),
    ("invalid_request", 400),
    ("bad_request", 400),
    ("server_error", 500),
    ("internal", 500),
)


def body_error(body: Any) -> tuple[str, str, int]:
    """Return the message, the words that classify it, and the status in an error body of whatever form; empty and 0 where it says none."""
    if isinstance(body, list):
        body = body[0] if body else None
    error = body.get("error", body) if isinstance(body, Mapping) else body
    if isinstance(error, str):
        return error, "", 0
    if not isinstance(error, Mapping):
        return "", "", 0
    message = next((error[name] for name in ("message", "detail", "msg", "error") if isinstance(error.get(name), str)), "")
    metadata = error.get("metadata")
    if isinstance(metadata, Mapping) and isinstance(metadata.get("raw"), str):  # a router's word of the server behind it
        message = f"{message}: {metadata['raw']}"
    words = " ".join(str(error[name]) for name in ("code", "type", "status") if isinstance(error.get(name), str))
    numbers = [error.get(name) for name in ("status", "code", "status_code")]
    status = next((int(number) for number in numbers if isinstance(number, int | str) and re.fullmatch(r"[1-5]\d\d", str(number))), 0)
    return message, words, status


class Faults:
    """Makes errors of one server.

    Args:
        where: The server's address, for messages.
        reference: The reference to the key, for messages; never the key.
        redact: Removes secrets from text.
    """

    def __init__(self, where: str, reference: str, redact: Callable[[str], str]) -> None:
        self.where, self.reference, self._redact = where, reference, redact

    def of_status(self, status: int, headers: Mapping[str, str], raw: bytes, model: str) -> BackendFault:
        """Return the error of an answer whose status is not 2xx."""
        try:
            body: Any = msgspec.json.decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            body = raw.decode(errors="replace")
        return self._made(status, body, headers, model)

    def of_event(self, body: Any, model: str) -> BackendFault:
        """Return the error that a server says inside of a stream; the status was 200, so the words count."""
        _, words, status = body_error(body)
        lowered = words.lower()
        status = status or next((number for word, number in _WORDS if word in lowered), 500)
        return self._made(status, body, {}, model)

    def _made(self, status: int, body: Any, headers: Mapping[str, str], model: str) -> BackendFault:
        message, words, _ = body_error(body)
        # Secrets go before the text is cut, or half of one could stay.
        text = clean_line(self._redact(message))[:SHOWN] or f"HTTP {status} without a word"
        said = f"{self.where} says: {text}"
        kind = words.lower()
        if status in (400, 413, 422, 500) and ("context" in kind or _TOO_LONG.search(message)):
            return ContextTooLong(f"{said} The conversation does not fit into the context of {model!r}.", status=status)
        if status in (401, 403, 407) or "invalid_api_key" in kind or (status == 400 and "api key" in message.lower()):
            key = f"the key of {self.reference!r}" if self.reference else "no key was sent; name one in the option `key`"
            return AuthenticationFailed(f"{said} Check {key}." if self.reference else f"{said} ({key})", status=status)
        if status == 402 or "insufficient_quota" in kind:
            return AuthenticationFailed(f"{said} The account behind {self.reference or 'this server'!r} has no credit left.", status=status)
        wait = retry_after(headers)
        if status == 429 or (status == 503 and wait is not None):
            return RateLimited(said, retry_after=wait, status=status)
        if status in (408, 504):
            return TimedOut(said, status=status)
        if status >= 500 or status in (409, 425, 498):
            return Overloaded(said, status=status)
        if status == 404:
            if "model" in kind or "model" in message.lower():
                return ModelMissing(f"{said} (model {model!r})", status=status)
            return BadRequest(f"{said} Is the base_url right? A path like /v1 may be missing.", status=status)
        if 300 <= status < 400:
            return BadRequest(f"{self.where} sends its callers elsewhere (HTTP {status}); write the final address as base_url", status=status)
        return BadRequest(said, status=status)

    def of_transport(self, error: httpx2.HTTPError) -> BackendFault:
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
