"""What is known of OpenAI's models."""

from __future__ import annotations

import re

__all__ = ["most_effort", "thinks"]

_THINKS = re.compile(r"(?:o[1-9]|gpt-(?:[5-9]|\d\d)(?!\d)|gpt-oss|codex|computer-use)(?!.*-chat)")
_MAX = re.compile(r"gpt-(?:5\.[6-9]|[6-9]|\d\d)(?!\d)")
_XHIGH = re.compile(r"gpt-5\.[2-5](?!\d)|gpt-5\.1-codex-max")


def thinks(model: str) -> bool:
    """Tell whether a model is one of those that think before they answer, by its name; false for names of one's own, such as deployments."""
    return bool(_THINKS.match(model))


def most_effort(model: str) -> str:
    """Return the API's word for the most reasoning effort that a model takes, by its name."""
    if _MAX.match(model):
        return "max"
    return "xhigh" if _XHIGH.match(model) else "high"
