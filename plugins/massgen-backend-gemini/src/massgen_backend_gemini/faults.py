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

__all__ = ["Faults", "StreamError"]

SHOWN = 600  # characters of a provider's own words
_TOO_LONG = re.compile(
    r"token count.{0,40}exceeds|exceeds the (?:maximum number of tokens|context)|context[ _-]?(?:length|window|size)|prompt is too long", re.I
)
_DELAY = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s\Z")
_STATUSES: Mapping[str, int] = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
_WORDS: tuple[tuple[str, int], ...] = (("overload", 503), ("quota", 429), ("rate limit", 429), ("api key", 401), ("timeout", 504))


class StreamError(Exception):
    """A server told an error inside of a stream that began well.

    Args:
        body: What it told: plain data.
    """

    def __init__(self, body: Any) -> None:
        self.body = body
        super().__init__("an error inside of a stream")


def _error_of(body: Any) -> Mapping[str, Any]:
    if isinstance(body, list):
        body = body[0] if body else None
    error = body.get("error", body) if isinstance(body, Mapping) else body
    return {"message": error} if isinstance(error, str) else error if isinstance(error, Mapping) else {}


def _details(error: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    details = error.get("details")
    return [each for each in details if isinstance(each, Mapping)] if isinstance(details, list) else []


def _wait(error: Mapping[str, Any], headers: Mapping[str, str]) -> float | None:
    """Return the seconds to wait: from the header, or from the details that Google's servers add."""
    if (seconds := retry_after(headers)) is not None:
        return seconds
    found = [_DELAY.match(str(each.get("retryDelay", ""))) for each in _details(error)]
    return next((float(match[1]) for match in found if match), None)


class Faults:
    """Makes errors.

    Args:
        where: The server, for messages.
        reference: The reference to the key or to the credentials, for messages; never the secret.
        redact: Removes secrets from text.
    """

    def __init__(self, where: str, reference: str, redact: Callable[[str], str]) -> None:
        self.where, self.reference, self._redact = where, reference, redact

    def of(self, error: Exception, model: str) -> BackendFault:
        """Return the error for whatever the SDK raised."""
        if isinstance(error, StreamError):
            return self._told(0, error.body, {}, model)
        if isinstance(error, httpx2.HTTPError):
            return self._of_transport(error)
        module = type(error).__module__
        if module == "google.genai.errors" and isinstance(code := getattr(error, "code", None), int):
            headers = getattr(getattr(error, "response", None), "headers", {})
            return self._told(code, getattr(error, "details", None), headers, model)
        said = self._shown(str(error))
        if module.startswith("google.auth"):
            if type(error).__name__ == "TransportError":
                return ConnectionLost(f"Google's server of tokens cannot be reached: {said}")
            return AuthenticationFailed(f"Google Cloud does not take these credentials: {said} Check {self.reference}.")
        return ConnectionLost(f"{self.where} sent something that cannot be read ({type(error).__name__})")

    def of_request(self, error: Exception) -> BackendFault:
        """Return the error for a request that the SDK does not take."""
        return BadRequest(f"the SDK does not take this request: {self._shown(str(error))}")

    def garbled(self, what: str) -> BackendFault:
        """Return the error of a server that does not keep to the protocol."""
        return ConnectionLost(f"{self.where} sent {what}")

    def broken_off(self, why: str) -> BackendFault:
        """Return the error of a model that stopped without an answer, for a reason that is none."""
        return Overloaded(f"{self.where} ended without an answer: {self._shown(why)}")

    def _shown(self, text: str) -> str:
        # Secrets go before the text is cut, or half of one could stay.
        return clean_line(self._redact(text))[:SHOWN]

    def _told(self, status: int, body: Any, headers: Mapping[str, str], model: str) -> BackendFault:
        error = _error_of(body)
        message, word = str(error.get("message") or ""), str(error.get("status") or "")
        if not status:
            status = error["code"] if isinstance(error.get("code"), int) else _STATUSES.get(word.upper(), 0)
        if not status:
            lowered = f"{word} {message}".lower()
            status = next((number for part, number in _WORDS if part in lowered), 500)
        reasons = {str(each.get("reason")) for each in _details(error)}
        said = f"{self.where} says: {self._shown(message) or f'HTTP {status} without a word'}"
        if status in (400, 413, 500) and _TOO_LONG.search(message):
            return ContextTooLong(f"{said} The conversation does not fit into the context of {model!r}.", status=status)
        if status in (401, 403, 407) or "API_KEY_INVALID" in reasons or (status == 400 and "api key" in message.lower()):
            return AuthenticationFailed(f"{said} Check {self.reference}.", status=status)
        if status == 404:
            return ModelMissing(f"{said} (model {model!r}; massgen models --backend gemini lists some)", status=status)
        wait = _wait(error, headers)
        if status == 429 or (status == 503 and wait is not None):
            return RateLimited(said, retry_after=wait, status=status)
        if status in (408, 504):
            return TimedOut(said, status=status)
        if status >= 500 or status in (409, 425, 499):
            return Overloaded(said, status=status)
        if 300 <= status < 400:
            return BadRequest(f"{self.where} sends its callers elsewhere (HTTP {status}); write the final address as base_url", status=status)
        return BadRequest(f"{said}{_hint(message)}", status=status)

    def _of_transport(self, error: httpx2.HTTPError) -> BackendFault:
        what = self._shown(str(error)) or type(error).__name__
        if isinstance(error, httpx2.ConnectTimeout):
            return TimedOut(f"{self.where} did not take a connection in time (connect_seconds)")
        if isinstance(error, httpx2.ReadTimeout):
            return TimedOut(f"{self.where} sent nothing for too long (idle_seconds)")
        if isinstance(error, httpx2.TimeoutException):
            return TimedOut(f"{self.where} took too long: {what}")
        if isinstance(error, httpx2.ConnectError):
            return ConnectionLost(f"cannot connect to {self.where}: {what}. Is base_url right?")
        return ConnectionLost(f"the connection to {self.where} broke: {what}")


def _hint(message: str) -> str:
    lowered = message.lower()
    if "tool use with function calling" in lowered:
        return " This model takes hosted tools or functions, not both: set hosted_with_functions: first."
    if "response mime type" in lowered:
        return " This model takes functions or a schema for its text, not both."
    if "thinking level" in lowered or "thinking_level" in lowered:
        return " This model takes thinking_budget instead."
    if "thinking_budget" in lowered or "thinking budget" in lowered:
        return " Set another thinking_budget, or thinking_level for Gemini 3 and later."
    return ""
