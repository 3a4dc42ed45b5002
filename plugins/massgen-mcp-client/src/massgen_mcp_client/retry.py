"""How often and how soon something is tried again, and what may be tried again at all."""

from __future__ import annotations

import random
from collections.abc import Iterator

from massgen_core.api import ToolAnnotations
from massgen_mcp_client.config import RetryConfig

__all__ = ["delays", "may_repeat"]


def delays(policy: RetryConfig, rng: random.Random) -> Iterator[float]:
    """Yield the seconds to wait before each further attempt: one value fewer than there are attempts.

    The waits grow by `factor` up to `max_seconds`; `jitter` is the part of each wait that is drawn by lot, so that many clients that lost one server
    do not return to it at the same moment.
    """
    wait = policy.seconds
    for _ in range(policy.attempts - 1):
        yield wait * (1.0 - policy.jitter * rng.random())
        wait = min(wait * policy.factor, policy.max_seconds)


def may_repeat(method: str, *, was_sent: bool, annotations: ToolAnnotations | None = None, is_trusted: bool = False) -> bool:
    """Say whether a request that failed may be made again.

    What never left this machine may. So may everything that only reads: all methods but `tools/call`, and a tool that says it only reads or can be
    repeated, where its server's word is trusted.

    Args:
        method: The protocol's name of the request, for instance `tools/call`.
        was_sent: The server may have received it.
        annotations: What the tool's server says about it.
        is_trusted: The configuration trusts that.
    """
    if not was_sent or method != "tools/call":
        return True
    return is_trusted and annotations is not None and (annotations.read_only or annotations.idempotent)
