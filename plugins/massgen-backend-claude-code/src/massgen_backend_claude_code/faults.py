"""What went wrong, as the errors that every backend raises."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from massgen_core.api import (
    AuthenticationFailed,
    BackendFault,
    BadRequest,
    BudgetExceeded,
    ConnectionLost,
    ContextTooLong,
    ModelMissing,
    Overloaded,
    RateLimited,
    TimedOut,
    clean_line,
)

__all__ = ["Faults"]

SHOWN = 600  # characters of the program's own words
_TOO_LONG = re.compile(r"prompt is too long|context[ _-]?(?:length|window|limit)|maximum context|input length and .max_tokens. exceed", re.IGNORECASE)
_STATUS = re.compile(r"API Error:? \(?(\d{3})\b")
# What a server said in the middle of an answer comes without a status.
_SAID = (
    (re.compile(r"overloaded", re.IGNORECASE), 529),
    (re.compile(r"rate.?limit", re.IGNORECASE), 429),
    (re.compile(r"server error|api_error"), 500),
)
_CREDIT = re.compile(r"credit balance|billing", re.IGNORECASE)
# What the program calls an error where it knows no status.
_WORDS: Mapping[str, int] = {
    "authentication_failed": 401,
    "oauth_org_not_allowed": 403,
    "billing_error": 402,
    "rate_limit": 429,
    "overloaded": 529,
    "invalid_request": 400,
    "model_not_found": 404,
    "request_too_large": 413,
    "server_error": 500,
}


class Faults:
    """Makes errors of one program.

    Args:
        reference: The reference to the key, for messages; never the key. Empty where none is handed over.
        redact: Removes secrets from text.
    """

    def __init__(self, reference: str, redact: Callable[[str], str]) -> None:
        self._reference, self._redact = reference, redact

    def of_retry(self, data: Mapping[str, Any], model: str) -> BackendFault:
        """Return the error of a failed model call that the program would try again."""
        status, delay = data.get("error_status"), data.get("retry_delay_ms")
        word = str(data.get("error") or "")
        said = f"the model's server failed ({word or 'no reason given'})"
        number = status if isinstance(status, int) else _WORDS.get(word, 0)
        # It adds some to what the server asked for; less than a second is its own idea.
        wait = float(delay // 1000) if isinstance(delay, int) and delay >= 1000 and number in (429, 503, 529) else None
        return self.of_status(number, said, model, wait=wait)

    def of_words(self, text: str, word: str, status: int | None, model: str) -> BackendFault:
        """Return the error of an answer that the program marks as failed."""
        found = _STATUS.search(text)
        number = status or (int(found[1]) if found else 0) or _WORDS.get(word, 0)
        number = number or next((code for pattern, code in _SAID if pattern.search(text)), 0)
        return self.of_status(number, text or word, model)

    def of_status(self, status: int, text: str, model: str, *, wait: float | None = None) -> BackendFault:
        """Return the error that a status and some words stand for; 0 is a connection that broke."""
        # Secrets go before the text is cut, or half of one could stay.
        said = f"Claude Code says: {clean_line(self._redact(text))[:SHOWN] or 'nothing'}"
        if _TOO_LONG.search(text) or status == 413:
            return ContextTooLong(f"{said} (model {model or 'by default'})", status=status)
        if status == 402 or (status in (0, 400) and _CREDIT.search(text)):
            return AuthenticationFailed(f"{said} The account behind {self._reference or 'this server'!r} has no credit left.", status=status)
        if status in (401, 403) or re.search(r"Invalid API key|Please run /login|Not logged in", text):
            return AuthenticationFailed(
                f"{said} Check the key of {self._reference!r}." if self._reference else f"{said} Name a key in the option `key`.", status=status
            )
        if status == 429:
            return RateLimited(said, retry_after=wait, status=status)
        if status == 503 and wait is not None:
            return RateLimited(said, retry_after=wait, status=status)
        if status == 404 or "issue with the selected model" in text:
            return ModelMissing(f"{said} (model {model or 'by default'})", status=status)
        if status in (408, 504):
            return TimedOut(said, status=status)
        if status >= 500 or status in (409, 425):
            return Overloaded(said, status=status)
        if status == 0:
            return ConnectionLost(said)
        return BadRequest(said, status=status)

    def of_end(self, subtype: str, text: str) -> BackendFault:
        """Return the error of a turn that the program ended by itself."""
        said = clean_line(self._redact(text))[:SHOWN]
        if subtype == "error_max_budget_usd":
            return BudgetExceeded(f"Claude Code's own budget is used up: {said}")
        return ConnectionLost(f"Claude Code broke off ({subtype}): {said or 'it says nothing more'}")

    def of_process(self, what: str, complaints: str) -> BackendFault:
        """Return the error of a program that ended, or spoke otherwise than agreed."""
        said = clean_line(self._redact(complaints))[-SHOWN:]
        text = f"{clean_line(self._redact(what))[:SHOWN]}{f'; it complains: {said}' if said else ''}"
        if "dangerously-skip-permissions" in complaints:
            return BadRequest(f"{text} (permission_mode bypassPermissions is refused to the user root; choose another one, or another user)")
        if re.search(r"cannot be started|Claude Code not found", what):
            return BadRequest(f"{text}; is `cli_path` right?")
        return ConnectionLost(text)
