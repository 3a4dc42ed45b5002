"""What went wrong, as the errors that every backend raises."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import httpx2
import msgspec
import openai

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

__all__ = ["BROKEN", "Faults"]

# All that reading a stream can raise: the SDK's own errors, those of the library below it, and bytes that are no JSON.
BROKEN = (openai.OpenAIError, httpx2.HTTPError, httpx2.StreamError, msgspec.MsgspecError, UnicodeDecodeError)
SHOWN = 600  # characters of the API's own words

_TOO_LONG = re.compile(r"context[ _-]?(?:length|window|size)|maximum context|too many (?:input )?tokens|input is too long", re.IGNORECASE)
_AGAIN = re.compile(r"try again in (\d{1,6}(?:\.\d{1,6})?)\s?(ms|s)\b", re.IGNORECASE)
# Words of `code` and `type`, for errors inside of a stream, which come without a status of their own.
_WORDS: tuple[tuple[str, int], ...] = (
    ("insufficient_quota", 402),
    ("rate_limit", 429),
    ("too_many", 429),
    ("overload", 529),
    ("unavailable", 503),
    ("timeout", 504),
    ("api_key", 401),
    ("authentication", 401),
    ("permission", 403),
    ("model_not_found", 404),
    ("server_error", 500),
    ("internal", 500),
    ("context_length", 400),
    ("invalid", 400),
    ("policy", 400),
    ("image", 400),
    ("not_found", 400),
    ("mismatch", 400),
)


class Faults:
    """Makes errors of one server.

    Args:
        where: The server's address, for messages.
        reference: The reference to the key, for messages; never the key.
        redact: Removes secrets from text.
    """

    def __init__(self, where: str, reference: str, redact: Callable[[str], str]) -> None:
        self._where, self._reference, self._redact = where, reference, redact

    def of(self, error: BaseException, model: str) -> BackendFault:
        """Return the error of anything in `BROKEN`; it must be raised `from None`, since tracebacks of the SDK hold the request and so the key."""
        if isinstance(error, openai.APIStatusError):
            return self._made(error.status_code, error.body, error.response.headers, model)
        cause = error.__cause__ if isinstance(error, openai.APIConnectionError) else error
        if isinstance(cause, httpx2.ConnectTimeout):
            return TimedOut(f"{self._where} did not take a connection in time (connect_seconds)")
        if isinstance(cause, httpx2.TimeoutException) or isinstance(error, openai.APITimeoutError):
            return TimedOut(f"{self._where} sent nothing for too long (idle_seconds)")
        what = self._clean(str(cause or error)) or type(cause or error).__name__
        if isinstance(cause, httpx2.ConnectError):
            return ConnectionLost(f"cannot connect to {self._where}: {what}. Is the address right, and is there a network?")
        if isinstance(error, msgspec.MsgspecError | UnicodeDecodeError):
            return self.garbled("an event that is no JSON")
        if isinstance(error, openai.APIError) and error.body is not None:
            return self.of_event(error.body, model)
        return ConnectionLost(f"the connection to {self._where} broke: {what}")

    def of_event(self, error: Any, model: str) -> BackendFault:
        """Return the error that the API says inside of a stream; the status was 200, so the words count."""
        lowered = _words(error)
        status = next((number for word, number in _WORDS if word in lowered), 500)
        return self._made(status, error, {}, model)

    def garbled(self, what: str) -> BackendFault:
        """Return the error of a server that does not keep to the protocol."""
        return ConnectionLost(f"{self._where} sent {what}")

    def _clean(self, text: str) -> str:
        # Secrets go before the text is cut, or half of one could stay.
        return clean_line(self._redact(text))[:SHOWN]

    def _made(self, status: int, error: Any, headers: Mapping[str, str], model: str) -> BackendFault:
        message, kind = _message(error), _words(error)
        said = f"{self._where} says: {self._clean(message) or f'HTTP {status} without a word'}"
        if status in (400, 413) and ("context_length" in kind or _TOO_LONG.search(f"{kind} {message}")):
            return ContextTooLong(f"{said} The conversation does not fit into the context of {model!r}.", status=status)
        if status == 402 or "insufficient_quota" in kind:
            return AuthenticationFailed(f"{said} The account behind {self._reference or 'this server'!r} has no credit left.", status=status)
        if status in (401, 403, 407):
            check = f"Check the key of {self._reference!r}." if self._reference else "No key was sent; name one in the option `key`."
            return AuthenticationFailed(f"{said} {check}", status=status)
        wait = retry_after(headers)
        if status == 429 or (status == 503 and wait is not None):
            return RateLimited(said, retry_after=_wait(message) if wait is None else wait, status=status)
        if status in (408, 504):
            return TimedOut(said, status=status)
        if status >= 500 or status in (409, 425):
            return Overloaded(said, status=status)
        if status == 404:
            if "model" in kind or "model" in message.lower() or "deployment" in message.lower():
                return ModelMissing(f"{said} (model {model!r})", status=status)
            return BadRequest(f"{said} Is the address right, and does this server speak the Responses API?", status=status)
        if 300 <= status < 400:
            return BadRequest(f"{self._where} sends its callers elsewhere (HTTP {status}); write the final address as base_url", status=status)
        hint = (
            " The option `chain` needs answers that OpenAI still has; without it the whole conversation is sent."
            if "previous_response" in kind
            else ""
        )
        return BadRequest(said + hint, status=status)


def _message(error: Any) -> str:
    """Return the words for people in an error of whatever form."""
    if isinstance(error, Mapping):
        inner = error.get("error")
        named = (error.get(name) for name in ("message", "detail", "msg"))
        return next((text for text in named if isinstance(text, str)), _message(inner) if inner else "")
    return error if isinstance(error, str) else ""


def _words(error: Any) -> str:
    """Return the words for programs in an error, in lower case."""
    if not isinstance(error, Mapping):
        return ""
    said = [error[name] for name in ("code", "type", "param") if isinstance(error.get(name), str)]
    return " ".join(said).lower() + _words(error.get("error"))


def _wait(message: str) -> float | None:
    """Return the seconds that a message asks to wait; inside of a stream no header does."""
    said = _AGAIN.search(message)
    return float(said[1]) * (0.001 if said[2].lower() == "ms" else 1.0) if said else None
