"""What tokens cost."""

from __future__ import annotations

import attrs

from massgen_core.messages import Usage

__all__ = ["Price"]


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

    input: float = attrs.field(metadata={"help": "US dollars for a million input tokens"})
    output: float = attrs.field(metadata={"help": "US dollars for a million output tokens"})
    cached: float | None = attrs.field(default=None, metadata={"help": "for a million input tokens read from a cache; without it as `input`"})
    written: float | None = attrs.field(default=None, metadata={"help": "for a million input tokens written to a cache; without it as `input`"})
    reasoning: float | None = attrs.field(default=None, metadata={"help": "for a million tokens of reasoning; without it as `output`"})
    as_of: str = attrs.field(default="", metadata={"help": "the day of this price, for people"})

    def of(self, usage: Usage) -> float:
        """Return the cost of some usage in US dollars."""
        cached = self.input if self.cached is None else self.cached
        written = self.input if self.written is None else self.written
        reasoning = self.output if self.reasoning is None else self.reasoning
        total = usage.input * self.input + usage.cached * cached + usage.written * written + usage.output * self.output
        return (total + usage.reasoning * reasoning) / 1_000_000
