"""The verdict lattice: what may be done with a tool call, and how several opinions become one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias

import attrs

__all__ = ["LEVELS", "Level", "Verdict", "join"]

Level: TypeAlias = Literal["allow", "warn", "ask", "deny"]
LEVELS: tuple[Level, ...] = ("allow", "warn", "ask", "deny")


@attrs.frozen(kw_only=True)
class Verdict:
    """An opinion on a tool or on one call of it.

    Attributes:
        level: `allow`, `warn` (do it, tell a person), `ask` (a person decides) or `deny`.
        reason: For a person and for the model.
        rule: The name of the rule that fired, so that it can be looked up and overridden.
        is_idempotent: Doing the call twice does no more than doing it once; a resumed run may repeat it.
    """

    level: Level
    reason: str = ""
    rule: str = ""
    is_idempotent: bool = False


def join(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the strictest verdict; reasons and rules of all that are equally strict are kept, sorted.

    The result does not depend on the order of the verdicts, and joining a verdict with itself changes nothing. It is idempotent only where
    every verdict says so. Without any verdict the level is `ask`: deny by default.
    """
    every = tuple(verdicts)
    if not every:
        return Verdict(level="ask", reason="no classifier has an opinion")
    level = max((verdict.level for verdict in every), key=LEVELS.index)
    strictest = [verdict for verdict in every if verdict.level == level]
    return Verdict(
        level=level,
        reason="; ".join(sorted({part for verdict in strictest for part in verdict.reason.split("; ") if part})),
        rule=", ".join(sorted({part for verdict in strictest for part in verdict.rule.split(", ") if part})),
        is_idempotent=all(verdict.is_idempotent for verdict in every),
    )
