"""Waits between attempts, and what may be attempted again."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_core.api import ToolAnnotations
from massgen_mcp_client.config import RetryConfig
from massgen_mcp_client.retry import delays, may_repeat

POLICIES = st.builds(
    RetryConfig,
    attempts=st.integers(1, 30),
    seconds=st.floats(0, 10),
    factor=st.floats(1, 100),
    max_seconds=st.floats(0, 1000),
    jitter=st.floats(0, 1),
)


@given(POLICIES, st.integers())
def test_waits_are_bounded(policy: RetryConfig, seed: int) -> None:
    """One wait fewer than attempts, none longer than the longest, none negative."""
    waits = list(delays(policy, random.Random(seed)))

    assert len(waits) == policy.attempts - 1
    assert all(0 <= wait <= max(policy.seconds, policy.max_seconds) for wait in waits)


def test_waits_grow() -> None:
    """Without a lot, each wait is so many times longer than the one before, up to the longest."""
    policy = RetryConfig(attempts=6, seconds=1, factor=3, max_seconds=20, jitter=0)

    assert list(delays(policy, random.Random(0))) == [1, 3, 9, 20, 20]


@given(st.integers())
def test_the_lot_spreads_clients(seed: int) -> None:
    """With jitter, two clients that lost one server rarely come back at the same moment."""
    policy = RetryConfig(jitter=1.0, seconds=1)

    assert list(delays(policy, random.Random(seed))) == list(delays(policy, random.Random(seed)))
    assert list(delays(policy, random.Random(seed))) != list(delays(policy, random.Random(seed + 1)))


@pytest.mark.parametrize(
    ("method", "was_sent", "annotations", "is_trusted", "expected"),
    [
        ("tools/call", False, None, False, True),
        ("tools/call", True, None, True, False),
        ("tools/call", True, ToolAnnotations(read_only=True), False, False),
        ("tools/call", True, ToolAnnotations(read_only=True), True, True),
        ("tools/call", True, ToolAnnotations(idempotent=True), True, True),
        ("tools/call", True, ToolAnnotations(), True, False),
        ("tools/list", True, None, False, True),
        ("resources/read", True, None, False, True),
    ],
)
def test_only_what_is_safe_is_repeated(method: str, was_sent: bool, annotations: ToolAnnotations | None, is_trusted: bool, expected: bool) -> None:
    """A call that a server may have carried out is repeated only on a trusted server's word."""
    assert may_repeat(method, was_sent=was_sent, annotations=annotations, is_trusted=is_trusted) is expected
