"""The options of `consensus`."""

from __future__ import annotations

from typing import Any, Literal

import attrs
from attrs import validators

__all__ = ["ConsensusConfig", "calls"]


def _help(text: str, **field: Any) -> Any:
    return attrs.field(metadata={"help": text}, **field)


@attrs.frozen(kw_only=True)
class ConsensusConfig:
    """How agents come to one answer."""

    max_answers_per_agent: int = _help("answers that an agent may give, the first included", default=3, validator=validators.ge(1))
    reminders: int = _help(
        "how often a turn that breaks the rules is told so, before its text is taken or it abstains", default=3, validator=validators.ge(0)
    )
    plain_text: Literal["remind", "accept"] = _help("a first answer written without the tool: remind, or take it at once", default="remind")
    voting_sensitivity: Literal["lenient", "balanced", "strict"] = _help(
        "how readily agents improve instead of voting, and how much a new answer must differ: from any other answer by a letter (lenient), "
        "in 30 percent of the words (balanced), in half of them (strict)",
        default="balanced",
    )
    on_new_answer: Literal["inject", "restart"] = _help(
        "agents that are voting when a new answer comes: tell them, or start them again", default="inject"
    )
    tie: Literal["lot", "registration"] = _help("a tie is decided by a lot drawn from the seed, or by the order of the configuration", default="lot")
    early_stop: bool = _help("end the vote as soon as the votes that are missing cannot change the winner", default=True)
    self_vote: Literal["allow", "forbid"] = _help("whether an agent may vote for its own answer", default="allow")
    final: Literal["present", "reuse"] = _help(
        "the winner writes a final text with the others' insights, or its answer is the result", default="present"
    )


def calls(config: ConsensusConfig, agents: int) -> tuple[int, int]:
    """Return how many model calls a run usually has, and at most."""
    patience = 1 + config.reminders
    if agents == 1:
        return 1, patience
    # Each new answer has everybody vote again, and may cost everybody a response that it makes worthless.
    rounds = 1 + agents * (config.max_answers_per_agent - 1)
    is_written = config.final == "present"
    return 2 * agents + is_written, agents * patience * (1 + rounds) + agents * (rounds - 1) + patience * is_written
