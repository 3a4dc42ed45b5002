"""Rate limits and waiting times as providers write them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_core.rates import RateLimit, RateLimits, rate_limits, retry_after

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_limits_are_read_where_the_subject_comes_last() -> None:
    """Most providers write `x-ratelimit-<what>-<subject>`, with durations in words."""
    headers = {
        "x-ratelimit-limit-requests": "60",
        "X-RateLimit-Remaining-Requests": "59",
        "x-ratelimit-reset-requests": "1m30.5s",
        "x-ratelimit-remaining-tokens": "149984",
        "x-ratelimit-reset-tokens": "6ms",
        "content-type": "text/plain",
    }

    expected = RateLimits(requests=RateLimit(limit=60, remaining=59, reset=90.5), tokens=RateLimit(remaining=149984, reset=0.006))
    assert expected == rate_limits(headers, NOW)


def test_limits_are_read_where_the_subject_comes_first() -> None:
    """Some write the subject first, and the reset as a date."""
    headers = {
        "anthropic-ratelimit-input-tokens-limit": "40000",
        "anthropic-ratelimit-input-tokens-remaining": "39000",
        "anthropic-ratelimit-input-tokens-reset": "2026-01-02T03:05:05Z",
        "anthropic-ratelimit-output-tokens-limit": "8000",
    }

    expected = RateLimits(input_tokens=RateLimit(limit=40000, remaining=39000, reset=60.0), output_tokens=RateLimit(limit=8000))
    assert expected == rate_limits(headers, NOW)


def test_the_shortest_span_counts() -> None:
    """A provider that counts a minute and a day is read as what is reached first."""
    headers = {"x-ratelimit-limit-tokens-day": "1000000", "x-ratelimit-limit-tokens-minute": "60000", "x-ratelimit-limit-requests-day": "14400"}

    assert RateLimits(requests=RateLimit(limit=14400), tokens=RateLimit(limit=60000)) == rate_limits(headers, NOW)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("12", 12.0),
        ("0.5", 0.5),
        ("2h1m", 7260.0),
        ("1767323105", 60.0),
        ("1767323105000", 60.0),
        ("2026-01-02T03:04:00", 0.0),
        ("999999999999999", None),
        ("soon", None),
        ("", None),
    ],
)
def test_times_in_every_form(said: str, seconds: float | None) -> None:
    """A reset is seconds, a duration, a date or a number since the epoch; other text says nothing."""
    found = rate_limits({"x-ratelimit-reset": said}, NOW)

    assert seconds == (found.requests.reset if found and found.requests else None)


def test_no_limits_are_none() -> None:
    """Without such headers there is nothing, rather than zeros."""
    assert rate_limits({"content-type": "text/plain", "x-ratelimit-policy": "x", "x-ratelimit-remaining": "-1"}, NOW) is None


NAMES = st.text(max_size=12).map(lambda text: f"x-ratelimit-{text}") | st.sampled_from(["x-ratelimit-reset", "retry-after"])


@given(st.dictionaries(NAMES, st.text() | st.text("0123456789.hms-:TZ", max_size=20)))
def test_no_header_breaks_reading(headers: dict[str, str]) -> None:
    """Whatever a server writes, reading it raises nothing and waits are never negative."""
    rate_limits(headers, NOW)
    wait = retry_after(headers, NOW)

    assert wait is None or wait >= 0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after": "Fri, 02 Jan 2026 03:04:35 GMT"}, 30.0),
        ({"retry-after": "Fri, 02 Jan 2026 03:04:00 GMT"}, 0.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "-5"}, None),
        ({}, None),
    ],
)
def test_waiting_times(headers: dict[str, str], seconds: float | None) -> None:
    """A waiting time is seconds, milliseconds or a date."""
    assert seconds == retry_after(headers, NOW)
