"""What a provider's headers say about its limits and about waiting."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

import attrs

__all__ = ["RateLimit", "RateLimits", "rate_limits", "retry_after"]

_WHATS = ("limit", "remaining", "reset")
# Where a provider counts over several spans of time, the shortest one is the one that is reached.
_SPANS = ("", "second", "minute", "hour", "day")
_SUBJECTS = {"": "requests", "requests": "requests", "tokens": "tokens", "input-tokens": "input_tokens", "output-tokens": "output_tokens"}
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PIECE = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)(ns|us|µs|ms|s|m|h|d)")


@attrs.frozen(kw_only=True)
class RateLimit:
    """One limit of a provider; None where it does not say.

    Attributes:
        limit: How many in a window of the provider's.
        remaining: How many are left of them.
        reset: Seconds until all are there again.
    """

    limit: int | None = None
    remaining: int | None = None
    reset: float | None = None


@attrs.frozen(kw_only=True)
class RateLimits:
    """The limits that a provider told with an answer; None where it told none.

    Attributes:
        input_tokens: Where a provider limits input apart from output.
        output_tokens: Where a provider limits output apart from input.
    """

    requests: RateLimit | None = None
    tokens: RateLimit | None = None
    input_tokens: RateLimit | None = None
    output_tokens: RateLimit | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """What is left, for a person: `59 of 60 requests left`; only what was told."""
        said = ((self.requests, "requests"), (self.tokens, "tokens"), (self.input_tokens, "input tokens"), (self.output_tokens, "output tokens"))
        return tuple(
            f"{one.remaining:,}{f' of {one.limit:,}' if one.limit is not None else ''} {what} left"
            for one, what in said
            if one is not None and one.remaining is not None
        )


def rate_limits(headers: Mapping[str, str], now: datetime | None = None) -> RateLimits | None:
    """Return the limits in an answer's headers; None where there are none.

    Both orders of words are read, `x-ratelimit-remaining-tokens` and `anthropic-ratelimit-tokens-remaining`, and times as seconds, as durations
    (`1m30.5s`), as dates and as seconds or milliseconds since the epoch.

    Args:
        headers: Names in any case.
        now: Of the answer; the present without it.
    """
    found: dict[str, dict[str, tuple[int, float]]] = {}
    for name, value in headers.items():
        _, known, rest = name.lower().partition("ratelimit-")
        if not known:
            continue
        words = rest.split("-")
        what = next((word for word in _WHATS if word in words), "")
        span = words[-1] if words[-1] in _SPANS else ""
        subject = _SUBJECTS.get("-".join(word for word in words if word not in (what, span)))
        number = _seconds(value, now) if what == "reset" else _count(value)
        if not what or subject is None or number is None:
            continue
        rank = _SPANS.index(span)
        if rank < found.setdefault(subject, {}).get(what, (99, 0.0))[0]:
            found[subject][what] = (rank, number)
    made = {subject: RateLimit(**{what: number for what, (_, number) in said.items()}) for subject, said in found.items() if said}  # type: ignore[arg-type]
    return RateLimits(**made) if made else None


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Return the seconds that a provider asks to wait, from seconds, milliseconds or a date; None where it does not say.

    Args:
        headers: With lower-case names, or a mapping that does not tell cases apart.
        now: Of the answer; the present without it.
    """
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) * scale
        except ValueError:
            continue
        if 0 <= seconds < float("inf"):
            return seconds
    said = headers.get("retry-after", "").strip()
    if not said:
        return None
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - only few say a date

    try:
        when = parsedate_to_datetime(said)
    except (TypeError, ValueError):
        return None
    return _until(when, now)


def _count(value: str) -> int | None:
    value = value.strip()
    return int(value) if re.fullmatch(r"\d{1,15}", value, re.ASCII) else None


def _seconds(value: str, now: datetime | None) -> float | None:
    value = value.strip()[:100]
    if re.fullmatch(r"\d{1,15}(\.\d{1,12})?", value, re.ASCII):
        number = float(value)
        number = number / 1000 if number > 1e11 else number
        if number < 1e9:
            return number
        return _until(datetime.fromtimestamp(number, UTC), now) if number < 1e11 else None
    if value and re.fullmatch(f"(?:{_PIECE.pattern})+", value, re.ASCII):
        return sum(float(number) * _UNITS[unit] for number, unit in _PIECE.findall(value))
    try:
        return _until(datetime.fromisoformat(value), now)
    except ValueError:
        return None


def _until(when: datetime, now: datetime | None) -> float:
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - (now or datetime.now(UTC))).total_seconds())
