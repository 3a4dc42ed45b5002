"""What tokens cost."""

from __future__ import annotations

from typing import Any

import attrs

from massgen_core.messages import Usage

__all__ = ["Price", "cost_text"]

_AMOUNT = attrs.validators.ge(0)
_OPTIONAL = attrs.validators.optional(_AMOUNT)


def _field(text: str, **field: Any) -> Any:
    return attrs.field(metadata={"help": text}, **field)


@attrs.frozen(kw_only=True)
class Price:
    """A model's price in US dollars per million tokens, as it was on a day.

    Attributes:
        input: Input tokens that were neither read from nor written to a cache.
        output: Output tokens.
        cached: Input tokens read from a cache; None: as `input`.
        written: Input tokens written to a cache; None: as `input`.
        reasoning: Output tokens spent on reasoning; None: as `output`.
        as_of: The day, `2026-01-31`; prices change, and a reader must see how old this one is.
    """

    input: float = _field("US dollars for a million input tokens", validator=_AMOUNT)
    output: float = _field("US dollars for a million output tokens", validator=_AMOUNT)
    cached: float | None = _field("for a million input tokens read from a cache; unset: as `input`", default=None, validator=_OPTIONAL)
    written: float | None = _field("for a million input tokens written to a cache; unset: as `input`", default=None, validator=_OPTIONAL)
    reasoning: float | None = _field("for a million tokens of reasoning; unset: as `output`", default=None, validator=_OPTIONAL)
    as_of: str = _field("the day of this price, for people", default="")

    def of(self, usage: Usage) -> float:
        """Return the cost of some usage in US dollars."""
        cached = self.input if self.cached is None else self.cached
        written = self.input if self.written is None else self.written
        reasoning = self.output if self.reasoning is None else self.reasoning
        total = usage.input * self.input + usage.cached * cached + usage.written * written + usage.output * self.output
        return (total + usage.reasoning * reasoning) / 1_000_000


def cost_text(usage: Usage) -> str:
    """Say what usage cost: `$0.0123`, `$0`, `at least $0.0123` where a part has no known price, `cost unknown`; empty where nothing was used."""
    if usage.cost is None:
        return "cost unknown" if usage.total else ""
    return f"{'at least ' if usage.unpriced else ''}{f'${usage.cost:.4f}' if usage.cost else '$0'}"
