"""What a provider, or the way to it, said instead of an answer, as the errors that every backend raises."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs

from massgen_core.errors import (
    AuthenticationFailed,
    BackendFault,
    BadRequest,
    ConnectionLost,
    ContextTooLong,
    ModelMissing,
    Overloaded,
    RateLimited,
    TimedOut,
)
from massgen_core.rates import retry_after
from massgen_core.terminal import clean_line

__all__ = ["FaultRules", "Faults", "Told", "told"]

SHOWN = 600  # characters of a provider's own words
_TOO_LONG = re.compile(
    r"context[ _-]?(?:length|window|limit|size)|maximum context|prompt is too long|too many (?:input )?tokens|max_model_len|input (?:is )?too long"
    r"|maximum prompt length|prompt exceeds max|model token limit|range of input length|`inputs` tokens \+"
    r"|token count.{0,40}exceeds|exceeds? the (?:(?:available |model's )?context|maximum (?:input|prompt|number of tokens))",
    re.IGNORECASE,
)
# With 429 many speak of billing who only mean that one is too fast.
_NO_CREDIT = re.compile(r"credit balance|billing|payment required|good standing|usage limits", re.IGNORECASE)
_NO_MONEY = re.compile(
    r"insufficient[_ ](?:quota|balance|credit|fund)|exceeded_current_quota|billing_not_active|arrearage"
    r"|(?:all|out of) (?:available )?credits|spending (?:limit|cap)|please recharge",
    re.IGNORECASE,
)
_MODEL = re.compile(r"model|deployment|no endpoints found for", re.IGNORECASE)
_NO_MODEL = re.compile(
    r"model_not_found|invalid_model\b|(?:unknown|invalid|a valid) model\b|model\W+(?:\S+\W+)?(?:(?:does )?not exist|(?:is )?not found)", re.IGNORECASE
)
_BAD_KEY = re.compile(r"invalid_api_key|api_key_invalid")
_AGAIN = re.compile(r"try again in (\d{1,6}(?:\.\d{1,6})?)\s?(ms|s)\b", re.IGNORECASE)
_DELAY = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s\Z")
# Inside of a stream there is no status: words stand for it. What comes first counts.
_WORDS: tuple[tuple[str, int], ...] = (
    ("insufficient_quota", 402),
    ("insufficient_balance", 402),
    ("billing_error", 402),
    ("rate_limit", 429),
    ("ratelimit", 429),
    ("too_many", 429),
    ("resource_exhausted", 429),
    ("overload", 529),
    ("capacity", 529),
    ("unavailable", 503),
    ("timeout", 504),
    ("deadline_exceeded", 504),
    ("api_key", 401),
    ("authenticat", 401),
    ("unauthorized", 401),
    ("permission", 403),
    ("model_not_found", 404),
    ("server_error", 500),
    ("internal", 500),
    ("context_length", 400),
    ("invalid_request", 400),
    ("invalid_argument", 400),
    ("failed_precondition", 400),
    ("bad_request", 400),
    ("unexpected_endpoint", 404),
)


@attrs.frozen(kw_only=True)
class Told:
    """What an error's body says.

    Attributes:
        message: For people; empty where it says nothing.
        words: For programs, in lower case: codes, types, states, names of fields and reasons.
        status: The status that stands in the body itself; 0 where none does.
        wait: Seconds to wait, where the body says so.
    """

    message: str = ""
    words: str = ""
    status: int = 0
    wait: float | None = None


def told(body: Any) -> Told:
    """Read an error's body in whatever form it is, as bytes or as plain data: text, an error, an error in an object, or a list of such."""
    if isinstance(body, bytes):
        try:
            body = json.loads(body)
        except (ValueError, RecursionError):
            body = body.decode(errors="replace")
    if isinstance(body, list):
        body = body[0] if body else None
    error = (body.get("error") or body) if isinstance(body, Mapping) else body
    if isinstance(error, str):
        return Told(message=error)
    if not isinstance(error, Mapping):
        return Told()
    message = next((error[name] for name in ("message", "detail", "msg", "error") if isinstance(error.get(name), str)), "")
    metadata = error.get("metadata")
    if isinstance(metadata, Mapping) and isinstance(metadata.get("raw"), str):  # a router's word of the server behind it
        message = f"{message}: {metadata['raw']}"
    details = error.get("details")
    more = [each for each in details if isinstance(each, Mapping)] if isinstance(details, list) else []
    words = [error.get(name) for name in ("code", "type", "status", "param")] + [each.get("reason") for each in more]
    numbers = [str(error.get(name)) for name in ("status", "code", "status_code")]
    delays = [_DELAY.match(str(each.get("retryDelay", ""))) for each in more]
    return Told(
        message=message,
        words=" ".join(word for word in words if isinstance(word, str)).lower(),
        status=next((int(number) for number in numbers if re.fullmatch(r"[1-5][0-9]{2}", number)), 0),
        wait=next((float(match[1]) for match in delays if match), None),
    )


@attrs.frozen(kw_only=True)
class FaultRules:
    """In what one provider differs from others.

    Attributes:
        words: Further words that stand for a status inside of a stream, after the usual ones.
        too_long: Statuses that mean, whatever is said, that the conversation is too long.
        lists: What to do about a model that is missing, for messages.
        address: What to do about an address where nothing is, for messages.
        hints: Patterns of what a provider says of a request, each with what to do about it.
    """

    words: tuple[tuple[str, int], ...] = ()
    too_long: tuple[int, ...] = ()
    lists: str = ""
    address: str = "Is the base_url right?"
    hints: tuple[tuple[str, str], ...] = ()


class Faults:
    """Makes errors of one server. They are to be raised `from None`, since what HTTP clients and SDKs raise holds the request, and so the key.

    Args:
        where: The server, for messages.
        reference: The reference to the key, for messages; never the key.
        redact: Removes secrets from text.
        rules: In what its provider differs from others.
        advice: What to do where it does not know who asks; empty: to check the key.
    """

    def __init__(self, where: str, reference: str, redact: Callable[[str], str], rules: FaultRules | None = None, *, advice: str = "") -> None:
        self.where, self.reference, self._redact, self._rules = where, reference, redact, rules or FaultRules()
        key = f"Check the key of {reference!r}." if reference else "No key was sent; name one in the option `key`."
        self._advice = advice or key

    def of(self, error: BaseException, model: str) -> BackendFault:
        """Return the error of whatever an HTTP client, or an SDK upon one, raised.

        They are known by the names of their classes, as the kernel has neither.
        """
        response = getattr(error, "response", None)
        status = next((number for name in ("status_code", "code") if isinstance(number := getattr(error, name, None), int)), 0)
        body = next((found for name in ("body", "details") if (found := getattr(error, name, None)) is not None), None)
        if 100 <= status < 600:
            return self.of_status(status, getattr(response, "headers", {}), body, model)
        is_wrapped = "APIConnectionError" in _names(error) and error.__cause__ is not None
        names = {*_names(error), *(_names(error.__cause__) if is_wrapped else ())}
        if "ConnectTimeout" in names:
            return TimedOut(f"{self.where} did not take a connection in time (connect_seconds)")
        if "ReadTimeout" in names:
            return TimedOut(f"{self.where} sent nothing for too long (idle_seconds)")
        what = self.shown(str(error.__cause__ if is_wrapped else error)) or type(error).__name__
        if names & {"TimeoutException", "APITimeoutError"}:
            return TimedOut(f"{self.where} took too long: {what}")
        if "ConnectError" in names:
            return ConnectionLost(f"cannot connect to {self.where}: {what}. Is the server running, and is the address right?")
        if names & {"JSONDecodeError", "DecodeError", "UnicodeDecodeError"}:
            return self.garbled("an event that is no JSON")
        if body is not None:
            return self.of_event(body, model)
        return ConnectionLost(f"the connection to {self.where} broke: {what}")

    def of_status(self, status: int, headers: Mapping[str, str], body: Any, model: str) -> BackendFault:
        """Return the error of an answer whose status is not 2xx.

        Args:
            headers: Of the answer, with lower-case names, or a mapping that does not tell cases apart.
            body: As `told` takes it.
            model: That was asked for, for messages.
        """
        return self._made(status, headers, told(body), model)

    def of_event(self, body: Any, model: str) -> BackendFault:
        """Return the error that a server says inside of a stream; the status was 200, so its words count."""
        said = told(body)
        return self._made(said.status or self._meant(said), {}, said, model)

    def of_page(self, headers: Mapping[str, str]) -> BackendFault | None:
        """Return the error of a web page that came instead of an answer, whatever its status says; None where it is none.

        It may be the page of a proxy, which goes away, or of a wrong address.
        """
        kind = headers.get("content-type", "")
        if not kind.startswith("text/html"):
            return None
        return ConnectionLost(f"{self.where} sent a web page ({self.shown(kind)}) instead of an answer. {self._rules.address}")

    def garbled(self, what: str) -> BackendFault:
        """Return the error of a server that does not keep to the protocol."""
        return ConnectionLost(f"{self.where} sent {what}")

    def shown(self, text: str) -> str:
        """Return a provider's words as they can be shown."""
        # Secrets go before the text is cut, or half of one could stay.
        return clean_line(self._redact(text))[:SHOWN]

    def _meant(self, said: Told) -> int:
        """Return the status that words stand for: those for programs, else those for people."""
        for text in (said.words, said.message.lower()):
            written = text.replace(" ", "_").replace("-", "_")
            for word, status in (*_WORDS, *self._rules.words):
                if word in written:
                    return status
        return 500

    def _made(self, status: int, headers: Mapping[str, str], error: Told, model: str) -> BackendFault:
        shown, words = self.shown(error.message) or f"HTTP {status} without a word", f"{error.words} {error.message}"
        said = f"{self.where} says: {shown}{'' if shown[-1] in '.!?…:' else '.'}"
        if status in self._rules.too_long or (status in (400, 413, 422, 500) and _TOO_LONG.search(words)):
            return ContextTooLong(f"{said} The conversation does not fit into the context of {model!r}.", status=status)
        is_refused = status in (400, 403, 412, 429)
        if status == 402 or (is_refused and _NO_MONEY.search(words)) or (status in (400, 403) and _NO_CREDIT.search(error.message)):
            return AuthenticationFailed(
                f"{said} The account behind {self.reference or 'this server'!r} has no credit left: add some there, or use another key.",
                status=status,
            )
        if status in (401, 403, 407) or _BAD_KEY.search(error.words) or (status == 400 and "api key" in error.message.lower()):
            return AuthenticationFailed(f"{said} {self._advice}", status=status)
        wait = error.wait if (asked := retry_after(headers)) is None else asked
        if status == 429 or (status == 503 and wait is not None):
            return RateLimited(said, retry_after=_asked(error.message) if wait is None else wait, status=status)
        if status in (408, 504):
            return TimedOut(said, status=status)
        # A model that garbled its call does better when it is asked again.
        if status >= 500 or status in (409, 425, 498, 499) or "tool_use_failed" in error.words:
            return Overloaded(said, status=status)
        if (status == 404 and _MODEL.search(words)) or (status in (400, 422) and _NO_MODEL.search(words)):
            return ModelMissing(f"{said} (model {model!r}{self._rules.lists and f'; {self._rules.lists}'})", status=status)
        if 300 <= status < 400:
            return BadRequest(f"{self.where} sends its callers elsewhere (HTTP {status}); write the final address as base_url", status=status)
        hints = [hint for pattern, hint in self._rules.hints if re.search(pattern, words, re.IGNORECASE)]
        return BadRequest(" ".join((said, *(hints or [self._rules.address] * (status == 404)))), status=status)


def _names(error: BaseException | None) -> Iterator[str]:
    return (cls.__name__ for cls in type(error).__mro__)


def _asked(message: str) -> float | None:
    """Return the seconds that a message asks to wait; inside of a stream no header does."""
    said = _AGAIN.search(message)
    return float(said[1]) * (0.001 if said[2].lower() == "ms" else 1.0) if said else None
